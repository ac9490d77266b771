"""What is answered of money that was recorded: where the fact is, and when it is posted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import msgspec
from litestar import Response

from adapters.front_door import Receipt, Wish
from adapters.http.intake import Intake, replayable
from adapters.posting_day import posted_late
from ledger.command import Command


class Booked(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the fact is: its aggregate, that aggregate's version, and the sequence number in the book.

    `posted_on` is the first open day, where the month of the booking's own day is closed: it is posted there,
    and keeps its own day as value date.
    """

    aggregate: str
    version: int
    sequence: int
    posted_on: date | None = None

    @classmethod
    def of(cls, receipt: Receipt, posted_on: date | None) -> Booked:
        return cls(receipt.aggregate, receipt.version, receipt.sequence, posted_on)


def booked(intake: Intake, asked: object, commands: Sequence[Command], on: date) -> Response[Booked]:
    """Accept all the commands or none, about a booking of the day `on`; the first one's fact is answered.

    Raises:
        Refused: as `FrontDoor.execute_all`.
    """
    door = intake.service.door

    def work() -> Booked:
        wishes = [Wish(command, intake.command_id) for command in commands]
        first, *_ = door.execute_all(wishes, actor=intake.actor)
        return Booked.of(first, posted_late(door, on))

    answer, repeated = intake.once(asked, Booked, work)
    return replayable(answer, repeated=repeated)
