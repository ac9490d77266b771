"""How an event's response compares with its award, block by block, and how much of it counts."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from typing import NamedTuple, assert_never

from ledger.clauses.flow import exact_text, grouped
from ledger.clauses.share import amount, portion
from ledger.interval import Interval, zone_of
from ledger.refusal import Refused
from ledger.streams.baseline import Baseline, Profile
from ledger.streams.demand_response.facts import DemandResponseInvitation, Event
from ledger.streams.demand_response.rule import HOUR_S, Assess, Bands, DemandResponseRule, Tracking


class Measured(NamedTuple):
    """Response and award of each interval as whole multiples of 1 / `per_wh` Wh."""

    window: Interval
    interval_s: int
    zone: str
    per_wh: int
    response: list[int]
    award: list[int]
    minimum: int | None
    """The contracted minimum of one interval, in the same multiples."""
    excused: frozenset[int]
    """Intervals that are left out altogether."""

    def kwh(self, value: int | Fraction) -> Fraction:
        return Fraction(value) / (self.per_wh * 1000)

    def local(self, number: int) -> datetime:
        at = self.window.start + timedelta(seconds=self.interval_s) * number
        return at.astimezone(zone_of(self.zone))

    def hours(self, block: Block) -> str:
        """When the block was, by the local clock."""
        return f"{self.local(block.numbers[0]):%Y-%m-%d %H:%M} to {self.local(block.numbers[-1] + 1):%H:%M}"

    def shown(self, value: int | Fraction) -> str:
        """An energy for a person, in kWh."""
        text = exact_text(self.kwh(value))
        return f"{text if '/' in text else grouped(text)} kWh"


class Block(NamedTuple):
    """Intervals that are assessed together."""

    numbers: tuple[int, ...]
    response: int
    award: int
    below_minimum: bool


class Paid(NamedTuple):
    """`counted` of a block's response counts by `factor`; `why` is the same text for the same treatment."""

    block: Block
    counted: Fraction
    factor: Fraction
    why: str

    @property
    def weighted(self) -> Fraction:
        return self.counted * self.factor


def measure(
    rule: DemandResponseRule,
    event: Event,
    profile: Profile,
    base: Baseline,
    numbers: range,
    excused: list[Interval],
) -> Measured:
    """Response and award of the award's intervals `numbers`; nothing of both in the time `excused`.

    Raises:
        Refused: `reading_missing`, `minimum_missing`.
    """
    window, step = event.window, timedelta(seconds=rule.interval_s)
    starts = [window.start + step * number for number in range(len(numbers))]
    pieces = [Interval(start, start + step) for start in starts]
    left_out = frozenset(
        number for number, piece in enumerate(pieces) if any(piece.overlaps(time) for time in excused)
    )
    if left_out:
        parts = [
            0 if n in left_out else int(profile.readings(piece, "the event")[0])
            for n, piece in enumerate(pieces)
        ]
    else:
        parts = profile.readings(window, "the event").tolist()
    sign = 1 if rule.direction == "reduce" else -1
    denominator = base.denominator
    response = [
        0 if number in left_out else sign * HOUR_S * (base.numerators[number] - denominator * actual)
        for number, actual in enumerate(parts)
    ]
    per_w = rule.interval_s * denominator
    return Measured(
        window,
        rule.interval_s,
        profile.zone,
        HOUR_S * denominator,
        response,
        [event.invitation.awarded_w[number] * per_w for number in numbers],
        _minimum(rule, event.invitation, per_w),
        left_out,
    )


def _minimum(rule: DemandResponseRule, invitation: DemandResponseInvitation, per_w: int) -> int | None:
    if rule.minimum_reduction == "none":
        return None
    if invitation.minimum_w is None:
        message = f"rule {rule.id} needs the contracted minimum of {invitation.id}"
        raise Refused("minimum_missing", message, place="minimum_w")
    return invitation.minimum_w * per_w


def blocks_of(rule: DemandResponseRule, measured: Measured, each: Assess) -> list[Block]:
    """The window in the pieces that are assessed together, hours by the local clock, without excused time."""
    groups: dict[object, list[int]] = {}
    for number in range(len(measured.response)):
        if number in measured.excused:
            continue
        key: object = number
        if each == "event":
            key = None
        elif each == "hour":
            key = measured.local(number).replace(minute=0, second=0).isoformat()
        groups.setdefault(key, []).append(number)
    return [_block(rule, measured, tuple(numbers)) for numbers in groups.values()]


def _block(rule: DemandResponseRule, measured: Measured, numbers: tuple[int, ...]) -> Block:
    values = [measured.response[number] for number in numbers]
    if rule.measure == "least_power":
        response = max(min(values), 0) * len(values)
    elif rule.clip == "per_interval":
        response = sum(max(value, 0) for value in values)
    else:
        response = max(sum(values), 0)
    below = measured.minimum is not None and response < measured.minimum * len(numbers)
    award = sum(measured.award[number] for number in numbers)
    return Block(numbers, 0 if below else response, award, below)


def assess(rule: DemandResponseRule, measured: Measured, block: Block) -> Paid:
    """How much of a block's response counts, and why.

    Raises:
        Refused: `penalty_unstated` for a default under a rule that states no penalty.
    """
    nothing = Fraction(0)
    if block.below_minimum:
        return Paid(block, nothing, nothing, "below the contracted minimum")
    if not block.award:
        return Paid(block, nothing, nothing, "nothing was awarded")
    ratio = Fraction(block.response, block.award)
    match rule.performance:
        case Bands():
            band = rule.performance.band_of(ratio)
            end = "" if band.to_ratio is None else f" to {band.to_ratio}"
            why = f"{band.from_ratio}{end} of the award, factor {band.factor}"
            if band.counts_as_default and rule.penalty is None:
                at = measured.local(block.numbers[0])
                message = (
                    f"{exact_text(ratio)} of the award is a default, and rule {rule.id} states no penalty"
                )
                raise Refused("penalty_unstated", message, place=f"from {at:%Y-%m-%d %H:%M}")
            counted = Fraction(block.response)
            if band.capped_at is not None:
                counted = min(counted, amount(band.capped_at, "capped_at") * block.award)
                why += f", at most {band.capped_at} x award"
            return Paid(block, counted, portion(band.factor, "factor"), why)
        case Tracking():
            if abs(ratio - 1) > portion(rule.performance.tolerance, "tolerance"):
                why = f"more than {rule.performance.tolerance} from the award"
                return Paid(block, nothing, nothing, why)
            factor = amount(rule.performance.coefficient, "coefficient") * min(ratio, Fraction(1))
            why = f"within {rule.performance.tolerance} of the award"
            return Paid(block, Fraction(min(block.response, block.award)), factor, why)
        case never:
            assert_never(never)
