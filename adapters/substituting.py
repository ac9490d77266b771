"""Substituting readings: computed from what is recorded, decided on what is held, with four eyes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from adapters import approving
from adapters.approving import Submitted
from adapters.front_door import FrontDoor, Wish
from adapters.gap import DAYS_MAX, Gap, Source
from adapters.importing import blocks_of
from adapters.postgres.database import Connection
from ledger.approval import Propose
from ledger.interval import Instant, Interval
from ledger.meter_import import check_clock
from ledger.metering.method import (
    Method,
    quality_of,
)
from ledger.metering.substitution import Replaces, SubstituteReadings
from ledger.readings import Register, run_of
from ledger.refusal import Refused


class Wanted(msgspec.Struct, frozen=True):
    """What to substitute: [start, end) of one register, by which method, in place of what, and why."""

    meter: str
    register: Register
    start: Instant
    end: Instant
    method: Method
    replaces: Replaces
    reason: str

    @property
    def interval(self) -> Interval:
        return Interval(self.start.astimezone(UTC), self.end.astimezone(UTC))


def prepare(
    connection: Connection, book: str, wanted: Wanted, position: int, *, prepared_by: str, now: datetime
) -> list[SubstituteReadings]:
    """The commands that substitute what is wanted, one a UTC month, computed as of `position`.

    Raises:
        Refused: `unknown_meter`, `unknown_register`, `interval`, `substitute_length`, `future_reading`,
            `pv_hours`, `no_end_point`, `missing_basis`, `reference`, `not_actual`, and what the method
            refuses (`ledger.metering.estimation`).
    """
    source = Source(connection, book, position)
    spec = source.spec(wanted.meter, wanted.register)
    interval = wanted.interval
    if interval.end - interval.start > timedelta(days=DAYS_MAX):
        raise Refused("substitute_length", f"at most {DAYS_MAX} days at once", place="end")
    values, basis = Gap(source, spec, wanted.register, interval).values(wanted.method)
    quality = quality_of(wanted.method)
    run = run_of(wanted.meter, wanted.register, interval.start, spec.interval_s, values, quality)
    check_clock(run, now)
    levelling = None if basis.total_wh is None else basis.total_wh - int(values.sum())
    return [
        SubstituteReadings(
            wanted.meter, wanted.register, interval, wanted.method, basis, wanted.replaces, block.runs,
            levelling, wanted.reason, prepared_by,
        )
        for block in blocks_of("", [run])
    ]  # fmt: skip


def submit(
    door: FrontDoor, commands: Sequence[SubstituteReadings], *, command_id: str, actor: str
) -> list[Submitted]:
    """Execute all the commands or none, or prepare them where the book asks for two persons.

    Each month's part is then a proposal of its own.

    Raises:
        Refused: what a command is refused for.
    """
    if not any(approving.needs_approval(door, command) for command in commands):
        receipts = door.execute_all([Wish(command, command_id) for command in commands], actor=actor)
        return [Submitted(receipt, None) for receipt in receipts]
    named = {_proposal(command_id, command.month): command for command in commands}
    proposals = [Wish(Propose(name, command, actor), command_id) for name, command in named.items()]
    receipts = door.execute_all(proposals, actor=actor)
    return [Submitted(receipt, name) for receipt, name in zip(receipts, named, strict=True)]


def _proposal(command_id: str, month: str) -> str:
    return f"p{hashlib.sha256(f'{command_id}:{month}'.encode()).hexdigest()[:20]}"
