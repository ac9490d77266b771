"""One device's steps on record: those that are waited for, and those that are told later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from adapters.driving.device_writes import Found, Outcome
from adapters.driving.journal import Entry, Journal
from adapters.driving.telling import Teller
from adapters.driving.tried import AtDevice, Wish
from adapters.driving.watched_door import WatchedDoor
from adapters.driving.written_first import tell_written_first
from dispatch.control.command_life import DeviceDay, command_aggregate
from dispatch.control.command_records import RecordReadBack, RecordSeen, RecordWritten
from dispatch.control.command_steps import ExpireSetpoint, IntendSetpoint, LeaseSetpoint, RefuseSetpoint
from dispatch.control.interlock import Interlock
from dispatch.control.setpoint import step_id


class Steps:
    """`holder` intends and writes."""

    def __init__(self, door: WatchedDoor, teller: Teller, journal: Journal, device: str, holder: str) -> None:
        self._door = door
        self._teller = teller
        self._journal = journal
        self._device = device
        self._holder = holder
        self._newest: tuple[date, int] | None = None
        """Day and sequence of what was written last, of all that is on record."""

    async def intend(self, wish: Wish) -> None:
        """Put the intent on record; the wish gets its sequence.

        Raises:
            StoreLost: ask again; Refused: as `IntendSetpoint`.
        """
        command = IntendSetpoint(self._device, wish.day, wish.setpoint, self._holder)
        await self._door.execute(command, f"{self._holder}-{self._device}-intend-{wish.number}")
        state = await self._door.state(command_aggregate(self._device, wish.day))
        assert isinstance(state, DeviceDay), "it has a command"
        own = [
            n for n, one in state.commands.items() if (one.setpoint, one.by) == (wish.setpoint, self._holder)
        ]
        wish.sequence = max(own)

    async def lease(self, wish: Wish, token: int) -> None:
        """Raises:
        StoreLost; Refused: as `LeaseSetpoint`."""
        command = LeaseSetpoint(self._device, wish.day, wish.sequence, self._holder, token)
        await self._door.execute(
            command, self._id(wish.day, wish.sequence, "leased", f"{token}-{wish.not_applied}")
        )

    def tell_refused(self, wish: Wish, interlocks: Sequence[Interlock]) -> None:
        day, sequence = wish.day, wish.sequence
        command = RefuseSetpoint(self._device, day, sequence, tuple(interlocks))

        async def tell() -> None:
            await self._door.execute(command, self._id(day, sequence, "refused"))

        self._teller.tell(tell)

    def tell_written(self, at: AtDevice, token: int, outcome: Outcome) -> None:
        """That it was written, or that nobody knows."""
        uncertain = "" if outcome.certainty == "certain" else outcome.why
        written_at = at.written_at

        async def tell() -> None:
            after = self._written_before(at.day)
            command = RecordWritten(
                self._device, at.day, at.sequence, token, at.before_w, written_at, uncertain, after
            )
            name = self._id(at.day, at.sequence, "written", outcome.at.isoformat())
            await self._door.execute(command, name)
            self._newest = (at.day, at.sequence)

        self._teller.tell(tell)

    def tell_written_first(self, at: AtDevice, entry: Entry, *, certain: bool) -> None:
        async def tell() -> None:
            after = self._written_before(at.day)
            at.sequence = await tell_written_first(
                self._door, self._journal, entry, certain=certain, after=after
            )
            self._newest = (at.day, at.sequence)

        self._teller.tell(tell)

    def tell_read(
        self,
        at: AtDevice,
        found: Found,
        *,
        tolerance_w: int,
        safe_w: int,
        remote: bool,
        fallback_s: int | None,
    ) -> None:
        """What the device shows; what that means is found by the record."""
        written_w = at.target_w

        async def tell() -> None:
            command = RecordReadBack(
                self._device,
                at.day,
                at.sequence,
                found.w,
                found.at,
                tolerance_w=tolerance_w,
                safe_w=safe_w,
                remote=remote,
                fallback_s=fallback_s,
                fallen=found.fallen,
                written_w=written_w,
            )
            name = self._id(at.day, at.sequence, "read", f"{found.w} {found.at.isoformat()}")
            await self._door.execute(command, name)

        self._teller.tell(tell)

    def tell_seen(self, at: AtDevice, meter: str, measured: Found, tolerance_w: int) -> None:
        async def tell() -> None:
            command = RecordSeen(
                self._device, at.day, at.sequence, meter, measured.w, measured.at, tolerance_w
            )
            await self._door.execute(command, self._id(at.day, at.sequence, "seen"))

        self._teller.tell(tell)

    def tell_expired(self, at: AtDevice | Wish) -> None:
        async def tell() -> None:
            if at.sequence:
                command = ExpireSetpoint(self._device, at.day, at.sequence)
                await self._door.execute(command, self._id(at.day, at.sequence, "expired"))

        self._teller.tell(tell)

    def _written_before(self, day: date) -> int:
        """What this run wrote last on that day, by its sequence: what is told is told in that order."""
        return self._newest[1] if self._newest is not None and self._newest[0] == day else 0

    def _id(self, day: date, sequence: int, step: str, told: str = "") -> str:
        return step_id(self._device, day.isoformat(), sequence, step, told)
