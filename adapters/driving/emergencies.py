"""Which emergencies stand for the devices of this driver, heard as they are ordered, or ordered beside it.

A stop that is ordered at the machine itself needs neither NATS nor PostgreSQL: it stands in a file from then
on, and is ordered in the book when the store is there; from then on it is ended there.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from adapters.driving.slot_file import SlotFile
from adapters.driving.watched_door import StoreLost, WatchedDoor
from dispatch.control.emergency import (
    AGGREGATE,
    Emergencies,
    Emergency,
    EmergencyOrder,
    OrderEmergency,
    Scope,
)
from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.refusal import Refused

_RETRY_S: Final = 1.0
_LOOK_S: Final = 10.0
"""So often the book is asked although nothing was heard."""
_REASON_MAX: Final = 2000
_STOP_BYTES: Final = 16_000
"""A reason whose every character is escaped, and who stops."""
_HERE: Final = " (at the driver, "


class LocalStop(msgspec.Struct, frozen=True, kw_only=True):
    """A stop of everything that this driver drives, as it was ordered at the machine.

    `asked` is of who asks what became of it: another one each time that it is ordered while it stands."""

    id: str
    by: str
    reason: str
    at: Instant
    asked: str

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        checked_id(self.asked, "asked")
        checked_id(self.by, "by")
        if not 0 < len(self.reason.strip()) <= _REASON_MAX:
            raise Refused("reason", f"say why, in at most {_REASON_MAX} characters", place="reason")

    @property
    def cause(self) -> str:
        return f"local stop {self.id}"


def local_stop(by: str, reason: str, now: datetime) -> LocalStop:
    """Raises:
    Refused: `id`, `reason`."""
    name = secrets.token_hex(8)
    return LocalStop(id=name, by=by, reason=reason, at=now, asked=name)


class StopFile:
    """Where a local stop stands until the book has it; once its room is kept on a full disk, too."""

    def __init__(self, path: Path) -> None:
        self._file: Final = SlotFile(path, _STOP_BYTES)

    def keep_room(self) -> None:
        """Raises:
        OSError: the disk does not take it."""
        self._file.keep_room()

    def read(self) -> LocalStop | None:
        """Raises:
        msgspec.DecodeError: somebody wrote something else into it."""
        content = self._file.read()
        return msgspec.json.decode(content, type=LocalStop) if content else None

    def write(self, stop: LocalStop) -> None:
        """On the disk when this returns.

        Raises:
            OSError: the disk does not take it.
        """
        self._file.write(msgspec.json.encode(stop))

    def remove(self, stop: LocalStop) -> None:
        """Unless another was ordered, or it was asked for anew, meanwhile."""
        self._file.clear(msgspec.json.encode(stop))


class EmergencyBoard:
    """What stands for `devices` now. `changed` is called on this loop whenever it may be another."""

    def __init__(
        self, door: WatchedDoor, file: StopFile, devices: tuple[str, ...], changed: Callable[[], None]
    ) -> None:
        self._door = door
        self._file = file
        # A driver of meters alone has nothing to stop.
        self._order = EmergencyOrder(kind="stop_all", scope=Scope("device", devices)) if devices else None
        self._changed = changed
        self._look = asyncio.Event()
        self.standing = Emergencies()
        self.local = file.read()
        self.asked = self.local
        """The last order of a stop at the machine: whoever gave it waits for what became of it."""
        self.known = False
        """Whether the book was asked once."""

    def heard(self) -> None:
        """Something happened to the book's emergencies."""
        self._look.set()

    def stop(self, stop: LocalStop) -> None:
        """Ordered at the machine; what is on the disk already comes first."""
        self.asked = stop
        if self.local is None or self.local.id == stop.id:
            self.local = stop
        self._changed()
        self._look.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self._turn()
            except StoreLost:
                await asyncio.sleep(_RETRY_S)
                await self._door.until_back()
                continue
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._look.wait()
            except TimeoutError:
                pass
            self._look.clear()

    async def _turn(self) -> None:
        found = await self._found()
        if self.local is not None and self._order is not None and self._stands(self.local, found) is None:
            await self._record(self.local, self._order)
            found = await self._found()
        changed = found != self.standing or not self.known
        self.standing = found
        self.known = True
        if self.local is not None:
            # Whoever asked anew while it was put on record waits, too.
            if (stop := self._file.read()) is not None:
                self.asked = stop
                await asyncio.to_thread(self._file.remove, stop)
            self.local = None
            changed = True
        if changed:
            self._changed()

    def stands(self, stop: LocalStop) -> int:
        """The emergency that stands for such a stop, as far as is known here; 0: none."""
        found = self._stands(stop, self.standing)
        return 0 if found is None else found.number

    def _stands(self, stop: LocalStop, standing: Emergencies) -> Emergency | None:
        """Ordered by the same person for the same reason, whenever that was."""
        same = () if self._order is None else standing.same(self._order, stop.by, stop.at)
        return next((one for one in same if one.reason.startswith(f"{stop.reason}{_HERE}")), None)

    async def _found(self) -> Emergencies:
        found = await self._door.state(AGGREGATE)
        assert found is None or isinstance(found, Emergencies), "the aggregate of emergencies"
        return found or Emergencies()

    async def _record(self, stop: LocalStop, order: EmergencyOrder) -> None:
        """Ordered in the book under the same id however often it is tried."""
        reason = f"{stop.reason}{_HERE}{stop.at.isoformat()})"[:_REASON_MAX]
        await self._door.execute(OrderEmergency(order, stop.by, reason), f"local-stop-{stop.id}")
