"""Sealing the access log once a day, and finding records that are not those that were sealed."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from itertools import takewhile
from typing import Final, NamedTuple

import msgspec
import nats.errors
from eventsourcing.persistence import OperationalError

from adapters.access_log import AccessLog
from adapters.access_whole import EXPIRING
from adapters.continuity import Discontinuity
from adapters.front_door import FrontDoor
from adapters.integrity.fault import Fault
from adapters.nats import access_stream
from adapters.nats.stream import StreamError, WeakStream
from ledger.access_seal import AGGREGATE, AccessSeal, SealAccessLog
from ledger.refusal import Refused

_EVERY_S: Final = 3600.0
_encode: Final = msgspec.json.Encoder().encode
_log = logging.getLogger("wattledger.access")


class Checked(NamedTuple):
    """How many sealed records are as they were, how many were forgotten by age, and what is wrong."""

    records: int
    forgotten: int
    faults: tuple[Fault, ...]


class _Digest:
    """Over records, a line each."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self.records = 0

    def add(self, sequence: int, record: object) -> None:
        self._sha.update(b"%d " % sequence + _encode(record) + b"\n")
        self.records += 1

    @property
    def hex(self) -> str:
        return self._sha.hexdigest()


def seals(door: FrontDoor) -> tuple[AccessSeal, ...]:
    """What was sealed so far, in order."""
    found = door.state(AGGREGATE)
    return found if isinstance(found, tuple) else ()


def seal(log: AccessLog, door: FrontDoor, *, actor: str) -> AccessSeal | None:
    """Seal the records that follow the sealed ones up to the end of yesterday (UTC); None without any.

    Raises:
        Unrecorded: the access log cannot be read.
        Discontinuity: `access_gap` where records are missing.
        Refused: `access_seal` where another process was faster.
    """
    before = seals(door)
    today = datetime.combine(log.clock().astimezone(UTC).date(), time(), UTC)
    digest = _Digest()
    first = last = None
    after = before[-1].last if before else 0
    for one in takewhile(lambda kept: kept.record.at < today, log.read(after=after)):
        first, last = first or one, one
        digest.add(one.sequence, one.record)
    if first is None or last is None:
        return None
    start = after + 1 if before else first.sequence
    made = AccessSeal(start, last.sequence, first.record.at, digest.hex)
    door.execute(SealAccessLog(made), command_id=f"access-seal:{made.first}-{made.last}", actor=actor)
    return made


def check(log: AccessLog, door: FrontDoor) -> Checked:
    """Compare the records with their seals, and their numbers with those that were given. Those older than
    the retention are forgotten and not compared.

    Raises:
        Unrecorded: the access log cannot be read.
        WeakStream, StreamError: the log forgets too soon, or is not there.
    """
    missing = tuple(found.error().fault for found in log.missing())
    sealed = seals(door)
    if not sealed:
        return Checked(0, 0, missing)
    retention = timedelta(days=access_stream.verify(log.client, log.book).days)
    forgotten_at = log.clock() - retention + EXPIRING
    faults = list(missing)
    records = forgotten = 0
    waiting = log.kept(after=sealed[0].first - 1)
    one = next(waiting, None)
    for each in sealed:
        digest = _Digest()
        while one is not None and one.sequence <= each.last:
            digest.add(one.sequence, one.record)
            one = next(waiting, None)
        if digest.hex == each.sha256:
            records += digest.records
        elif digest.records < each.last - each.first + 1 and each.first_at < forgotten_at:
            forgotten += each.last - each.first + 1 - digest.records
        else:
            place = f"access records {each.first} to {each.last}"
            text = f"they are not those that were sealed; {digest.records} of them are there"
            faults.append(Fault("access_altered", place, text))
    return Checked(records, forgotten, tuple(faults))


def keep_sealing(log: AccessLog, door: FrontDoor, ended: threading.Event, *, actor: str) -> None:
    """Seal now and then every hour, until `ended`; what does not succeed is tried again with the next."""
    while True:
        _try(lambda: seal(log, door, actor=actor))
        if ended.wait(_EVERY_S):
            return


def _try(work: Callable[[], object]) -> None:
    try:
        work()
    except (
        Refused,
        Discontinuity,
        OperationalError,
        StreamError,
        WeakStream,
        nats.errors.Error,
        OSError,
    ) as error:
        _log.warning("the access log is not sealed yet: %s", error)
