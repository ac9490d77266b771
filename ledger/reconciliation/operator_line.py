"""A market operator's or grid company's statement: its lines, typed and exact."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import msgspec

from ledger.interval import Interval
from ledger.quantity import Money
from ledger.reconciliation.stated_quantity import StatedQuantity
from ledger.refusal import Refused


class OperatorLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line; amounts above zero are receivable by us, and quantity x price has the amount's sign.

    `quantity` and `price` (in the currency, for one of the quantity's unit) are None where the statement
    prints none: missing is not zero.
    """

    reference: str
    """The operator's own number of the line, unique in the statement."""
    site: str
    """Our id; empty for a line that is about all sites together."""
    item: str
    """Our item (a stream, or a stream and what it is made of) that the operator's item stands for."""
    interval: Interval
    quantity: StatedQuantity | None
    price: str | None
    amount: Money
    quantity_step: str = "0"
    """The quantity is printed in whole steps of this size, in its unit, and may be off by less than one
    (DOMAIN.md 3.0: MWh with three decimals are steps of 1 kWh); 0 where it is printed exactly."""
    price_step: str = "0"
    """The same of the price (DOMAIN.md 3.0: yuan/MWh with three decimals, yuan/kWh with six)."""
    run: str = ""
    """What the operator calls the run, such as `D+6` or `R1`; empty where it has one only."""
    place: str = ""
    """Where it stands in the file."""

    def __post_init__(self) -> None:
        if not self.reference:
            raise Refused("reference_missing", "a line needs a reference", place=self.place)
        if not self.item:
            raise Refused("item", "a line is about an item", place=self.place)
        for step in (self.quantity_step, self.price_step):
            if Fraction(step) < 0:
                raise Refused("printed_step", "a step is not below zero", place=self.place)


class OperatorStatement(msgspec.Struct, frozen=True):
    """A whole statement; `digest` is the SHA-256 of its file."""

    operator: str
    digest: str
    lines: tuple[OperatorLine, ...]

    def __post_init__(self) -> None:
        if not self.lines:
            raise Refused("empty_file", "the statement has no line")
        currency_of(line.amount for line in self.lines)
        seen: dict[str, str] = {}
        for line in self.lines:
            if line.reference in seen:
                raise Refused(
                    "duplicate_reference",
                    f"reference {line.reference} stands at {seen[line.reference]} already",
                    place=line.place,
                )
            seen[line.reference] = line.place

    @property
    def total(self) -> Money:
        return sum_of((line.amount for line in self.lines), self.lines[0].amount.currency)


def sum_of(amounts: Iterable[Money], currency: str) -> Money:
    """The sum; zero of `currency` for none."""
    return sum(amounts, Money.zero(currency))


def currency_of(amounts: Iterable[Money]) -> str:
    """The one currency of all amounts.

    Raises:
        Refused: `currency` for none or several.
    """
    found = sorted({money.currency for money in amounts})
    if len(found) != 1:
        raise Refused("currency", f"one currency at a time, not {', '.join(found) or 'none'}")
    return found[0]
