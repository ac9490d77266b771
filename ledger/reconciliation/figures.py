"""Quantity, price and amount of one line, or of several lines taken together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from ledger.quantity import Money, round_half_away
from ledger.reconciliation.operator_line import OperatorLine, currency_of, sum_of
from ledger.reconciliation.our_line import OurLine

_DECIMALS_MAX: Final = 9
_DIGITS_MIN: Final = 100
"""Steps: a quantity of fewer is round by chance."""


class Figures(NamedTuple):
    """`worth` is the sum of quantities x prices, not rounded; None is what is not stated.

    `price` is the one price, or worth / quantity where several make up the sum. Quantity and price may be off
    by less than `step` and `price_step`, because they are printed in whole steps; 0 where they are exact.
    """

    unit: str
    quantity: Fraction | None
    price: Fraction | None
    worth: Fraction | None
    amount: Money
    step: Fraction = Fraction(0)
    price_step: Fraction = Fraction(0)

    def same(self, other: Figures) -> bool:
        """Whether the amounts are equal, and everything else that both state, as far as it is printed."""
        if self.amount != other.amount:
            return False
        if self.quantity is None or other.quantity is None:
            return True
        if self.unit != other.unit:
            return False
        if self.quantity != other.quantity and not self.printed_otherwise(other):
            return False
        if self.worth is None or other.worth is None or self.worth == other.worth:
            return True
        return self.price == other.price or self.priced_otherwise(other)

    def printed_otherwise(self, other: Figures) -> bool:
        """Whether the quantities differ, by no more than the steps in which they are printed."""
        if self.quantity is None or other.quantity is None or self.unit != other.unit:
            return False
        return 0 < abs(self.quantity - other.quantity) < self.step + other.step

    def rounded_to(self, other: Figures) -> Fraction | None:
        """The smallest step, a power of ten coarser than those in which the quantities are printed, to which
        the other side's quantity rounds to this one; None where this one has fewer than three digits in it.

        >>> from ledger.quantity import Money, round_half_away
        >>> at = lambda text: Figures("kWh", Fraction(text), None, None, Money.zero("CNY"))
        >>> at("12300").rounded_to(at("12296")), at("12345").rounded_to(at("12296"))
        (Fraction(10, 1), None)
        """
        if self.quantity is None or other.quantity is None or self.unit != other.unit:
            return None
        step = Fraction(1, 10**_DECIMALS_MAX)
        while abs(self.quantity) >= _DIGITS_MIN * step:
            if self.quantity % step:
                return None
            if (
                step > self.step + other.step
                and round_half_away(other.quantity / step) * step == self.quantity
            ):
                return step
            step *= 10
        return None

    def priced_otherwise(self, other: Figures) -> bool:
        """Whether the prices differ, by no more than the steps in which they are printed."""
        if self.price is None or other.price is None or self.unit != other.unit:
            return False
        return 0 < abs(self.price - other.price) < self.price_step + other.price_step


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
    found = _figures(terms, [line.amount for line in lines])
    return found._replace(
        step=sum((Fraction(line.quantity_step) for line in lines), Fraction(0)),
        price_step=max((Fraction(line.price_step) for line in lines), default=Fraction(0)),
    )


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
