"""What an event names: contracts, sites, meters, parties, people and documents, by its fields' names.

A new event needs no line here as long as its fields have the standard names. `documents` lists what a paper
of the outside world is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from adapters.events import Event
from ledger.accounting.handover import HandoverRecorded
from ledger.accounting.market_receipt import MarketReceiptRecorded
from ledger.accounting.supplier_payment import SupplierPaymentRecorded
from ledger.allocation.record import AllocationRecorded
from ledger.contract import ContractParty
from ledger.envelope import Envelope
from ledger.meter_import import ImportOpened
from ledger.netting import NettingRecorded
from ledger.reconciliation.record import ReconciliationRecorded
from ledger.settlement.result import Result
from ledger.settlement.run import SettlementRecorded
from ledger.statement.life import StatementKey
from ledger.statement.money import InvoiceRecorded, PaymentRecorded
from ledger.statement.named_payment import PaymentNamed

_FIELDS: Final = {
    "contract": "contract",
    "contracts": "contract",
    "finals": "contract",
    "site": "site",
    "sites": "site",
    "meter": "meter",
    "meters": "meter",
    "device": "device",
    "fact": "market_fact",
    "tariff": "tariff",
    "party": "party",
    "owner": "party",
    "buyer": "party",
    "seller": "party",
    "person": "person",
    "actor": "actor",
    "prepared_by": "actor",
    "approved_by": "actor",
    "rejected_by": "actor",
    "reviewed_by": "actor",
    "confirmed_by": "actor",
    "raised_by": "actor",
    "decided_by": "actor",
    "erased_by": "actor",
}
"""The kind of thing that a field of this name holds the id of."""

_WITHOUT_NAMES: Final = frozenset(
    {"runs", "basis", "bills", "mantissas", "carry", "wh", "billing", "clauses"}
    | {"curves", "profile_w", "schedule_w", "awarded_w", "power_w", "price_u"}
    | {"up_w", "down_w", "path_w", "or_path_w"}
)
"""Fields that are long and name nothing that the rest of the event does not."""


def named(aggregate: str, envelope: Envelope[Event]) -> set[str]:
    """The things that an event names, and who recorded it; not its own aggregate."""
    found = {f"actor.{envelope.actor}"}
    kind, _, own = aggregate.partition(".")
    if kind in {"settlement", "disclosure"}:
        found.add(f"contract.{own.rpartition('_')[0]}")
    for event in envelope.events:
        if isinstance(event, SettlementRecorded):
            found |= set(_of_result(event.run.result))
            found.update(f"party.{party}" for party in event.run.delta)
        else:
            found |= set(_of_struct(event))
        found.update(f"document/{name}" for name in documents(event))
    return found - {aggregate}


def documents(event: Event) -> Iterator[str]:
    """What papers that an event records are called: numbers, references at the bank, digests of files."""
    match event:
        case InvoiceRecorded():
            yield event.invoice.number
        case PaymentRecorded():
            yield event.payment.id
            if event.payment.reference and event.payment.kind != "write_off":
                yield event.payment.reference
        case PaymentNamed():
            yield from filter(None, (event.payment.id, event.payment.reference))
        case NettingRecorded():
            yield event.netting.id
        case MarketReceiptRecorded():
            yield event.receipt.document
        case SupplierPaymentRecorded():
            yield event.payment.document
        case HandoverRecorded():
            yield event.handover.document
        case AllocationRecorded():
            yield event.allocation.document
        case ImportOpened():
            yield event.digest
            yield event.file_name
        case ReconciliationRecorded():
            yield event.reconciliation.digest
            yield event.reconciliation.source
        case _:
            pass


def _of_result(result: Result) -> Iterator[str]:
    """A result is long, and its lines say what it is about."""
    yield f"contract.{result.contract}"
    yield from {f"site.{line.site}" for line in result.lines if line.site is not None}
    yield from {f"site.{bill.site}" for bill in result.bills}
    yield from (f"party.{party}" for party in result.entitlement)


def _of_struct(value: msgspec.Struct) -> Iterator[str]:
    if isinstance(value, StatementKey):
        yield value.aggregate
    if isinstance(value, ContractParty):
        yield f"party.{value.id}"
    for field in value.__struct_fields__:
        if field not in _WITHOUT_NAMES:
            yield from _of_field(_FIELDS.get(field, ""), getattr(value, field))


def _of_field(kind: str, value: object) -> Iterator[str]:
    """`kind` is empty for a field that holds no id."""
    match value:
        case str():
            if kind and value:
                yield f"{kind}.{value}"
        case msgspec.Struct():
            if kind and isinstance(own := getattr(value, "id", None), str):
                yield f"{kind}.{own}"
            yield from _of_struct(value)
        case tuple():
            for one in value:
                yield from _of_field(kind, one)
        case dict():
            for key, one in value.items():
                if kind and isinstance(key, str):
                    yield f"{kind}.{key}"
                if isinstance(one, msgspec.Struct | tuple):
                    yield from _of_field("", one)
        case _:
            pass
