"""Money paid for a pass-through cost, as a fact: the document that says so, once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import msgspec

from ledger import book
from ledger.accounting.document import document_aggregate
from ledger.accounting.journal import checked_document
from ledger.book import Book
from ledger.command import known
from ledger.interval import checked_year
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.stream import PASS_THROUGH_COSTS, PassThroughCost


class SupplierPayment(msgspec.Struct, frozen=True, kw_only=True):
    """`amount` above zero left the owner's bank on the day `on`; below zero the supplier gave it back."""

    document: str
    cost: PassThroughCost
    amount: Money
    on: date

    def __post_init__(self) -> None:
        checked_document(self.document, "document")
        checked_year(self.on, "on")
        if self.cost not in PASS_THROUGH_COSTS:
            text = f"{self.cost!r} is no pass-through cost; these are: {', '.join(PASS_THROUGH_COSTS)}"
            raise Refused("supplier_cost", text, place="cost")
        if not self.amount.minor:
            raise Refused("payment_amount", "a payment is not zero", place="amount")


class SupplierPaymentRecorded(
    msgspec.Struct, frozen=True, tag_field="kind", tag="supplier.payment_recorded.v1"
):
    payment: SupplierPayment

    def apply(self, _: object) -> SupplierPayment:
        return self.payment


class RecordSupplierPayment(msgspec.Struct, frozen=True):
    """Record what was paid for a cost; a mistake is corrected by a payment of the opposite amount."""

    payment: SupplierPayment

    @property
    def aggregate(self) -> str:
        return document_aggregate("supplier_payment", self.payment.document)

    @property
    def reads(self) -> tuple[str, ...]:
        return (book.AGGREGATE,)

    def decide(
        self, state: SupplierPayment | None, others: Mapping[str, object]
    ) -> tuple[SupplierPaymentRecorded]:
        """Raises:
        Refused: `unknown_book`; `exists` for a document of which a payment is recorded."""
        known(others, book.AGGREGATE, Book)
        if state is not None:
            text = (
                f"supplier payment {state.document} is recorded already:"
                f" {state.amount:,} {state.amount.currency} for {state.cost} on {state.on}"
            )
            raise Refused("exists", text, place="document")
        return (SupplierPaymentRecorded(self.payment),)
