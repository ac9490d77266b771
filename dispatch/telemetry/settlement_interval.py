"""Energies of intervals from a revenue meter's cumulative registers, and from nothing else.

An interval's energy is the register at its end less the register at its start. Power is never integrated, so
a hole within an interval costs no energy; a hole at its start or end leaves it without a value (DOMAIN.md
3.11: missing is estimated, and never zero).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Final, Literal, NamedTuple

import msgspec

from dispatch.devices.role import Role
from dispatch.telemetry.sample import Sample
from ledger.quantity import round_half_away
from ledger.readings import WH_MAX
from ledger.refusal import Refused

BOUNDARY_MS: Final = 10_000
"""How far from an interval's boundary a sample may lie, before and after, to say what the register held
then."""
CLOCKS_MS: Final = 2_000
"""How far apart the clocks of two who read one register may be."""
REGISTER_ROLES: Final[tuple[Role, ...]] = ("meter_import_wh", "meter_export_wh")
PPM: Final = 1_000_000

Missing = Literal["start_unseen", "end_unseen", "register_fell", "register_leapt", "clock_backwards"]
"""start_unseen, end_unseen: no good sample within `BOUNDARY_MS` on both sides of that boundary.
register_fell: the register went back, rolled over or was exchanged. register_leapt: it rose by more than
one reading may be (`ledger.readings.WH_MAX`). clock_backwards: our clock was set back
in the interval, as one run saw it: of two runs the register tells which was later."""


class RegisterRead(NamedTuple):
    """What a register held, Wh, at `at_ms` of the clock of the `run` that read it."""

    at_ms: int
    wh: int
    run: str = ""


class IntervalEnergy(msgspec.Struct, frozen=True):
    """Of [start_ms, end_ms): whole Wh, at least 0, or None with the reason.

    `evidence_ppm`: the share of the interval, in millionths, that lies between good samples at most
    `BOUNDARY_MS` apart. The energy of the rest is known in total and not when it flowed.
    """

    start_ms: int
    end_ms: int
    wh: int | None
    missing: Missing | None
    evidence_ppm: int

    def __post_init__(self) -> None:
        assert (self.wh is None) != (self.missing is None)
        assert self.wh is None or self.wh >= 0
        assert 0 <= self.evidence_ppm <= PPM


class _Reads(NamedTuple):
    """Reads in the order of time, and the spans in which our clock was set back."""

    reads: Sequence[RegisterRead]
    doubtful: Sequence[tuple[int, int]]


def register_reads(samples: Iterable[Sample], role: Role) -> tuple[RegisterRead, ...]:
    """The good values of a register in the order in which they came; one that came twice (by run and number)
    counts once.

    Raises:
        Refused: `telemetry_role` for a role that is no revenue meter's register.
    """
    if role not in REGISTER_ROLES:
        raise Refused("telemetry_role", f"{role} is not one of {', '.join(REGISTER_ROLES)}", place="role")
    seen: set[tuple[str, int]] = set()
    found: list[RegisterRead] = []
    for sample in samples:
        key = (sample.run, sample.number)
        value = sample.value(role)
        if value is None or key in seen:
            continue
        seen.add(key)
        found.append(RegisterRead(sample.readings[role].at_ms or sample.at_ms, value, sample.run))
    return tuple(found)


def interval_energies(
    reads: Iterable[RegisterRead], *, first_ms: int, end_ms: int, interval_s: int
) -> tuple[IntervalEnergy, ...]:
    """Each interval of [first_ms, end_ms) from one register's reads, in the order in which they came.

    The register at a boundary is that of a sample at it, or lies on the line between the samples before and
    after it, each at most `BOUNDARY_MS` away, rounded to whole Wh, halves away from zero; two intervals that
    meet share it, so that their energies add up to the register's growth. Of several runs the one with the
    nearest samples on both sides says it, and only where none has both, two together.

    >>> reads = [RegisterRead(-4_000, 1_000), RegisterRead(6_000, 1_010), RegisterRead(60_000, 1_080)]
    >>> [found.wh for found in interval_energies(reads, first_ms=0, end_ms=60_000, interval_s=60)]
    [76]

    Raises:
        Refused: `interval_length` for a length that is not above 0 or does not divide the span.
    """
    step = interval_s * 1000
    if step <= 0 or end_ms < first_ms or (end_ms - first_ms) % step:
        wrong = f"{end_ms - first_ms} ms are not whole intervals of {interval_s} s"
        raise Refused("interval_length", wrong, place="interval_s")
    ordered = _ordered(reads)
    boundaries = range(first_ms, end_ms + 1, step)
    values = [_at(ordered.reads, boundary) for boundary in boundaries]
    return tuple(
        _energy(ordered, start, start + step, before, after)
        for start, (before, after) in zip(boundaries, pairwise(values), strict=False)
    )


def _ordered(reads: Iterable[RegisterRead]) -> _Reads:
    """Where a run's clock was set back, what lies between where it was and where it went is of doubtful
    time. In which order runs came says nothing."""
    doubtful: list[tuple[int, int]] = []
    latest: dict[str, int] = {}
    found: list[RegisterRead] = []
    for read in reads:
        before = latest.get(read.run, read.at_ms)
        if read.at_ms < before:
            doubtful.append((read.at_ms, before))
        latest[read.run] = max(before, read.at_ms)
        found.append(read)
    found.sort(key=lambda read: (read.at_ms, read.run))
    return _Reads(found, doubtful)


def _at(reads: Sequence[RegisterRead], boundary: int) -> int | Missing | None:
    """The register at the boundary; why not, or None where it was not seen close enough."""
    place = bisect_left(reads, boundary, key=lambda read: read.at_ms)
    if place < len(reads) and reads[place].at_ms == boundary:
        return reads[place].wh
    around = _around(reads, place, boundary)
    if around is None:
        return None
    before, after = around
    if after.wh < before.wh:
        return "register_fell"
    grown = Fraction((after.wh - before.wh) * (boundary - before.at_ms), after.at_ms - before.at_ms)
    return before.wh + round_half_away(grown)


def _around(
    reads: Sequence[RegisterRead], place: int, boundary: int
) -> tuple[RegisterRead, RegisterRead] | None:
    """The samples before and after the boundary, which lies before `place`: of one run where one has both."""
    low = bisect_left(reads, boundary - BOUNDARY_MS, key=lambda read: read.at_ms)
    high = bisect_right(reads, boundary + BOUNDARY_MS, key=lambda read: read.at_ms)
    before = {read.run: read for read in reads[low:place]}
    after = {read.run: read for read in reversed(reads[place:high])}
    if not before or not after:
        return None
    both = [(before[run], after[run]) for run in before if run in after]
    if not both:
        return reads[place - 1], reads[place]
    return min(both, key=lambda pair: (pair[1].at_ms - pair[0].at_ms, pair[0].run))


def _energy(
    ordered: _Reads, start: int, end: int, at_start: int | Missing | None, at_end: int | Missing | None
) -> IntervalEnergy:
    evidence = _evidence_ppm(ordered.reads, start, end)

    def without(missing: Missing) -> IntervalEnergy:
        return IntervalEnergy(start, end, None, missing, evidence)

    reach = (start - BOUNDARY_MS, end + BOUNDARY_MS)
    if any(low <= reach[1] and reach[0] <= high for low, high in ordered.doubtful):
        return without("clock_backwards")
    if at_start is None:
        return without("start_unseen")
    if at_end is None:
        return without("end_unseen")
    if isinstance(at_start, str) or isinstance(at_end, str) or _falls(ordered.reads, start, end):
        return without("register_fell")
    if at_end - at_start > WH_MAX:
        return without("register_leapt")
    return IntervalEnergy(start, end, at_end - at_start, None, evidence)


def _within(reads: Sequence[RegisterRead], start: int, end: int) -> Sequence[RegisterRead]:
    """The reads of [start, end] with the last one before and the first one after."""
    low = bisect_right(reads, start, key=lambda read: read.at_ms) - 1
    high = bisect_left(reads, end, key=lambda read: read.at_ms)
    return reads[max(low, 0) : high + 1]


def _falls(reads: Sequence[RegisterRead], start: int, end: int) -> bool:
    """Within a run at all; of two runs where the later one is that whatever their clocks."""
    within = _within(reads, start, end)
    newest: dict[str, int] = {}
    most: int | None = None
    earlier = 0
    for read in within:
        while within[earlier].at_ms + CLOCKS_MS < read.at_ms:
            most = within[earlier].wh if most is None else max(most, within[earlier].wh)
            earlier += 1
        if read.wh < newest.get(read.run, read.wh) or (most is not None and read.wh < most):
            return True
        newest[read.run] = read.wh
    return False


def _evidence_ppm(reads: Sequence[RegisterRead], start: int, end: int) -> int:
    """Cut off to whole millionths, so that only a whole interval is a whole million."""
    covered = 0
    for before, after in pairwise(_within(reads, start, end)):
        if after.at_ms - before.at_ms <= BOUNDARY_MS:
            covered += max(0, min(after.at_ms, end) - max(before.at_ms, start))
    return covered * PPM // (end - start)
