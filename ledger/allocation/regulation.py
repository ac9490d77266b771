"""Regulation and capacity that the market paid as one: by mileage x own K, by kW x availability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple, get_args

import msgspec

from ledger.allocation.allocation import Allocation, WhenAllZero, divided
from ledger.quantity import Money
from ledger.refusal import Refused


class _WeightTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    when_all_zero: WhenAllZero

    def __post_init__(self) -> None:
        if self.when_all_zero not in get_args(WhenAllZero):
            raise Refused(
                "not_allowed", f"allowed: {', '.join(get_args(WhenAllZero))}", place="when_all_zero"
            )


class RegulationTerms(_WeightTerms, frozen=True, kw_only=True, tag="regulation"):
    """Who has an amount for which nobody has mileage, or power."""


class CapacityTerms(_WeightTerms, frozen=True, kw_only=True, tag="capacity"):
    """Who has a capacity payment when nobody was available."""


class Mileage(NamedTuple):
    """A site's mileage D in a regulation hour, in W, and its own performance K then."""

    mileage_w: int
    performance: Fraction


class Kept(NamedTuple):
    """Power that a site was awarded or is counted with, in W, and the part of the time it was there."""

    power_w: int
    availability: Fraction


def mileage_payment(
    total: Money, members: Mapping[str, Sequence[Mileage]], *, when_all_zero: WhenAllZero
) -> Allocation:
    """The regulation's mileage part, by sum of D x K over the hours.

    Raises:
        Refused: `mileage` for a D or K below zero; `no_members`, `weights_zero`.
    """
    weights: dict[str, Fraction] = {}
    for site, hours in members.items():
        if any(hour.mileage_w < 0 or hour.performance < 0 for hour in hours):
            raise Refused("mileage", "mileage and K are at least zero", place=f"members.{site}")
        weights[site] = sum((hour.mileage_w * hour.performance for hour in hours), Fraction(0))
    return divided(total, weights, when_all_zero=when_all_zero, note="by sum of D x K")


def capacity_payment(total: Money, members: Mapping[str, Kept], *, when_all_zero: WhenAllZero) -> Allocation:
    """The regulation's capacity part, by awarded W x availability; or CAP, by P_eff x availability.

    Raises:
        Refused: `availability` outside 0 to 1, `power` below zero; `no_members`, `weights_zero`.
    """
    for site, kept in members.items():
        if not 0 <= kept.availability <= 1:
            raise Refused("availability", "availability is 0 to 1", place=f"members.{site}.availability")
        if kept.power_w < 0:
            raise Refused("power", "power is at least zero", place=f"members.{site}.power_w")
    weights = {site: kept.power_w * kept.availability for site, kept in members.items()}
    return divided(total, weights, when_all_zero=when_all_zero, note="by power x availability")
