"""What an emergency was the cause of ends with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from adapters.driving.goal import Goal, Situation, goal_of
from adapters.driving.wished import ENDING, OVERLAP, wished
from dispatch.control.fleet_turn import Told
from dispatch.control.setpoint import Setpoint

NOW = datetime(2026, 8, 3, 12, 2, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
RESPONSE = Setpoint(setpoint_w=50_000, expires_at=LATER, origin="emergency", cause="emergency 3")
PLAN = Setpoint(setpoint_w=40_000, expires_at=LATER, origin="plan", cause="plan.S1 v1")


def goal(**changes: Any) -> Goal:
    case = Situation(
        now=NOW, wanted=None, plan_until=None, standing=RESPONSE, standing_w=50_000, agreed=None,
        nats_lost=False, clock_lost=False, said=True,
    )  # fmt: skip
    return goal_of(msgspec.structs.replace(case, **changes), None)


def test_an_emergencys_setpoint_is_not_kept_when_it_is_over() -> None:
    ended = goal()
    assert (ended.setpoint.setpoint_w, ended.idle, ended.keep) == (0, True, False)
    assert goal(nats_lost=True).setpoint.setpoint_w == 0, "its time was over while the store was lost"
    assert goal(standing=PLAN).keep, "a newer plan may come before it expires"


def test_it_is_kept_while_it_stands_or_nobody_has_said() -> None:
    assert goal(said=False).keep, "started again, and not told yet what stands"
    renewed = msgspec.structs.replace(RESPONSE, expires_at=LATER + OVERLAP)
    assert goal(wanted=renewed, plan_until=LATER, nats_lost=True, standing_w=10_000).keep
    assert goal(wanted=renewed, plan_until=LATER).setpoint == renewed


def test_a_setpoint_ends_with_its_emergency() -> None:
    told = Told(device="a", setpoint_w=50_000, why="emergency", emergencies=(3,))

    def expires(**given: Any) -> datetime:
        found = wished(None, told, None, NOW, band_w=0, rated_w=250_000, **given)
        assert found is not None
        return found.expires_at

    quarter = NOW.replace(minute=15)
    assert expires() == quarter + OVERLAP
    assert expires(ends_at=LATER) == LATER + ENDING
    assert expires(ends_at=quarter + timedelta(hours=1)) == quarter + OVERLAP
