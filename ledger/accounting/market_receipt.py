"""Money that a market pays for a stream, as a fact: the document that says so, once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final, get_args

import msgspec

from ledger import book
from ledger.accounting.document import document_aggregate
from ledger.accounting.journal import checked_document
from ledger.book import Book
from ledger.command import known
from ledger.interval import checked_year
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.stream import BILL_EFFECT, Stream

PAID_STREAMS: Final[tuple[Stream, ...]] = tuple(one for one in get_args(Stream) if one not in BILL_EFFECT)
"""The streams that a market or a customer pays; a lower electricity bill is paid by nobody."""


class MarketReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """`amount` above zero reached the owner's bank on the day `on`; below zero the market took it back.

    `rounding`, of the same sign rules, is what of it the market's statement is above the sum of its sites,
    where no trading unit's allocation says so already (DOMAIN.md 3.9).
    """

    document: str
    stream: Stream
    amount: Money
    on: date
    rounding: Money | None = None

    def __post_init__(self) -> None:
        checked_document(self.document, "document")
        checked_year(self.on, "on")
        if self.stream not in PAID_STREAMS:
            text = f"{self.stream!r} is paid by no market; these are: {', '.join(PAID_STREAMS)}"
            raise Refused("market_stream", text, place="stream")
        if not self.amount.minor:
            raise Refused("payment_amount", "a receipt is not zero", place="amount")
        if self.rounding is None:
            return
        if self.rounding.currency != self.amount.currency:
            text = f"the receipt is in {self.amount.currency}, not {self.rounding.currency}"
            raise Refused("currency", text, place="rounding")
        if abs(self.rounding.minor) > abs(self.amount.minor):
            text = f"a rounding of {self.rounding:,} is more than the receipt of {self.amount:,}"
            raise Refused("market_rounding", text, place="rounding")


class MarketReceiptRecorded(msgspec.Struct, frozen=True, tag_field="kind", tag="market.receipt_recorded.v1"):
    receipt: MarketReceipt

    def apply(self, _: object) -> MarketReceipt:
        return self.receipt


class RecordMarketReceipt(msgspec.Struct, frozen=True):
    """Record what a market paid; a mistake is corrected by a receipt of the opposite amount."""

    receipt: MarketReceipt

    @property
    def aggregate(self) -> str:
        return document_aggregate("market_receipt", self.receipt.document)

    @property
    def reads(self) -> tuple[str, ...]:
        return (book.AGGREGATE,)

    def decide(
        self, state: MarketReceipt | None, others: Mapping[str, object]
    ) -> tuple[MarketReceiptRecorded]:
        """Raises:
        Refused: `unknown_book`; `exists` for a document of which a receipt is recorded."""
        known(others, book.AGGREGATE, Book)
        if state is not None:
            text = (
                f"market receipt {state.document} is recorded already:"
                f" {state.amount:,} {state.amount.currency} for {state.stream} on {state.on}"
            )
            raise Refused("exists", text, place="document")
        return (MarketReceiptRecorded(self.receipt),)
