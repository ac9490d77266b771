"""The book's journal as of a sequence number, folded from the archived events."""

from __future__ import annotations

from adapters.founded import book_at
from adapters.mapper import EnvelopeMapper
from adapters.nats import wire
from adapters.postgres.database import Connection
from adapters.queries import registered
from ledger.accounting.book_journal import BookJournal, Recorded
from ledger.allocation.record import AllocationRecorded
from ledger.contract import Contract
from ledger.events import Event
from ledger.interval import Month, zone_of
from ledger.settlement.run import SettlementRecorded
from ledger.trading_unit import TradingUnit


def journal(connection: Connection, position: int) -> BookJournal:
    """Everything posted by the events up to `position`.

    Raises:
        Refused: `unknown_book` before it is founded; what the posting rules refuse.
    """
    book = book_at(connection, position)
    contracts = registered.load(connection, "contract", Contract, position)
    units = registered.load(connection, "trading_unit", TradingUnit, position)
    mapper = EnvelopeMapper()
    found = BookJournal(book.owner)
    rows = connection.execute(
        "SELECT sequence, payload FROM ledger.envelope WHERE sequence <= %s AND"
        " (starts_with(aggregate, 'settlement.') OR starts_with(aggregate, 'statement.')"
        " OR starts_with(aggregate, 'closing.') OR starts_with(aggregate, 'netting.')"
        " OR starts_with(aggregate, 'allocation.') OR starts_with(aggregate, 'market_receipt.')"
        " OR starts_with(aggregate, 'supplier_payment.') OR starts_with(aggregate, 'handover.'))"
        " ORDER BY sequence",
        [position],
    )
    for sequence, payload in rows:
        payload = bytes(payload)
        header = wire.header_of(payload)
        envelope = mapper.to_envelope(header.topic, wire.state_of(payload))
        day = envelope.recorded_at.astimezone(zone_of(book.zone)).date()
        for event in envelope.events:
            contract = _contract(contracts, event, sequence)
            month = _month(units, event)
            found.post(Recorded(header.aggregate, day, event, contract, month))
    return found


def _month(units: registered.Register[TradingUnit], event: Event) -> Month | None:
    """The month that an allocated statement is of, in its unit's zone: that in which its time begins."""
    if not isinstance(event, AllocationRecorded):
        return None
    allocation = event.allocation
    zone = zone_of(units.versions[allocation.unit][-1].document.zone)
    return Month.of(allocation.interval.start.astimezone(zone).date())


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
