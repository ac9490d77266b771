"""What nobody gives of plans, group limits and emergencies, as a turn of the fleet leaves it: said once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from adapters.driving.device_state import millis
from adapters.driving.driven import Driven
from adapters.driving.falling_back import FallingBack
from adapters.driving.goal import SCHEDULED
from adapters.driving.one_device import Alarm
from adapters.driving.plans import Plans
from adapters.driving.said import Said
from adapters.driving.wished import STEADY_PERMILLE
from dispatch.control.fleet_turn import Held, Told, Turned, Why
from dispatch.control.given import Given, Handed, given
from dispatch.control.response_part import ResponsePart
from dispatch.control.setpoint import Setpoint

_NAMED: Final = 10
_WHY: Final[tuple[Alarm, ...]] = (
    "start", "device_refused", "interlock", "intent_refused", "unreachable", "watchdog", "foreign_writer",
)  # fmt: skip
"""What keeps a device from its share, the weightiest first."""
_SETTLED: Final = timedelta(seconds=4)
"""Another reason is said no sooner: a driver that begins reads its devices and their meters one by one."""
_NO_PART: Final = ResponsePart(0, 0)
"""Of a response that no storage is under: a stronger emergency stands for each."""
_HELD: Final = Held(())
_FOLLOWS: Final[frozenset[Why]] = frozenset({"plan", "others_share", "lost", "guard"})
"""Why a device is told its share of a plan."""


class _Line(NamedTuple):
    text: str
    why: str
    at: datetime
    over: bool = False
    """It is of emergencies that stand in place of the plan."""


class Missing:
    """Of one fleet, whose `groups` have names."""

    def __init__(
        self, storages: Mapping[str, Driven], plans: Plans, groups: tuple[str, ...], said: Said
    ) -> None:
        self._storages = storages
        self._plans = plans
        self._groups = groups
        self._said = said
        self._falling_back = FallingBack(storages, said)
        self._lines: dict[str, _Line] = {}
        """What was said last of a portfolio's plan."""

    def tell(self, turned: Turned, parts: Mapping[int, ResponsePart], now: datetime) -> None:
        """`parts` are this driver's of each response that stands. Nothing by a clock that is not trusted:
        nobody knows then what is due."""
        self._falling_back.tell(now)
        if any(one.executor.clock_lost for one in self._storages.values()):
            return
        handed = {told.device: self._handed(told, now) for told in turned.told}
        for name, missing in turned.missing_w.items():
            follows = [
                told.device
                for told in turned.told
                if told.why in _FOLLOWS and self._plans.portfolio(self._storages[told.device].site) == name
            ]
            found = given(missing, [handed[one] for one in follows])
            over = self._over(name, turned, now)
            if over:
                if found.missing_w or found.whole:
                    self._tell_over(name, found, over, now)
            elif found.missing_w:
                self._tell_plan(name, found, follows, now)
            elif found.whole:
                self._lines.pop(name, None)
                self._said.tell(name, "")
        for place, name in enumerate(self._groups):
            broken = "its limit cannot be kept" if place in turned.groups_broken else ""
            self._said.tell(f"group {name}", broken, well="its limit is kept")
        for number, missing in turned.unanswered_w.items():
            part, held = parts.get(number, _NO_PART), turned.held.get(number, _HELD)
            under = [
                handed[told.device]
                for told in turned.told
                if number in told.emergencies or told.device in held.devices
            ]
            found = given(missing + part.undriven_w, under)
            named = ", ".join(part.undriven[:_NAMED])
            idle = f", {abs(part.undriven_w)} W of that by {named}: no driver holds them"
            if found.missing_w:
                wrong = f"{_lacking(found)} of it are given by nobody{idle if part.undriven else ''}"
                self._said.tell(f"emergency {number}", wrong, again=True)
            elif held.surplus_w:
                more = f"{abs(held.surplus_w)} W{' of charging' if held.surplus_w < 0 else ''}"
                names = ", ".join(held.devices[:_NAMED])
                wrong = f"{more} more than it asks are given: what is held stays ({names})"
                self._said.tell(f"emergency {number}", wrong, again=True)
            elif found.whole:
                well = "all of it is given"
                if part.own_w != part.whole_w:
                    well = f"{part.own_w} W of {part.whole_w} W fall to devices of this driver: all is given"
                self._said.tell(f"emergency {number}", "", well=well, again=True)

    def _over(self, name: str, turned: Turned, now: datetime) -> str:
        """The emergencies that stand in place of the plan for any of a portfolio's devices; "" for none, and
        where no plan holds."""
        told = [one for one in turned.told if self._plans.portfolio(self._storages[one.device].site) == name]
        if all(self._plans.of(self._storages[one.device].site, now) is None for one in told):
            return ""
        numbers = {number for one in told for number in one.emergencies}.union(turned.limited.get(name, ()))
        return f"emergency {', '.join(map(str, sorted(numbers)))} stands" if numbers else ""

    def _tell_over(self, name: str, missing: Given, over: str, now: datetime) -> None:
        """Once while the same emergencies stand, and again once something, or nothing more, is missing."""
        why = over if missing.missing_w else f"{over}, and nothing is missing"
        if name not in self._lines or self._lines[name].why != why:
            lacking = f": {_lacking(missing)} of that are not given" if missing.missing_w else ""
            self._lines[name] = _Line(f"{over} in place of its plan{lacking}", why, now, over=True)
        self._said.tell(name, self._lines[name].text)

    def _tell_plan(self, name: str, missing: Given, devices: Sequence[str], now: datetime) -> None:
        """With the reasons that are known; said again with others, not with other figures."""
        found = {one: _why(self._storages[one], now) for one in devices}
        why = "; ".join(f"{one}: {text}" for one, text in sorted(found.items()) if text)
        before = self._lines.get(name)
        other = before is not None and why not in ("", before.why)
        if before is None or before.over or (other and abs(now - before.at) >= _SETTLED):
            line = f"{_lacking(missing)} of its plan are given by nobody{f': {why}' if why else ''}"
            self._lines[name] = _Line(line, why, now)
        self._said.tell(name, self._lines[name].text)

    def _handed(self, told: Told, now: datetime) -> Handed:
        """What it was told, and what of that it does; within the steps in which it is raised. Nothing is
        missing of it while it ramps."""
        one = self._storages[told.device]
        tolerance_w = one.one.device.power_w * STEADY_PERMILLE // 1000 + one.executor.tolerance_w
        handed = one.handed.look(told.setpoint_w, one.given_w(now), tolerance_w, now)
        return msgspec.structs.replace(handed, late=handed.late and not one.ramps(now))


def _lacking(missing: Given) -> str:
    """The power that nobody gives, and which way where it is not discharging alone."""
    charge = f"{missing.charge_w} W of charging"
    discharge = f"{missing.discharge_w} W"
    if not missing.charge_w:
        return discharge
    return f"{discharge} of discharging and {charge}" if missing.discharge_w else charge


def _why(one: Driven, now: datetime) -> str:
    """Why a storage gives nothing of what is planned; "" where nothing is known to be in its way."""
    executor = one.executor
    if one.stopped:
        return ""
    if one.good_ms is None:
        return ""
    if one.lost(millis(now)):
        return "lost"
    if not executor.commissioned:
        return "not commissioned"
    if executor.door.lost:
        return f"nats lost: {_meanwhile(executor.goes_for if executor.ready else None)}"
    if executor.snapshot.load is None:
        return f"nobody knows what {one.site} draws (grid_unknown): no meter at its connection is read"
    return next((f"{alarm}: {executor.alarms[alarm]}" for alarm in _WHY if alarm in executor.alarms), "")


def _meanwhile(goal: Setpoint | None) -> str:
    """What a storage does while nothing can be recorded; None where its lease is over."""
    if goal is None:
        return "nobody can tell it anything"
    if goal.cause.startswith(SCHEDULED):
        return f"it follows its schedule {goal.cause.removeprefix(SCHEDULED)[:12]}"
    if goal.origin == "fallback":
        return f"it is told {goal.setpoint_w} W"
    return f"it keeps {goal.setpoint_w} W, and may be lowered"
