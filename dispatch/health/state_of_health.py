"""State of health: what a storage still holds of its nameplate, from capacity tests and the cycles since."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, pairwise
from statistics import median

import msgspec

from ledger.refusal import Refused

FADE_TESTS_MIN = 3
"""So many tests tell how fast it fades; with fewer the last one holds as it is."""


class CapacityTest(msgspec.Struct, frozen=True, kw_only=True):
    """`measured_wh` came out of a full storage; `discharged_wh` had come out of it in its life by then."""

    measured_wh: int
    discharged_wh: int

    def __post_init__(self) -> None:
        if self.measured_wh <= 0 or self.discharged_wh < 0:
            raise Refused("capacity_test", "measured above 0 Wh, discharged from 0 Wh", place="measured_wh")


class StateOfHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of the nameplate, exact. `fade` is of one equivalent cycle; None where too few tests tell it."""

    health: Fraction
    tested: Fraction
    cycles: Fraction
    cycles_since_test: Fraction
    fade: Fraction | None


def state_of_health(
    nameplate_wh: int, tests: Sequence[CapacityTest], discharged_wh: int
) -> StateOfHealth | None:
    """After `discharged_wh` in its life, from the tests in their order; None without a test.

    An equivalent cycle is the nameplate discharged once (ledger.kpi.operation). From the last test on health
    goes down by the middle fade between pairs of tests, and never up.

    >>> tests = [CapacityTest(measured_wh=1000 - 10 * n, discharged_wh=100_000 * n) for n in range(3)]
    >>> state_of_health(1000, tests, 300_000).health
    Fraction(97, 100)

    Raises:
        Refused: `usable_energy`; `capacity_test` for tests out of order, or energy that is less than at the
            last one.
    """
    if nameplate_wh <= 0:
        raise Refused("usable_energy", f"{nameplate_wh} Wh is not above zero", place="nameplate_wh")
    if not tests:
        return None
    throughput = [one.discharged_wh for one in tests] + [discharged_wh]
    if any(late < early for early, late in pairwise(throughput)):
        raise Refused("capacity_test", "tests in order, none after now", place="discharged_wh")
    points = [
        (Fraction(one.discharged_wh, nameplate_wh), Fraction(one.measured_wh, nameplate_wh)) for one in tests
    ]
    slopes = [
        (early - late) / (end - start)
        for (start, early), (end, late) in combinations(points, 2)
        if end > start
    ]
    fade = median(slopes) if len(tests) >= FADE_TESTS_MIN and slopes else None
    since = Fraction(discharged_wh - tests[-1].discharged_wh, nameplate_wh)
    tested = points[-1][1]
    return StateOfHealth(
        health=max(Fraction(0), tested - max(fade or Fraction(0), Fraction(0)) * since),
        tested=tested,
        cycles=Fraction(discharged_wh, nameplate_wh),
        cycles_since_test=since,
        fade=fade,
    )
