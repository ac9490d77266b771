"""What is imposed on a site holds for the interval that is running too, from when the plan is made on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from adapters.planning.portfolio import Horizon
from adapters.planning.site_limits import with_imposed
from adapters.queries.registered import Recorded
from adapters.settling import wait_until
from dispatch.plan_check import Whole
from dispatch.planning.imposed_limit import ImposedLimit
from ledger.effective import Period
from tests.adapters.conftest import Bench
from tests.adapters.planning.plan_book import MIDNIGHT, TERMS, flat, forecast, furnished, planner, stated
from tests.adapters.planning.test_planner import on_record
from tests.adapters.planning.test_redispatching import EVENING, SOLD_W, TEN, assert_near, by_site, lose, sold
from tests.dispatch.planning.test_following import limits

START = datetime(2026, 8, 20, 2, tzinfo=UTC)
WHOLE = 100_000
FIELDS = ("charge_w", "discharge_w", "import_w", "export_w")


def after(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def imposed(*spans: tuple[float, float | None, int | None]) -> tuple[Recorded[ImposedLimit], ...]:
    """Records in their order: from and to in minutes after the start, and the W that are left of each."""
    return tuple(
        Recorded(
            "S1",
            version,
            version,
            Period(after(begin), None if end is None else after(end)),
            ImposedLimit(reason="as it is", **dict.fromkeys(FIELDS, left)),
        )
        for version, (begin, end, left) in enumerate(spans, 1)
    )


def left(field: str, now: float | None, *spans: tuple[float, float | None, int | None]) -> list[int]:
    """Of 100 kW in four quarter-hours."""
    usual: dict[str, Whole] = {f"{one}_max": limits(4).charge_w_max for one in FIELDS}
    found = with_imposed(
        limits(4, **usual), imposed(*spans), Horizon(START, 900, 4), None if now is None else after(now)
    )
    return list(getattr(found, f"{field}_max").tolist())


@pytest.mark.parametrize("field", FIELDS)
def test_a_limit_that_began_in_the_running_interval_limits_it(field: str) -> None:
    assert left(field, 4, (4, None, 0)) == [0, 0, 0, 0]
    assert left(field, 5, (4, None, 30_000)) == [30_000] * 4
    assert left(field, 4, (4, 30, 0)) == [0, 0, WHOLE, WHOLE]


def test_a_limit_that_is_over_or_lifted_by_now_limits_no_more() -> None:
    assert left("charge_w", 5, (-60, 5, 0)) == [WHOLE] * 4
    assert left("charge_w", 5, (-60, None, 0), (4, None, None)) == [WHOLE] * 4
    assert left("charge_w", 5, (-60, None, 0), (4, None, 20_000)) == [20_000] * 4
    assert left("charge_w", 5, (2, 4, 0)) == [WHOLE] * 4
    assert left("charge_w", 5, (-60, 6, 0)) == [0, WHOLE, WHOLE, WHOLE], "it still holds"


def test_an_interval_that_is_to_come_keeps_to_the_least_of_its_parts() -> None:
    """A driver's clock may be a little ahead of the planner's: what begins in a moment limits as well."""
    assert left("charge_w", 5, (5.01, None, 0)) == [0] * 4
    assert left("charge_w", 5, (20, 25, 0)) == [WHOLE, 0, WHOLE, WHOLE]
    assert left("charge_w", 5, (15, 20, 0)) == [WHOLE, 0, WHOLE, WHOLE]
    assert left("charge_w", 5, (0, None, 50_000), (20, 30, 80_000)) == [50_000, 50_000, 50_000, 50_000]


def test_a_plan_before_or_after_its_time_takes_all_that_is_imposed_within_it() -> None:
    for now in (None, -30, 90):
        assert left("charge_w", now, (4, 10, 0), (30, None, 0)) == [0, WHOLE, 0, 0]


def test_a_storage_that_stopped_has_no_ramp_to_go_down() -> None:
    ramping = limits(4, ramp_w=10_000, start_setpoint_w=80_000)
    horizon = Horizon(START, 900, 4)
    assert with_imposed(ramping, imposed((4, None, 0)), horizon, after(5)).start_setpoint_w == 0
    assert with_imposed(ramping, imposed((4, None, 90_000)), horizon, after(5)).start_setpoint_w == 80_000
    assert with_imposed(ramping, imposed((20, None, 0)), horizon, after(5)).start_setpoint_w == 80_000


def test_a_site_lost_within_an_interval_is_not_filled_in_it(bench: Bench) -> None:
    """200 kWh below what it should hold at the end: it stands still, at no cost, and the note says so."""
    furnished(bench, structs.replace(TERMS, end_wh=300_000))
    forecast(bench, flat(192))
    bench.now = TEN + timedelta(minutes=4)
    lose(bench, "S1", bench.now)
    with planner(bench) as (one, _):
        made = one.plan("S1", TEN, trigger="site_lost", stored_wh={"S1": 100_000})
        (site,) = on_record(bench).sites
        stated(bench, structs.replace(TERMS, end_wh=100_000))
        nothing_short = one.plan("S1", TEN, trigger="site_lost", stored_wh={"S1": 100_000})
    assert set(site.setpoint_w) == {0}
    assert (made.head.basis, made.head.violations) == ("optimised", ())
    assert any("S1: holds 100000 Wh of 300000 at the end" in note for note in made.head.notes)
    assert not nothing_short.repeated
    assert made.head.objective_micro == nothing_short.head.objective_micro


def test_a_part_sold_in_the_running_interval_is_given_by_the_other(bench: Bench) -> None:
    sold(bench, "S1", "S2")
    stated(bench, structs.replace(TERMS, end_wh=300_000), "S1")
    now = MIDNIGHT + timedelta(hours=18)
    bench.now = now + timedelta(minutes=4)
    held = {"S1": 200_000, "S2": 200_000}
    with planner(bench) as (one, _):
        one.plan("vpp", now, trigger="rolling", stored_wh=held)
        assert [by_site(bench)[name][0] for name in ("S1", "S2")] == [40_000, 40_000]
        lose(bench, "S1", bench.now)
        wait_until(bench.database, bench.book, bench.recorder.max_notification_id() or 0, 10)
        made = one.plan("vpp", now, trigger="site_lost", stored_wh=held)
    found: Any = by_site(bench)
    assert set(found["S1"]) == {0}
    assert_near(found["S2"][: EVENING.stop - EVENING.start], SOLD_W)
    assert made.head.reason.startswith("S1 lost: S2 give in for it what they can")
