"""A setpoint that raises power: its intent and its lease are on record before it is written."""

from __future__ import annotations

import asyncio

from adapters.driving.device_writes import DeviceWrites
from adapters.driving.judging import Judging
from adapters.driving.one_device import OneDevice
from adapters.driving.tried import Wish
from adapters.driving.watched_door import StoreLost
from adapters.driving.wishes import Wishes
from ledger.refusal import Refused


class Raising:
    """Of one device: one at a time, in a task of its own."""

    def __init__(self, one: OneDevice, wishes: Wishes, judging: Judging, writes: DeviceWrites) -> None:
        self._one = one
        self._wishes = wishes
        self._judging = judging
        self._writes = writes
        self._task: asyncio.Task[None] | None = None
        self._begun = False

    def begin(self, wish: Wish) -> None:
        """Have it raised, unless another one is under way."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._raise(wish))

    def check(self) -> None:
        """Raises what a fault of ours raised in it."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()

    def give_up(self) -> None:
        """What is only asked for yet; a write that has begun comes to its end."""
        if self._task is not None and not self._task.done() and not self._begun:
            self._task.cancel()

    async def end(self) -> None:
        """Give it up, and wait for a write that has begun."""
        self.give_up()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _raise(self, wish: Wish) -> None:
        """Intent, lease, the last look, the write, and what the device shows then."""
        one, wishes = self._one, self._wishes
        try:
            verdict = wishes.look_at(wish)
            if verdict.interlocks and frozenset(verdict.interlocks) in wish.refused:
                wishes.later(wish)
                return
            if not wish.sequence:
                wish.day = one.clock().date()
                await one.steps.intend(wish)
            if verdict.interlocks:
                wishes.refuse(wish, verdict)
                return
            await one.telling.until_told()
            await one.steps.lease(wish, one.keeper.token)
        except StoreLost:
            wishes.later(wish)
            return
        except Refused as refused:
            wishes.not_accepted(wish, refused)
            return
        async with one.lock:
            verdict = wishes.look_at(wish)
            if verdict.interlocks:
                wishes.refuse(wish, verdict)
                return
            # Others write, too, while this one waits: what they have begun is no reason to wait on.
            self._begun = one.writing = True
            try:
                await asyncio.shield(self._write(wish))
            finally:
                self._begun = one.writing = False

    async def _write(self, wish: Wish) -> None:
        one = self._one
        before_w, token = one.standing_w(), one.keeper.token
        outcome = await self._writes.put(wish.setpoint.setpoint_w, wish.setpoint.expires_at)
        if outcome.certainty == "void":
            one.alarm("unreachable", outcome.why)
            self._wishes.later(wish)
            return
        found = outcome.found
        taken = found is not None and abs(found.w - wish.setpoint.setpoint_w) <= one.tolerance_w
        if outcome.certainty == "refused" and not taken:
            one.alarm("device_refused", outcome.why)
            one.steps.tell_refused(wish, ("device_refused",))
            wish.sequence, wish.ended = 0, True
            return
        standing = self._judging.written(wish, before_w, outcome)
        standing.sequence = wish.sequence
        one.steps.tell_written(standing, token, outcome)
        if found is not None:
            self._judging.judge(standing, found)
            one.woken.set()
