"""Every member sees nothing that was not known its lead before the day, and its quantiles do not cross."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from dispatch.forecasts.day_table import DayTable
from dispatch.forecasts.members.listed import MEMBERS
from dispatch.forecasts.members.member import Member
from dispatch.forecasts.past import Past
from dispatch.forecasts.rolling_origin import rolled
from ledger.calendars import calendar
from tests.dispatch.forecasts.synthetic import ZONE, history


def past(days: int, spoilt_last: int = 0) -> Past:
    table = history(days).table(ZONE)
    values = table.values.copy()
    if spoilt_last:
        values[-spoilt_last:] = values[-spoilt_last:] * -3 + 1e6
    values[5, 7] = np.nan
    return Past(days=DayTable(first=table.first, values=values), calendar=calendar("CN"))


@pytest.mark.parametrize("member", MEMBERS, ids=lambda one: one.name)
@pytest.mark.parametrize("lead", [1, 3])
def test_a_day_is_forecast_from_days_before_it_alone(member: Member, lead: int) -> None:
    """Days told later may say anything: neither the fit nor the forecast of an earlier day changes."""
    honest, spoilt = past(64), past(64, spoilt_last=4)
    day = honest.last - timedelta(days=4 - lead)
    until = honest.last - timedelta(days=4)
    found = [
        member.fit(one.until(until), lead).predict(one, day, day)
        for one in (honest.until(until), honest, spoilt)
    ]
    for other in found[1:]:
        assert found[0].expected.tobytes() == other.expected.tobytes()
        assert found[0].quantiles.tobytes() == other.quantiles.tobytes()
    assert np.isfinite(found[0].expected).all()
    assert (np.diff(found[0].quantiles, axis=0) >= 0).all()
    later = member.fit(spoilt, lead).predict(spoilt, day + timedelta(days=4), day + timedelta(days=4))
    assert later.expected.tobytes() != found[0].expected.tobytes()


def test_a_rolling_origin_forecasts_each_day_once_from_before() -> None:
    """Three fits of 10, 10 and 5 days; a change of the last day changes no forecast of another day."""
    honest, spoilt = past(64), past(64, spoilt_last=1)
    first = honest.last - timedelta(days=24)
    members = MEMBERS[:3]
    one, other = (rolled(each, members, 1, first, each.last, refit_days=10) for each in (honest, spoilt))
    assert one.days == 25
    for mine, theirs in zip(one.predictions, other.predictions, strict=True):
        assert mine.expected.shape == (25, 24)
        assert mine.expected.tobytes() == theirs.expected.tobytes()
    assert one.actual[-1].tolist() != other.actual[-1].tolist()
    assert one.part(3, 5).actual.tolist() == one.actual[3:5].tolist()
