"""What a device is to do now: an emergency first, then what the loss table says, then what is wanted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from dispatch.control.fallback import FallbackSchedule
from dispatch.control.loss import PARTS, Part, on_loss
from dispatch.control.setpoint import Origin, Setpoint, lowers

STOP_LASTS: Final = timedelta(hours=1)
SCHEDULED: Final = "fallback "
"""How the cause of a setpoint begins that is of a fallback schedule; its digest follows."""


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """`wanted` with how long its plan holds; `standing` the setpoint that is written; `agreed` the fallback
    schedule that covers now. `said`: somebody has said what is wanted, if anything, since the driver began.
    `stop_cause`: an emergency's, "" for none."""

    now: datetime
    wanted: Setpoint | None
    plan_until: datetime | None
    standing: Setpoint | None
    standing_w: int | None
    agreed: FallbackSchedule | None
    nats_lost: bool
    clock_lost: bool
    said: bool
    stop_cause: str = ""


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """`keep`: what stands stays as it is. `urgent`: an emergency's stop. `agreed`: of the fallback schedule,
    whose intent is on record. `idle`: a stop because nothing else is known."""

    setpoint: Setpoint
    plan_until: datetime | None = None
    keep: bool = False
    urgent: bool = False
    agreed: bool = False
    idle: bool = False


def goal_of(case: Situation, before: Setpoint | None) -> Goal:
    """`before`: what the goal was; a stop for the same cause is the same."""
    if case.stop_cause:
        return Goal(setpoint=_stop(case.now, "emergency", case.stop_cause, before), urgent=True)
    wanted = case.wanted if case.wanted is not None and case.now < case.wanted.expires_at else None
    standing = case.standing if case.standing is not None and _in_force(case.standing, case) else None
    found = {"nats": case.nats_lost, "plan": wanted is None, "clock": case.clock_lost, "driver": False}
    lost = frozenset(part for part in PARTS if found[part])
    row = on_loss(lost, agreed=case.agreed is not None, in_force=standing is not None)
    match row.action:
        case "follow_plan":
            assert wanted is not None, "the plan is not lost"
            return Goal(setpoint=wanted, plan_until=case.plan_until)
        case "keep_setpoint":
            assert standing is not None, "it is in force"
            if wanted is not None and lowers(wanted, case.standing_w):
                return Goal(setpoint=wanted, plan_until=case.plan_until)
            return Goal(setpoint=standing, keep=True)
        case "follow_fallback":
            assert case.agreed is not None, "it is agreed"
            return Goal(setpoint=_scheduled(case.agreed, case.now), agreed=True)
        case "stop" | "revert":
            cause = f"{' and '.join(_sorted(lost))} lost: {row.why}"
            return Goal(setpoint=_stop(case.now, "fallback", cause, before), idle=True)


def _in_force(standing: Setpoint, case: Situation) -> bool:
    """What an emergency was the cause of is nothing to keep once that is over, whatever its power; nor is a
    stop for a loss."""
    stopped = standing.power_w_max == 0 and standing.origin in ("emergency", "fallback")
    obeyed = case.wanted is not None and case.wanted.origin == "emergency"
    over = standing.origin == "emergency" and case.said and not obeyed
    return case.now < standing.expires_at and not stopped and not over


def _stop(now: datetime, origin: Origin, cause: str, before: Setpoint | None) -> Setpoint:
    if before is not None and (before.origin, before.cause) == (origin, cause) and now < before.expires_at:
        return before
    return Setpoint(setpoint_w=0, expires_at=now + STOP_LASTS, origin=origin, cause=cause)


def _scheduled(schedule: FallbackSchedule, now: datetime) -> Setpoint:
    interval = timedelta(seconds=schedule.interval_s)
    end = schedule.start + ((now - schedule.start) // interval + 1) * interval
    cause = f"{SCHEDULED}{schedule.digest}"
    return Setpoint(setpoint_w=schedule.at(now), expires_at=end, origin="fallback", cause=cause)


def _sorted(lost: frozenset[Part]) -> list[str]:
    return [part for part in PARTS if part in lost]
