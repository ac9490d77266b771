"""Which intervals of a meter's month hold a value, and of what standing: what a substitution is decided on.

The values themselves live in the projections. Only spans are kept here, so that the state of a month
that arrived whole is one span a register.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Final, Literal

import msgspec

from ledger.interval import Interval
from ledger.readings import FIRM_QUALITIES, Register, Run

_CORRECTED: Final = "C"

Standing = Literal["actual", "corrected", "estimated"]
Span = tuple[int, int]
Spans = tuple[Span, ...]
"""[start, end) in seconds since 1970, ascending; neither overlapping nor touching."""

_START: Final = itemgetter(0)
_END: Final = itemgetter(1)


class Coverage(msgspec.Struct, frozen=True):
    """Per register the spans that hold an actual or final value, the corrected one of a meter in error,
    and an estimate."""

    actual: dict[Register, Spans] = {}
    corrected: dict[Register, Spans] = {}
    estimated: dict[Register, Spans] = {}

    def after(self, runs: Iterable[Run]) -> Coverage:
        """The coverage once `runs` are recorded: the latest firm value of an interval holds."""
        actual, corrected, estimated = dict(self.actual), dict(self.corrected), dict(self.estimated)
        for run in runs:
            name = run.register
            for span, standing in _spans(run):
                gains = {"actual": actual, "corrected": corrected, "estimated": estimated}[standing]
                gains[name] = _joined(gains.get(name, ()), span)
                firm = [spans for spans in (actual, corrected) if name in spans]
                if standing != "estimated":
                    for spans in firm:
                        if spans is not gains:
                            spans[name] = _cut(spans[name], span)
                    firm = [{name: (span,)}]
                for spans in firm:
                    for held in _touching(spans[name], span):
                        estimated[name] = _cut(estimated.get(name, ()), held)
        return Coverage(actual, corrected, estimated)

    def actual_in(self, register: Register, interval: Interval) -> tuple[Interval, ...]:
        """Where in `interval` an actual or final value is held."""
        return _inside(self.actual.get(register, ()), interval)

    def firm_in(self, register: Register, interval: Interval) -> tuple[Interval, ...]:
        """Where in `interval` a value is held that no estimate supersedes: actual, final or corrected."""
        corrected = _inside(self.corrected.get(register, ()), interval)
        return tuple(sorted((*self.actual_in(register, interval), *corrected), key=lambda one: one.start))

    def estimated_in(self, register: Register, interval: Interval) -> tuple[Interval, ...]:
        """Where in `interval` an estimate or substitute is held."""
        return _inside(self.estimated.get(register, ()), interval)


def _spans(run: Run) -> Iterator[tuple[Span, Standing]]:
    at = int(run.start.timestamp())
    if len(run.quality) == 1:
        yield (at, at + run.count * run.interval_s), _standing(run.quality)
        return
    for standing, letters in groupby(run.quality, _standing):
        end = at + sum(1 for _ in letters) * run.interval_s
        yield (at, end), standing
        at = end


def _standing(letter: str) -> Standing:
    if letter not in FIRM_QUALITIES:
        return "estimated"
    return "corrected" if letter == _CORRECTED else "actual"


def _joined(spans: Spans, span: Span) -> Spans:
    start, end = span
    first, last = bisect_left(spans, start, key=_END), bisect_right(spans, end, key=_START)
    if first < last:
        start, end = min(start, spans[first][0]), max(end, spans[last - 1][1])
    return (*spans[:first], (start, end), *spans[last:])


def _cut(spans: Spans, span: Span) -> Spans:
    start, end = span
    first, last = bisect_right(spans, start, key=_END), bisect_left(spans, end, key=_START)
    if first >= last:
        return spans
    left, right = (spans[first][0], start), (end, spans[last - 1][1])
    return (*spans[:first], *(piece for piece in (left, right) if piece[0] < piece[1]), *spans[last:])


def _touching(spans: Spans, span: Span) -> Spans:
    return spans[bisect_right(spans, span[0], key=_END) : bisect_left(spans, span[1], key=_START)]


def _inside(spans: Spans, interval: Interval) -> tuple[Interval, ...]:
    start, end = int(interval.start.timestamp()), int(interval.end.timestamp())
    found = _touching(spans, (start, end))
    return tuple(Interval(_instant(max(start, a)), _instant(min(end, b))) for a, b in found)


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
