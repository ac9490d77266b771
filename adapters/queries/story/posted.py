"""What the journal posted from which event."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from adapters.founded import book_at
from adapters.mapper import EnvelopeMapper
from adapters.nats import wire
from adapters.postgres.database import Connection
from adapters.queries import registered
from ledger.accounting.book_journal import BookJournal, Recorded
from ledger.accounting.journal import JournalEntry
from ledger.accounting.plain_name import plain_name
from ledger.allocation.record import AllocationRecorded
from ledger.contract import Contract
from ledger.events import Event
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


def posted(connection: Connection, position: int, events: Collection[int]) -> dict[int, tuple[str, ...]]:
    """The journal's entries that each of `events` made, as text; debits above zero.

    Raises:
        Refused: `unknown_book` before it is founded; what the posting rules refuse.
    """
    last = max((one for one in events if one <= position), default=0)
    return {
        sequence: tuple(entry_text(entry) for entry in entries)
        for sequence, entries in entries_by_event(connection, last)
        if sequence in events and entries
    }


def entries_by_event(connection: Connection, position: int) -> Iterator[tuple[int, tuple[JournalEntry, ...]]]:
    """Every event that may post, and what it did; the same journal as `adapters.queries.journal` folds."""
    if not position:
        return
    book = book_at(connection, position)
    contracts = registered.load(connection, "contract", Contract, position).versions
    units = registered.load(connection, "trading_unit", TradingUnit, position).versions
    mapper = EnvelopeMapper()
    fold = BookJournal(book.owner)
    rows = connection.execute(
        "SELECT sequence, aggregate, payload FROM ledger.envelope"
        " WHERE sequence <= %s AND split_part(aggregate, '.', 1) = ANY(%s) ORDER BY sequence",
        [position, list(_POSTING)],
    )
    for sequence, aggregate, payload in rows:
        raw = bytes(payload)
        envelope = mapper.to_envelope(wire.header_of(raw).topic, wire.state_of(raw))
        day = envelope.recorded_at.astimezone(zone_of(book.zone)).date()
        entries: tuple[JournalEntry, ...] = ()
        for event in envelope.events:
            contract = _settled_with(contracts, event, sequence)
            entries += fold.post(Recorded(aggregate, day, event, contract, _month(units, event)))
        yield sequence, entries


def entry_text(entry: JournalEntry) -> str:
    """Such as `2026-08-31 recognition: Dr receivable 10.00 CNY; Cr income -10.00 CNY (lines 1, 2)`."""
    sides = [
        f"{plain_name(one.account)} {one.amount} {entry.currency}"
        + (f" (lines {', '.join(map(str, one.lines))})" if one.lines else "")
        for one in entry.postings
    ]
    return f"{entry.posted_on} {entry.kind}: {'; '.join(sides)}"


def _month(units: Mapping[str, Sequence[registered.Recorded[TradingUnit]]], event: Event) -> Month | None:
    if not isinstance(event, AllocationRecorded):
        return None
    zone = zone_of(units[event.allocation.unit][-1].document.zone)
    return Month.of(event.allocation.interval.start.astimezone(zone).date())


def _settled_with(
    contracts: Mapping[str, Sequence[registered.Recorded[Contract]]], event: Event, sequence: int
) -> Contract | None:
    """The version that a run was settled with: in force in its month, as known before it."""
    if not isinstance(event, SettlementRecorded):
        return None
    result = event.run.result
    held = [
        one
        for one in contracts[result.contract]
        if one.sequence < sequence
        and one.period is not None
        and one.period.overlaps(result.month.interval(zone_of(one.document.zone)))
    ]
    return held[-1].document
