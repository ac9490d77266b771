"""What emergencies mean for a fleet: stops go out before anything else, many at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Final

from adapters.driving.device_state import millis
from adapters.driving.driven import Driven
from adapters.driving.emergencies import EmergencyBoard, LocalStop
from adapters.driving.lowering import Stopped
from adapters.driving.pause import Pause
from adapters.driving.quiet_door import QuietDoor
from adapters.links.obeys import emergency_cause
from dispatch.control.emergency import Emergencies, Emergency, EmergencyOrder, Scope

_STOPS_AT_ONCE: Final = 48
_END_S: Final = 5.0


class Stops:
    """Of one fleet; `board` is where its emergencies stand, once there is one."""

    def __init__(
        self, storages: Mapping[str, Driven], door: QuietDoor, clock: Callable[[], datetime]
    ) -> None:
        self.board: EmergencyBoard | None = None
        self._storages = storages
        self._door = door
        self._clock = clock
        self._at_once = asyncio.Semaphore(_STOPS_AT_ONCE)
        self._under_way: dict[str, asyncio.Task[Stopped]] = {}
        self._pause = Pause()

    @property
    def known(self) -> bool:
        """Whether it is known what stands: nothing is told to devices before."""
        return self.board is None or self.board.known

    @property
    def under_way(self) -> bool:
        return bool(self._under_way)

    async def verified(self) -> tuple[Stopped, ...]:
        """Every device of the fleet, stopped now or before: each is read anew, and written where it does not
        show it."""
        self.stop_and_allow()
        self._begin(one for one in self._storages.values() if one.stopped and one.id not in self._under_way)
        free = (one.id for one in self._storages.values() if not one.stopped)
        found = await asyncio.gather(*self._under_way.values())
        return (*found, *(Stopped(name, verified=False, why="no stop stands for it") for name in free))

    async def ended(self) -> None:
        """A stop that has begun is ended, however the fleet ends."""
        if self._under_way:
            await asyncio.wait(self._under_way.values(), timeout=_END_S)

    def standing(self, now: datetime) -> Emergencies:
        """What stands, with what was ordered at the machine."""
        if self.board is None:
            return Emergencies()
        if self.board.local is None:
            return self.board.standing
        return _with_local(self.board.standing, self.board.local, now)

    def stop_and_allow(self) -> None:
        """Stop what is to be stopped now, and let go what is no longer."""
        now = self._clock()
        standing = self.standing(now)
        local = None if self.board is None else self.board.local
        stops: list[Driven] = []
        for one in self._storages.values():
            over = standing.standing(one.id, one.site, now)
            stop = next((each for each in over if each.order.kind == "stop_all"), None)
            cause = "" if stop is None else emergency_cause(stop.number)
            if local is not None:
                cause = local.cause
            if bool(cause) == bool(one.stopped):
                # A stop stands, whoever else orders one: `verified` looks at it anew.
                continue
            one.stopped = cause
            if cause:
                stops.append(one)
            else:
                one.executor.allow()
        self._begin(stops)

    def _begin(self, stops: Iterable[Driven]) -> None:
        """Those that answered last come first: a silent one takes its whole deadline."""
        now_ms = millis(self._clock())
        ordered = sorted(stops, key=lambda each: each.lost(now_ms))
        if not ordered:
            return
        self._door.hold()
        self._pause.begin(one.poller for one in ordered)
        for one in ordered:
            task = asyncio.get_running_loop().create_task(self._stop(one, one.stopped, time.monotonic()))
            self._under_way[one.id] = task
            task.add_done_callback(partial(self._stop_ended, one.id))

    def _stop_ended(self, name: str, task: asyncio.Task[Stopped]) -> None:
        if self._under_way.get(name) is task:
            del self._under_way[name]
        if not self._under_way:
            self._door.go()
            self._pause.end()

    async def _stop(self, one: Driven, cause: str, begun: float) -> Stopped:
        """So many at once that answers are read before their deadline is over."""
        async with self._at_once:
            stopped = await one.executor.stop(cause)
        return stopped._replace(took_ms=round((time.monotonic() - begun) * 1000))


def _with_local(standing: Emergencies, stop: LocalStop, now: datetime) -> Emergencies:
    order = EmergencyOrder(kind="stop_all", scope=Scope("book"))
    made = Emergency(standing.count + 1, order, stop.by, stop.reason, now)
    return Emergencies(standing.count + 1, (*standing.open, made))
