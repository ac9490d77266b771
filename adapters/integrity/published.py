"""What is about to be answered is what was recorded: checked row by row, just before."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple, NoReturn, TypeVar

from adapters.continuity import Discontinuity
from adapters.events import Event
from adapters.integrity import known_damage
from adapters.integrity.copies import digest_of
from adapters.integrity.fault import FaultCode
from adapters.mapper import EnvelopeMapper
from adapters.nats import wire
from adapters.postgres.database import Connection, Database
from adapters.projections.registered import document_of
from adapters.queries.registered import Recorded
from ledger.envelope import Envelope
from ledger.settlement.run import Run, SettlementRecorded
from ledger.settlement.statement import Statement, statements
from ledger.transparency.entry_bundle import envelope_leaf

D = TypeVar("D")

ARCHIVED: Final = (
    "SELECT e.sequence, e.aggregate, e.payload, e.hash,"
    " substr(tile.content, ((e.sequence - 1) %% 256 * 32 + 1)::integer, 32)"
    " FROM ledger.envelope AS e LEFT JOIN ledger.tree_tile AS tile"
    " ON tile.book = e.book AND tile.level = 0 AND tile.index = (e.sequence - 1) / 256 "
)
"""What `Archived` holds: with the 32 bytes that the tree has for each; 256 of them make a tile."""


class Archived(NamedTuple):
    """A row of `ARCHIVED`."""

    sequence: int
    aggregate: str
    payload: bytes
    hash: bytes
    leaf: bytes | None

    def checked(self) -> bytes:
        """The envelope, which has its archived hash and its leaf in the tree.

        Raises:
            Discontinuity: `archive_altered` or `tree_altered`, with the sequence.
        """
        payload, place = bytes(self.payload), f"sequence {self.sequence}"
        if digest_of(payload) != bytes(self.hash):
            _doubt("archive_altered", place, "the archived payload has not the archived hash")
        if self.leaf is None or bytes(self.leaf) != envelope_leaf(payload):
            _doubt("tree_altered", place, "the archived envelope is not the tree's")
        return payload


def check_statements(database: Database, book: str, shown: Sequence[Statement]) -> None:
    """Accept statements that are exactly those of their recorded runs, whose archived envelopes have the hash
    that was archived and the leaf that the tree holds.

    One query for all of them, and a run's envelope decoded once. Read with the ledger's own rights: a partner
    is told nothing of it.

    Raises:
        Discontinuity: `row_altered`, `archive_missing`, `archive_altered` or `tree_altered`, with the
            sequence, or the damage that is known; nothing is to be answered.
    """
    with database.reading(book) as connection:
        check_own(connection, book, shown)


def check_own(connection: Connection, book: str, shown: Sequence[Statement]) -> None:
    """As `check_statements`, on a connection that sees the whole book.

    Raises:
        Discontinuity: as `check_statements`.
    """
    if not shown:
        return
    known_damage.check(connection)
    recorded = envelopes(connection, book, {one.sequence for one in shown})
    right = {
        (made.sequence, made.contract, made.month, made.run, made.party): made
        for sequence, envelope in recorded.items()
        for event in envelope.events
        if isinstance(event, SettlementRecorded)
        for made in statements(event.run, sequence)
    }
    for one in shown:
        if right.get((one.sequence, one.contract, one.month, one.run, one.party)) != one:
            _doubt(
                "row_altered",
                f"table statement, sequence {one.sequence}",
                f"the statement of {one.month} for {one.party} under {one.contract} is not what was recorded",
            )


def envelopes(connection: Connection, book: str, sequences: Collection[int]) -> dict[int, Envelope[Event]]:
    """The archived envelopes of these sequences, each with its archived hash and its leaf in the tree.

    Raises:
        Discontinuity: as `check_statements`.
    """
    wanted = f"{ARCHIVED} WHERE e.book = %s AND e.sequence = ANY(%s)"
    archived = {row[0]: Archived(*row) for row in connection.execute(wanted, [book, sorted(sequences)])}
    mapper = EnvelopeMapper()
    found: dict[int, Envelope[Event]] = {}
    for sequence in sequences:
        if sequence not in archived:
            _doubt("archive_missing", f"sequence {sequence}", "the archive has no such envelope")
        payload = archived[sequence].checked()
        header = wire.header_of(payload)
        found[sequence] = mapper.to_envelope(header.topic, wire.state_of(payload))
    return found


def recorded_runs(
    connection: Connection, book: str, sequences: Collection[int]
) -> dict[tuple[str, str, int], Run]:
    """The settlement runs that these events recorded, by contract, month and number.

    Raises:
        Discontinuity: as `check_statements`.
    """
    return {
        (event.run.result.contract, str(event.run.result.month), event.run.number): event.run
        for envelope in envelopes(connection, book, sequences).values()
        for event in envelope.events
        if isinstance(event, SettlementRecorded)
    }


def check_documents(connection: Connection, kind: str, documents: Iterable[Recorded[D]]) -> None:
    """Accept versions of registered documents that are what their events registered.

    Raises:
        Discontinuity: `row_altered` and as `check_statements`.
    """
    versions = list(documents)
    found = connection.execute("SELECT current_setting('app.book')").fetchone()
    assert found is not None
    recorded = envelopes(connection, found[0], {one.sequence for one in versions})
    for one in versions:
        registered = [document_of(event) for event in recorded[one.sequence].events]
        if one.document not in [entry[0] for entry in registered if entry is not None]:
            place = f"table registered, version {one.version} of {kind} {one.id}"
            _doubt("row_altered", place, f"it is not what event {one.sequence} registered")


def _doubt(code: FaultCode, place: str, message: str) -> NoReturn:
    raise Discontinuity(message, code=code, place=place)
