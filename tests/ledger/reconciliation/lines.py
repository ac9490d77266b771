"""Statements of two sides that agree, for tests to put a fault into."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

from ledger.clauses.flow import exact_text
from ledger.interval import Interval
from ledger.quantity import Money
from ledger.reconciliation.operator_line import OperatorLine, OperatorStatement
from ledger.reconciliation.our_line import OurLine, OurTerm
from ledger.reconciliation.stated_quantity import StatedQuantity

AUGUST = Interval(datetime(2026, 7, 31, 16, tzinfo=UTC), datetime(2026, 8, 31, 16, tzinfo=UTC))


def day(number: int) -> Interval:
    start = AUGUST.start + timedelta(days=number - 1)
    return Interval(start, start + timedelta(days=1))


def cny(text: str) -> Money:
    return Money.parse(text, "CNY")


def product(quantity: str, price: str) -> Money:
    return Money.round(Fraction(quantity) * Fraction(price), "CNY")


def our(
    reference: str,
    quantity: str | None,
    price: str | None,
    *,
    site: str = "S1",
    item: str = "spot",
    interval: Interval = AUGUST,
    amount: Money | None = None,
) -> OurLine:
    terms: tuple[OurTerm, ...] = ()
    exact = Fraction(0)
    if quantity is not None and price is not None:
        terms = (OurTerm(StatedQuantity(quantity, "kWh"), price),)
        exact = Fraction(quantity) * Fraction(price)
    money = amount or Money.round(exact, "CNY")
    return OurLine(
        reference=reference,
        site=site,
        item=item,
        interval=interval,
        terms=terms,
        exact=exact_text(exact if terms else money.exact),
        amount=money,
    )


def theirs(
    reference: str,
    quantity: str | None,
    price: str | None,
    *,
    site: str = "S1",
    item: str = "spot",
    interval: Interval = AUGUST,
    amount: Money | None = None,
) -> OperatorLine:
    if amount is None:
        assert quantity is not None
        assert price is not None
        amount = product(quantity, price)
    return OperatorLine(
        reference=reference,
        site=site,
        item=item,
        interval=interval,
        quantity=None if quantity is None else StatedQuantity(quantity, "kWh"),
        price=price,
        amount=amount,
    )


def statement(*lines: OperatorLine) -> OperatorStatement:
    return OperatorStatement("SIMULATED operator", "0" * 64, lines)
