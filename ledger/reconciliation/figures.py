"""Quantity, price and amount of one line, or of several lines taken together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from ledger.quantity import Money
from ledger.reconciliation.operator_line import OperatorLine, currency_of, sum_of
from ledger.reconciliation.our_line import OurLine


class Figures(NamedTuple):
    """`worth` is the sum of quantities x prices, not rounded; None is what is not stated.

    `price` is the one price, or worth / quantity where several make up the sum.
    """

    unit: str
    quantity: Fraction | None
    price: Fraction | None
    worth: Fraction | None
    amount: Money

    def same(self, other: Figures) -> bool:
        """Whether the amounts are equal, and everything else that both state."""
        if self.amount != other.amount:
            return False
        both = self.quantity is not None and other.quantity is not None
        if both and (self.unit, self.quantity) != (other.unit, other.quantity):
            return False
        return self.worth is None or other.worth is None or self.worth == other.worth


class _Term(NamedTuple):
    unit: str
    quantity: Fraction | None
    price: Fraction | None


def operator_figures(lines: Sequence[OperatorLine]) -> Figures:
    """Of one or more lines of the operator, together.

    Raises:
        Refused: `currency`.
    """
    terms = [
        _Term(
            "" if line.quantity is None else line.quantity.unit,
            None if line.quantity is None else line.quantity.exact,
            None if line.price is None else Fraction(line.price),
        )
        for line in lines
    ]
    return _figures(terms, [line.amount for line in lines])


def our_figures(lines: Sequence[OurLine]) -> Figures:
    """Of one or more of our lines, together.

    Raises:
        Refused: `currency`.
    """
    terms: list[_Term] = []
    for line in lines:
        terms += [
            _Term(term.quantity.unit, term.quantity.exact, Fraction(term.price)) for term in line.terms
        ] or [_Term("", None, None)]
    return _figures(terms, [line.amount for line in lines])


def _figures(terms: Sequence[_Term], amounts: Sequence[Money]) -> Figures:
    amount = sum_of(amounts, currency_of(amounts))
    units = {term.unit for term in terms}
    unit = units.pop() if len(units) == 1 else ""
    quantity = _sum(term.quantity for term in terms) if unit else None
    if quantity is None:
        return Figures("", None, None, None, amount)
    worth = _sum(
        None if term.price is None or term.quantity is None else term.quantity * term.price for term in terms
    )
    prices = {term.price for term in terms}
    price = prices.pop() if len(prices) == 1 else None
    if price is None and worth is not None and quantity:
        price = worth / quantity
    return Figures(unit, quantity, price, worth, amount)


def _sum(values: Iterable[Fraction | None]) -> Fraction | None:
    total = Fraction(0)
    for value in values:
        if value is None:
            return None
        total += value
    return total
