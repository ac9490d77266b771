"""Within what stands: a regulation signal is followed, and the revert timer refreshed before it ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from adapters.driving.device_writes import REFRESHED_PART, DeviceWrites, Outcome
from adapters.driving.judging import Judging
from adapters.driving.one_device import OneDevice
from adapters.driving.tried import AtDevice
from dispatch.control.interlock import Permission, Verdict, check_interlocks

_ARRIVES: Final = timedelta(seconds=10)
"""A write that was not answered reaches the device within that time, or never."""


class Following:
    """Of one device. `from_middle_w`: how far from the band's middle a signal asks for; None: no signal."""

    def __init__(self, one: OneDevice, judging: Judging, writes: DeviceWrites) -> None:
        self.from_middle_w: int | None = None
        self._one = one
        self._judging = judging
        self._writes = writes
        self._refused = False

    async def turn(self, now: datetime, plan_until: datetime | None) -> None:
        """`plan_until`: how long the plan holds that what stands rests on."""
        one, standing = self._one, self._one.standing
        if standing is None or not standing.confirmed or not one.ready:
            return
        target_w = self._target_w(standing)
        if target_w == standing.target_w and not self._refreshes(standing, now):
            return
        async with one.lock:
            if standing is not one.standing or not one.ready:
                return
            verdict = self._look_at(standing, target_w, plan_until)
            if verdict.interlocks and target_w != standing.target_w:
                one.alarm("interlock", ", ".join(verdict.interlocks))
                if target_w * standing.target_w >= 0:
                    return
                # What it may not give the other way, it need not go on giving against the signal.
                target_w = 0
                if self._look_at(standing, target_w, plan_until).interlocks:
                    return
            one.writing = True
            try:
                outcome = await self._writes.put(target_w, standing.setpoint.expires_at)
            finally:
                one.writing = False
            standing.refreshed_at = one.seconds()
            self._written(standing, target_w, outcome)

    def _written(self, standing: AtDevice, target_w: int, outcome: Outcome) -> None:
        """What it may show from now on; what it shows at once is judged by that."""
        one, found = self._one, outcome.found
        if outcome.certainty == "certain" and target_w != standing.target_w:
            standing.under_way_w |= {standing.target_w}
            standing.came_from_w, standing.target_w = standing.target_w, target_w
            standing.under_way_until = outcome.at
        elif outcome.certainty in ("uncertain", "refused"):
            standing.under_way_w |= {target_w}
            standing.under_way_until = outcome.at + _ARRIVES
        if found is None:
            return
        self._judging.judge(standing, found)
        if standing is not one.standing:
            return
        if abs(found.w - target_w) > one.tolerance_w:
            self._refused = True
            one.alarm("device_refused", f"it keeps {found.w} W within its band {outcome.why}".rstrip())
        elif self._refused:
            self._refused = False
            one.alarms.pop("device_refused", None)

    def _target_w(self, standing: AtDevice) -> int:
        setpoint = standing.setpoint
        if self.from_middle_w is None or not setpoint.band_w or self._one.stop_cause:
            return setpoint.setpoint_w
        within_w = min(max(self.from_middle_w, -setpoint.band_w), setpoint.band_w)
        return self._writes.settable_w(setpoint.setpoint_w + within_w)

    def _refreshes(self, standing: AtDevice, now: datetime) -> bool:
        """Whether the device's timer ends before the setpoint, and a third of it is over."""
        ends_at = standing.setpoint.expires_at
        lasts = self._writes.revert_s(ends_at)
        refreshed = self._one.seconds() - standing.refreshed_at < lasts / REFRESHED_PART
        return not refreshed and (ends_at - now) / timedelta(seconds=1) > lasts + 1

    def _look_at(self, standing: AtDevice, target_w: int, plan_until: datetime | None) -> Verdict:
        one = self._one
        told = msgspec.structs.replace(standing.setpoint, setpoint_w=target_w, band_w=0)
        permission = Permission(
            commissioned=one.commissioned,
            lease_held=True,
            newest=True,
            stopped=bool(one.stop_cause),
            unknown=False,
            plan_until=plan_until,
        )
        return check_interlocks(told, one.last_look(), one.limits, permission, one.clock())
