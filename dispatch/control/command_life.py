"""A setpoint's life on a device's day: intended, leased, written, read back, seen by the meter, settled.

`unknown`: it was written and nobody knows whether it arrived. Only a reading of the device ends that. What
was written is a fact and is recorded however it came about; what is still to be written is decided.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final, Literal

import msgspec

from dispatch.control.foreign_writer import Writer
from dispatch.control.interlock import Interlock
from dispatch.control.setpoint import Setpoint
from ledger.interval import Instant
from ledger.refusal import Refused

Status = Literal[
    "intended",
    "leased",
    "written",
    "unknown",
    "read_back",
    "seen",
    "settled",
    "superseded",
    "overridden",
    "refused",
    "expired",
]

_SETTLEMENT: Final = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9_-]{0,63})_(\d{4}-(?:0[1-9]|1[0-2]))_([1-9]\d{0,8})", re.ASCII
)
WAITING: Final[frozenset[Status]] = frozenset({"intended", "leased"})
"""Before it is written: a newer setpoint takes its place."""
AT_DEVICE: Final[frozenset[Status]] = frozenset({"written", "unknown", "read_back", "seen"})
"""The device has it, or may have it."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One setpoint and how far it came; an instant is when a thing happened, which may be long before it was
    told."""

    sequence: int
    setpoint: Setpoint
    at: Instant
    by: str
    status: Status = "intended"
    token: int = 0
    before_w: int | None = None
    """What was read from the device before it was written; None when that could not be read."""
    written_at: Instant | None = None
    fenced: bool = False
    """It was written by one who had lost the lease by then."""
    raised_unrecorded: bool = False
    """It raised power without an intent on record: nobody may do that."""
    confirmed: bool = False
    """The device was read and showed it."""
    found_w: int | None = None
    measured_w: int | None = None
    meter: str = ""
    superseded_by: int = 0
    interlocks: tuple[Interlock, ...] = ()
    writer: Writer | None = None
    settlement: str = ""

    @property
    def awaits_settlement(self) -> bool:
        """Whether the meter saw it and no settlement holds it yet; also where others undid it later."""
        return bool(self.meter) and self.status in ("seen", "overridden")


class DeviceDay(msgspec.Struct, frozen=True):
    """The day's commands by sequence; `last` is which one the device was written last."""

    commands: dict[int, Command] = {}
    last: int = 0
    standing_w: int | None = None
    """The setpoint that was read from the device last; None while that is not known."""
    journalled: dict[str, int] = {}
    """Drivers' own numbers of what they wrote first, and its sequence here."""

    @property
    def newest(self) -> int:
        return max(self.commands, default=0)

    @property
    def unknown(self) -> tuple[int, ...]:
        """Which writes wait for a reading of the device."""
        return tuple(n for n, one in self.commands.items() if one.status == "unknown")

    def with_one(self, sequence: int, **changes: object) -> DeviceDay:
        changed = msgspec.structs.replace(self.commands[sequence], **changes)
        return msgspec.structs.replace(self, commands={**self.commands, sequence: changed})

    def superseding(self, sequence: int, statuses: frozenset[Status]) -> DeviceDay:
        """The same, where older ones in those statuses gave way to that one; what the meter saw stays."""
        replaced: dict[int, Command] = {}
        for number, one in self.commands.items():
            if number < sequence and one.status in statuses:
                gone: Status = "superseded"
                one = msgspec.structs.replace(one, status=gone, superseded_by=sequence)
            replaced[number] = one
        return msgspec.structs.replace(self, commands=replaced)


_REPLACED: Final[frozenset[Status]] = WAITING | {"written", "read_back"}
_UNKNOWN: Final[frozenset[Status]] = frozenset({"unknown"})


class SetpointIntended(msgspec.Struct, frozen=True, tag_field="kind", tag="command.intended.v1"):
    sequence: int
    setpoint: Setpoint
    by: str
    at: Instant

    def apply(self, state: DeviceDay | None) -> DeviceDay:
        day = state or DeviceDay()
        made = Command(sequence=self.sequence, setpoint=self.setpoint, at=self.at, by=self.by)
        added = msgspec.structs.replace(day, commands={**day.commands, self.sequence: made})
        return added.superseding(self.sequence, WAITING)


class SetpointLeased(msgspec.Struct, frozen=True, tag_field="kind", tag="command.leased.v1"):
    """Its holder may write it now."""

    sequence: int
    holder: str
    token: int
    at: Instant

    def apply(self, state: DeviceDay) -> DeviceDay:
        return state.with_one(self.sequence, status="leased", token=self.token)


class SetpointWritten(msgspec.Struct, frozen=True, tag_field="kind", tag="command.written.v1"):
    """The device acknowledged the write; whether it does what it was told is still to be read. `after`: which
    one of the day its driver wrote before it, whatever the clock said; 0: that is not known."""

    sequence: int
    token: int
    before_w: int | None
    at: Instant
    fenced: bool = False
    after: int = 0

    def apply(self, state: DeviceDay) -> DeviceDay:
        return _written(self, state, "written", self.token, fenced=self.fenced)


class WriteUncertain(msgspec.Struct, frozen=True, tag_field="kind", tag="command.uncertain.v1"):
    """It was sent, and no answer came: the device may or may not have it. `after` as in `SetpointWritten`."""

    sequence: int
    token: int
    before_w: int | None
    at: Instant
    reason: str
    fenced: bool = False
    after: int = 0

    def apply(self, state: DeviceDay) -> DeviceDay:
        return _written(self, state, "unknown", self.token, fenced=self.fenced)


def _written(
    told: SetpointWritten | WriteUncertain | WrittenFirst,
    state: DeviceDay,
    status: Status,
    token: int,
    *,
    fenced: bool,
) -> DeviceDay:
    """What its driver wrote after the last stands now; of anything else the times say it."""
    sequence, at = told.sequence, told.at
    state = state.with_one(
        sequence, status=status, token=token, before_w=told.before_w, written_at=at, fenced=fenced
    )
    last = state.commands.get(state.last)
    later = last is not None and last.written_at is not None and last.written_at > at
    if last is not None and later and told.after != last.sequence:
        if status == "unknown" and not last.confirmed:
            return state
        return state.with_one(sequence, status="superseded", superseded_by=last.sequence)
    state = msgspec.structs.replace(state, last=sequence, standing_w=None)
    return state.superseding(sequence, _REPLACED)


class SetpointReadBack(msgspec.Struct, frozen=True, tag_field="kind", tag="command.read_back.v1"):
    """The device shows the setpoint, within what its register can show. What the meter saw stays seen."""

    sequence: int
    found_w: int
    at: Instant

    def apply(self, state: DeviceDay) -> DeviceDay:
        status: Status = "seen" if state.commands[self.sequence].status == "seen" else "read_back"
        changed = state.with_one(self.sequence, status=status, confirmed=True, found_w=self.found_w)
        return _read(changed, self.sequence, self.found_w)


class SetpointNotApplied(msgspec.Struct, frozen=True, tag_field="kind", tag="command.not_applied.v1"):
    """The device shows what it showed before the write: it may be written again while it is in force."""

    sequence: int
    found_w: int
    at: Instant

    def apply(self, state: DeviceDay) -> DeviceDay:
        changed = state.with_one(
            self.sequence, status="intended", token=0, written_at=None, found_w=self.found_w
        )
        return _read(changed, self.sequence, self.found_w).superseding(changed.newest, WAITING)


class ForeignWriterSeen(msgspec.Struct, frozen=True, tag_field="kind", tag="command.foreign_written.v1"):
    """The device does not show what we wrote, nor what stood before it: somebody else writes to it.

    So too where it once showed what we wrote, and no longer does."""

    sequence: int
    written_w: int
    before_w: int | None
    found_w: int
    writer: Writer
    at: Instant

    def apply(self, state: DeviceDay) -> DeviceDay:
        changed = state.with_one(self.sequence, status="overridden", found_w=self.found_w, writer=self.writer)
        return _read(changed, self.sequence, self.found_w)


def _read(state: DeviceDay, sequence: int, found_w: int) -> DeviceDay:
    """A reading after a write also ends the doubt about older ones: whatever they did is undone by now."""
    if state.last != sequence:
        return state
    return msgspec.structs.replace(state, standing_w=found_w).superseding(sequence, _UNKNOWN)


class SetpointSeen(msgspec.Struct, frozen=True, tag_field="kind", tag="command.seen.v1"):
    """The storage's own meter shows what was commanded."""

    sequence: int
    meter: str
    measured_w: int
    at: Instant

    def apply(self, state: DeviceDay) -> DeviceDay:
        return state.with_one(self.sequence, status="seen", meter=self.meter, measured_w=self.measured_w)


class SetpointRefused(msgspec.Struct, frozen=True, tag_field="kind", tag="command.refused.v1"):
    """It was not written, for these reasons, the weightiest first (docs/device-refusals.md)."""

    sequence: int
    interlocks: tuple[Interlock, ...]
    at: Instant

    def apply(self, state: DeviceDay) -> DeviceDay:
        return state.with_one(self.sequence, status="refused", interlocks=self.interlocks)


class SetpointExpired(msgspec.Struct, frozen=True, tag_field="kind", tag="command.expired.v1"):
    """Its time was over before the meter saw it; a device that had it falls back by itself."""

    sequence: int
    at: Instant

    def apply(self, state: DeviceDay) -> DeviceDay:
        changed = state.with_one(self.sequence, status="expired")
        return msgspec.structs.replace(changed, standing_w=None) if state.last == self.sequence else changed


class WrittenFirst(msgspec.Struct, frozen=True, tag_field="kind", tag="command.written_first.v1"):
    """A stop or limit that a driver wrote before it was on record; `at` is when, `journal` its own number.

    `raised`: it was no lowering after all. `after` as in `SetpointWritten`.
    """

    sequence: int
    setpoint: Setpoint
    journal: str
    before_w: int | None
    at: Instant
    by: str
    certain: bool = True
    raised: bool = False
    after: int = 0

    def apply(self, state: DeviceDay | None) -> DeviceDay:
        day = state or DeviceDay()
        made = Command(
            sequence=self.sequence,
            setpoint=self.setpoint,
            at=self.at,
            by=self.by,
            raised_unrecorded=self.raised,
        )
        added = msgspec.structs.replace(
            day,
            commands={**day.commands, self.sequence: made},
            journalled={**day.journalled, self.journal: self.sequence},
        )
        status: Status = "written" if self.certain else "unknown"
        return _written(self, added, status, 0, fenced=False)


class CommandsSettled(msgspec.Struct, frozen=True, tag_field="kind", tag="command.settled.v1"):
    """What the meter saw of them is in that settlement. `device` is named so that its story tells it."""

    sequences: tuple[int, ...]
    settlement: str
    device: str

    def apply(self, state: DeviceDay) -> DeviceDay:
        for sequence in self.sequences:
            state = state.with_one(sequence, status="settled", settlement=self.settlement)
        return state


def settlement_name(contract: str, month: str, run: int) -> str:
    """What a setpoint's settlement is called: a run of a contract's month.

    >>> settlement_name("C_1", "2026-08", 2)
    'C_1_2026-08_2'
    """
    return f"{contract}_{month}_{run}"


def settlement_parts(name: str) -> tuple[str, str, int]:
    """Contract, month and run of `settlement_name`.

    >>> settlement_parts("C_1_2026-08_2")
    ('C_1', '2026-08', 2)

    Raises:
        Refused: `settlement_name`.
    """
    found = _SETTLEMENT.fullmatch(name)
    if found is None:
        raise Refused("settlement_name", "CONTRACT_YYYY-MM_RUN, such as C1_2026-08_2", place="settlement")
    return found[1], found[2], int(found[3])


def command_aggregate(device: str, day: date) -> str:
    """The aggregate of a device's UTC day of commands.

    >>> command_aggregate("bess-1", date(2026, 8, 3))
    'command.bess-1_2026-08-03'
    """
    return f"command.{device}_{day.isoformat()}"
