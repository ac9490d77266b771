"""Is the access log whole? Its numbers run from 1, and each is of one record, or is known to be lost."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Final, NamedTuple

import msgspec

from adapters import access_mark
from adapters.access_mark import Mark
from adapters.continuity import Discontinuity
from adapters.nats import access_stream, stream
from adapters.nats.client import NatsClient
from adapters.nats.question import ANSWER_S, ask
from adapters.nats.stream import StreamState
from adapters.postgres.database import Database
from ledger.access_record import AccessRecord

EXPIRING: Final = timedelta(days=1)
"""What is about to be forgotten may be gone between two looks, and clocks differ."""
_NO_MESSAGE: Final = 10037
_decode: Final = msgspec.json.Decoder(AccessRecord).decode


class Missing(NamedTuple):
    """Numbers that were given, and of which no record, or another one, is there."""

    first: int
    last: int
    why: str

    def error(self) -> Discontinuity:
        """That it is missing, with the fault's code and place."""
        return Discontinuity(self.why, code="access_gap", place=f"access records {self.first} to {self.last}")


def check(
    client: NatsClient, database: Database, book: str, now: datetime, *, within: float = ANSWER_S
) -> None:
    """Compare what the stream says of itself, and its newest record, with the mark. Where there is no mark
    yet the log is taken as it stands.

    Raises:
        Discontinuity: `access_gap`.
        WeakStream, StreamError: the stream is weak, or the servers do not say.
    """
    found = look(client, database, book, now, within=within)
    if found.mark is None:
        _adopt(client, database, book, found.state)
        return
    for one in found.at_ends(client, book):
        raise one.error()
    if (holes := access_mark.holes(found.state, found.mark)) > 0:
        text = f"the access log has no record of {holes} of these numbers"
        raise Missing(found.state.first_seq, found.state.last_seq, text).error()
    if found.state.first_seq > found.mark.oldest:
        first = record_at(client, book, found.state.first_seq)
        at = found.mark.oldest_at if first is None else _decode(first).at
        access_mark.keep_oldest(database, book, found.state.first_seq, at)


class Look(NamedTuple):
    """The mark, and what the stream said of itself after it was read: it may have grown meanwhile."""

    mark: Mark | None
    state: StreamState
    forgotten_at: datetime

    def at_ends(self, client: NatsClient, book: str) -> Iterator[Missing]:
        """What is missing at the stream's ends, beside the mark."""
        mark, first, last = self.mark, max(1, self.state.first_seq), self.state.last_seq
        if mark is None:
            return
        if first > mark.oldest and mark.oldest_at >= self.forgotten_at:
            text = f"the access log begins at {first}, and {mark.oldest} is not old enough to be forgotten"
            yield Missing(mark.oldest, min(first - 1, mark.last), text)
        if last < mark.last:
            text = f"the access log ends at {last}, and {mark.last} was numbered: records were lost"
            yield Missing(max(last + 1, first), mark.last, text)
        elif mark.last >= first and not mark.knows_lost(range(mark.last, mark.last + 1)):
            newest = record_at(client, book, mark.last)
            if newest is None:
                yield Missing(mark.last, mark.last, "the access log has no record of its newest number")
            elif hashlib.sha256(newest).digest() != mark.digest and _decode(newest).outcome != "lost":
                yield Missing(mark.last, mark.last, "the record is another one: its number was given again")

    def missing(self, client: NatsClient, book: str, numbers: Iterator[int]) -> tuple[Missing, ...]:
        """What is missing, each number once; `numbers` are those that can be read, in order."""
        found = list(self.at_ends(client, book))
        before = max(1, self.state.first_seq) - 1
        for number in chain(numbers, [self.state.last_seq + 1]):
            found += gaps(before, number, self.mark)
            before = max(before, number)
        told: list[Missing] = []
        for one in sorted(found):
            if not told or one.first > told[-1].last:
                told.append(one)
        return tuple(told)


def look(
    client: NatsClient, database: Database, book: str, now: datetime, *, within: float = ANSWER_S
) -> Look:
    """What is compared.

    Raises:
        WeakStream, StreamError: as `check`.
    """
    retention = timedelta(days=access_stream.verify(client, book, within=within).days)
    mark = access_mark.read(database, book)
    state = stream.standing_of(client, access_stream.stream_name(book), within=within).state
    return Look(mark, state, now - retention + EXPIRING)


def gaps(before: int, number: int, mark: Mark | None) -> Iterator[Missing]:
    """The numbers between two that follow each other, unless it was told that they are lost."""
    between = range(before + 1, number)
    if between and (mark is None or not mark.knows_lost(between)):
        yield Missing(between[0], between[-1], "the access log gives no record of these numbers")


def record_at(client: NatsClient, book: str, sequence: int) -> bytes | None:
    """The record of that number as it is kept; None where there is none.

    Raises:
        StreamError: the server does not say.
    """
    verb = f"STREAM.MSG.GET.{access_stream.stream_name(book)}"
    answer = msgspec.json.decode(client.run(ask(client, verb, {"seq": sequence})).data)
    if (error := answer.get("error")) is None:
        return base64.b64decode(answer["message"].get("data", ""))
    if error.get("err_code") == _NO_MESSAGE:
        return None
    raise stream.StreamError(error.get("err_code", 0), error.get("description", ""))


def _adopt(client: NatsClient, database: Database, book: str, state: StreamState) -> None:
    ends = {at: record_at(client, book, at) for at in (state.first_seq, state.last_seq) if state.messages}
    numbered = [access_mark.numbered(at, content) for at, content in ends.items() if content is not None]
    if numbered:
        access_mark.note(database, book, numbered)
