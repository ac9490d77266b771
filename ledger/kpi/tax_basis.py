"""On which side of the tax a report's money stands: what is added up stands on one."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Literal

from ledger.quantity import Money
from ledger.settlement.line import TAX, Line

Basis = Literal["with_tax", "without_tax", "mixed"]


def with_tax(line: Line) -> Money:
    """What a stream earned with the value-added tax in its price, whatever its contract divides.

    Of a tax-exclusive contract the tax was taken off as a term of its own.
    """
    tax = sum((Fraction(term.exact) for term in line.basis if term.of == TAX), Fraction(0))
    if not tax:
        return line.amount
    return line.amount - Money.round(tax, line.amount.currency)


def tax_taken_off(lines: Iterable[Line], currency: str) -> Money:
    """The tax that tax-exclusive contracts took off before they divided."""
    return sum((with_tax(line) - line.amount for line in lines), Money.zero(currency))


def one_basis(split_bases: Iterable[str]) -> Basis:
    """Of contracts by their `split_basis`."""
    found = set(split_bases)
    if len(found) > 1:
        return "mixed"
    return "without_tax" if found == {"tax_exclusive"} else "with_tax"
