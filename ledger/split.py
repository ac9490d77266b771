"""Dividing a whole amount so that the parts always add up to it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import lcm

from ledger.refusal import Refused


def largest_remainder(total: int, weights: Mapping[str, Fraction]) -> dict[str, int]:
    """Split `total` minor units over the parties in proportion to `weights`.

    Every part is cut off toward zero; the units left go one each to the largest cut-off
    fractions, ties by party id ascending (DOMAIN.md 2.3). A negative total mirrors the positive one.

    >>> largest_remainder(4567891, {"user": Fraction(70), "platform": Fraction(30)})
    {'user': 3197524, 'platform': 1370367}
    >>> largest_remainder(-123457, {"user": Fraction(70), "platform": Fraction(30)})
    {'user': -86420, 'platform': -37037}

    Raises:
        Refused: `weights` when a weight is negative or all are zero.
    """
    if any(weight < 0 for weight in weights.values()) or not any(weights.values()):
        raise Refused("weights", "weights must not be negative, and one must be above zero")
    common = lcm(*(weight.denominator for weight in weights.values()))
    counts = {party: weight.numerator * (common // weight.denominator) for party, weight in weights.items()}
    whole, magnitude = sum(counts.values()), abs(total)
    parts = {party: magnitude * count // whole for party, count in counts.items()}
    left = magnitude - sum(parts.values())
    for party in sorted(counts, key=lambda p: (-(magnitude * counts[p] % whole), p))[:left]:
        parts[party] += 1
    sign = -1 if total < 0 else 1
    return {party: sign * part for party, part in parts.items()}
