"""What one device is to do now, as a wish under way: how often it was tried, and when it is tried again."""

from __future__ import annotations

from typing import Final

import msgspec

from adapters.driving.device_writes import Found
from adapters.driving.goal import Goal
from adapters.driving.one_device import OneDevice
from adapters.driving.tried import OVERWRITTEN_MAX, REFUSED_MAX, Wish
from dispatch.control.foreign_writer import ReadBack
from dispatch.control.interlock import Permission, Verdict, check_interlocks
from dispatch.control.setpoint import Setpoint
from ledger.refusal import Refused

AGAIN_S: Final = 1.0
STOP_AGAIN_S: Final = 10.0
_SAFE_AGAIN_S_MAX: Final = 60.0


class Wishes:
    """Of one device; `now` is the one that is being carried out."""

    def __init__(self, one: OneDevice) -> None:
        self.now: Wish | None = None
        self._one = one
        self._count = 0

    def aim(self, goal: Goal) -> Wish:
        """The wish that the goal is, which may be under way already."""
        setpoint = self._settable(goal.setpoint)
        wish = self.now
        if wish is not None and (wish.setpoint, wish.urgent) == (setpoint, goal.urgent):
            wish.plan_until = goal.plan_until
            return wish
        self._count += 1
        self.now = Wish(
            setpoint=setpoint,
            number=self._count,
            urgent=goal.urgent,
            idle=goal.idle,
            day=self._one.clock().date(),
            plan_until=goal.plan_until,
        )
        return self.now

    def _settable(self, setpoint: Setpoint) -> Setpoint:
        """What the device's register can show of it."""
        if not setpoint.setpoint_w:
            return setpoint
        return msgspec.structs.replace(setpoint, setpoint_w=self._one.port.settable_w(setpoint.setpoint_w))

    def done(self, wish: Wish) -> bool:
        standing = self._one.standing
        if wish.idle:
            return self._one.standing_w() == 0
        return standing is not None and standing.confirmed and standing.setpoint == wish.setpoint

    def look_at(self, wish: Wish) -> Verdict:
        """The interlocks, on what is known now."""
        one = self._one
        permission = Permission(
            commissioned=one.commissioned or wish.setpoint.origin == "commissioning",
            lease_held=one.ready,
            newest=wish is self.now,
            stopped=bool(one.stop_cause),
            unknown=one.doubtful,
            plan_until=wish.plan_until,
        )
        return check_interlocks(wish.setpoint, one.last_look(), one.limits, permission, one.clock())

    def later(self, wish: Wish, seconds: float = AGAIN_S) -> None:
        """It is tried again after that."""
        wish.again_at = self._one.seconds() + seconds

    def refuse(self, wish: Wish, verdict: Verdict) -> None:
        """On record, once for the same interlocks; looked at again, and intended anew when they are over."""
        wish.refused |= {frozenset(verdict.interlocks)}
        self._one.steps.tell_refused(wish, verdict.interlocks)
        self._anew(wish)
        self.later(wish)
        self._one.alarm("interlock", ", ".join(verdict.interlocks))

    def not_accepted(self, wish: Wish, refused: Refused) -> None:
        """The store does not accept the intent, or the lease."""
        self._one.alarm("intent_refused", f"{refused.code}: {refused}")
        self.later(wish)
        match refused.code:
            case "emergency_stop":
                self.later(wish, STOP_AGAIN_S)
            case "lease_lost":
                self._one.keeper.lost()
            case "command_unknown":
                self._one.resolved = 0
            case "command_status" | "command_day":
                self._anew(wish)
            case _:
                wish.ended = True

    def not_held(self, setpoint: Setpoint, answer: ReadBack, found: Found) -> None:
        """What was written did not hold: whether it is written once more, and when."""
        wish = self.now
        if wish is None or wish.setpoint != setpoint:
            return
        if answer.answer == "not_applied":
            self._not_applied(wish, found)
            return
        if wish.sequence:
            self._anew(wish)
        if answer.writer == "watchdog":
            wish.safe_states += 1
            self.later(wish, min(2.0 ** (wish.safe_states - 1), _SAFE_AGAIN_S_MAX))
            return
        wish.overwritten += 1
        self.later(wish, STOP_AGAIN_S if wish.overwritten > 1 and wish.urgent else AGAIN_S)
        wish.ended = wish.overwritten > OVERWRITTEN_MAX and not wish.urgent

    def _not_applied(self, wish: Wish, found: Found) -> None:
        wish.not_applied += 1
        self.later(wish)
        if wish.not_applied >= REFUSED_MAX and not wish.urgent:
            self._one.alarm("device_refused", f"it keeps {found.w} W")
            if wish.sequence:
                self._one.steps.tell_refused(wish, ("device_refused",))
            wish.ended = True

    def _anew(self, wish: Wish) -> None:
        """Its next intent is another command."""
        self._count += 1
        wish.number, wish.sequence, wish.not_applied = self._count, 0, 0
