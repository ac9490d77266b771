"""How a value is substituted: the method's code, its parameters, and what it was computed from.

A new method is one struct here and one line in `Method`. The codes are stored and never renamed.
"""

from __future__ import annotations

from datetime import date, time
from fractions import Fraction
from typing import Final

import msgspec

from ledger.interval import Instant, Interval, checked_year
from ledger.quantity import exact
from ledger.readings import REGISTERS, Register, check_meter_id
from ledger.refusal import Refused

SIMILAR_DAYS: Final = 4
FACTOR_DAYS: Final = 7
POINTS_MAX: Final = 2
"""Consecutive missing register points that may be interpolated in a straight line (DOMAIN.md 3.11)."""

MULTIPLIER_MAX: Final = 10_000_000
_PERCENT_MIN: Final = -99
_PERCENT_MAX: Final = 10_000
_PERCENT_LETTERS_MAX: Final = 20


class PvHours(msgspec.Struct, frozen=True):
    """[start, end) on the meter's clocks, in which PV generates; outside them its register stands still."""

    start: time
    end: time

    def __post_init__(self) -> None:
        if self.start.tzinfo is not None or self.end.tzinfo is not None or self.end <= self.start:
            raise Refused("pv_hours", f"{self.start} to {self.end}: from before until", place="pv_hours")


class LinearInterpolation(msgspec.Struct, frozen=True, tag_field="method", tag="linear_interpolation"):
    """R_N = R + (R_{Y+1} - R) / (Y+1) x N, for at most 2 consecutive missing points."""

    pv_hours: PvHours | None = None


class ReferenceMeter(msgspec.Struct, frozen=True, tag_field="method", tag="reference_meter"):
    """R_N = R + (R_{Y+1} - R) x (R1_N - R1) / (R1_{Y+1} - R1), with R1 the reference meter's register."""

    meter: str
    register: Register
    pv_hours: PvHours | None = None

    def __post_init__(self) -> None:
        _check_reference(self.meter, self.register)


class EfficiencyFactor(msgspec.Struct, frozen=True, tag_field="method", tag="efficiency_factor"):
    """The reference register's energy times what this register gave of it over the 7 days before."""

    meter: str
    register: Register
    pv_hours: PvHours | None = None

    def __post_init__(self) -> None:
        _check_reference(self.meter, self.register)


class SimilarDays(msgspec.Struct, frozen=True, tag_field="method", tag="similar_days"):
    """The mean of the same time of day on 4 similar days, which the preparer names."""

    days: tuple[date, ...]
    pv_hours: PvHours | None = None

    def __post_init__(self) -> None:
        if len(set(self.days)) != SIMILAR_DAYS or len(self.days) != SIMILAR_DAYS:
            raise Refused("similar_days", f"name {SIMILAR_DAYS} different days", place="method.days")
        for day in self.days:
            checked_year(day, "method.days")


class HoldFlat(msgspec.Struct, frozen=True, tag_field="method", tag="hold_flat"):
    """The register stands still: no energy, for intervals that lie outside PV hours."""

    pv_hours: PvHours


class _Period(msgspec.Struct, frozen=True):
    """When the meter was last known to be right, and when the error ended."""

    since: Instant
    until: Instant

    def __post_init__(self) -> None:
        Interval(self.since, self.until)

    @property
    def corrected(self) -> Interval:
        """What is corrected: all of the period."""
        return Interval(self.since, self.until)


class ZeroError(_Period, frozen=True, tag_field="method", tag="zero_error"):
    """A meter out of its class: corrected to zero error, for half of the time since the last check.

    `error_percent` is what the check found, above zero where the meter counted too much; the half is
    the later one.
    """

    error_percent: str

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_percent(self.error_percent, "method.error_percent")

    @property
    def corrected(self) -> Interval:
        """The later half of the period."""
        return Interval(self.since + (self.until - self.since) / 2, self.until)

    @property
    def factor(self) -> Fraction:
        return 100 / (100 + exact(self.error_percent))


class MultiplierError(_Period, frozen=True, tag_field="method", tag="multiplier_error"):
    """A wrong multiplier (CT x PT): corrected by the right one, for the whole actual period."""

    used: int
    actual: int

    def __post_init__(self) -> None:
        super().__post_init__()
        fitting = 0 < self.used <= MULTIPLIER_MAX and 0 < self.actual <= MULTIPLIER_MAX
        if not fitting or self.used == self.actual:
            reason = f"{self.used} and {self.actual} are not two different multipliers 1..{MULTIPLIER_MAX}"
            raise Refused("multiplier", reason, place="method")

    @property
    def factor(self) -> Fraction:
        return Fraction(self.actual, self.used)


class WiringError(_Period, frozen=True, tag_field="method", tag="wiring_error"):
    """Wrong wiring: what was recorded, changed by the difference rate (差额率) of right and wrong wiring.

    `difference_percent` is (right - wrong) / wrong, above zero where too little was counted.
    """

    difference_percent: str

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_percent(self.difference_percent, "method.difference_percent")

    @property
    def factor(self) -> Fraction:
        return (100 + exact(self.difference_percent)) / 100


GapMethod = LinearInterpolation | ReferenceMeter | EfficiencyFactor | SimilarDays | HoldFlat
ErrorMethod = ZeroError | MultiplierError | WiringError
"""Corrections of a meter error (供电营业规则, as in DOMAIN.md 3.11)."""
Method = GapMethod | ErrorMethod


class Basis(msgspec.Struct, frozen=True):
    """The energies, in Wh, that a method was computed from; None where it needs none.

    `total_wh` is the gap's energy by register reads; `own_wh` and `reference_wh` are the sums of the 7
    days that give the efficiency factor.
    """

    total_wh: int | None = None
    own_wh: int | None = None
    reference_wh: int | None = None


def quality_of(method: Method) -> str:
    """E for what was estimated from other times, S for what another meter gave, C for a meter's error put
    right."""
    match method:
        case LinearInterpolation() | EfficiencyFactor() | SimilarDays() | HoldFlat():
            return "E"
        case ReferenceMeter():
            return "S"
        case ZeroError() | MultiplierError() | WiringError():
            return "C"


def _check_reference(meter: str, register: str) -> None:
    check_meter_id(meter)
    if register not in REGISTERS:
        raise Refused("register", f"{register!r} is not one of {', '.join(REGISTERS)}", place="method")


def _check_percent(text: str, place: str) -> None:
    percent = exact(text) if len(text) <= _PERCENT_LETTERS_MAX else Fraction(0)
    if not _PERCENT_MIN <= percent <= _PERCENT_MAX or percent == 0:
        allowed = f"{_PERCENT_MIN}..{_PERCENT_MAX} other than 0, in {_PERCENT_LETTERS_MAX} characters"
        raise Refused("error_percent", f"{text[:50]!r} is not a percentage {allowed}", place=place)
