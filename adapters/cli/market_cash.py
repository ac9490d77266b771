"""Commands that record money beside statements: from markets, to suppliers, and on to whom it belongs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated

from cyclopts import App, Parameter

from adapters import lives
from adapters.booking import book
from adapters.cli.posted import print_late
from adapters.cli.session import Session
from adapters.cli.submitting import once
from adapters.founded import book_of
from ledger.accounting.document import checked_day
from ledger.accounting.handover import Handover, RecordHandover
from ledger.accounting.market_receipt import MarketReceipt, RecordMarketReceipt
from ledger.accounting.supplier_payment import RecordSupplierPayment, SupplierPayment
from ledger.command import Command
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.stream import PassThroughCost, Stream

As = Annotated[str, Parameter(name="--as", help="who does it: an opaque id, never a person's name")]
Booked = Annotated[date, Parameter(name="date", help="the bank's day, today at the latest")]
Currency = Annotated[str | None, Parameter(help="the book's, if not stated")]
Document = Annotated[str, Parameter(help="its number at the bank or market: recorded once")]


def add_to(record: App, session: Session) -> None:
    """Add the commands to `record`."""

    def submit(made: Callable[[str], Command], currency: str | None, what: str, day: date, by: str) -> None:
        with session.open() as stack:
            command = made(currency or book_of(stack.door).currency)
            checked_day(day, lives.today(stack.door, stack.clock), "date")
            receipt = book(stack.door, [command], command_id=once(), actor=by)
            print(f"{what}: recorded, event {receipt.sequence}")
            print_late(stack, day)

    @record.command(name="market-receipt")
    def record_market_receipt(
        stream: Stream,
        amount: Annotated[str, Parameter(help="below zero the market took back", allow_leading_hyphen=True)],
        day: Booked,
        document: Document,
        *,
        rounding: Annotated[
            str | None,
            Parameter(
                help="what of it the market's statement is above the sum of the sites, where no trading"
                " unit's allocation says so",
                allow_leading_hyphen=True,
            ),
        ] = None,
        currency: Currency = None,
        by: As,
    ) -> None:
        """Record what a market paid for a stream: it pays what runs and units made receivable from it."""

        def receipt(told: str) -> RecordMarketReceipt:
            return RecordMarketReceipt(
                MarketReceipt(
                    document=document,
                    stream=stream,
                    amount=_money(amount, told, "amount"),
                    on=day,
                    rounding=None if rounding is None else _money(rounding, told, "--rounding"),
                )
            )

        submit(receipt, currency, f"market receipt {document}", day, by)

    @record.command(name="supplier-payment")
    def record_supplier_payment(
        cost: PassThroughCost,
        amount: Annotated[
            str, Parameter(help="below zero the supplier gave it back", allow_leading_hyphen=True)
        ],
        day: Booked,
        document: Document,
        *,
        currency: Currency = None,
        by: As,
    ) -> None:
        """Record what was paid for a pass-through cost."""

        def payment(told: str) -> RecordSupplierPayment:
            money = _money(amount, told, "amount")
            return RecordSupplierPayment(SupplierPayment(document=document, cost=cost, amount=money, on=day))

        submit(payment, currency, f"supplier payment {document}", day, by)

    @record.command(name="handover")
    def record_handover(
        party: str,
        amount: Annotated[
            str, Parameter(help="below zero the party gave it back", allow_leading_hyphen=True)
        ],
        day: Booked,
        document: Document,
        *,
        currency: Currency = None,
        by: As,
    ) -> None:
        """Record that PARTY got what a market paid us for it, outside every contract's pool."""

        def handover(told: str) -> RecordHandover:
            money = _money(amount, told, "amount")
            return RecordHandover(Handover(document=document, party=party, amount=money, on=day))

        submit(handover, currency, f"handover {document}", day, by)


def _money(text: str, currency: str, place: str) -> Money:
    try:
        return Money.parse(text, currency)
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=place) from None
