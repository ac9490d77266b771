"""A line of a settlement: what, where, for whom, how much, by which rule, resting on which events."""

from __future__ import annotations

from fractions import Fraction
from typing import Final, Literal

import msgspec

from ledger.clauses.flow import exact_text
from ledger.quantity import Money
from ledger.vat_terms import LineVat

LineKind = Literal["stream", "clause"]
TAX: Final = "tax"


class Basis(msgspec.Struct, frozen=True, omit_defaults=True):
    """One term of a line's exact amount: `exact` = quantity x price, in major units, not rounded.

    Of a `tax` term the quantity is the amount with the tax and the price its rate: `exact` is the quantity
    x `factor`, rounded to minor units.
    """

    label: str
    quantity: str
    unit: str
    price: str
    exact: str
    of: str = ""
    """Of a stream line's term: `tax`, where a tax-exclusive contract divides the amount without it.
    Of a clause line's term: `remaining` (what reached the clause), `stream:` and a stream of the pool,
    `earlier_month`, or `clause` for what the clause states by itself."""

    @property
    def factor(self) -> str:
        """What the quantity is multiplied by: the price, and of tax its part of the amount with it.

        >>> Basis("value-added tax in the price", "113", "CNY", "0.13", "-13", TAX).factor
        '-0.13/1.13'
        """
        if self.of != TAX:
            return self.price
        return f"-{self.price}/{exact_text(1 + Fraction(self.price))}"


class Source(msgspec.Struct, frozen=True):
    """Events that a line rests on: the aggregate, and its sequence numbers as closed ranges."""

    aggregate: str
    sequences: tuple[tuple[int, int], ...]


class Line(msgspec.Struct, frozen=True):
    """`amount` is `exact` rounded once; `rounding` is amount less exact, in major units.

    A stream line's party is who holds its cash already; a clause line's party is who is owed. Above
    zero is receivable.
    """

    number: int
    kind: LineKind
    code: str
    """The stream, or the clause's type."""
    clause: str
    """Which rule made it: a stream's article of DOMAIN.md 3, or the clause of the contract."""
    site: str | None
    party: str
    quantity: str
    unit: str
    price: str
    exact: str
    amount: Money
    rounding: str
    basis: tuple[Basis, ...]
    sources: tuple[int, ...]
    """Positions in the settlement's list of sources."""
    note: str = ""
    estimated: str = ""
    """The part of the energy of the month, of the site or of all the contract's sites, that was estimated or
    substituted; empty for none."""
    pooled: bool = True
    """False for a stream that the contract does not share: it is shown, and counts in no total."""
    vat: LineVat | None = None
    """Of what is invoiced of the line, where the contract states VAT terms; that may be a part of it."""
