"""Money that moves beside statements: from markets, to suppliers, and on to whom it was collected for."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters import lives
from adapters.http.addressed import Decimal
from adapters.http.booked import Booked, booked
from adapters.http.intake import Intake
from adapters.http.netting import Currency
from adapters.http.problem import WRITE_PROBLEMS
from adapters.http.statements import PartyName
from ledger.accounting.document import checked_day
from ledger.accounting.handover import Handover, RecordHandover
from ledger.accounting.journal import DOCUMENT_MAX
from ledger.accounting.market_receipt import MarketReceipt, RecordMarketReceipt
from ledger.accounting.supplier_payment import RecordSupplierPayment, SupplierPayment
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.stream import PassThroughCost, Stream

Document = Annotated[
    str, msgspec.Meta(min_length=1, max_length=DOCUMENT_MAX, description="Recorded once in the book")
]


class MarketReceiptBody(msgspec.Struct, frozen=True):
    """Above zero the market paid; `rounding` is what of it its statement is above the sum of the sites,
    where no trading unit's allocation says so."""

    document: Document
    stream: Stream
    on: date
    currency: Currency
    amount: Decimal
    rounding: Decimal | None = None


class SupplierPaymentBody(msgspec.Struct, frozen=True):
    """Above zero the owner paid."""

    document: Document
    cost: PassThroughCost
    on: date
    currency: Currency
    amount: Decimal


class HandoverBody(msgspec.Struct, frozen=True):
    """Above zero the party received it."""

    document: Document
    on: date
    currency: Currency
    amount: Decimal


@post(
    "/market-receipts",
    summary="Record what a market paid for a stream",
    responses=WRITE_PROBLEMS,
    tags=["Receivables"],
    sync_to_thread=True,
)
def record_market_receipt(
    intake: NamedDependency[Intake], data: JSONBody[MarketReceiptBody]
) -> Response[Booked]:
    rounding = None if data.rounding is None else _money(data.rounding, data.currency, "rounding")
    receipt = MarketReceipt(
        document=data.document,
        stream=data.stream,
        amount=_money(data.amount, data.currency, "amount"),
        on=_day(intake, data.on),
        rounding=rounding,
    )
    return booked(intake, data, [RecordMarketReceipt(receipt)], data.on)


@post(
    "/supplier-payments",
    summary="Record what was paid for a pass-through cost",
    responses=WRITE_PROBLEMS,
    tags=["Receivables"],
    sync_to_thread=True,
)
def record_supplier_payment(
    intake: NamedDependency[Intake], data: JSONBody[SupplierPaymentBody]
) -> Response[Booked]:
    payment = SupplierPayment(
        document=data.document,
        cost=data.cost,
        amount=_money(data.amount, data.currency, "amount"),
        on=_day(intake, data.on),
    )
    return booked(intake, data, [RecordSupplierPayment(payment)], data.on)


@post(
    "/parties/{party:str}/handovers",
    summary="Record that a party got what was collected for it outside every pool",
    responses=WRITE_PROBLEMS,
    tags=["Receivables"],
    sync_to_thread=True,
)
def record_handover(
    intake: NamedDependency[Intake], party: PartyName, data: JSONBody[HandoverBody]
) -> Response[Booked]:
    handover = Handover(
        document=data.document,
        party=party,
        amount=_money(data.amount, data.currency, "amount"),
        on=_day(intake, data.on),
    )
    return booked(intake, [party, data], [RecordHandover(handover)], data.on)


def _day(intake: Intake, on: date) -> date:
    return checked_day(on, lives.today(intake.service.door, intake.service.clock), "on")


def _money(text: str, currency: str, place: str) -> Money:
    try:
        return Money.parse(text, currency)
    except Refused as error:
        raise Refused(error.code, error.reason, place=place) from None


ROUTES = (record_market_receipt, record_supplier_payment, record_handover)
