"""A plan begins with what the driver saw stored: a fact of the book, as it was known then."""

from __future__ import annotations

from datetime import datetime, timedelta

from dispatch.planning.stored_seen import SeeStored, StoredSeen
from tests.adapters.conftest import Bench
from tests.adapters.planning.plan_book import DAY, MIDNIGHT, TERMS, flat, forecast, furnished, planner
from tests.adapters.planning.test_planner import on_record


def see(bench: Bench, at: datetime, stored_wh: int) -> None:
    seen = StoredSeen(at, stored_wh, 250_000, 250_000)
    bench.door.execute(SeeStored("S1", seen), command_id=f"seen-{at}", actor="driver")


def test_a_plan_begins_with_what_was_seen_and_with_what_was_planned_from_then_on(bench: Bench) -> None:
    furnished(bench)
    forecast(bench, flat())
    see(bench, MIDNIGHT - timedelta(minutes=21), 300_000)
    with planner(bench) as (one, _):
        first = one.plan("S1", DAY)
        assert "start of S1: its terms' end_wh, 50000 Wh; no plan leads up to it" in first.head.rests_on, (
            "old"
        )
        before = on_record(bench).sites[0]
        start = MIDNIGHT + timedelta(hours=2)
        see(bench, start - timedelta(minutes=3), 200_000)
        one.plan("S1", start, trigger="rolling")
        rolled = on_record(bench)
        see(bench, start + timedelta(minutes=6), 210_000)
        again = one.plan("S1", start, trigger="site_lost")
    power = before.setpoint_w[7]
    inside = power * 10**6 // TERMS.discharge_ppm if power >= 0 else -(-power * TERMS.charge_ppm // 10**6)
    expected = 200_000 - inside * 180_000 // 3_600_000
    assert power, "something moves between then and the start"
    name = f"stored.S1_{(start - timedelta(minutes=3)).date()}"
    assert [one for one in rolled.head.rests_on if one.startswith("start of")] == [
        f"start of S1: {name} v{'2' if name.endswith('19') else '1'}, {expected} Wh"
    ]
    assert rolled.head.rests_on != again.head.rests_on
    power = rolled.sites[0].setpoint_w[0]
    inside = power * 10**6 // TERMS.discharge_ppm if power >= 0 else -(-power * TERMS.charge_ppm // 10**6)
    back = 210_000 + inside * 360_000 // 3_600_000
    assert any(line.endswith(f", {back} Wh") for line in again.head.rests_on), (back, again.head.rests_on)
