"""What is about to be answered is what was recorded: checked row by row, just before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NoReturn

from adapters.continuity import Discontinuity
from adapters.integrity.copies import digest_of
from adapters.integrity.fault import FaultCode
from adapters.mapper import EnvelopeMapper
from adapters.nats import wire
from adapters.postgres.database import Connection, Database
from ledger.envelope import Envelope
from ledger.events import Event
from ledger.settlement.run import SettlementRecorded
from ledger.settlement.statement import Statement, statements
from ledger.transparency.entry_bundle import envelope_leaf

_ROWS: Final = (
    "SELECT e.sequence, e.payload, e.hash,"
    " substr(tile.content, ((e.sequence - 1) %% 256 * 32 + 1)::integer, 32)"
    " FROM ledger.envelope AS e LEFT JOIN ledger.tree_tile AS tile"
    " ON tile.book = e.book AND tile.level = 0 AND tile.index = (e.sequence - 1) / 256"
    " WHERE e.book = %s AND e.sequence = ANY(%s)"
)
"""With the 32 bytes that the tree holds for each; 256 of them make a tile."""


def check_statements(database: Database, book: str, shown: Sequence[Statement]) -> None:
    """Accept statements that are exactly those of their recorded runs, whose archived envelopes have the hash
    that was archived and the leaf that the tree holds.

    One query for all of them, and a run's envelope decoded once. Read with the ledger's own rights: a partner
    is told nothing of it.

    Raises:
        Discontinuity: `row_altered`, `archive_missing`, `archive_altered` or `tree_altered`, with the
            sequence; nothing is to be answered.
    """
    if not shown:
        return
    with database.reading(book) as connection:
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
    rows = connection.execute(_ROWS, [book, sorted(sequences)]).fetchall()
    archived = {sequence: (bytes(payload), bytes(digest), leaf) for sequence, payload, digest, leaf in rows}
    mapper = EnvelopeMapper()
    found: dict[int, Envelope[Event]] = {}
    for sequence in sequences:
        place = f"sequence {sequence}"
        if sequence not in archived:
            _doubt("archive_missing", place, "the archive has no such envelope")
        payload, digest, leaf = archived[sequence]
        if digest_of(payload) != digest:
            _doubt("archive_altered", place, "the archived payload has not the archived hash")
        if leaf is None or bytes(leaf) != envelope_leaf(payload):
            _doubt("tree_altered", place, "the archived envelope is not the tree's")
        header = wire.header_of(payload)
        found[sequence] = mapper.to_envelope(header.topic, wire.state_of(payload))
    return found


def _doubt(code: FaultCode, place: str, message: str) -> NoReturn:
    raise Discontinuity(message, code=code, place=place)
