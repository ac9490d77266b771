"""An invoice takes its number, and a red letter takes back of another's."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.known_as import invoice_thing, red_letter_thing
from adapters.links.link import Found, LinkKind
from ledger.envelope import Envelope
from ledger.statement.invoice_number import InvoiceNumberUsed, InvoiceReversed


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        match event:
            case InvoiceNumberUsed():
                yield Found(invoice_thing(event.key.aggregate, event.direction, event.number))
            case InvoiceReversed():
                yield Found(red_letter_thing(event.key.aggregate, event.direction, event.number))
            case _:
                pass


KIND = LinkKind(
    "number_of", "has_number", (InvoiceNumberUsed, InvoiceReversed), "the recorded invoice", _found
)
