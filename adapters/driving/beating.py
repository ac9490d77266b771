"""The device's watchdog, refreshed as long as its wishes are looked after and may be written."""

from __future__ import annotations

import asyncio
from typing import Final

from adapters.driving.device_state import millis
from adapters.driving.one_device import OneDevice
from adapters.driving.port import Unreachable, WriteRefused, WriteUncertain
from adapters.driving.wake import Wake
from ledger.refusal import Refused

TICK_S: Final = 1.0


class Beating:
    """Of one device. A device that falls back without showing it in a register is held to have done so when
    nobody refreshed its watchdog in time and its power says the same (`DeviceState.unbeaten`).

    A refresh that failed is tried again each `TICK_S`; of a device that does not answer at all no more often
    than ever, as others may wait for the line, and at once when it answers again."""

    def __init__(self, one: OneDevice) -> None:
        self._one = one
        self._looked_at = 0.0
        self.owed = False
        """The last refresh failed, or the device was silent since: it may have fallen back."""
        self._tried_at = 0.0
        self._number = 0
        self._silent = False
        self._woken = Wake()

    def looked(self) -> None:
        """The wishes were looked after just now."""
        self._looked_at = self._one.seconds()

    def read(self, *, answered: bool) -> None:
        """The device was asked just now."""
        if answered and self._silent:
            self.owed = True
            self._woken.set()
        self._silent = not answered

    async def run(self) -> None:
        """For ever; at once, for a device without a watchdog."""
        one = self._one
        control = one.device.profile.control
        if control is None or control.watchdog is None:
            return
        while goes_on():
            stalled = one.seconds() - self._looked_at > control.watchdog.period_s
            if one.ready and not stalled and self._due_s(control.watchdog.period_s) <= 0:
                await self.beat()
            self._note_silence()
            # Never longer than a tick: time may be moved on, and the lease be taken.
            due_s = self._due_s(control.watchdog.period_s)
            await self._woken.within(min(due_s, TICK_S) if due_s > 0 else TICK_S)

    def _due_s(self, period_s: int) -> float:
        """In how many seconds it is to be refreshed."""
        one = self._one
        if self.owed:
            return self._tried_at + period_s - one.seconds() if self._silent else 0.0
        return 0.0 if one.beaten_at is None else one.beaten_at + period_s - one.seconds()

    async def beat(self) -> None:
        """Refresh it, once."""
        one = self._one
        control = one.device.profile.control
        if control is None or control.watchdog is None:
            return
        self._tried_at = one.seconds()
        try:
            async with one.lock:
                if not one.keeper.held():
                    return
                await one.port.beat(self._next(control.watchdog.period_s))
        except (Unreachable, WriteRefused, WriteUncertain, Refused) as error:
            self.owed = True
            one.alarm("watchdog", f"{error}")
        else:
            self._note_silence()
            self.owed = False
            one.beaten_at = one.seconds()
            one.alarms.pop("watchdog", None)

    def _next(self, period_s: int) -> int:
        """Another number each time, as a device counts no other; at first the time's, which no driver before
        has had."""
        self._number = self._number + 1 if self._number else millis(self._one.clock()) // 1000 // period_s
        return self._number

    def _note_silence(self) -> None:
        if not self._one.beaten_in_time():
            self._one.state.unbeaten = True


def goes_on() -> bool:
    """What was cancelled over a write ends after it, whether or not the write let that through."""
    task = asyncio.current_task()
    assert task is not None, "it runs in a task"
    return not task.cancelling()
