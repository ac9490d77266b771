"""How well a regulation signal was followed, measured from our own samples, as a fact for settlement.

Per instruction, as provinces define it (DOMAIN.md 3.6): speed V in % of rated power a minute, delay T in s,
error E in % of rated power. They stand under a run of our own until the market tells its own figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.clauses.share import amount
from ledger.interval import Interval
from ledger.quantity import round_half_away
from ledger.refusal import Refused
from ledger.streams.performance_factor import GivenComponent, Product, WeightedSum
from ledger.streams.regulation import AgcInstructions, RegulationPerformance, RegulationRule

Whole = npt.NDArray[np.int64]

OWN_RUN: Final = "own-telemetry"
"""The run that our own measurements stand under; a market's run under the same id corrects them."""
SCALE: Final = 4
GAP_MS_MAX: Final = 5_000
"""Between samples: over a longer gap nothing is measured."""
_STARTED_PERMILLE: Final = 10
"""A movement of 1 % of rated power is an answer (dead band)."""
_ARRIVED_PERMILLE: Final = 20
"""Within 2 % of rated power of the target it has arrived."""
_MINUTE_MS: Final = 60_000


class Samples(msgspec.Struct, frozen=True, eq=False):
    """A storage's measured power: W, above 0 discharging, at ms from the interval's start, ascending.

    Only samples of good quality; what is missing is missing."""

    at_ms: Whole
    power_w: Whole

    def __post_init__(self) -> None:
        if self.at_ms.shape != self.power_w.shape or (np.diff(self.at_ms) <= 0).any():
            raise Refused("order", "one power for each of ascending instants", place="at_ms")


class Instruction(NamedTuple):
    """From `at_ms` on, up to `until_ms`, the power is to be `target_w`."""

    at_ms: int
    until_ms: int
    target_w: int


class Measured(NamedTuple):
    """One instruction's measures, exact; `mileage_w` is the movement that was asked for and made."""

    speed_percent_per_min: Fraction
    delay_s: Fraction
    error_percent: Fraction
    mileage_w: int


def measure(instruction: Instruction, samples: Samples, rated_w: int) -> Measured:
    """An instruction's speed, delay and error.

    T: until the power has left a dead band of 1 % of rated power toward the target; an instruction that was
    never answered has its whole length. V: from there to within 2 % of the target, or as far as it came. E:
    the mean distance from the target after that; without an arrival, at the end. Mileage: from the power
    at the beginning toward the target, no further than it.

    Raises:
        Refused: `telemetry_gap` where samples are more than 5 s apart, `interval`, `rated_power`;
            `instruction_moot` for a target within 2 % of rated power of where the power was.
    """
    if rated_w <= 0:
        raise Refused("rated_power", "above 0 W", place="rated_w")
    at, power = _within(instruction, samples)
    begun, target = int(power[0]), instruction.target_w
    way = target - begun
    made = (power - begun) * (1 if way >= 0 else -1)
    mileage = min(abs(way), max(int(made.max()), 0))
    arrived = np.abs(power - target) * 1000 <= rated_w * _ARRIVED_PERMILLE
    started = np.flatnonzero(made * 1000 > rated_w * _STARTED_PERMILLE)
    if arrived[0]:
        wrong = f"the power is within {_ARRIVED_PERMILLE // 10} % of the target already: nothing to measure"
        raise Refused("instruction_moot", wrong, place=f"{instruction.at_ms} ms")
    if not len(started):
        whole = Fraction(instruction.until_ms - instruction.at_ms, 1000)
        return Measured(Fraction(0), whole, _mean_distance(power[-1:], target, rated_w), mileage)
    first = int(started[0])
    there = np.flatnonzero(arrived[first:])
    last = first + int(there[0]) if len(there) else len(power) - 1
    moved = min(int(made[last]) - int(made[first - 1]), abs(way))
    took = int(at[last]) - int(at[first - 1])
    return Measured(
        speed_percent_per_min=Fraction(max(moved, 0) * 100 * _MINUTE_MS, rated_w * took),
        delay_s=Fraction(max(int(at[first]) - instruction.at_ms, 0), 1000),
        error_percent=_mean_distance(power[last:], target, rated_w),
        mileage_w=mileage,
    )


def moot(instruction: Instruction, samples: Samples, rated_w: int) -> bool:
    """Whether the power was within 2 % of rated power of the target already: then nothing can be measured."""
    _, power = _within(instruction, samples)
    return abs(int(power[0]) - instruction.target_w) * 1000 <= rated_w * _ARRIVED_PERMILLE


def has_gap(instruction: Instruction, samples: Samples) -> bool:
    """Whether samples of the instruction are missing for so long that nothing is measured of it."""
    try:
        _within(instruction, samples)
    except Refused as refused:
        if refused.code == "telemetry_gap":
            return True
        raise
    return False


def _within(instruction: Instruction, samples: Samples) -> tuple[Whole, Whole]:
    """The samples of an instruction, from the last one before it."""
    if instruction.until_ms <= instruction.at_ms:
        raise Refused("interval", "an instruction ends after it begins", place="until_ms")
    first = max(int(np.searchsorted(samples.at_ms, instruction.at_ms, side="right")) - 1, 0)
    last = int(np.searchsorted(samples.at_ms, instruction.until_ms, side="left"))
    at, power = samples.at_ms[first:last], samples.power_w[first:last]
    edges = np.concatenate(([instruction.at_ms], at, [instruction.until_ms]))
    if not len(at) or int(np.abs(np.diff(edges)).max()) > GAP_MS_MAX:
        wrong = f"no sample for more than {GAP_MS_MAX} ms; nothing is measured over a gap"
        raise Refused("telemetry_gap", wrong, place=f"{instruction.at_ms} ms")
    return at, power


def _mean_distance(power: Whole, target: int, rated_w: int) -> Fraction:
    return Fraction(int(np.abs(power - target).sum()) * 100, rated_w * len(power))


class Subject(NamedTuple):
    """Whose fact it is: its id, the rule and product, the site and the interval."""

    id: str
    rule: str
    site: str
    product: str
    interval: Interval


def instructions_fact(
    subject: Subject,
    rule: RegulationRule,
    instructions: Sequence[Instruction],
    samples: Samples,
    rated_w: int,
) -> AgcInstructions:
    """What was measured of each instruction that was not moot, by the names that the rule's formula has.

    A formula may ask for `speed_percent_per_min`, `delay_s` and `error_percent` (Hunan), or for factors that
    its market works out itself, `k1` = V / 100 %, `k2` = 1 - T / 60 s, `k3` = 1 - E / 2 % (Guangdong,
    Jiangsu), from 0 to the component's cap: those are our estimate of them.

    Raises:
        Refused: `measure_unknown` for a formula that asks for something else, and what `measure` refuses.
    """
    if not isinstance(rule.factor, WeightedSum | Product):
        wrong = "this rule's score is of periods, not of instructions"
        raise Refused("measure_unknown", wrong, place="rule")
    check_measured(rule)
    asked = [one for one in instructions if not moot(one, samples, rated_w)]
    found = [measure(one, samples, rated_w) for one in asked]
    columns: dict[str, tuple[int, ...]] = {}
    for component in rule.factor.components:
        values = [_MEASURES[component.measure](one) for one in found]
        if isinstance(component, GivenComponent):
            cap = None if component.cap is None else amount(component.cap, "cap")
            values = [max(Fraction(0), value if cap is None else min(value, cap)) for value in values]
        columns[component.measure] = tuple(round_half_away(value * 10**SCALE) for value in values)
    return AgcInstructions(
        id=subject.id,
        rule=subject.rule,
        run=OWN_RUN,
        interval=subject.interval,
        site=subject.site,
        product=subject.product,
        started_s=tuple(one.at_ms // 1000 for one in asked),
        mileage_w=tuple(one.mileage_w for one in found),
        measures=columns,
        scale=SCALE,
    )


_STANDARD_SPEED: Final = Fraction(100)
_DELAY_S: Final = Fraction(60)
_ERROR_PERCENT: Final = Fraction(2)


def _k1(one: Measured) -> Fraction:
    return one.speed_percent_per_min / _STANDARD_SPEED


def _k2(one: Measured) -> Fraction:
    return 1 - one.delay_s / _DELAY_S


def _k3(one: Measured) -> Fraction:
    return 1 - one.error_percent / _ERROR_PERCENT


_MEASURES: Final[Mapping[str, Callable[[Measured], Fraction]]] = {
    "speed_percent_per_min": lambda one: one.speed_percent_per_min,
    "delay_s": lambda one: one.delay_s,
    "error_percent": lambda one: one.error_percent,
    "k1": _k1,
    "k2": _k2,
    "k3": _k3,
}


def check_measured(rule: RegulationRule) -> None:
    """Raises:
    Refused: `measure_unknown` for a formula that asks for what is not measured here."""
    components = rule.factor.components if isinstance(rule.factor, WeightedSum | Product) else ()
    for component in components:
        if component.measure not in _MEASURES:
            wrong = f"{component.measure!r} is not one of {', '.join(_MEASURES)}"
            raise Refused("measure_unknown", wrong, place="rule.factor")


def performance_fact(
    subject: Subject,
    rule: RegulationRule,
    instructions: Sequence[Instruction],
    samples: Samples,
) -> RegulationPerformance:
    """One score a period, for rules whose market publishes one (PJM, NYISO, CAISO): our estimate of it. Of
    1 at most where a rule pays nothing for performance (AEMO).

    Precision: 1 - mean distance from the signal / mean size of the signal, from 0 to the rule's highest.
    A period whose signal was 0 throughout scores by the distance alone: the highest for none, else 0.
    Mileage is how far the signal moved, W, from one instruction of the interval to the next. An instruction
    over a gap of telemetry is left out with its mileage.

    Raises:
        Refused: `measure_unknown` for a rule of instructions; `interval` where the periods do not fit.
    """
    if isinstance(rule.factor, WeightedSum | Product):
        raise Refused("measure_unknown", "this rule's factor is of instructions", place="rule")
    period_ms = rule.period_s * 1000
    whole_ms = subject.interval.seconds * 1000
    if whole_ms % period_ms or any(not 0 <= one.at_ms < whole_ms for one in instructions):
        raise Refused("interval", "whole periods, and instructions that begin in them", place="interval")
    most = Fraction(1) if rule.factor is None else amount(rule.factor.score_max, "score_max")
    counts, mileage, scores = list[int](), list[int](), list[int | None]()
    before: int | None = None
    for start in range(0, whole_ms, period_ms):
        those = [one for one in instructions if start <= one.at_ms < start + period_ms]
        moved, distance, size, seen, counted = 0, 0, 0, 0, 0
        for one in those:
            way = 0 if before is None else abs(one.target_w - before)
            before = one.target_w
            if has_gap(one, samples):
                continue
            moved, counted = moved + way, counted + 1
            _, power = _within(one, samples)
            distance += int(np.abs(power - one.target_w).sum())
            size += abs(one.target_w) * len(power)
            seen += len(power)
        counts.append(counted)
        mileage.append(moved)
        scores.append(_score(distance, size, most) if seen else None)
    return RegulationPerformance(
        id=subject.id,
        rule=subject.rule,
        run=OWN_RUN,
        interval=subject.interval,
        site=subject.site,
        product=subject.product,
        instructions=tuple(counts),
        mileage_w=tuple(mileage),
        score=tuple(scores),
        score_scale=SCALE,
    )


def _score(distance: int, size: int, most: Fraction) -> int:
    part = Fraction(int(not distance)) if not size else max(1 - Fraction(distance, size), Fraction(0))
    return round_half_away(part * most * 10**SCALE)
