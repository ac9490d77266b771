"""Value-added tax per invoice line, from gross or from net, so that the lines are the invoice.

(DOMAIN.md 3.8.) Which rate a supply bears is data, dated by tax point and by the issuer's taxpayer type;
nothing here decides it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from fractions import Fraction
from typing import Literal

import msgspec

from ledger.clauses.flow import exact_text, one_of
from ledger.clauses.share import Portion, portion
from ledger.quantity import MINOR_DIGITS, Money
from ledger.refusal import Refused

Taxpayer = Literal["general", "small_scale"]


class VatRate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a category of supply bears at tax points in [effective_from, effective_to)."""

    category: str
    taxpayer: Taxpayer
    rate: Portion
    effective_from: date
    effective_to: date | None = None
    source: str

    def __post_init__(self) -> None:
        if not self.category.strip():
            raise Refused("empty", "a rate needs its category", place="category")
        if not self.source.strip():
            raise Refused("empty", "a rate needs its source", place="source")
        one_of(self.taxpayer, Taxpayer, "taxpayer")
        portion(self.rate, "rate")
        if self.effective_to is not None and self.effective_to <= self.effective_from:
            text = f"{self.effective_to} is not after effective_from {self.effective_from}"
            raise Refused("effective", text, place="effective_to")

    def holds_at(self, tax_point: date) -> bool:
        return self.effective_from <= tax_point and (
            self.effective_to is None or tax_point < self.effective_to
        )


class VatRates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All rates; at most one holds for a category, a taxpayer type and a day."""

    rates: tuple[VatRate, ...]

    def __post_init__(self) -> None:
        for index, one in enumerate(self.rates):
            for other in self.rates[:index]:
                same = (one.category, one.taxpayer) == (other.category, other.taxpayer)
                later, earlier = sorted((one, other), key=lambda rate: rate.effective_from, reverse=True)
                if same and earlier.holds_at(later.effective_from):
                    text = f"{one.category} has two rates from {later.effective_from}"
                    raise Refused("vat_rate_overlap", text, place=f"rates[{index}]")

    def rate_at(self, category: str, taxpayer: Taxpayer, tax_point: date) -> Fraction:
        """The rate of a supply, such as 13/100.

        Raises:
            Refused: `vat_rate_missing`.
        """
        for one in self.rates:
            if (one.category, one.taxpayer) == (category, taxpayer) and one.holds_at(tax_point):
                return portion(one.rate, "rate")
        text = f"no rate of {category!r} for a {taxpayer} taxpayer on {tax_point}"
        raise Refused("vat_rate_missing", text, place="category")


class VatLine(msgspec.Struct, frozen=True):
    """One line of an invoice: gross = net + tax, each stored. `rate` is exact text such as `0.13`."""

    item: str
    rate: str
    net: Money
    tax: Money
    gross: Money

    def __post_init__(self) -> None:
        if self.net + self.tax != self.gross:
            text = f"net {self.net:,} and tax {self.tax:,} are not gross {self.gross:,}"
            raise Refused("vat_line", text, place=self.item)


def line_from_gross(item: str, gross: Money, rate: Fraction) -> VatLine:
    """net = gross / (1 + rate), rounded once, half away from zero; tax is the rest (DOMAIN.md 3.8).

    >>> line = line_from_gross("share", Money.parse("31975.24", "CNY"), Fraction(13, 100))
    >>> str(line.net), str(line.tax)
    ('28296.67', '3678.57')
    """
    _check_rate(rate)
    net = Money.round(gross.exact / (1 + rate), gross.currency)
    return VatLine(item, exact_text(rate), net, gross - net, gross)


def line_from_net(item: str, net: Money, rate: Fraction) -> VatLine:
    """tax = net x rate, rounded once, half away from zero; gross is the sum (DOMAIN.md 3.8).

    >>> str(line_from_net("fee", Money.parse("9936.00", "CNY"), Fraction(6, 100)).gross)
    '10532.16'
    """
    _check_rate(rate)
    tax = Money.round(net.exact * rate, net.currency)
    return VatLine(item, exact_text(rate), net, tax, net + tax)


def lines_from_gross(gross: Mapping[str, Money], rate: Fraction) -> tuple[VatLine, ...]:
    """Lines of one rate whose total net is rounded once; by largest remainder the lines add up to it.

    >>> third = Money.parse("33.35", "CNY")
    >>> lines = lines_from_gross({"a": third, "b": third, "c": third}, Fraction(13, 100))
    >>> [str(line.net) for line in lines], str(line_from_gross("a", third, Fraction(13, 100)).net)
    (['29.52', '29.51', '29.51'], '29.51')

    Raises:
        Refused: `vat_rate`; `currency` for two currencies; `empty` without lines.
    """
    _check_rate(rate)
    currency = _currency(gross.values())
    nets = parts_of_rounded_sum({item: money.exact / (1 + rate) for item, money in gross.items()}, currency)
    text = exact_text(rate)
    return tuple(VatLine(item, text, nets[item], money - nets[item], money) for item, money in gross.items())


def lines_from_net(net: Mapping[str, Money], rate: Fraction) -> tuple[VatLine, ...]:
    """Lines of one rate whose total tax is rounded once; by largest remainder the lines add up to it.

    Raises:
        Refused: `vat_rate`; `currency` for two currencies; `empty` without lines.
    """
    _check_rate(rate)
    currency = _currency(net.values())
    taxes = parts_of_rounded_sum({item: money.exact * rate for item, money in net.items()}, currency)
    text = exact_text(rate)
    return tuple(VatLine(item, text, money, taxes[item], money + taxes[item]) for item, money in net.items())


def _check_rate(rate: Fraction) -> None:
    if not 0 <= rate <= 1:
        raise Refused("vat_rate", f"{rate} is not 0..1", place="rate")


def _currency(amounts: Iterable[Money]) -> str:
    currencies = {money.currency for money in amounts}
    if not currencies:
        raise Refused("empty", "an invoice needs lines", place="lines")
    if len(currencies) > 1:
        raise Refused("currency", f"{' and '.join(sorted(currencies))} do not add", place="lines")
    return currencies.pop()


def parts_of_rounded_sum(exacts: Mapping[str, Fraction], currency: str) -> dict[str, Money]:
    """Each exact amount cut off toward zero, and the units that the rounded sum still needs.

    They go one each to the parts that were cut off most in that direction, ties by item. A line may be
    below zero, such as a discount, which `largest_remainder` of weights cannot divide.
    """
    scaled = {item: value * 10 ** MINOR_DIGITS[currency] for item, value in exacts.items()}
    parts = {item: int(value) for item, value in scaled.items()}
    left = Money.round(sum(exacts.values(), Fraction(0)), currency).minor - sum(parts.values())
    step = 1 if left >= 0 else -1
    assert abs(left) <= len(parts)
    for item in sorted(scaled, key=lambda i: (step * (parts[i] - scaled[i]), i))[: abs(left)]:
        parts[item] += step
    return {item: Money(minor, currency) for item, minor in parts.items()}
