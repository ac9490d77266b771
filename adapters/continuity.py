"""Is the stream still the one that was archived? NATS does not tell when it lost its tail.

One flipped bit and a restart truncated a stream without a warning and reused its sequence numbers,
so readers and writers both compare what they know with what the stream holds, after every connect.
"""

from __future__ import annotations

import hashlib
import time
from typing import Final

from adapters.integrity import compared_row
from adapters.integrity.fault import Fault, FaultCode
from adapters.nats import stream
from adapters.nats.client import NatsClient
from adapters.nats.log import Log, StoreUnavailable
from adapters.nats.pull import Pull
from adapters.postgres.database import Connection, Database

_APPLYING_S: Final = 2.0
"""How long a new leader may take to apply what it holds before its end is taken for the stream's end."""
_HOLE_S: Final = 2.0
"""How long a message may be missing between others before it is taken for lost: a new leader applies."""
_IDLE_S: Final = 0.5
_ARCHIVE_ROWS: Final = 2000


class Discontinuity(RuntimeError):
    """The stream is not a continuation of what was archived; nothing may be read or written on top.

    `code` and `place` are those of the fault (docs/repair.md).
    """

    def __init__(self, message: str, *, code: FaultCode = "stream_altered", place: str = "stream") -> None:
        super().__init__(message)
        self.fault = Fault(code, place, message)


def check(log: Log, sequence: int, digest: bytes) -> None:
    """Compare the stream with a position (`sequence` 0 is the beginning).

    Raises:
        Discontinuity: the stream ends before the position, or holds another message there.
    """
    if sequence == 0:
        return
    _check_reaches(log, sequence, "archived")
    payload = log.client.run(log.payload_at(sequence))
    if payload is None or hashlib.sha256(payload).digest() != digest:
        raise Discontinuity(
            f"the stream's message {sequence} is not the one that was archived", place=f"sequence {sequence}"
        )


def check_position(log: Log, database: Database, sequence: int, digest: bytes) -> None:
    """As `check`, and says which of the two is wrong: the stream, or what is said of it here.

    Raises:
        Discontinuity: as `check`; `row_altered` for a position that is not the archive's, `archive_added` for
            an archived envelope that was never projected.
    """
    try:
        check(log, sequence, digest)
    except Discontinuity as lost:
        with database.reading(log.book) as connection:
            found = connection.execute(
                "SELECT hash, (SELECT max(sequence) FROM ledger.position"
                " WHERE projection IN ('archive', 'tree')) FROM ledger.envelope WHERE sequence = %s",
                [sequence],
            ).fetchone()
        if found is None or bytes(found[0]) != digest:
            text = f"a projection says that it stands at {sequence}, where the archive has no such envelope"
            raise Discontinuity(text, code="row_altered", place="table position") from lost
        if found[1] is not None and sequence > found[1] and lost.fault.code == "stream_lost":
            text = "the archive has a row that neither stream nor tree has"
            raise Discontinuity(text, code="archive_added", place=f"sequence {found[1] + 1}") from lost
        raise


def _check_reaches(log: Log, sequence: int, known: str) -> None:
    give_up = time.monotonic() + _APPLYING_S
    while (last := log.client.run(log.last_sequence())) < sequence:
        if time.monotonic() > give_up:
            raise Discontinuity(
                f"the stream ends at {last}, but {sequence} was {known}: events were lost",
                code="stream_lost",
                place=f"sequence {last + 1}",
            )
        time.sleep(0.05)


def check_goes_on(log: Log, sequence: int) -> None:
    """That the stream holds the message after `sequence`, if it holds any later one.

    A damaged block can leave a hole whose message NATS neither delivers nor misses: a reader would wait for
    it without an end.

    Raises:
        Discontinuity: a later message is there, and the next one is not.
    """
    give_up = time.monotonic() + _HOLE_S
    while (last := log.client.run(log.last_sequence())) > sequence:
        if log.client.run(log.payload_at(sequence + 1)) is not None:
            return
        if time.monotonic() > give_up:
            raise Discontinuity(
                f"the stream holds no message {sequence + 1}, though it reaches {last}: events were lost",
                code="stream_hole",
                place=f"sequence {sequence + 1}",
            )
        time.sleep(_IDLE_S / 2)


def standing_of(log: Log) -> stream.Standing:
    """What the server says of the book's stream.

    Raises:
        Discontinuity: there is none any more.
        StoreUnavailable: it cannot say.
    """
    try:
        return stream.standing(log.client, log.book)
    except stream.StreamError as error:
        if error.code == stream.NOT_FOUND:
            raise Discontinuity(
                f"the servers hold no stream of book {log.book} any more", code="stream_missing"
            ) from error
        raise StoreUnavailable(str(error)) from error


def check_strong(standing: stream.Standing, book: str) -> None:
    """Raises:
    WeakStream: the stream's configuration could lose or alter facts."""
    if weak := stream.weaknesses(standing.config, book):
        raise stream.WeakStream(f"the stream of {book} is not safe to use: " + "; ".join(weak))


def check_whole(log: Log, standing: stream.Standing) -> None:
    """That the stream says it holds every message from the first to its last; what is deleted leaves a gap.

    Raises:
        Discontinuity: it says that messages are missing.
    """
    if not standing.state.whole:
        state = standing.state
        raise Discontinuity(
            f"the stream of {log.book} holds {state.messages} messages from {state.first_seq} to"
            f" {state.last_seq}: some were deleted or lost",
            code="stream_hole",
            place=f"sequences {state.first_seq} to {state.last_seq}",
        )


def archived(connection: Connection, book: str) -> tuple[int, bytes]:
    """(sequence, hash) of the newest archived envelope; (0, b"") for none."""
    found = connection.execute(
        "SELECT sequence, hash FROM ledger.envelope WHERE book = %s ORDER BY sequence DESC LIMIT 1", [book]
    ).fetchone()
    return (found[0], bytes(found[1])) if found else (0, b"")


def guard(log: Log, database: Database) -> None:
    """What a writer runs after every connect, before its first append.

    A stream that was made anew since somebody compared it, as after an operator's restore, is compared with
    the archive message by message, once; a single node's also after every start of the server, which may have
    found its files damaged and says nothing. Else its end is compared, and what the server says of the rest.

    Raises:
        Discontinuity: as `check`, against the archive and against what was acknowledged to this writer,
            which may not be archived yet.
        WeakStream: its configuration was weakened.
    """
    _check_reaches(log, log.acknowledged, "acknowledged")
    standing = standing_of(log)
    check_strong(standing, log.book)
    with database.reading(log.book) as connection:
        sequence, digest = archived(connection, log.book)
        compared = connection.execute("SELECT created FROM ledger.compared_stream").fetchone()
    check_position(log, database, sequence, digest)
    check_whole(log, standing)
    if compared is None or compared[0] != _making(log.client, standing):
        compare(log, database)
        note_compared(log.client, database, log.book, standing)


def _making(client: NatsClient, standing: stream.Standing) -> str:
    """Which making of the stream this is, and for a single node which start of its server."""
    single = standing.config.get("num_replicas", 1) == 1
    return f"{standing.created} {client.server_id}" if single else standing.created


def note_compared(client: NatsClient, database: Database, book: str, standing: stream.Standing) -> None:
    """Remember that this making of the stream is the archived one."""
    with database.owning() as connection, compared_row.changing(connection, book):
        connection.execute(
            "INSERT INTO ledger.compared_stream (book, created) VALUES (%s, %s)"
            " ON CONFLICT (book) DO UPDATE SET created = excluded.created",
            [book, _making(client, standing)],
        )


def compare(log: Log, database: Database) -> None:
    """Compare every archived envelope with the stream's message of its number, in order.

    Raises:
        Discontinuity: names the first that is missing or another one.
    """
    with database.reading(log.book) as connection:
        last, _ = archived(connection, log.book)
        if last == 0:
            return
        pull = Pull(log.client, log.book, 1)
        try:
            with connection.cursor(name="archive") as archive:
                archive.itersize = _ARCHIVE_ROWS
                archive.execute("SELECT sequence, hash FROM ledger.envelope ORDER BY sequence")
                expected = 1
                while expected <= last:
                    pulled = pull.batch(_IDLE_S)
                    if not pulled:
                        _check_reaches(log, last, "archived")
                        check_goes_on(log, expected - 1)
                    for item in pulled[: last + 1 - expected]:
                        kept = archive.fetchone()
                        check_kept(item.sequence, item.payload, kept)
                        expected = item.sequence + 1
        finally:
            pull.close()


def check_kept(sequence: int, payload: bytes, kept: tuple[int, bytes] | None) -> None:
    """Compare a message of the stream with the archive row that comes next.

    Raises:
        Discontinuity: it is not its row.
    """
    if kept is None or kept[0] != sequence:
        raise Discontinuity(
            f"the archive holds no envelope {sequence}", code="archive_missing", place=f"sequence {sequence}"
        )
    if bytes(kept[1]) != hashlib.sha256(payload).digest():
        raise Discontinuity(
            f"the stream's message {sequence} is not the one that was archived", place=f"sequence {sequence}"
        )
