"""What is answered of money that was recorded: where the fact is, and when it is posted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import msgspec
from litestar import Response

from adapters.booking import book
from adapters.front_door import Receipt
from adapters.http.intake import Intake, replayable
from adapters.posting_day import posted_late
from ledger.command import Command


class Booked(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the fact is: its aggregate, that aggregate's version, and the sequence number in the book.

    `posted_on` is the first open day, where the month of the booking's own day is closed: it is posted there,
    and keeps its own day as value date. `warnings` say what was accepted, and perhaps not meant.
    """

    aggregate: str
    version: int
    sequence: int
    posted_on: date | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, receipt: Receipt, posted_on: date | None, warnings: tuple[str, ...] = ()) -> Booked:
        return cls(receipt.aggregate, receipt.version, receipt.sequence, posted_on, warnings)


def _no_warnings() -> tuple[str, ...]:
    return ()


def booked(
    intake: Intake,
    asked: object,
    commands: Sequence[Command],
    on: date,
    warnings: Callable[[], tuple[str, ...]] = _no_warnings,
) -> Response[Booked]:
    """Accept all the commands or none, about a booking of the day `on`; the first one's fact is answered. The
    same again, under any key, is answered as it was recorded.

    Raises:
        Refused: as `book`.
    """
    door = intake.service.door

    def work() -> Booked:
        first = book(door, commands, command_id=intake.command_id, actor=intake.actor)
        return Booked.of(first, posted_late(door, on), warnings())

    answer, repeated = intake.once(asked, Booked, work)
    return replayable(answer, repeated=repeated)
