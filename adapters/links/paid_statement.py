"""A netting, or a payment over several statements, pays each of its statements."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.known_as import payment_thing
from adapters.links.link import Found, LinkKind
from ledger.envelope import Envelope
from ledger.netting import NettingRecorded
from ledger.statement.named_payment import PaymentNamed


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        match event:
            case NettingRecorded():
                done = event.netting
                yield from (Found(payment_thing(part.key.aggregate, done.id)) for part in done.parts)
            case PaymentNamed():
                paid = event.payment
                yield from (Found(payment_thing(part.key.aggregate, paid.id)) for part in paid.parts)
            case _:
                pass


KIND = LinkKind("pays", "paid_by", (NettingRecorded, PaymentNamed), "the payment on each statement", _found)
