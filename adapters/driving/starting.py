"""Before a driver writes to a device: what stands in it is compared with what is on record.

It holds the lease and has read the device by then. What its journal kept is told; a setpoint whose driver
ended over it is in doubt, and the reading ends the doubt.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from adapters.driving.device_state import DrivenDevice
from adapters.driving.device_writes import Found, falls_back_s
from adapters.driving.journal import Journal
from adapters.driving.watched_door import WatchedDoor
from adapters.driving.written_first import tell_written_first
from dispatch.control.command_life import Command, DeviceDay, command_aggregate
from dispatch.control.command_records import RecordReadBack, RecordWritten
from dispatch.control.command_steps import ExpireSetpoint
from dispatch.control.setpoint import step_id

_ENDED = "its driver ended before it told whether it wrote"


class Standing(NamedTuple):
    """The setpoint on record that the device shows, and that is in force."""

    day: date
    command: Command


class Resolver(NamedTuple):
    """One device's; `tolerance_w` as in `RecordReadBack`, `remote` whether it obeys us."""

    door: WatchedDoor
    journal: Journal
    driven: DrivenDevice
    tolerance_w: int
    remote: bool

    @property
    def device(self) -> str:
        return self.driven.id

    async def resolve(self, found: Found, now: datetime) -> Standing | None:
        """Bring record and device to agree; what goes on from there.

        Raises:
            StoreLost: call it again, with a new reading; Refused: `read_before_written` while the clock of
                the driver before was ahead of ours: the same.
        """
        for kept in self.journal.kept(self.device):
            await tell_written_first(self.door, self.journal, kept.entry, certain=kept.certain)
        standing = None
        for day in (now.date() - timedelta(days=1), now.date()):
            standing = await self._day(day, found, now) or standing
        return standing

    async def _day(self, day: date, found: Found, now: datetime) -> Standing | None:
        state = await self._state(day)
        for sequence in _leased(state):
            command = state.commands[sequence]
            told = RecordWritten(
                self.device, day, sequence, command.token, state.standing_w, command.at, uncertain=_ENDED
            )
            await self.door.execute(told, step_id(self.device, f"{day}", sequence, "written", _ENDED))
        state = await self._state(day)
        last = state.commands.get(state.last)
        if last is not None and _to_be_read(last, found, self.tolerance_w, now):
            await self._read(day, last, found)
            state = await self._state(day)
            last = state.commands[state.last]
        for sequence in _over(state, now):
            name = step_id(self.device, f"{day}", sequence, "expired")
            await self.door.execute(ExpireSetpoint(self.device, day, sequence), name)
        if last is None or last.status not in ("read_back", "seen"):
            return None
        return Standing(day, last) if now < last.setpoint.expires_at else None

    async def _read(self, day: date, command: Command, found: Found) -> None:
        assert command.written_at is not None, "it may have been written"
        lasts = command.setpoint.expires_at - command.written_at
        told = RecordReadBack(
            self.device,
            day,
            command.sequence,
            found.w,
            found.at,
            tolerance_w=self.tolerance_w,
            safe_w=self.driven.safe_w,
            remote=self.remote,
            fallback_s=falls_back_s(self.driven.profile, lasts),
            fallen=found.fallen,
        )
        name = step_id(self.device, f"{day}", command.sequence, "read", f"{found.w} {found.at.isoformat()}")
        await self.door.execute(told, name)

    async def _state(self, day: date) -> DeviceDay:
        state = await self.door.state(command_aggregate(self.device, day))
        return state if isinstance(state, DeviceDay) else DeviceDay()


def _leased(state: DeviceDay) -> Sequence[int]:
    """Those of which nobody knows whether they were written."""
    return [n for n, one in sorted(state.commands.items()) if one.status == "leased"]


def _to_be_read(command: Command, found: Found, tolerance_w: int, now: datetime) -> bool:
    """Whether a reading says something new of it: it is in doubt, or is no longer shown while it holds."""
    if command.status in ("written", "unknown"):
        return True
    setpoint = command.setpoint
    # A band may hold the safe state, too: what fell back follows nothing within it.
    fallen = found.fallen and bool(setpoint.power_w_max)
    shown = abs(found.w - setpoint.setpoint_w) <= tolerance_w + setpoint.band_w and not fallen
    return command.status in ("read_back", "seen") and not shown and now < command.setpoint.expires_at


def _over(state: DeviceDay, now: datetime) -> Sequence[int]:
    ending = ("intended", "leased", "written", "read_back")
    return [
        n
        for n, one in sorted(state.commands.items())
        if one.status in ending and one.setpoint.expires_at <= now
    ]
