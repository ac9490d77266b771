"""What a contract agrees on about value-added tax: rates by stream and party, dated (DOMAIN.md 3.8)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from fractions import Fraction
from typing import Annotated, Literal

import msgspec

from ledger.accounting.vat import Taxpayer, VatLine, VatRate, VatRates, line_from_gross, line_from_net
from ledger.clauses.flow import one_of
from ledger.quantity import Money
from ledger.refusal import Refused

SplitBasis = Literal["tax_inclusive", "tax_exclusive"]
Id = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class VatTerms(msgspec.Struct, frozen=True, kw_only=True, dict=True, forbid_unknown_fields=True):
    """`categories` names the category of supply of every stream, cost and clause of the contract; a rate
    belongs to a category, a taxpayer type and a time. Nothing here says which rate is right."""

    taxpayers: dict[Id, Taxpayer]
    categories: dict[str, str]
    rates: tuple[VatRate, ...]

    def __post_init__(self) -> None:
        for party, taxpayer in self.taxpayers.items():
            one_of(taxpayer, Taxpayer, f"taxpayers.{party}")
        VatRates(self.rates)
        known = sorted({rate.category for rate in self.rates})
        for item, category in self.categories.items():
            if category not in known:
                text = f"{category!r} has no rate; there are {', '.join(known)}"
                raise Refused("vat_category", text, place=f"categories.{item}")

    def check(self, parties: Iterable[str], items: Iterable[str]) -> None:
        """That each party has a taxpayer type and each item a category, and nothing else has.

        Raises:
            Refused: `vat_party`, `vat_category`.
        """
        _same_names(self.taxpayers, parties, "vat_party", "vat.taxpayers")
        _same_names(self.categories, items, "vat_category", "vat.categories")

    def rate(self, item: str, supplier: str, tax_point: date) -> Fraction:
        """The rate of what `supplier` supplies under a stream, cost or clause, such as 13/100.

        Raises:
            Refused: `vat_party`, `vat_category`, `vat_rate_missing`.
        """
        if supplier not in self.taxpayers:
            raise Refused("vat_party", f"{supplier!r} has no taxpayer type", place="vat.taxpayers")
        if item not in self.categories:
            raise Refused("vat_category", f"{item!r} has no category", place="vat.categories")
        return VatRates(self.rates).rate_at(self.categories[item], self.taxpayers[supplier], tax_point)


class LineVat(msgspec.Struct, frozen=True, kw_only=True):
    """What `supplier` invoices of one settlement line; `rate` is exact text such as `0.13`.

    Above zero where the line's party is the supplier, below zero where it is invoiced.
    """

    supplier: str
    rate: str
    net: Money
    tax: Money
    gross: Money

    def __post_init__(self) -> None:
        if self.net + self.tax != self.gross:
            text = f"net {self.net:,} and tax {self.tax:,} are not gross {self.gross:,}"
            raise Refused("vat_line", text, place="gross")


def vat(
    item: str, amount: Money, terms: VatTerms, basis: SplitBasis, supplier: str, tax_point: date
) -> VatLine:
    """Net, tax and gross of one line; `amount` is gross on a tax-inclusive basis and net on an exclusive one.

    `item` is the stream, cost or clause of the line, `supplier` the party that invoices it.

    Raises:
        Refused: `vat_party`, `vat_category`, `vat_rate_missing`.
    """
    one_of(basis, SplitBasis, "split_basis")
    rate = terms.rate(item, supplier, tax_point)
    return (line_from_gross if basis == "tax_inclusive" else line_from_net)(item, amount, rate)


def _same_names(stated: Iterable[str], wanted: Iterable[str], code: str, place: str) -> None:
    stated, wanted = set(stated), set(wanted)
    for name in sorted(wanted - stated):
        raise Refused(code, f"{name} is not stated", place=place)
    for name in sorted(stated - wanted):
        raise Refused(code, f"{name!r} is not in this contract", place=f"{place}.{name}")
