"""Spot energy that the market settled as one: each site's own at the nodal price, and who bears deviation."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal, NamedTuple, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.allocation.allocation import Allocation, checked_sites, priced
from ledger.clauses.share import Amount, amount
from ledger.quantity import PRICE_SCALE_MAX, PRICE_SCALE_MIN, Money
from ledger.refusal import Refused

Whole = npt.NDArray[np.int64]

NettingBenefit = Literal["sites", "pool"]
"""Sites deviate against each other, so that the aggregate deviates less than they do: is what that saves
left to the sites in the aggregate's direction, or do they bear their whole deviation and the pool gets it?"""

_INT64: Final = 2**63
_WH_PER_KWH: Final = 1000


class SpotTerms(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="spot"
):
    """The contract's choice; `rounding_max`, in major units, is the largest difference still rounding."""

    netting_benefit: NettingBenefit
    rounding_max: Amount

    def __post_init__(self) -> None:
        if self.netting_benefit not in get_args(NettingBenefit):
            message = f"allowed: {', '.join(get_args(NettingBenefit))}"
            raise Refused("not_allowed", message, place="netting_benefit")
        amount(self.rounding_max, "rounding_max")


class SpotMonth(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Sites x intervals, whole Wh: `energy_wh` metered, feeding in above zero; `deviation_wh` = metered
    less the site's part of the schedule. `price`: nodal, money per kWh as mantissas x 10^-`scale`, per
    interval or per site and interval. `deviation_price`: per interval and kWh of the aggregate's
    deviation, whichever its direction; below zero it is a cost.
    """

    sites: tuple[str, ...]
    energy_wh: Whole
    deviation_wh: Whole
    price: Whole
    deviation_price: Whole
    scale: int

    def __post_init__(self) -> None:
        checked_sites(self.sites)
        if list(self.sites) != sorted(set(self.sites)):
            raise Refused("member_order", "each site once, in order of its id", place="sites")
        if not PRICE_SCALE_MIN <= self.scale <= PRICE_SCALE_MAX:
            raise Refused("price_scale", f"{self.scale} is not {PRICE_SCALE_MIN}..{PRICE_SCALE_MAX}")
        arrays = ("energy_wh", "deviation_wh", "price", "deviation_price")
        for place in arrays:
            if getattr(self, place).dtype != np.int64:
                raise Refused("profile", "whole numbers as int64", place=place)
        shape = self.energy_wh.shape
        if len(shape) != 2 or shape[0] != len(self.sites) or not shape[1]:
            raise Refused("profile", "one row per site, one number per interval", place="energy_wh")
        allowed = {"deviation_wh": {shape}, "price": {shape, shape[1:]}, "deviation_price": {shape[1:]}}
        for place, shapes in allowed.items():
            if getattr(self, place).shape not in shapes:
                raise Refused("profile", "the same sites and intervals as energy_wh", place=place)
        _check_range(self.energy_wh, self.price)
        _check_range(self.deviation_wh, self.deviation_price)
        deviation = max(len(self.sites), _largest(self.deviation_wh))
        if len(self.sites) * (deviation + 1) ** 2 >= _INT64:
            raise Refused("amount_range", "the deviations are too large to be divided", place="deviation_wh")


class SpotShares(NamedTuple):
    """The two terms of a spot statement (DOMAIN.md 3.9), each exact before its sites' parts are rounded."""

    energy: Allocation
    """Each site's metered energy at its nodal price."""
    deviation: Allocation
    """Each site's part of the aggregate's deviation; `kept` is the pool's benefit of netting."""
    borne_wh: dict[str, int]
    """The Wh of deviation that each site bears."""


def allocate_spot(terms: SpotTerms, statement: Money, month: SpotMonth) -> SpotShares:
    """The market's statement for the aggregate as sites' amounts (DOMAIN.md 3.9).

    Only sites that deviate in the aggregate's direction bear a part. The aggregate's Wh of deviation are
    divided among them interval by interval by |site deviation|, whole Wh by largest remainder, ties by
    site id; where the pool gets the netting benefit they bear their own deviation, and the pool's amount
    is what the aggregate did not have to bear.

    Raises:
        Refused: `statement_difference` when statement and sites differ by more than rounding.
    """
    own_wh = deviation_in_direction(month.deviation_wh)
    netted_wh = netted_deviation(month.deviation_wh)
    borne_wh = netted_wh if terms.netting_benefit == "sites" else own_wh
    unit = _WH_PER_KWH * 10**month.scale
    pool = np.sum((netted_wh - borne_wh) * month.deviation_price, axis=1)
    currency = statement.currency
    energy = priced(
        _by_site(month, np.sum(month.energy_wh * month.price, axis=1), unit),
        Fraction(0),
        currency=currency,
        note="metered Wh at the nodal price",
    )
    deviation = priced(
        _by_site(month, np.sum(borne_wh * month.deviation_price, axis=1), unit),
        Fraction(sum(pool.tolist()), unit),
        currency=currency,
        note=f"by |site deviation| in the aggregate's direction; netting benefit: {terms.netting_benefit}",
    )
    _check_statement(statement, (energy, deviation), Money.parse(terms.rounding_max, currency))
    return SpotShares(energy, deviation, dict(zip(month.sites, borne_wh.sum(axis=1).tolist(), strict=True)))


def _by_site(month: SpotMonth, rows: Whole, unit: int) -> dict[str, Fraction]:
    return {site: Fraction(value, unit) for site, value in zip(month.sites, rows.tolist(), strict=True)}


def _check_statement(statement: Money, terms: Sequence[Allocation], most: Money) -> None:
    """A difference beyond rounding is a dispute with the market."""
    due = [amount for term in terms for amount in (*term.sites.values(), term.kept)]
    rounding = statement - sum(due, Money.zero(statement.currency))
    if abs(rounding.minor) > most.minor:
        message = (
            f"the statement says {statement:,}, the sites sum to {statement - rounding:,}: {rounding:,} apart"
        )
        raise Refused("statement_difference", f"{message}, more than {most:,}", place="statement")


def deviation_in_direction(deviation_wh: Whole) -> Whole:
    """|site deviation| where a site deviates as the aggregate does, else 0; sites x intervals."""
    direction = np.sign(deviation_wh.sum(axis=0))
    own: Whole = np.where(np.sign(deviation_wh) == direction, np.abs(deviation_wh), 0)
    return own


def netted_deviation(deviation_wh: Whole) -> Whole:
    """The aggregate's |deviation| in each interval over the sites in its direction, in whole Wh.

    Columns sum to the aggregate's |deviation|; rows are in order of the sites' ids.
    """
    own = deviation_in_direction(deviation_wh)
    whole = np.abs(deviation_wh.sum(axis=0))
    base = np.maximum(own.sum(axis=0), 1)
    product = own * whole
    parts: Whole = product // base
    left = whole - parts.sum(axis=0)
    count = len(own)
    # Distinct keys, larger first served: the cut-off part, then the earlier row.
    keys = (product - parts * base).T * count + np.arange(count)[::-1]
    ranked = np.sort(keys, axis=1)
    least = np.where(left > 0, ranked[np.arange(len(ranked)), count - np.maximum(left, 1)], _INT64 - 1)
    parts += np.greater_equal(keys.T, least)
    assert np.array_equal(parts.sum(axis=0), whole), "the parts are the aggregate's deviation"
    return parts


def _check_range(energy_wh: Whole, price: Whole) -> None:
    """Refuse Wh and prices whose sums of products would leave int64."""
    if 2 * _largest(energy_wh) * _largest(price) * energy_wh.shape[1] >= _INT64:
        raise Refused("amount_range", "the month's energy times its price is too large to be exact")


def _largest(array: Whole) -> int:
    return max(-int(array.min()), int(array.max()))


def as_month(
    members: Sequence[tuple[str, Whole, Whole]], *, price: Whole, deviation_price: Whole, scale: int
) -> SpotMonth:
    """A month from (site, energy_wh, deviation_wh) in any order.

    Raises:
        Refused: `no_members`, `profile`, and what a `SpotMonth` refuses.
    """
    ordered = sorted(members, key=lambda member: member[0])
    checked_sites([site for site, _, _ in ordered])
    if len({array.shape for _, *arrays in ordered for array in arrays}) != 1:
        raise Refused("profile", "every site has the same intervals", place="members")
    return SpotMonth(
        sites=tuple(site for site, _, _ in ordered),
        energy_wh=np.stack([energy for _, energy, _ in ordered]),
        deviation_wh=np.stack([deviation for _, _, deviation in ordered]),
        price=price,
        deviation_price=deviation_price,
        scale=scale,
    )
