"""A day is not waited for: between the boundaries of its quarter-hours time is moved on at once, for the
storages and for the book together, while nobody speaks to a storage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Final

from adapters.demo.driven_book import DrivenBook
from adapters.demo.peer_process import PeerProcess
from adapters.driving.device_state import millis
from adapters.driving.driven import Driven
from adapters.driving.fleet import Fleet
from adapters.driving.poller import Poller
from adapters.driving.role import DrivingRole
from ledger.refusal import Refused

_LOOK_S: Final = 0.004
_STARTED_S: Final = 30.0
SETTLED_S: Final = 30.0
"""How long devices have to show what they were told: far longer than they need on a machine that does much
else, because what they do not show yet is not done for the quarter-hour that is lapsed then."""


class DayLapse:
    """One driver, its storages and the clock of both. `dead` are storages that are not waited for."""

    def __init__(self, book: DrivenBook, peers: PeerProcess, role: DrivingRole) -> None:
        self.book = book
        self.peers = peers
        self.role = role
        self.dead: set[str] = set()

    @property
    def fleet(self) -> Fleet:
        assert self.role.fleet is not None, "the driver has started"
        return self.role.fleet

    async def started(self) -> None:
        """Until every storage may be written to.

        Raises:
            Refused: `demo_drive`, with what is in the way.
        """

        def ready() -> bool:
            fleet = self.role.fleet
            return fleet is not None and all(
                one.executor.ready and one.executor.commissioned for one in fleet.storages.values()
            )

        if not await self.until(ready, _STARTED_S):
            why = "it has not begun"
            if self.role.fleet is not None:
                why = f"{ {one.id: one.executor.alarms for one in self.fleet.storages.values()} }"
            raise Refused("demo_drive", f"the driver is not ready: {why}")

    async def to(self, instant: datetime) -> None:
        """Move on to that time; who answers is read, and every storage is looked at once."""
        fleet, clock = self.fleet, self.book.clock
        dead = {fleet.storages[name].poller for name in self.dead}
        answering = [poller for poller in fleet.pollers if poller not in dead]
        async with AsyncExitStack() as held:
            for poller in answering:
                await held.enter_async_context(poller.lock)
            by_ms = millis(instant) - millis(clock())
            if by_ms <= 0:
                return
            # Without a pause in between: nobody reads a storage that is not at the book's time.
            self.peers.ask(do="lapse", ms=by_ms)
            clock.lapse(by_ms / 1000)
        before = fleet.turned
        fleet.changed()
        await self.until(lambda: fleet.turned is not before, SETTLED_S)
        for poller in answering:
            # On a machine that does much else an answer may be late: a boundary is to be seen all the same.
            if poller.silent or poller in self._lost():
                await poller.fresh()

    def _lost(self) -> set[Poller]:
        now_ms = millis(self.book.clock())
        return {one.poller for one in self.fleet.storages.values() if one.lost(now_ms)}

    async def settled(self, seconds: float = SETTLED_S) -> bool:
        """Until every storage that answers shows what it was told; whether they do."""
        now_ms = millis(self.book.clock())
        answering = [one for one in self.fleet.storages.values() if not one.lost(now_ms)]
        return await self.until(lambda: all(_shows(one) for one in answering), seconds)

    async def until(self, what: Callable[[], bool], seconds: float) -> bool:
        """Whether it came to be so within that time of ours."""
        give_up = asyncio.get_running_loop().time() + seconds
        while not what():
            if asyncio.get_running_loop().time() > give_up:
                return False
            await asyncio.sleep(_LOOK_S)
        return True

    def total_w(self) -> int:
        """What all storages together have been told, as they show it."""
        standing = (one.executor.standing for one in self.fleet.storages.values())
        return sum(one.target_w for one in standing if one is not None and one.confirmed)


def _shows(one: Driven) -> bool:
    standing, wanted = one.executor.standing, one.wanted
    if wanted is None:
        return True
    return standing is not None and standing.confirmed and standing.setpoint == wanted


def just_before(boundary: datetime) -> datetime:
    return boundary - timedelta(seconds=6)


def just_after(boundary: datetime) -> datetime:
    return boundary + timedelta(seconds=2)
