"""A regulation market's facts laid out by settlement period: prices, shares, awards and performance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ledger.clauses.share import amount
from ledger.interval import Interval, midnight, zone_of
from ledger.refusal import Refused
from ledger.streams.performance_factor import INT64, GivenScore, instruction_factors, period_means
from ledger.streams.regulation import (
    AgcInstructions,
    PriceKind,
    RegulationAward,
    RegulationPerformance,
    RegulationPrices,
    RegulationRule,
    RegulationShare,
)

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Curve(NamedTuple):
    """Prices of every period, and where they are known."""

    mantissas: Ints
    known: Bools
    scale: int


class RegulationMarket(NamedTuple):
    """What all sites of a market share in a period: made once by `regulation_market`."""

    rule: RegulationRule
    period: Interval
    days: tuple[date, ...]
    day_starts: Ints
    """The number of each local day's first settlement period."""
    curves: Mapping[tuple[str, PriceKind], Curve]
    shares: Mapping[date, Fraction]
    """Each day's M, where the rule shares."""

    @property
    def periods(self) -> int:
        """How many settlement periods there are."""
        return self.period.seconds // self.rule.period_s

    def at(self, number: int) -> datetime:
        """The start of a settlement period."""
        return self.period.start + timedelta(seconds=self.rule.period_s) * number

    def curve(self, product: str, kind: PriceKind) -> Curve:
        """The product's prices; none is known where the market told none."""
        nothing = Curve(np.zeros(self.periods, dtype=np.int64), np.zeros(self.periods, dtype=np.bool_), 0)
        return self.curves.get((product, kind), nothing)

    def share(self, day: date) -> Fraction:
        """M of a local day.

        Raises:
            Refused: `share_missing`.
        """
        if day not in self.shares:
            raise Refused("share_missing", "the day's M is not stated", place=day.isoformat())
        return self.shares[day]

    def span(self, interval: Interval, length: int | None, place: str) -> tuple[int, int, int]:
        """Where a fact's periods lie: first and end here, and how many of its own come before.

        Raises:
            Refused: `interval` off the grid, `length` when it has not one number per period.
        """
        step = self.rule.period_s
        first, off = divmod((interval.start - self.period.start).total_seconds(), step)
        count, over = divmod(interval.seconds, step)
        if off or over:
            raise Refused("interval", f"the interval is not made of the market's {step} s", place=place)
        if length is not None and length != count:
            raise Refused("length", f"{length} numbers for {count} periods", place=place)
        begin, end = max(0, int(first)), min(self.periods, int(first) + count)
        return begin, max(begin, end), begin - int(first)


def regulation_market(
    rule: RegulationRule,
    period: Interval,
    prices: Sequence[RegulationPrices],
    shares: Sequence[RegulationShare] = (),
) -> RegulationMarket:
    """The rule's prices laid out over `period`, a billing month; facts may reach beyond it.

    Raises:
        Refused: `interval`, `length`, `rule`, `product`, `currency`, `price_kind`, `price_overlap`,
            `share_overlap`.
    """
    if period.seconds % rule.period_s:
        raise Refused("interval", f"{rule.period_s} s does not divide the period", place="period")
    zone = zone_of(rule.zone)
    day = period.start.astimezone(zone).date()
    days, starts = [day], [0]
    while (begins := midnight(day := day + timedelta(days=1), zone)) < period.end:
        number, off = divmod((begins - period.start).total_seconds(), rule.period_s)
        if off:
            raise Refused("interval", f"midnight of {day} lies inside a settlement period", place="period")
        days.append(day)
        starts.append(int(number))
    market = RegulationMarket(rule, period, tuple(days), np.array(starts, dtype=np.int64), {}, {})
    return market._replace(curves=_curves(market, prices), shares=_shares(market, shares))


def _curves(
    market: RegulationMarket, prices: Sequence[RegulationPrices]
) -> dict[tuple[str, PriceKind], Curve]:
    groups: dict[tuple[str, PriceKind], list[RegulationPrices]] = {}
    for fact in prices:
        check_fact(market.rule, fact)
        if fact.currency != market.rule.currency:
            raise Refused("currency", f"{fact.currency}, the rule has {market.rule.currency}", place=fact.id)
        if fact.kind == "capacity" and market.rule.capacity and market.rule.capacity.price is not None:
            raise Refused("price_kind", "the rule itself states the capacity price", place=fact.id)
        groups.setdefault((fact.product, fact.kind), []).append(fact)
    curves = {}
    for key, facts in groups.items():
        scale = max(fact.scale for fact in facts)
        laid = [(fact, [m * 10 ** (scale - fact.scale) for m in fact.mantissas]) for fact in facts]
        for fact, mantissas in laid:
            if max(map(abs, mantissas)) >= INT64:
                raise Refused("price_range", "at one scale, a price has more than 64 bits", place=fact.id)
        curves[key] = Curve(*laid_out(market, laid, "price_overlap"), scale)
    return curves


def _shares(market: RegulationMarket, facts: Sequence[RegulationShare]) -> dict[date, Fraction]:
    zone = zone_of(market.rule.zone)
    shares: dict[date, Fraction] = {}
    for fact in facts:
        if fact.rule != market.rule.id:
            raise Refused("rule", f"{fact.rule} is not {market.rule.id}", place=fact.id)
        day = fact.interval.start.astimezone(zone).date()
        whole = Interval(midnight(day, zone), midnight(day + timedelta(days=1), zone))
        if fact.interval != whole:
            raise Refused("interval", "M is of one local day", place=fact.id)
        if day in shares:
            raise Refused("share_overlap", f"M of {day} is stated twice", place=fact.id)
        shares[day] = Fraction(fact.shared_wh, fact.total_wh)
    return shares


def check_fact(
    rule: RegulationRule,
    fact: RegulationPrices | RegulationAward | RegulationPerformance | AgcInstructions,
) -> None:
    if fact.rule != rule.id:
        raise Refused("rule", f"{fact.rule} is not {rule.id}", place=fact.id)
    if fact.product not in rule.products:
        known = ", ".join(rule.products)
        raise Refused("product", f"{fact.product!r} is not one of {known}", place=fact.id)


def laid_out(
    market: RegulationMarket,
    facts: Sequence[tuple[RegulationPrices | RegulationAward | RegulationPerformance, Sequence[int] | Ints]],
    code: str,
) -> tuple[Ints, Bools]:
    """The facts' numbers by settlement period, zero where there is none, and where there is one."""
    values = np.zeros(market.periods, dtype=np.int64)
    known = np.zeros(market.periods, dtype=np.bool_)
    for fact, numbers in facts:
        begin, end, skipped = market.span(fact.interval, len(numbers), fact.id)
        if known[begin:end].any():
            raise Refused(code, f"two facts state {market.at(begin)}", place=fact.id)
        values[begin:end] = numbers[skipped : skipped + end - begin]
        known[begin:end] = True
    return values, known


def measured(rule: RegulationRule, agc: AgcInstructions) -> RegulationPerformance:
    """Mileage and mean K of each settlement period, from its instructions; an instruction belongs to the
    period in which it starts.

    Raises:
        Refused: `not_measured` when the rule's K is the market's own score; `interval`, `measure_missing`,
            `measure_unknown`.
    """
    formula = rule.factor
    if formula is None or isinstance(formula, GivenScore):
        raise Refused("not_measured", "the rule has no formula for instructions", place=agc.id)
    count, over = divmod(agc.interval.seconds, rule.period_s)
    if over:
        raise Refused("interval", f"the interval is not made of {rule.period_s} s", place=agc.id)
    values = {name: np.array(numbers, dtype=np.int64) for name, numbers in agc.measures.items()}
    periods = np.array(agc.started_s, dtype=np.int64) // rule.period_s
    try:
        factors = instruction_factors(formula, values, agc.scale)
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=f"{agc.id} {refused.place}") from None
    score: list[int | None] = [None] * count
    for number, mean in zip(*period_means(factors, periods, formula.hour_decimals), strict=True):
        score[number] = mean
    mileage_w = [0] * count
    for number, watts in zip(periods.tolist(), agc.mileage_w, strict=True):
        mileage_w[number] += watts
    return RegulationPerformance(
        id=agc.id,
        site=agc.site,
        rule=agc.rule,
        run=agc.run,
        interval=agc.interval,
        product=agc.product,
        instructions=tuple(np.bincount(periods, minlength=count).tolist()),
        mileage_w=tuple(mileage_w),
        score=tuple(score),
        score_scale=formula.hour_decimals,
        available_s=agc.available_s,
        charged_wh=agc.charged_wh,
        discharged_wh=agc.discharged_wh,
    )


class Performance(NamedTuple):
    """A product's performance by settlement period; K is already limited to what is settled."""

    known: Bools
    counts: Ints
    mileage_w: Ints
    score: Ints
    scored: Bools
    scale: int
    available_s: Ints
    available: Bools


def performance(market: RegulationMarket, facts: Sequence[RegulationPerformance]) -> Performance:
    """One product's performance over the period.

    Raises:
        Refused: `interval`, `length`, `performance_overlap`, `available`, `score`.
    """
    most = market.rule.settled_max
    decimals = len(most.partition(".")[2]) if most is not None else 0
    scale = max((fact.score_scale for fact in facts), default=0)
    scale = max(scale, decimals)

    def laid(rows: Sequence[tuple[RegulationPerformance, Sequence[int] | Ints]]) -> tuple[Ints, Bools]:
        return laid_out(market, rows, "performance_overlap")

    counts, known = laid([(fact, fact.instructions) for fact in facts])
    mileage_w, _ = laid([(fact, fact.mileage_w) for fact in facts])
    scores = [(fact, _score(fact) * 10 ** (scale - fact.score_scale)) for fact in facts]
    score, _ = laid(scores)
    told = [(fact, _scored(fact)) for fact in facts]
    scored, _ = laid(told)
    seconds, available = laid([(fact, fact.available_s) for fact in facts if fact.available_s is not None])
    refuse_first(market, seconds > market.rule.period_s, "available", "more seconds than the period has")
    if isinstance(market.rule.factor, GivenScore):
        highest = amount(market.rule.factor.score_max, "score_max")
        wrong = (score < 0) | (score > int(highest * 10**scale))
        refuse_first(market, wrong, "score", f"the score is not 0..{highest}")
    if most is not None:
        score = np.minimum(score, int(amount(most, "settled_max") * 10**scale))
    return Performance(known, counts, mileage_w, score, scored > 0, scale, seconds, available)


def _score(fact: RegulationPerformance) -> Ints:
    """K by settlement period, 0 where there is none."""
    return np.array([k or 0 for k in fact.score] if None in fact.score else fact.score, dtype=np.int64)


def _scored(fact: RegulationPerformance) -> Ints:
    """1 where there is a K."""
    if None not in fact.score:
        return np.ones(len(fact.score), dtype=np.int64)
    return np.array([k is not None for k in fact.score], dtype=np.int64)


def refuse_first(market: RegulationMarket, wrong: Bools, code: str, message: str) -> None:
    """Refuse for the first settlement period that is wrong, if one is."""
    if wrong.any():
        raise Refused(code, message, place=market.at(int(wrong.argmax())).isoformat())
