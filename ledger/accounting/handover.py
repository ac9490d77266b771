"""What the owner collected for a party outside every pool and hands over to it, as a fact.

A trading unit's operator is paid for all its sites by the market; the part of a site whose contract does not
share the stream is its host's (DOMAIN.md 2.3, 3.9).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import msgspec

from ledger import book
from ledger.accounting.document import document_aggregate
from ledger.accounting.journal import checked_document
from ledger.book import Book
from ledger.command import known
from ledger.effective import History
from ledger.identity import checked_id
from ledger.interval import checked_year
from ledger.quantity import Money
from ledger.refusal import Refused


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """`amount` above zero left the owner's bank for the party on the day `on`; below zero it came back."""

    document: str
    party: str
    amount: Money
    on: date

    def __post_init__(self) -> None:
        checked_document(self.document, "document")
        checked_id(self.party, "party")
        checked_year(self.on, "on")
        if not self.amount.minor:
            raise Refused("payment_amount", "a payment is not zero", place="amount")


class HandoverRecorded(msgspec.Struct, frozen=True, tag_field="kind", tag="handover.recorded.v1"):
    handover: Handover

    def apply(self, _: object) -> Handover:
        return self.handover


class RecordHandover(msgspec.Struct, frozen=True):
    """Record what was handed over; a mistake is corrected by one of the opposite amount."""

    handover: Handover

    @property
    def aggregate(self) -> str:
        return document_aggregate("handover", self.handover.document)

    @property
    def reads(self) -> tuple[str, ...]:
        return f"party.{self.handover.party}", book.AGGREGATE

    def decide(self, state: Handover | None, others: Mapping[str, object]) -> tuple[HandoverRecorded]:
        """Raises:
        Refused: `unknown_book`, `unknown_party`; `owner_itself`; `exists` for a document of which a handover
            is recorded."""
        one = self.handover
        owner = known(others, book.AGGREGATE, Book).owner
        known(others, f"party.{one.party}", History)
        if owner == one.party:
            raise Refused("owner_itself", "the book's owner hands nothing over to itself", place="party")
        if state is not None:
            text = (
                f"handover {state.document} is recorded already:"
                f" {state.amount:,} {state.amount.currency} to {state.party} on {state.on}"
            )
            raise Refused("exists", text, place="document")
        return (HandoverRecorded(one),)
