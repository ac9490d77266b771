"""The market's one amount as sites' amounts, what is kept and a rounding line: together the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Literal, get_args

import msgspec

from ledger.identity import checked_id
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.split import largest_remainder

WhenAllZero = Literal["refuse", "operator", "equally"]
"""Nobody has a weight: refuse the amount, the operator takes it, or all sites take equal parts."""


class Allocation(msgspec.Struct, frozen=True, kw_only=True):
    """`sites` + `kept` + `rounding` = `total`, the market's statement; above zero is receivable.

    `kept`: what the contract's rule leaves to the operator or to the pool. `rounding`: the operator's line
    for amounts rounded one by one. `weights`: exact, as text; empty where amounts do not come from them.
    `exact`: each site's amount before it was rounded or got a unit that was left over, in major units.
    """

    total: Money
    sites: dict[str, Money]
    kept: Money
    rounding: Money
    weights: dict[str, str]
    note: str
    exact: dict[str, Fraction]

    def __post_init__(self) -> None:
        whole = sum(self.sites.values(), self.kept + self.rounding)
        assert whole == self.total, "sites, kept and rounding sum to the statement"
        assert self.exact.keys() == self.sites.keys(), "every site has its exact amount"


def divided(
    total: Money, weights: Mapping[str, Fraction], *, when_all_zero: WhenAllZero, note: str
) -> Allocation:
    """`total` over the sites by weight: largest remainder, ties by site id, negatives mirrored.

    Raises:
        Refused: `no_members`; `weights_zero` when there is an amount, nobody has a weight and the rule is
            to refuse; `weights` for one below zero.
    """
    checked_sites(weights)
    if when_all_zero not in get_args(WhenAllZero):
        raise Refused("not_allowed", f"allowed: {', '.join(get_args(WhenAllZero))}", place="when_all_zero")
    nothing = Money.zero(total.currency)
    parts = dict.fromkeys(weights, 0)
    exact = dict.fromkeys(weights, Fraction(0))
    kept = nothing
    if any(weights.values()):
        parts, exact = _split(total, weights)
    elif total.minor:
        if when_all_zero == "refuse":
            message = f"{total:,} {total.currency} is to be divided, but every site's weight is zero"
            raise Refused("weights_zero", message, place="weights")
        note = f"{note}; every weight is zero: {when_all_zero}"
        if when_all_zero == "operator":
            kept = total
        else:
            parts, exact = _split(total, dict.fromkeys(weights, Fraction(1)))
    return Allocation(
        total=total,
        sites={site: Money(part, total.currency) for site, part in parts.items()},
        kept=kept,
        rounding=nothing,
        weights={site: str(weight) for site, weight in weights.items()},
        note=note,
        exact=exact,
    )


def _split(total: Money, weights: Mapping[str, Fraction]) -> tuple[dict[str, int], dict[str, Fraction]]:
    """Minor units by largest remainder, and the exact parts in major units."""
    whole = sum(weights.values(), Fraction(0))
    exact = {site: total.exact * weight / whole for site, weight in weights.items()}
    return largest_remainder(total.minor, weights), exact


def priced(exact: Mapping[str, Fraction], kept: Fraction, *, currency: str, note: str) -> Allocation:
    """Sites' own prices x quantities in major units, each rounded once, and what the terms keep.

    The total is the exact whole, rounded once; what the sites' rounding leaves of it is the operator's line.

    Raises:
        Refused: `no_members`, `id`.
    """
    checked_sites(exact)
    sites = {site: Money.round(value, currency) for site, value in exact.items()}
    total = Money.round(sum(exact.values(), kept), currency)
    rest = Money.round(kept, currency)
    rounding = total - sum(sites.values(), rest)
    return Allocation(
        total=total, sites=sites, kept=rest, rounding=rounding, weights={}, note=note, exact=dict(exact)
    )


def checked_sites(sites: Iterable[str]) -> None:
    """Refuse an aggregate without members, and ids that are none.

    Raises:
        Refused: `no_members`, `id`.
    """
    names = list(sites)
    if not names:
        raise Refused("no_members", "the aggregate has no sites", place="sites")
    for name in names:
        checked_id(name, "sites")
