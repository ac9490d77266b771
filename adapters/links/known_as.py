"""Things that are no aggregate of their own, and the events that are known as one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from adapters.events import Event
from dispatch.control.emergency import EmergencyOrdered
from ledger.envelope import Envelope
from ledger.meter_import import ReadingsRecorded
from ledger.recorded_price import PricesRecorded
from ledger.settlement.run import SettlementRecorded
from ledger.statement.money import InvoiceRecorded, PaymentRecorded
from trading.clearing import ClearingRecorded

_STATEMENT: Final = re.compile(r"statement\.(.+)_(\d{4}-\d{2})_(.+)_(\d+)")


def run_thing(contract: str, month: str, run: int) -> str:
    return f"run/{contract}_{month}/{run}"


def invoice_thing(statement: str, direction: str, number: str) -> str:
    return f"invoice/{statement}/{direction}/{number}"


def red_letter_thing(statement: str, direction: str, reversed_number: str) -> str:
    """The red letter on a statement that takes back the invoice of this number."""
    return f"red_letter/{statement}/{direction}/{reversed_number}"


def payment_thing(statement: str, payment: str) -> str:
    return f"payment/{statement}/{payment}"


_CLEARING: Final = "clearing_run/"


def clearing_thing(clearing: str, run: str) -> str:
    return f"{_CLEARING}{clearing}/{run}"


def is_clearing(thing: str) -> bool:
    return thing.startswith(_CLEARING)


def emergency_thing(number: int) -> str:
    """The order of that emergency."""
    return f"emergency/{number}"


def metered_thing(meter: str, at: datetime) -> str:
    """A meter's blocks of readings of the UTC month of an instant."""
    return f"metered/{meter}/{at.astimezone(UTC):%Y-%m}"


def statement_parts(aggregate: str) -> tuple[str, str]:
    """Contract and month of a statement's aggregate."""
    found = _STATEMENT.fullmatch(aggregate)
    assert found is not None, f"{aggregate} is a statement"
    return found[1], found[2]


def known_as(aggregate: str, envelope: Envelope[Event]) -> Iterator[str]:
    """The things that an event is known as, beside its own aggregate."""
    for event in envelope.events:
        match event:
            case SettlementRecorded():
                result = event.run.result
                yield run_thing(result.contract, str(result.month), event.run.number)
            case InvoiceRecorded():
                one = event.invoice
                yield invoice_thing(aggregate, one.direction, one.number)
                if one.reverses is not None:
                    yield red_letter_thing(aggregate, one.direction, one.reverses)
            case PaymentRecorded():
                yield payment_thing(aggregate, event.payment.id)
            case ClearingRecorded():
                yield clearing_thing(event.clearing.id, event.clearing.run)
            case PricesRecorded():
                yield f"prices.{event.market}_{event.node}_{event.product}"
            case EmergencyOrdered():
                yield emergency_thing(event.number)
            case ReadingsRecorded():
                yield from sorted({metered_thing(event.meter, run.start) for run in event.runs})
            case _:
                pass
