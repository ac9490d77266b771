"""An operator's line about a trading unit, against our lines of its sites (DOMAIN.md 3.9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ledger.quantity import Money
from ledger.reconciliation.difference import Part


class UnitShares(NamedTuple):
    """How the statements of one unit and stream in the period were shared out: `sites` + `kept` + `rounding`.

    `kept` stays with the unit's operator by its terms, `rounding` is the operator's line (DOMAIN.md 5). Above
    zero is receivable.
    """

    unit: str
    sites: Mapping[str, Money]
    kept: Money
    rounding: Money

    @property
    def statement(self) -> Money:
        return sum(self.sites.values(), self.kept + self.rounding)


def unit_parts(
    theirs: Money, ours: Mapping[str, Money], shares: UnitShares, refused: frozenset[str]
) -> tuple[Part, ...]:
    """The causes of `theirs` less the sum of `ours` (by site), none zero.

    `refused` are sites of which another stream has kWh that the unit sold: what they lose of their share is
    `allocation` too, and `unexplained` at any other site.
    """
    zero = Money.zero(theirs.currency)
    whole = theirs - sum(ours.values(), zero)
    away = {site: money for site, money in shares.sites.items() if site not in ours}
    lost = sum((_short(site, ours, shares) for site in ours if site in refused), zero)
    parts = [
        Part("rounding", shares.rounding, f"the operator's rounding line of unit {shares.unit}"),
        Part("allocation", shares.kept, f"kept by the operator of unit {shares.unit} by its terms"),
        Part("allocation", sum(away.values(), zero), f"shares of sites not compared: {_named(away)}"),
        Part("allocation", lost, "shares that sites lose because another stream has their kWh"),
    ]
    rest = whole - sum((part.amount for part in parts), zero)
    parts.append(Part("unexplained", rest, f"the statements shared out are {shares.statement:,} in all"))
    assert sum((part.amount for part in parts), zero) == whole, "the parts add up to the difference"
    return tuple(part for part in parts if part.amount.minor)


def _short(site: str, ours: Mapping[str, Money], shares: UnitShares) -> Money:
    return shares.sites.get(site, Money.zero(ours[site].currency)) - ours[site]


def _named(sites: Mapping[str, Money]) -> str:
    return ", ".join(sorted(sites)) or "none"
