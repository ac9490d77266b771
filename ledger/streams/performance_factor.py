"""The regulation performance factor K as a province's data: formula, hourly mean, bid limits and ranking.

One type per shape of formula; a province is a set of parameters (DOMAIN.md 3.6). Components are worked out
as whole numerators over one divisor, so that a month of instructions stays exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.clauses.flow import one_of
from ledger.clauses.share import Amount, Portion, amount, portion
from ledger.quantity import round_half_away
from ledger.refusal import Refused

Whole = npt.NDArray[Any]
"""Whole numbers: int64, or Python's own where 64 bits would not hold them."""

INT64: Final = 2**63
SCALE_MAX: Final = 9


def whole_product(*factors: Whole, times: int = 1, terms: int = 1) -> Whole:
    """The factors and `times` multiplied, in 64 bits only where no sum of `terms` products can overflow."""
    bound = terms * max(1, abs(times))
    for factor in factors:
        bound *= max(1, abs(int(factor.max(initial=0))), abs(int(factor.min(initial=0))))
    made = factors[0] if bound < INT64 else factors[0].astype(object)
    for factor in factors[1:]:
        made = made * factor
    return made * times


def whole_line(values: Whole, slope: int, offset: int) -> Whole:
    """slope x value + offset, in 64 bits only where that fits."""
    largest = max(1, abs(int(values.max(initial=0))), abs(int(values.min(initial=0))))
    fits = abs(slope) * largest + abs(offset) < INT64
    return (values if fits else values.astype(object)) * slope + offset


def checked_scale(scale: int, place: str) -> None:
    """That `scale` decimals can be stored.

    Raises:
        Refused: `scale` unless it is 0..9.
    """
    if not 0 <= scale <= SCALE_MAX:
        raise Refused("scale", f"{scale} decimals are not 0..{SCALE_MAX}", place=place)


class _Component(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """One K of the formula; without `cap` or `floor` it is not limited on that side."""

    measure: str
    """The name of what was measured, as the instructions carry it."""
    cap: Amount | None = None
    floor: Amount | None = None

    def __post_init__(self) -> None:
        if not self.measure.strip():
            raise Refused("measure", "name what is measured, such as speed", place="measure")
        low = Fraction(0) if self.floor is None else amount(self.floor, "floor")
        if self.cap is not None and amount(self.cap, "cap") <= low:
            raise Refused("cap", f"{self.cap} is not above the floor {low}", place="cap")

    def line(self) -> tuple[Fraction, Fraction]:
        """Slope and constant: K = slope x measured value + constant."""
        raise NotImplementedError

    def numerators(self, mantissas: npt.NDArray[np.int64], scale: int) -> tuple[Whole, int]:
        """K of each measured value (mantissa x 10^-scale) as numerators over one divisor."""
        slope, constant = self.line()
        slope /= 10**scale
        limits = [None if text is None else amount(text, "cap") for text in (self.floor, self.cap)]
        parts = [slope, constant, *(limit for limit in limits if limit is not None)]
        divisor = math.lcm(*(part.denominator for part in parts))
        values = whole_line(mantissas, int(slope * divisor), int(constant * divisor))
        low, high = (None if limit is None else int(limit * divisor) for limit in limits)
        if max(low or 0, high or 0) >= INT64:
            values = values.astype(object)
        if low is not None:
            values = np.maximum(values, low)
        if high is not None:
            values = np.minimum(values, high)
        return values, divisor


class GivenComponent(_Component, frozen=True, kw_only=True, tag="given"):
    """The market publishes this K itself."""

    def line(self) -> tuple[Fraction, Fraction]:
        return Fraction(1), Fraction(0)


class _Referred(_Component, frozen=True, kw_only=True):
    reference: Amount
    """In the unit of the measure: %/min of rated power, s, % of rated power."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if amount(self.reference, "reference") == 0:
            raise Refused("reference", "the reference is above zero", place="reference")


class RatioComponent(_Referred, frozen=True, kw_only=True, tag="ratio"):
    """K = value / reference, as K1 = V / V_pu."""

    def line(self) -> tuple[Fraction, Fraction]:
        return 1 / amount(self.reference, "reference"), Fraction(0)


class ComplementComponent(_Referred, frozen=True, kw_only=True, tag="complement"):
    """K = 1 - value / reference, as K2 = 1 - T / T0; below zero past the reference unless it has a floor."""

    def line(self) -> tuple[Fraction, Fraction]:
        return -1 / amount(self.reference, "reference"), Fraction(1)


Component = GivenComponent | RatioComponent | ComplementComponent


class _Formula(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    components: tuple[Component, ...]
    hour_decimals: int
    """Decimals to which a period's mean of its instructions is rounded, half away from zero."""

    def __post_init__(self) -> None:
        checked_scale(self.hour_decimals, "hour_decimals")
        measures = [component.measure for component in self.components]
        if not measures or len(set(measures)) != len(measures):
            raise Refused("components", "name one or more measures, each once", place="components")


class WeightedSum(_Formula, frozen=True, kw_only=True, tag="weighted_sum"):
    """K = w1 K1 + w2 K2 + ..., the weights totalling 1 (Hunan; South: 0.25 (2 K1 + K2 + K3))."""

    weights: tuple[Portion, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.weights) != len(self.components):
            raise Refused(
                "weights", f"{len(self.components)} components need as many weights", place="weights"
            )
        total = sum((portion(text, "weights") for text in self.weights), Fraction(0))
        if total != 1:
            raise Refused("share_total", f"the weights total {total}, not 1", place="weights")

    def combined(self, parts: Sequence[tuple[Whole, int]]) -> tuple[Whole, int]:
        """The components' numerators as one."""
        weights = [portion(text, "weights") for text in self.weights]
        divisor = math.lcm(*(d * w.denominator for w, (_, d) in zip(weights, parts, strict=True)))
        terms = [
            whole_product(values, times=int(weight * divisor / d), terms=len(parts))
            for weight, (values, d) in zip(weights, parts, strict=True)
        ]
        return sum(terms[1:], start=terms[0]), divisor


class Product(_Formula, frozen=True, kw_only=True, tag="product"):
    """K = K1 x K2 x ... (Jiangsu K1 K2, Shanxi K1 K2 K3)."""

    def combined(self, parts: Sequence[tuple[Whole, int]]) -> tuple[Whole, int]:
        """The components' numerators as one."""
        return whole_product(*(values for values, _ in parts)), math.prod(d for _, d in parts)


class GivenScore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type",
                 tag="given_score"):  # fmt: skip
    """The market publishes one score per period, from 0 to `score_max` (PJM, NYISO, CAISO)."""

    score_max: Amount

    def __post_init__(self) -> None:
        if amount(self.score_max, "score_max") == 0:
            raise Refused("score", "the highest score is above zero", place="score_max")


PerformanceFormula = WeightedSum | Product | GivenScore


def instruction_factors(
    formula: WeightedSum | Product, measures: Mapping[str, npt.NDArray[np.int64]], scale: int
) -> tuple[Whole, int]:
    """K of each instruction, not rounded: numerators over one divisor.

    `measures` are what was measured, mantissa x 10^-scale, one array per measure.

    Raises:
        Refused: `measure_missing`, `measure_unknown`.
    """
    wanted = [component.measure for component in formula.components]
    for name in wanted:
        if name not in measures:
            raise Refused("measure_missing", f"the formula needs {name}", place="measures")
    for name in measures:
        if name not in wanted:
            raise Refused("measure_unknown", f"{name!r} is not one of {', '.join(wanted)}", place="measures")
    return formula.combined([part.numerators(measures[part.measure], scale) for part in formula.components])


def period_means(
    factors: tuple[Whole, int], periods: npt.NDArray[np.int64], decimals: int
) -> tuple[list[int], list[int]]:
    """The periods that have instructions, and each one's mean K as mantissa x 10^-decimals.

    `periods` is the number of each instruction's period, ascending. Rounded once, half away from zero:
    the mean of 1.234 and 1.236 is 1.24 to two decimals (1.235).
    """
    numerators, divisor = factors
    if not len(periods):
        return [], []
    starts = np.flatnonzero(np.diff(periods, prepend=periods[0] - 1))
    counts = np.diff(starts, append=len(periods)).tolist()
    fits = int(np.abs(numerators).max()) * len(periods) < INT64
    sums = np.add.reduceat(numerators if fits else numerators.astype(object), starts).tolist()
    means = [
        round_half_away(Fraction(total * 10**decimals, divisor * count))
        for total, count in zip(sums, counts, strict=True)
    ]
    return periods[starts].tolist(), means


RankForm = Literal["price_over_relative_factor", "factor_over_price"]


class BidLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a regulation bid must keep, and how bids are ranked (DOMAIN.md 3.6, Hunan).

    `price_over_relative_factor`: bid / (K_i / K_max), the lowest first. `factor_over_price`: K_i / bid,
    the highest first (Jiangsu).
    """

    price_min: Amount
    price_max: Amount
    """Currency per MW of mileage."""
    factor_min: Amount
    """Entry: a unit whose K is below may not bid."""
    award_days: int
    """How many of the latest days with an award K is the mean of."""
    rank: RankForm

    def __post_init__(self) -> None:
        if amount(self.price_max, "price_max") < amount(self.price_min, "price_min"):
            raise Refused("bid_limits", f"{self.price_max} is below {self.price_min}", place="price_max")
        amount(self.factor_min, "factor_min")
        if self.award_days < 1:
            raise Refused("award_days", "K is a mean of at least one day", place="award_days")
        one_of(self.rank, RankForm, "rank")


class RegulationBid(NamedTuple):
    """A unit's offer: price per MW of mileage, and its ranking K."""

    unit: str
    price: Fraction
    factor: Fraction


def ranking_factor(limits: BidLimits, daily: Mapping[date, Fraction], day: date) -> Fraction:
    """K of a unit for bidding on `day`: the mean of its latest `award_days` award days before it.

    `daily` has the K of each day on which the unit held an award.

    Raises:
        Refused: `factor_history` with fewer such days: a missing day does not count as zero.
    """
    days = sorted(past for past in daily if past < day)[-limits.award_days :]
    if len(days) < limits.award_days:
        raise Refused(
            "factor_history",
            f"{len(days)} award days before {day}, {limits.award_days} needed",
            place="daily",
        )
    return sum((daily[past] for past in days), Fraction(0)) / limits.award_days


def checked_bid(limits: BidLimits, bid: RegulationBid) -> RegulationBid:
    """`bid`, when its unit may enter and its price is within the limits, both ends included.

    Raises:
        Refused: `bid_factor`, `bid_price`.
    """
    if bid.factor < amount(limits.factor_min, "factor_min"):
        raise Refused("bid_factor", f"K {bid.factor} is below the entry {limits.factor_min}", place=bid.unit)
    if not amount(limits.price_min, "price_min") <= bid.price <= amount(limits.price_max, "price_max"):
        allowed = f"{limits.price_min}..{limits.price_max}"
        raise Refused("bid_price", f"{bid.price} per MW is not {allowed}", place=bid.unit)
    return bid


def rank_value(limits: BidLimits, bid: RegulationBid, factor_max: Fraction) -> Fraction:
    """The figure by which the bid is ranked; `factor_max` is the highest K of all bidders.

    Raises:
        Refused: `factor_max` when it is below the bid's K, or a figure would be divided by zero.
    """
    divisor = bid.factor if limits.rank == "price_over_relative_factor" else bid.price
    if factor_max < bid.factor or divisor <= 0:
        raise Refused("factor_max", "K is above zero and at most the highest K, the price above zero",
                      place=bid.unit)  # fmt: skip
    if limits.rank == "price_over_relative_factor":
        return bid.price * factor_max / bid.factor
    return bid.factor / bid.price


def ranked(limits: BidLimits, bids: Sequence[RegulationBid]) -> list[RegulationBid]:
    """The bids in the order in which the market takes them; equal ones by unit ascending.

    Raises:
        Refused: `bid_factor`, `bid_price`, `bid_duplicate`, `factor_max`.
    """
    units = sorted(bid.unit for bid in bids)
    for unit, following in pairwise(units):
        if unit == following:
            raise Refused("bid_duplicate", "the unit bids twice", place=unit)
    highest = max((bid.factor for bid in bids), default=Fraction(0))
    sign = 1 if limits.rank == "price_over_relative_factor" else -1
    checked = [checked_bid(limits, bid) for bid in bids]
    return sorted(checked, key=lambda bid: (sign * rank_value(limits, bid, highest), bid.unit))
