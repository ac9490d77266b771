"""A stop or a limit: written at once, put down in the journal, and told when the store is there."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, NamedTuple

from adapters.driving.device_state import instant, millis
from adapters.driving.device_writes import DeviceWrites, Found, Outcome
from adapters.driving.journal import Entry
from adapters.driving.journal import Outcome as JournalOutcome
from adapters.driving.judging import Judging
from adapters.driving.one_device import OneDevice
from adapters.driving.tried import AtDevice, Wish
from adapters.driving.wishes import Wishes
from adapters.driving.written_first import day_of

_LOOKS: Final = 2


class Stopped(NamedTuple):
    """What became of a stop: `verified` when the device was read and showed it, `took_ms` after it was
    ordered."""

    device: str
    verified: bool
    why: str = ""
    took_ms: int = 0


class Lowering:
    """Of one device."""

    def __init__(self, one: OneDevice, wishes: Wishes, judging: Judging, writes: DeviceWrites) -> None:
        self._one = one
        self._wishes = wishes
        self._judging = judging
        self._writes = writes

    async def stop(self, wish: Wish) -> Stopped:
        """Write it, and look until it is known what became of that."""
        stopped = await self.write(wish)
        for _ in range(_LOOKS):
            if stopped.verified or not self._one.doubtful:
                break
            await self._look()
            if self._wishes.done(wish):
                stopped = Stopped(self._one.device.id, verified=True)
        return stopped

    async def end_doubt(self, wish: Wish) -> None:
        """A reading decides before anything else is written; only a stop is written again without one."""
        if await self._look():
            self._one.woken.set()
            return
        if not wish.setpoint.power_w_max:
            await self.write(wish)
        self._wishes.later(wish)

    async def write(self, wish: Wish) -> Stopped:
        """Written, and put down beside that."""
        one, setpoint = self._one, wish.setpoint
        async with one.lock:
            if self._wishes.done(wish) and await self._writes.find() is not None and self._wishes.done(wish):
                return Stopped(one.device.id, verified=True)
            standing = one.standing
            again = standing is not None and not standing.confirmed and standing.setpoint == setpoint
            if again and standing is not None and not setpoint.power_w_max:
                return await self._once_more(wish, standing)
            if setpoint.power_w_max:
                verdict = self._wishes.look_at(wish)
                if verdict.interlocks:
                    one.alarm("interlock", ", ".join(verdict.interlocks))
                    self._wishes.later(wish)
                    return Stopped(one.device.id, verified=False, why=", ".join(verdict.interlocks))
            before_w = one.standing_w()
            entry, begun = one.journal.begin(one.device.id, setpoint, before_w, instant(millis(one.clock())))
            one.writing = True
            try:
                outcome = await self._writes.put(setpoint.setpoint_w, setpoint.expires_at)
            finally:
                one.writing = False
            stopped = self._ended(wish, entry, before_w, outcome)
        await self._kept(begun, one.journal.end(entry, _outcome(outcome)))
        return stopped

    async def _once_more(self, wish: Wish, standing: AtDevice) -> Stopped:
        """A stop of which nobody knows whether it arrived, written again: it is on record, and is the same
        until the device answers or it expires."""
        one = self._one
        one.writing = True
        try:
            outcome = await self._writes.put(wish.setpoint.setpoint_w, wish.setpoint.expires_at)
        finally:
            one.writing = False
        found = outcome.found
        if found is not None:
            self._judging.judge(standing, found)
        if standing.confirmed:
            return Stopped(one.device.id, verified=True)
        if outcome.certainty in ("void", "refused"):
            one.alarm("unreachable" if outcome.certainty == "void" else "device_refused", outcome.why)
        return Stopped(one.device.id, verified=False, why=outcome.why or _unseen(found))

    def _ended(self, wish: Wish, entry: Entry, before_w: int | None, outcome: Outcome) -> Stopped:
        """What became of a write that was put down first."""
        one, wanted = self._one, wish.setpoint.setpoint_w
        found = outcome.found
        taken = found is not None and abs(found.w - wanted) <= one.tolerance_w
        if outcome.certainty == "void" or (outcome.certainty == "refused" and not taken):
            one.alarm("unreachable" if outcome.certainty == "void" else "device_refused", outcome.why)
            self._wishes.later(wish)
            return Stopped(one.device.id, verified=False, why=outcome.why)
        standing = self._judging.written(wish, before_w, outcome)
        standing.journal, standing.day = entry.journal, day_of(entry)
        one.steps.tell_written_first(standing, entry, certain=outcome.certainty == "certain")
        if found is not None:
            self._judging.judge(standing, found)
        if standing.confirmed:
            return Stopped(one.device.id, verified=True)
        return Stopped(one.device.id, verified=False, why=outcome.why or _unseen(found))

    async def _kept(self, *lines: asyncio.Future[None]) -> None:
        for line in lines:
            # A disk that takes nothing is the journal's to tell (`Journal.failure`).
            with suppress(OSError):
                await line

    async def _look(self) -> bool:
        """Read the device to end a doubt; whether it answered."""
        async with self._one.lock:
            return await self._writes.find() is not None and not self._one.doubtful


def _unseen(found: Found | None) -> str:
    return "it does not answer" if found is None else "it shows another setpoint"


def _outcome(outcome: Outcome) -> JournalOutcome:
    match outcome.certainty:
        case "certain":
            return "certain"
        case "uncertain":
            return "uncertain"
        case "void" | "refused":
            return "void"
