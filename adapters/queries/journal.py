"""The book's journal as of a sequence number, folded from the archived events."""

from __future__ import annotations

from datetime import timedelta

from adapters.mapper import EnvelopeMapper
from adapters.nats import wire
from adapters.postgres.database import Connection
from adapters.queries import registered
from ledger.accounting.book_journal import BookJournal, Recorded
from ledger.book import Book
from ledger.contract import Contract
from ledger.events import Event
from ledger.interval import zone_of
from ledger.refusal import Refused
from ledger.settlement.run import SettlementRecorded

_TICK = timedelta(microseconds=1)


def journal(connection: Connection, position: int) -> BookJournal:
    """Everything posted by the events up to `position`.

    Raises:
        Refused: `unknown_book` before it is founded; what the posting rules refuse.
    """
    books = registered.load(connection, "book", Book, position)
    founded = books.versions.get("book")
    if not founded:
        raise Refused("unknown_book", "this book is not founded yet", place="book")
    book = founded[-1].document
    contracts = registered.load(connection, "contract", Contract, position)
    mapper = EnvelopeMapper()
    found = BookJournal(book.owner)
    rows = connection.execute(
        "SELECT sequence, payload FROM ledger.envelope WHERE sequence <= %s AND"
        " (starts_with(aggregate, 'settlement.') OR starts_with(aggregate, 'statement.')"
        " OR starts_with(aggregate, 'closing.') OR starts_with(aggregate, 'netting.')) ORDER BY sequence",
        [position],
    )
    for sequence, payload in rows:
        payload = bytes(payload)
        header = wire.header_of(payload)
        envelope = mapper.to_envelope(header.topic, wire.state_of(payload))
        day = envelope.recorded_at.astimezone(zone_of(book.zone)).date()
        for event in envelope.events:
            contract = _contract(contracts, event, sequence)
            found.post(Recorded(header.aggregate, day, event, contract))
    return found


def _contract(contracts: registered.Register[Contract], event: Event, sequence: int) -> Contract | None:
    """The version that a run was settled with: in force in its month, as known before it."""
    if not isinstance(event, SettlementRecorded):
        return None
    result = event.run.result
    held = [
        version
        for version in contracts.versions[result.contract]
        if version.sequence < sequence
        and version.period is not None
        and version.period.overlaps(result.month.interval(zone_of(version.document.zone)))
    ]
    return held[-1].document
