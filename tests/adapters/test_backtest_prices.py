"""Sites that a market pays the same prices have one forecast of them, made once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import numpy as np
import pytest

from adapters.backtest import priced_day
from adapters.backtest.priced_day import Bearing, PriceHistory, Timing, forecast_prices
from dispatch.forecasts.forecast import Forecast, Subject
from dispatch.forecasts.known import Known
from dispatch.forecasts.learned import Learned
from dispatch.forecasts.make import make
from dispatch.forecasts.request import ForecastRequest
from dispatch.value.site_month import SiteMonth
from tests.dispatch.value.months import month

FIRST = date(2026, 8, 3)


def history() -> PriceHistory:
    """Hourly prices of the 20 days before the first, and of the three that are planned."""
    end = datetime(2026, 8, 6, tzinfo=UTC)
    start = int(end.timestamp()) - 3600 * np.arange(23 * 24, 0, -1, dtype=np.int64)
    value = 300_000 + 100_000 * np.sin(start / 3600 / 12 * 2 * np.pi)
    known = Known(interval_s=3600, start=start, value=value, known_at=start)
    return PriceHistory.published(Subject.parse("price:m:n:day_ahead"), "EUR", "UTC", known, Timing())


def site(name: str) -> SiteMonth:
    return msgspec.structs.replace(month([0] * 24, days=3), id=name)


def test_two_sites_at_one_node_ask_for_one_forecast_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[date, int]] = []

    def counted(request: ForecastRequest, learned: Learned) -> Forecast:
        made.append((request.first_day, request.days))
        return make(request, learned)

    monkeypatch.setattr(priced_day, "make", counted)
    prices = history()
    bearings = {"S1": Bearing(), "S2": Bearing(drawn_micro=7, sent_micro=3)}
    found = []
    for name, bearing in bearings.items():
        own = site(name)
        asked = forecast_prices(prices, own, Timing(), bearing)
        found.append([asked(number, own.of_days(number, 2)) for number in range(3)])
    assert made == [(FIRST, 2), (FIRST + timedelta(days=1), 2), (FIRST + timedelta(days=2), 1)]
    for one, other in zip(*found, strict=True):
        assert one is not None
        assert other is not None
        assert (other.buy_micro - one.buy_micro == 7).all()
        assert (other.sell_micro - one.sell_micro == 3).all()
