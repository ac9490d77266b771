"""Records of the access log that are lost: put on record, and their numbers given to no other read.

Nothing has a copy of them. Where the log's end is gone, a record `lost` is written under each of its numbers,
and a log of which nothing is left is made anew with the number that is due. Killed anywhere, the next repair
goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from adapters import access_mark
from adapters.access_log import AccessLog
from adapters.access_mark import Mark, numbered
from adapters.access_sealing import seals
from adapters.access_whole import Missing, record_at
from adapters.front_door import FrontDoor
from adapters.integrity import evidence
from adapters.nats import access_stream
from adapters.nats.client import NatsClient
from adapters.nats.stream import NOT_FOUND, Standing, StreamError, StreamState, alter, once_there, standing_of
from ledger.repair_record import Action, RecordRepair, Repair, Step

PLACE: Final = "access"
"""How the access log is named where a repair says what it did."""
_RANGES_MAX: Final = 100
"""So many are steps of their own; the evidence's file has all."""


class Made(NamedTuple):
    """How the stream is made where it is made anew, and what was set aside of it."""

    max_bytes: int
    replicas: int
    days: int
    aside: tuple[Path, ...] = ()


class Told(NamedTuple):
    """What was put on record, and where (0: it was before)."""

    repair: Repair
    sequence: int


def missing(log: AccessLog, door: FrontDoor) -> tuple[Missing, ...]:
    """What a repair would put on record.

    Raises:
        Unrecorded: the log cannot be read.
        WeakStream, StreamError: the stream is weak, or the servers do not say.
    """
    if _standing(log) is not None:
        return log.missing()
    mark = _known(log, door)
    return () if mark is None else (Missing(mark.oldest, mark.last, "the access log is gone"),)


def repair(
    log: AccessLog, operator: NatsClient, door: FrontDoor, folder: Path, made: Made, *, actor: str, last: int
) -> Told | None:
    """Put on record what is missing, as an event of the book, whose last sequence is `last`; then let numbers
    go on behind it. None where nothing is missing, and nothing was set aside.

    Raises:
        As `missing`; Unrecorded: the numbers cannot be filled.
    """
    mark, found = _known(log, door), missing(log, door)
    told = _recorded(log, door, folder, mark, found, made.aside, actor=actor, last=last)
    standing = _standing(log)
    if mark is None:
        _make(operator, log.book, made, 1)
    elif found:
        if standing is None or not standing.state.messages:
            if standing is not None:
                alter(operator, f"STREAM.DELETE.{access_stream.stream_name(log.book)}", {})
            _make(operator, log.book, made, mark.last + 1)
            kept = Mark(mark.last, b"", mark.last + 1, log.clock())
        else:
            assert told is not None
            kept = _filled(log, standing.state, mark, found, told.repair.id)
        access_mark.keep(log.database, log.book, kept)
    log.check()
    return told


def set_aside(door: FrontDoor, folder: Path, path: Path, *, actor: str, last: int) -> Told:
    """Put on record that a stream of telemetry was set aside; how much was in it nobody knows."""
    kept = evidence.keep_rows(folder, door.book, {"set_aside": path.name})
    step = Step("stream_set_aside", "telemetry", 0, 0, 0)
    record = Repair(kept.sha256[:32], last, 0, (step,), (), kept.file, kept.sha256)
    receipt = door.execute(RecordRepair(record), command_id=f"repair:{record.id}", actor=actor)
    return Told(record, receipt.sequence)


def _recorded(
    log: AccessLog,
    door: FrontDoor,
    folder: Path,
    mark: Mark | None,
    found: Sequence[Missing],
    aside: Sequence[Path],
    *,
    actor: str,
    last: int,
) -> Told | None:
    """Under an id that stays the same until the numbers go on."""
    if not found and not aside:
        return None
    ranges = [(one.first, one.last) for one in found]
    known = {"mark": None if mark is None else [mark.last, mark.digest.hex(), mark.oldest, repr(mark.lost)]}
    what = known | {"lost": ranges, "set_aside": [path.name for path in aside]}
    kept = evidence.keep_rows(folder, log.book, what)
    named = hashlib.sha256(msgspec.json.encode(known if found else what)).hexdigest()[:32]
    action: Action = "stream_set_aside" if aside else "access_lost"
    steps = [Step(action, PLACE, first, end, end - first + 1) for first, end in ranges[:_RANGES_MAX]]
    if rest := ranges[_RANGES_MAX:]:
        steps.append(Step(action, PLACE, rest[0][0], rest[-1][1], sum(end - at + 1 for at, end in rest)))
    record = Repair(
        named, last, 0, tuple(steps) or (Step(action, PLACE, 0, 0, 0),), (), kept.file, kept.sha256
    )
    before = door.state(f"repair.{named}")
    if isinstance(before, Repair):
        return Told(before, 0)
    receipt = door.execute(RecordRepair(record), command_id=f"repair:{named}", actor=actor)
    return Told(record, receipt.sequence)


def _filled(log: AccessLog, state: StreamState, mark: Mark, found: Sequence[Missing], repair_id: str) -> Mark:
    """The mark of the stream with a record `lost` under each number that its end lacked."""
    log.fill(max(0, mark.last - state.last_seq), repair_id)
    last, first = max(mark.last, state.last_seq), max(1, state.first_seq)
    holes = [
        range(one.first, one.last + 1)
        for one in found
        if first <= one.first <= state.last_seq and record_at(log.client, log.book, one.first) is None
    ]
    newest, oldest = record_at(log.client, log.book, last), record_at(log.client, log.book, first)
    digest = b"" if newest is None else hashlib.sha256(newest).digest()
    at = log.clock() if oldest is None else numbered(first, oldest).at
    return Mark(last, digest, first, at, (*(one for one in mark.lost if one.stop > first), *holes))


def _known(log: AccessLog, door: FrontDoor) -> Mark | None:
    """The mark; else what was sealed, which is older."""
    mark = access_mark.read(log.database, log.book)
    sealed = seals(door)
    if mark is None and sealed and _standing(log) is None:
        return Mark(sealed[-1].last, b"", sealed[0].first, sealed[0].first_at)
    return mark


def _standing(log: AccessLog) -> Standing | None:
    """None while there is no stream."""
    try:
        return standing_of(log.client, access_stream.stream_name(log.book))
    except StreamError as error:
        if error.code != NOT_FOUND:
            raise
        return None


def _make(operator: NatsClient, book: str, made: Made, first: int) -> None:
    access_stream.create(
        operator, book, max_bytes=made.max_bytes, replicas=made.replicas, days=made.days, first=first
    )
    once_there(lambda: standing_of(operator, access_stream.stream_name(book)))
