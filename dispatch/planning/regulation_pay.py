"""What a kW of regulation is expected to earn in each block: posted prices, else the mean of those published.

A simple forecast, and stated as one in the plan: of each block the mean of the prices that the market told of
the same local time in the last `DAYS` days. What an award earned beside that (its mileage, its performance)
is as the unit's own sites had it in those days; where they had none, it is not guessed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

import msgspec
import numpy as np

from dispatch.plan_check import Whole
from ledger.clauses.share import amount
from ledger.interval import Interval, zone_of
from ledger.quantity import round_half_away
from ledger.refusal import Refused
from ledger.streams.regulation import (
    AgcInstructions,
    PriceKind,
    RegulationAward,
    RegulationPerformance,
    RegulationPrices,
    RegulationRule,
)
from ledger.streams.regulation_market import measured

DAYS: Final = 14
_MICRO: Final = 1_000_000
_KW_PER_MW: Final = 1000
_S_PER_HOUR: Final = 3600

Told = RegulationPrices | RegulationAward | RegulationPerformance | AgcInstructions


class RegulationPay(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """10^-6 of money per kW and block; `says` how that was found, in words for the plan."""

    price_micro: Whole
    says: str


class _Own(msgspec.Struct, frozen=True):
    """Mean K, and mileage per awarded W and period; None where nothing tells it."""

    performance: Fraction | None
    mileage: Fraction | None


def regulation_pay(
    rule: RegulationRule, product: str, told: Sequence[Told], starts: Sequence[datetime], block_s: int
) -> RegulationPay:
    """The pay of blocks of `block_s` that begin at `starts`; `told` is what the market told of the last days.

    Capacity: award x hours x price x (1 - weight x (1 - K)). Mileage: x K, of the measured or of the market's
    ratio (DOMAIN.md 3.6); mileage whose cost is shared out by a factor of the day is not counted.

    Raises:
        Refused: `price_missing` for a block of whose time of day no price was told, `performance_missing`
            where K decides and no award of the unit's sites was measured; as `measured` for instructions that
            the rule cannot score.
    """
    own = _own(rule, product, told)
    local = [start.astimezone(zone_of(rule.zone)) for start in starts]
    seconds = [at.hour * _S_PER_HOUR + at.minute * 60 + at.second for at in local]
    hours = Fraction(block_s, _S_PER_HOUR)
    found = [Fraction(0)] * len(starts)
    says: list[str] = []
    if rule.capacity is not None:
        posted = rule.capacity.price
        each = (
            _means(rule, product, "capacity", told, seconds, block_s)
            if posted is None
            else [amount(posted, "price")] * len(starts)
        )
        kept = Fraction(1)
        if rule.capacity_weight:
            kept -= rule.capacity_weight * (1 - _needed(own.performance, rule))
        for at, price in enumerate(each):
            found[at] += price * hours * kept / _KW_PER_MW
        says.append("capacity as posted" if posted is not None else f"capacity as the mean of {DAYS} days")
    if rule.mileage is not None and not rule.mileage.shared:
        each = _means(rule, product, "mileage", told, seconds, block_s)
        factor = _needed(own.performance, rule)
        if rule.mileage.quantity == "measured":
            moved = [_needed(own.mileage, rule) * block_s / rule.period_s] * len(starts)
        else:
            ratios = _means(rule, product, "mileage_ratio", told, seconds, block_s)
            moved = [ratio * hours for ratio in ratios]
        for at, price in enumerate(each):
            found[at] += price * moved[at] * factor / _KW_PER_MW
        says.append(f"mileage as the mean of {DAYS} days")
    elif rule.mileage is not None:
        says.append("mileage not counted, as its cost is shared out by the day")
    if own.performance is not None:
        says.append(f"at the sites' own mean K of {float(own.performance):.3f}")
    values = [round_half_away(value * _MICRO) for value in found]
    return RegulationPay(price_micro=np.array(values, dtype=np.int64), says=", ".join(says))


def _needed(value: Fraction | None, rule: RegulationRule) -> Fraction:
    if value is None:
        wrong = (
            f"no award of the unit's sites under {rule.id} was measured in {DAYS} days: its K is not known"
        )
        raise Refused("performance_missing", wrong, place="regulation")
    return value


def _means(
    rule: RegulationRule, product: str, kind: PriceKind, told: Sequence[Told], seconds: Sequence[int],
    block_s: int,
) -> list[Fraction]:  # fmt: skip
    """Of each block the mean of the prices whose period begins within it, by local time of day."""
    by_second = _by_second(rule, product, kind, told)
    found: list[Fraction] = []
    for second in seconds:
        prices = [
            price
            for begins, of in by_second.items()
            if second <= begins < second + block_s or begins <= second < begins + rule.period_s
            for price in of
        ]
        if not prices:
            clock = f"{second // _S_PER_HOUR:02}:{second // 60 % 60:02}"
            wrong = f"no {kind} price of {rule.id} for {clock} was told in {DAYS} days"
            raise Refused("price_missing", wrong, place="regulation")
        found.append(sum(prices, Fraction(0)) / len(prices))
    return found


def _by_second(
    rule: RegulationRule, product: str, kind: PriceKind, told: Sequence[Told]
) -> Mapping[int, list[Fraction]]:
    found: dict[int, list[Fraction]] = defaultdict(list)
    zone = zone_of(rule.zone)
    for one in told:
        if not isinstance(one, RegulationPrices) or (one.product, one.kind) != (product, kind):
            continue
        each = one.interval.seconds // len(one.mantissas)
        for number, mantissa in enumerate(one.mantissas):
            at = (one.interval.start + timedelta(seconds=each * number)).astimezone(zone)
            second = at.hour * _S_PER_HOUR + at.minute * 60 + at.second
            found[second].append(Fraction(mantissa, 10**one.scale))
    return found


def _own(rule: RegulationRule, product: str, told: Sequence[Told]) -> _Own:
    done = _measured(rule, product, told)
    awards = [one for one in told if isinstance(one, RegulationAward) and one.product == product]
    awarded = sum(_measured_w(award, done) for award in awards)
    moved = sum(sum(one.mileage_w) for one in done)
    most = None if rule.settled_max is None else amount(rule.settled_max, "settled_max")
    scores = [
        Fraction(score, 10**one.score_scale)
        for one in done
        for score, count in zip(one.score, one.instructions, strict=True)
        if score is not None and count
    ]
    settled = scores if most is None else [min(score, most) for score in scores]
    performance = sum(settled, Fraction(0)) / len(settled) if settled else None
    return _Own(performance, Fraction(moved, awarded) if awarded and scores else None)


def _measured(rule: RegulationRule, product: str, told: Sequence[Told]) -> list[RegulationPerformance]:
    """The product's performance, as settlement has it; of instructions where the market told no figures."""
    own = [one for one in told if not isinstance(one, RegulationPrices) and one.product == product]
    done = [one for one in own if isinstance(one, RegulationPerformance)]
    agc = [one for one in own if isinstance(one, AgcInstructions) and not _meets(one, done)]
    return [*done, *(measured(rule, one) for one in agc)]


def _meets(one: AgcInstructions, done: Sequence[RegulationPerformance]) -> bool:
    return any(one.site == other.site and one.interval.overlaps(other.interval) for other in done)


def _measured_w(award: RegulationAward, done: Sequence[RegulationPerformance]) -> int:
    """The award's W of those of its periods that were measured, summed."""
    each = award.interval.seconds // len(award.capacity_w)
    here = [one.interval for one in done if one.site == award.site and one.interval.overlaps(award.interval)]
    found = 0
    for number, power_w in enumerate(award.capacity_w):
        start = award.interval.start + timedelta(seconds=each * number)
        period = Interval(start, start + timedelta(seconds=each))
        if any(one.overlaps(period) for one in here):
            found += power_w
    return found
