"""The book's journal as of a sequence number, folded from the archived events."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Final

from adapters.continuity import Discontinuity
from adapters.events import Event, of_ledger
from adapters.founded import book_at
from adapters.integrity.published import ARCHIVED, Archived, check_documents
from adapters.mapper import EnvelopeMapper
from adapters.nats import wire
from adapters.postgres.database import Connection
from adapters.queries import registered
from ledger.accounting.book_journal import BookJournal, Recorded
from ledger.accounting.journal import JournalEntry
from ledger.allocation.record import AllocationRecorded
from ledger.book import Book
from ledger.contract import Contract
from ledger.interval import Month, zone_of
from ledger.settlement.run import SettlementRecorded
from ledger.trading_unit import TradingUnit

_POSTING: Final = (
    "settlement",
    "statement",
    "closing",
    "netting",
    "allocation",
    "market_receipt",
    "supplier_payment",
    "handover",
)
"""The kinds of aggregates that the journal is folded from."""


def journal(connection: Connection, position: int) -> BookJournal:
    """Everything posted by the events up to `position`.

    Raises:
        Refused: `unknown_book` before it is founded; what the posting rules refuse.
        Discontinuity: an event or a contract is not what was recorded.
    """
    book = book_at(connection, position)
    found = BookJournal(book.owner)
    for _ in _posted(connection, position, book, found):
        pass
    return found


def entries_by_event(connection: Connection, position: int) -> Iterator[tuple[int, tuple[JournalEntry, ...]]]:
    """Every event up to `position` that may post, and the entries that it made.

    Raises:
        Refused: as `journal`.
    """
    book = book_at(connection, position)
    yield from _posted(connection, position, book, BookJournal(book.owner))


def _posted(
    connection: Connection, position: int, book: Book, found: BookJournal
) -> Iterator[tuple[int, tuple[JournalEntry, ...]]]:
    contracts = registered.load(connection, "contract", Contract, position)
    check_documents(connection, "contract", chain.from_iterable(contracts.versions.values()))
    units = registered.load(connection, "trading_unit", TradingUnit, position)
    mapper = EnvelopeMapper()
    rows = connection.execute(
        f"{ARCHIVED} WHERE e.sequence <= %s AND split_part(e.aggregate, '.', 1) = ANY(%s)"
        " ORDER BY e.sequence",
        [position, list(_POSTING)],
    )
    for row in rows:
        sequence, aggregate, raw = row[0], row[1], Archived(*row).checked()
        envelope = mapper.to_envelope(wire.header_of(raw).topic, wire.state_of(raw))
        day = envelope.recorded_at.astimezone(zone_of(book.zone)).date()
        entries: tuple[JournalEntry, ...] = ()
        for event in of_ledger(envelope.events):
            contract = _contract(contracts, event, sequence)
            entries += found.post(Recorded(aggregate, day, event, contract, _month(units, event)))
        yield sequence, entries


def _month(units: registered.Register[TradingUnit], event: Event) -> Month | None:
    """The month that an allocated statement is of, in its unit's zone: that in which its time begins."""
    if not isinstance(event, AllocationRecorded):
        return None
    allocation = event.allocation
    if allocation.unit not in units.versions:
        raise _gone("trading_unit", allocation.unit)
    zone = zone_of(units.versions[allocation.unit][-1].document.zone)
    return Month.of(allocation.interval.start.astimezone(zone).date())


def _contract(contracts: registered.Register[Contract], event: Event, sequence: int) -> Contract | None:
    """The version that a run was settled with: in force in its month, as known before it."""
    if not isinstance(event, SettlementRecorded):
        return None
    result = event.run.result
    held = [
        version
        for version in contracts.versions.get(result.contract, ())
        if version.sequence < sequence
        and version.period is not None
        and version.period.overlaps(result.month.interval(zone_of(version.document.zone)))
    ]
    if not held:
        raise _gone("contract", result.contract)
    return held[-1].document


def _gone(kind: str, name: str) -> Discontinuity:
    """What was settled or allocated was registered before."""
    text = "the rows of what was posted under it are gone"
    return Discontinuity(text, code="row_altered", place=f"table registered, {kind} {name}")
