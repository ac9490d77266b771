"""What a local day may take out of the cells is a limit of each day, less what the day has given already."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from msgspec import structs

from adapters.planning.portfolio import horizon_of_days, local_days
from adapters.queries.recorded_plans import RecordedPlan, plan_at
from adapters.settling import lowest_position, wait_until
from dispatch.planning.storage_terms import StorageTerms
from tests.adapters.conftest import Bench
from tests.adapters.planning.plan_book import DAY, MIDNIGHT, TERMS, flat, forecast, furnished, planner, stated
from tests.adapters.planning.storage_alone import merchant

CYCLED = structs.replace(TERMS, day_discharge_wh=200_000)


def newest(bench: Bench, site: str, at: int = 0) -> RecordedPlan:
    wait_until(bench.database, bench.book, bench.recorder.max_notification_id() or 0, 10)
    with bench.database.reading(bench.book) as connection:
        instant = MIDNIGHT + timedelta(hours=at)
        found = plan_at(connection, lowest_position(connection), site, instant)
    assert found is not None
    return found


def cells_wh(setpoint_w: tuple[int, ...], terms: StorageTerms = CYCLED) -> float:
    """Out of the cells, of quarter-hours."""
    return sum(max(one, 0) for one in setpoint_w) / 4 * 1e6 / terms.discharge_ppm


def test_each_of_two_days_has_its_own_limit(bench: Bench) -> None:
    furnished(bench, CYCLED)
    forecast(bench, flat(192))
    with planner(bench) as (one, _):
        made = one.plan("S1", DAY, days=2)
        (site,) = newest(bench, "S1").sites
    assert (made.head.count, made.head.violations) == (192, ())
    days = [cells_wh(site.setpoint_w[:96]), cells_wh(site.setpoint_w[96:])]
    assert [round(day, -2) for day in days] == [200_000, 200_000]


def test_a_day_of_25_hours_is_one_day() -> None:
    for day, count in ((date(2026, 10, 25), 100), (date(2026, 3, 29), 92)):
        numbers = local_days(horizon_of_days("Europe/Berlin", day, 2, 900), "Europe/Berlin")
        assert np.bincount(numbers).tolist() == [count, 96]


def test_what_the_day_discharged_as_read_is_gone(bench: Bench) -> None:
    """The readings of 20 August give 50 kWh in each quarter-hour of the dearest hours."""
    furnished(bench, structs.replace(TERMS, day_discharge_wh=900_000))
    forecast(bench, flat(192))
    with planner(bench) as (one, _):
        made = one.plan("S1", MIDNIGHT + timedelta(hours=19, minutes=30), trigger="rolling")
        (site,) = newest(bench, "S1", 20).sites
    used = made.head.discharged_wh["S1"]
    assert used > 0
    assert used % (50_000 * 10**6 // 950_000) < 20, "whole quarter-hours, as read"
    assert not [note for note in made.head.notes if "discharged" in note]
    assert cells_wh(site.setpoint_w[:18]) <= max(0, 900_000 - used) + 100


def test_what_was_not_read_counts_as_planned_from_plan_to_plan(bench: Bench) -> None:
    """Nobody imports readings of S2: what its plans gave is gone, not given again by the next one."""
    furnished(bench)
    merchant(bench, "S2", "load")
    stated(bench, CYCLED, "S2")
    forecast(bench, flat(192), site="S2")
    told: list[int] = []
    notes: list[str] = []
    given = 0.0
    with planner(bench) as (one, _):
        for hour in (0, 12, 18, 21):
            made = one.plan("S2", MIDNIGHT + timedelta(hours=hour), trigger="rolling")
            told.append(made.head.discharged_wh["S2"])
            notes += made.head.notes
            (site,) = newest(bench, "S2", hour).sites
            left = cells_wh(site.setpoint_w[: 96 - hour * 4])
            assert told[-1] + left <= 200_000 + 100
            until = {0: 48, 12: 24, 18: 12, 21: 12}[hour]
            given += cells_wh(site.setpoint_w[:until])
    assert told[0] == 0
    assert told == sorted(told)
    assert told[-1] > 0
    assert given <= 200_000 + 100
    assert any("not all that the day discharged is read" in note for note in notes)
