"""A setpoint's links: from the plan, under an emergency, to the readings of the meter that showed it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from adapters.links.follows_plan import plan_cause
from adapters.links.obeys import emergency_cause
from adapters.queries.story.event import event
from dispatch.control.command_records import RecordReadBack, RecordSeen, RecordWritten, RecordWrittenFirst
from dispatch.control.command_steps import IntendSetpoint, LeaseSetpoint
from dispatch.control.emergency import EmergencyOrder, OrderEmergency, Scope
from dispatch.control.lease import TakeLease, first_token
from dispatch.control.setpoint import Setpoint
from dispatch.planning.plan_record import MakePlan, PlanHead
from ledger.device import Device, RegisterDevice
from ledger.effective import Period
from ledger.meter_import import RecordReadings
from ledger.readings import run_of
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.story.link_walk import WALKED, walked

NOON = datetime(2026, 8, 3, 12, tzinfo=UTC)
DAY = NOON.date()


def head(*rests_on: str) -> PlanHead:
    return PlanHead(
        portfolio="S1", day=date(2026, 8, 3), start=NOON, interval_s=900, count=4, trigger="asked",
        inputs="i", basis="hold", reason="r", objective="cost", objective_micro=None, bound_micro=None,
        gap_ppm=None, solver_ms=0, rests_on=rests_on,
    )  # fmt: skip


def test_from_the_plan_to_the_setpoint_to_the_reading_and_back(bench: Bench) -> None:
    bench.now = NOON
    number = 0

    def do(command: Any) -> int:
        nonlocal number
        number += 1
        return bench.door.execute(command, command_id=f"c{number}", actor="driver").sequence

    for command in (sample.found_book(), sample.register_party(), sample.register_site()):
        do(command)
    do(RegisterDevice(Period(datetime(2026, 1, 1, tzinfo=UTC)), Device("a", "S1", "battery", 9_000, 9_000)))
    do(sample.register_meter())
    first = do(MakePlan(head("site.S1 v1", "commitment.vpp_2026-08-03: b1, b2"), 1))
    do(MakePlan(head(), 2))
    bench.now = NOON
    do(TakeLease("a", "driver-1", DAY, 900, 500))
    until = NOON + timedelta(minutes=15)
    plan = Setpoint(
        setpoint_w=500, expires_at=until, origin="plan", cause=plan_cause("plan.S1_2026-08-03 v1", first)
    )
    intended = do(IntendSetpoint("a", DAY, plan, "driver-1"))
    do(LeaseSetpoint("a", DAY, 1, "driver-1", first_token(DAY)))
    do(RecordWritten("a", DAY, 1, first_token(DAY), 0, NOON + timedelta(seconds=3)))
    do(RecordReadBack("a", DAY, 1, 500, NOON + timedelta(seconds=4)))
    seen = do(RecordSeen("a", DAY, 1, "M1", 500, NOON + timedelta(seconds=9), 0))
    ordered = do(OrderEmergency(EmergencyOrder(kind="stop_all", scope=Scope("book")), "anna", "smoke"))
    do(OrderEmergency(EmergencyOrder(kind="hold", scope=Scope("book")), "anna", "look"))
    stop = Setpoint(setpoint_w=0, expires_at=until, origin="emergency", cause=emergency_cause(1))
    stopped = do(RecordWrittenFirst("a", DAY, stop, "j-1", 500, NOON + timedelta(seconds=20), "driver-1"))
    run = run_of("M1", "charge", datetime(2026, 8, 3, tzinfo=UTC), 900, np.full(96, 5), "A")
    read = do(RecordReadings("M1", "2026-08", "late", (run,)))
    bench.project()
    with bench.database.reading(bench.book) as connection:

        def of(sequence: int) -> set[tuple[str, int]]:
            (told,) = [one for one in event(connection, read, sequence).entries if one.sequence == sequence]
            return {
                (one.link, one.sequence) for one in told.links if one.link not in ("follows", "followed_by")
            }

        assert ("follows_plan", first) in of(intended), "the plan that it names, not the newest"
        assert ("followed_as", intended) in of(first)
        assert ("obeys", ordered) in of(stopped), "the order that it names, not the last one"
        assert ("obeyed_by", stopped) in of(ordered)
        assert ("seen_in", read) in of(seen), "though the readings came later"
        assert ("shows_command", seen) in of(read)
        assert walked(connection, read, range(1, read + 1)) >= WALKED["driven"]
