"""The device's watchdog, refreshed as long as its wishes are looked after and may be written."""

from __future__ import annotations

import asyncio
from typing import Final

from adapters.driving.device_state import millis
from adapters.driving.one_device import OneDevice
from adapters.driving.port import Unreachable, WriteRefused, WriteUncertain
from ledger.refusal import Refused

TICK_S: Final = 1.0


class Beating:
    """Of one device. A device that falls back without showing it in a register is held to have done so when
    nobody refreshed its watchdog in time and its power says the same (`DeviceState.unbeaten`)."""

    def __init__(self, one: OneDevice) -> None:
        self._one = one
        self._looked_at = 0.0

    def looked(self) -> None:
        """The wishes were looked after just now."""
        self._looked_at = self._one.seconds()

    async def run(self) -> None:
        """For ever; at once, for a device without a watchdog."""
        one = self._one
        control = one.device.profile.control
        if control is None or control.watchdog is None:
            return
        while goes_on():
            stalled = one.seconds() - self._looked_at > control.watchdog.period_s
            if one.ready and not stalled:
                await self.beat()
            self._note_silence()
            await asyncio.sleep(control.watchdog.period_s if one.ready else TICK_S)

    async def beat(self) -> None:
        """Refresh it, once."""
        one = self._one
        control = one.device.profile.control
        if control is None or control.watchdog is None:
            return
        try:
            async with one.lock:
                if not one.keeper.held():
                    return
                await one.port.beat(millis(one.clock()) // 1000 // control.watchdog.period_s)
        except (Unreachable, WriteRefused, WriteUncertain, Refused) as error:
            one.alarm("watchdog", f"{error}")
        else:
            self._note_silence()
            one.beaten_at = one.seconds()
            one.alarms.pop("watchdog", None)

    def _note_silence(self) -> None:
        if not self._one.beaten_in_time():
            self._one.state.unbeaten = True


def goes_on() -> bool:
    """What was cancelled over a write ends after it, whether or not the write let that through."""
    task = asyncio.current_task()
    assert task is not None, "it runs in a task"
    return not task.cancelling()
