"""What nobody gives of plans, group limits and emergencies, as a turn of the fleet leaves it: said once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from adapters.driving.driven import Driven
from adapters.driving.plans import Plans
from adapters.driving.said import Said
from adapters.driving.wished import STEADY_PERMILLE
from dispatch.control.fleet_turn import Told, Turned, Why
from dispatch.control.given import Handed, given
from dispatch.control.response_part import ResponsePart

_NAMED: Final = 10
_NO_PART: Final = ResponsePart(0, 0)
"""Of a response that no storage is under: a stronger emergency stands for each."""
_FOLLOWS: Final[frozenset[Why]] = frozenset({"plan", "others_share", "lost", "guard"})
"""Why a device is told its share of a plan."""


class Missing:
    """Of one fleet, whose `groups` have names."""

    def __init__(
        self, storages: Mapping[str, Driven], plans: Plans, groups: tuple[str, ...], said: Said
    ) -> None:
        self._storages = storages
        self._plans = plans
        self._groups = groups
        self._said = said

    def tell(self, turned: Turned, parts: Mapping[int, ResponsePart], now: datetime) -> None:
        """`parts` are this driver's of each response that stands."""
        handed = {told.device: self._handed(told, now) for told in turned.told}
        for name, missing in turned.missing_w.items():
            follows = [
                handed[told.device]
                for told in turned.told
                if told.why in _FOLLOWS and self._plans.portfolio(self._storages[told.device].site) == name
            ]
            found = given(missing, follows)
            if found.missing_w:
                self._said.tell(name, f"{found.missing_w} W of its plan are given by nobody", loud=False)
            elif found.whole:
                self._said.tell(name, "")
        for place, name in enumerate(self._groups):
            broken = "its limit cannot be kept" if place in turned.groups_broken else ""
            self._said.tell(f"group {name}", broken, well="its limit is kept")
        for number, missing in turned.unanswered_w.items():
            under = [handed[told.device] for told in turned.told if number in told.emergencies]
            found, part = given(missing, under), parts.get(number, _NO_PART)
            missing_w = found.missing_w + part.undriven_w
            idle = (
                f", {part.undriven_w} W of that by {', '.join(part.undriven[:_NAMED])}: no driver holds them"
            )
            if missing_w:
                wrong = f"{missing_w} W of it are given by nobody{idle if part.undriven else ''}"
                self._said.tell(f"emergency {number}", wrong, again=True)
            elif found.whole:
                well = "all of it is given"
                if part.own_w != part.whole_w:
                    well = f"{part.own_w} W of {part.whole_w} W fall to devices of this driver: all is given"
                self._said.tell(f"emergency {number}", "", well=well, again=True)

    def _handed(self, told: Told, now: datetime) -> Handed:
        """What it was told, and what of that it does; within the steps in which it is raised. Nothing is
        missing of it while it ramps."""
        one = self._storages[told.device]
        tolerance_w = one.one.device.power_w * STEADY_PERMILLE // 1000 + one.executor.tolerance_w
        handed = one.handed.look(told.setpoint_w, one.given_w(now), tolerance_w, now)
        return msgspec.structs.replace(handed, late=handed.late and not one.ramps(now))
