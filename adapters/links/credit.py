"""A credit that a statement uses was given by another one."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.known_as import payment_thing
from adapters.links.link import Found, LinkKind
from ledger.envelope import Envelope
from ledger.statement.money import PaymentRecorded


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        if isinstance(event, PaymentRecorded) and event.payment.kind == "credit_used":
            yield Found(payment_thing(event.payment.reference, event.payment.id))


KIND = LinkKind(
    "uses_credit", "credit_used_by", (PaymentRecorded,), "the payment that gave the credit", _found
)
