"""The power-factor adjustment (力调电费) of 水电财字〔1983〕215号 (DOMAIN.md 3.3).

The steps for 0.80 rest on one public transcription of the 1983 table and on its agreeing, point by
point, with the shape of the other two; check them against a bill before the first use.
"""

from __future__ import annotations

from fractions import Fraction
from math import isqrt
from typing import Final, Literal

import msgspec

from ledger.refusal import Refused

Standard = Literal["0.90", "0.85", "0.80"]

ReactiveSum = Literal["absolute", "net"]
"""Lagging and leading energy enter as |lag| + |lead|, or as |lag - lead| if the account's rule says so."""


class Reactive(msgspec.Struct, frozen=True):
    """A month's lagging and leading reactive energy in varh; a register's sign does not matter."""

    lag_varh: int
    lead_varh: int

    def total_varh(self, rule: ReactiveSum) -> int:
        """The reactive energy that enters the power factor, at least zero."""
        lag, lead = abs(self.lag_varh), abs(self.lead_varh)
        return lag + lead if rule == "absolute" else abs(lag - lead)


class _Table(msgspec.Struct, frozen=True):
    """Bounds in hundredths of cos phi, adjustments in hundredths of a percent per hundredth."""

    standard: int
    rewards: dict[int, int]
    """cos phi from which each reduction holds, the highest first."""
    half_percent_to: int
    one_percent_to: int


def _rewards(standard: int, gentle: range, gentle_step: int, steep: range) -> dict[int, int]:
    """Reductions above the standard: `gentle_step` per hundredth, then 0.15 % per hundredth."""
    found = {pf: -gentle_step * (pf - standard) for pf in gentle}
    last = found[gentle[-1]] if gentle else 0
    found.update({pf: last - 15 * number for number, pf in enumerate(steep, 1)})
    return found


_TABLES: Final[dict[Standard, _Table]] = {
    "0.90": _Table(90, _rewards(90, range(0), 0, range(91, 96)), 70, 65),
    "0.85": _Table(85, _rewards(85, range(86, 91), 10, range(91, 95)), 65, 60),
    "0.80": _Table(80, _rewards(80, range(81, 91), 10, range(91, 93)), 60, 55),
}
STANDARDS: Final[tuple[Standard, ...]] = ("0.90", "0.85", "0.80")


def cos_phi_hundredths(active_wh: int, reactive_varh: int) -> int:
    """The power factor P / sqrt(P^2 + Q^2) in hundredths, halves up, by integers only.

    >>> cos_phi_hundredths(1000, 300 + 200)
    89

    Raises:
        Refused: `power_factor_undefined` when both are zero, `negative_energy` when one is below zero.
    """
    if active_wh < 0 or reactive_varh < 0:
        raise Refused("negative_energy", "active and reactive energy of a power factor are not negative")
    if active_wh == reactive_varh == 0:
        raise Refused("power_factor_undefined", "a month without any energy has no power factor")
    # floor(100 x + 1/2) = floor((floor(200 x) + 1) / 2), and floor(sqrt(y)) = isqrt(floor(y)).
    twice = isqrt(40_000 * active_wh**2 // (active_wh**2 + reactive_varh**2))
    return (twice + 1) // 2


def adjustment(standard: Standard, hundredths: int) -> Fraction:
    """The share of the adjustable charge that is added (above zero) or given back (below zero).

    >>> adjustment("0.90", 89), adjustment("0.90", 95)
    (Fraction(1, 200), Fraction(-3, 400))

    Raises:
        Refused: `power_factor_standard` for a standard without a table.
    """
    table = _TABLES.get(standard)
    if table is None:
        raise Refused("power_factor_standard", f"{standard!r} is not one of {', '.join(STANDARDS)}")
    if not 0 <= hundredths <= 100:
        raise Refused("power_factor_undefined", f"{hundredths} hundredths is not a power factor")
    if hundredths >= table.standard:
        best = max(table.rewards)
        return Fraction(table.rewards.get(min(hundredths, best), 0), 10_000)
    half = table.standard - max(hundredths, table.half_percent_to)
    one = table.half_percent_to - min(max(hundredths, table.one_percent_to), table.half_percent_to)
    two = table.one_percent_to - min(hundredths, table.one_percent_to)
    return Fraction(50 * half + 100 * one + 200 * two, 10_000)
