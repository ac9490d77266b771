"""A request becomes a forecast: honest as of its issue, repeatable, and plain about what it lacks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import numpy as np
import pytest

from dispatch.forecasts.forecast import Forecast, Subject
from dispatch.forecasts.known import Known
from dispatch.forecasts.make import make
from dispatch.forecasts.request import PeerHistory
from ledger.calendars import calendar
from ledger.refusal import Refused
from tests.dispatch.forecasts.synthetic import FIRST_DAY, ISSUED, history, request

encode = msgspec.json.Encoder(order="deterministic").encode
LOAD = {"subject": Subject.parse("load:S1"), "currency": ""}


def joined(*parts: Known) -> Known:
    return Known(
        interval_s=parts[0].interval_s,
        start=np.concatenate([one.start for one in parts]),
        value=np.concatenate([one.value for one in parts]),
        known_at=np.concatenate([one.known_at for one in parts]),
    )


def later(known: Known, factor: float) -> Known:
    """The same intervals as told after the issue: corrections, and the days that were forecast."""
    after = np.full(len(known.start) + 48, int(ISSUED.timestamp()) + 1, dtype=np.int64)
    start = np.concatenate([known.start, known.start[-1] + 3600 * np.arange(1, 49)])
    value = np.concatenate([known.value, np.full(48, known.value.mean())]) * factor
    return Known(interval_s=known.interval_s, start=start, value=value, known_at=after)


def temperature(known: Known) -> Known:
    """Of each hour and a day beyond: known two days before."""
    start = np.concatenate([known.start, known.start[-1] + 3600 * np.arange(1, 25)])
    return Known(
        interval_s=3600, start=start, value=np.sin(start / 3600.0) + 20.0, known_at=start - 2 * 86_400
    )


def test_nothing_known_after_the_issue_changes_a_byte() -> None:
    """As-of honest: history and inputs told later, whatever they say, give the same bytes; one value that was
    known gives others."""
    own = history(66)
    warm = temperature(own)
    made = make(request(own, inputs={"temperature": warm}))
    told = request(joined(later(own, 7.0), own), inputs={"temperature": joined(warm, later(warm, -3.0))})
    assert encode(make(told)) == encode(made)
    _is_sound(made)
    few = history(20)
    before = make(request(few))
    assert encode(make(request(joined(later(few, 0.0), few)))) == encode(before)
    few.value[-24 * 3] *= 1.5
    assert make(request(few)).features != before.features


def _is_sound(made: Forecast) -> None:
    assert made.start == datetime(2026, 6, 9, 16, tzinfo=UTC)
    assert len(made.expected) == 24
    assert made.cold_start == ""
    assert {one.name for one in made.members} == {"naive", "seasonal_mean", "lear", "boosted_trees"}
    assert sum(one.weight_permille for one in made.members) == 1000
    assert made.scores is not None
    assert made.scores.captured_permille is not None
    assert made.scores.captured_permille > 850
    truth = 400_000 * (1 + 0.4 * np.sin((np.arange(24) - 9) / 24 * 2 * np.pi))
    assert np.abs(np.array(made.expected) / truth - 1).max() < 0.15
    assert [row.level_permille for row in made.quantiles] == [50, 250, 500, 750, 950]
    rows = np.array([row.values for row in made.quantiles])
    assert (np.diff(rows, axis=0) >= 0).all()
    assert (rows[0] <= made.expected).all()
    assert (made.expected <= rows[-1]).all()


def test_three_days_over_the_hour_that_is_skipped() -> None:
    """28 to 30 March in Berlin: 24, 23 and 24 hours; a short history leaves members out that need more."""
    first = date(2026, 3, 28)
    issued = datetime(2026, 3, 27, 12, tzinfo=UTC)
    own = history(33, until=date(2026, 3, 28))
    made = make(
        request(own, calendar=calendar("none", "Europe/Berlin"), issued_at=issued, first_day=first, days=3)
    )
    assert len(made.expected) == 71
    assert {one.name for one in made.members} == {"naive", "seasonal_mean"}
    with pytest.raises(Refused) as refused:
        make(request(own, issued_at=ISSUED, first_day=FIRST_DAY - timedelta(days=1)))
    assert refused.value.code == "forecast_horizon"


def test_a_new_site_is_its_peers_for_the_power_that_it_contracted() -> None:
    """Peers of 1 MW and 2 MW with means of 400 and 800 kW: a site of 500 kW is expected at 200 kW."""
    none = history(0)
    peers = (
        PeerHistory("P1", history(40), 1_000_000.0),
        PeerHistory("P2", history(40, level=800_000.0, seed=4), 2_000_000.0),
    )
    made = make(request(none, peers=peers, capacity_w=500_000.0, **LOAD))
    truth = 200_000 * (1 + 0.4 * np.sin((np.arange(24) - 9) / 24 * 2 * np.pi))
    assert np.abs(np.array(made.expected) / truth - 1).max() < 0.06
    assert made.cold_start == "peers' mean profile (P1, P2) at 500000 W contracted"
    assert made.scores is None
    week = history(7, level=800_000.0)
    own = make(request(week, peers=peers, capacity_w=500_000.0, **LOAD))
    assert 2.2 < np.mean(own.expected) / np.mean(made.expected) < 2.8, "half of its own level after a week"
    alone = make(request(week, **LOAD))
    assert alone.cold_start == "own mean of 7 days, fewer than 14: no peer stands in"
    with pytest.raises(Refused) as refused:
        make(request(none, **LOAD))
    assert refused.value.code == "forecast_history"


def test_pv_is_never_below_zero_and_an_unknown_year_is_said() -> None:
    """A calendar without the year's notice knows weekends alone, and the forecast says so."""
    own = history(20, until=date(2031, 6, 10))
    low = Known(
        interval_s=own.interval_s,
        start=own.start,
        value=np.maximum(own.value - 400_000.0, 0.0),
        known_at=own.known_at,
    )
    issued = datetime(2031, 6, 9, 12, tzinfo=UTC)
    asked = request(
        low, subject=Subject.parse("pv:S1"), currency="", issued_at=issued, first_day=date(2031, 6, 10)
    )
    made = make(asked)
    assert min(min(row.values) for row in made.quantiles) == 0
    assert made.notes == ("no holiday notice for 2031 is out: weekends alone are known",)


def test_a_load_is_never_below_zero_unless_its_readings_were() -> None:
    """Idle but for a few hours, errors would reach below 0. A site that sends out may go there."""
    draw = np.random.default_rng(1)
    own = history(70)
    busy = np.where(draw.random(len(own.start)) < 0.2, 300_000.0, 0.0)
    idle = msgspec.structs.replace(own, value=busy)
    made = make(request(idle, **LOAD))
    assert min(made.expected) >= 0
    assert min(made.quantiles[0].values) == 0
    sends = msgspec.structs.replace(own, value=busy - 100_000.0)
    assert min(make(request(sends, **LOAD)).quantiles[0].values) < -50_000


def test_a_history_that_ended_long_ago_is_forecast_from_what_its_members_can_learn() -> None:
    """A feed that stopped 100 days ago: fewer days are judged, and those that need more are left out."""
    for days, ended in ((265, 100), (90, 40), (60, 20)):
        made = make(request(history(days, until=FIRST_DAY - timedelta(days=ended))))
        assert 200_000 < min(made.expected) < max(made.expected) < 600_000


def test_a_history_with_a_hole_of_months_is_forecast() -> None:
    """Ten days a year ago, and twenty now; or a hundred, and the last one: nothing known is no level of 0."""
    for before, since in ((10, 20), (100, 1)):
        old = history(before, until=FIRST_DAY - timedelta(days=250))
        made = make(request(joined(old, history(since))))
        assert 200_000 < min(made.expected) < max(made.expected) < 650_000
        outer = np.array([made.quantiles[0].values, made.quantiles[-1].values])
        assert np.abs(outer).max() < 5_000_000


@pytest.mark.parametrize(("days", "told"), [(7, False), (8, True), (83, True)])
def test_a_forecast_says_how_old_its_newest_day_is(days: int, told: bool) -> None:
    own = history(20, until=FIRST_DAY - timedelta(days=days - 1))
    notes = [one for one in make(request(own)).notes if "no whole day after" in one]
    assert [f"{days} days before the first" in one for one in notes] == ([True] if told else [])
