"""Revenue is forecast from what a storage would have earned by our own price forecasts."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from dispatch.forecasts.earnings import earnings
from dispatch.forecasts.forecast import Subject
from dispatch.forecasts.make import make
from dispatch.forecasts.members.listed import MEMBERS
from dispatch.forecasts.worth import Arbitrage
from ledger.calendars import calendar
from ledger.refusal import Refused
from tests.dispatch.forecasts.synthetic import ISSUED, ZONE, history, request


def test_earnings_are_below_foresight_and_grow_with_the_storage() -> None:
    """Of 57 days 40 can be judged; with 3 MW three times as much is earned as with 1 MW of equal hours."""
    price = history(57)
    china = calendar("CN")
    one = earnings(price, ISSUED, china, 1, power_kw=1000.0, energy_kwh=2000.0)
    three = earnings(price, ISSUED, china, 1, power_kw=3000.0, energy_kwh=6000.0)
    assert one.interval_s == 86_400
    assert np.allclose(3 * one.value, three.value)
    table = price.table(ZONE)
    actual = table.values[-len(one.value) :]
    best = 1000 * Arbitrage(1.0).of(actual, actual)
    assert (one.value <= best + 1.0).all()
    assert 0.8 * best.sum() < one.value.sum() < best.sum()
    assert (one.known_at <= ISSUED.timestamp()).all()
    assert len(one.value) == 57 - MEMBERS[0].days_min - 1 - 7
    asked = request(one, subject=Subject.parse("revenue:S1"))
    made = make(asked)
    assert len(made.expected) == 1
    assert made.unit == "micro"
    assert made.expected[0] == pytest.approx(one.value[-14:].mean(), rel=0.3)
    assert made.quantiles[0].values[0] < made.expected[0] < made.quantiles[-1].values[0]
    with pytest.raises(Refused) as refused:
        earnings(history(10), ISSUED - timedelta(hours=1), china, 1, power_kw=1.0, energy_kwh=2.0)
    assert refused.value.code == "forecast_history"
