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
from typing import Final

import msgspec

from ledger.interval import Interval
from ledger.readings import Register, Run

FIRM: Final = frozenset("AF")
"""Actual and final values. The other qualities, E and S, wait for an actual one (`ledger.readings`)."""

Span = tuple[int, int]
Spans = tuple[Span, ...]
"""[start, end) in seconds since 1970, ascending; neither overlapping nor touching."""

_START: Final = itemgetter(0)
_END: Final = itemgetter(1)


class Coverage(msgspec.Struct, frozen=True):
    """Per register the spans that hold a firm value, and those that hold an estimate."""

    firm: dict[Register, Spans] = {}
    estimated: dict[Register, Spans] = {}

    def after(self, runs: Iterable[Run]) -> Coverage:
        """The coverage once `runs` are recorded: per interval the latest value holds."""
        firm, estimated = dict(self.firm), dict(self.estimated)
        for run in runs:
            for span, is_firm in _spans(run):
                gains, loses = (firm, estimated) if is_firm else (estimated, firm)
                gains[run.register] = _joined(gains.get(run.register, ()), span)
                loses[run.register] = _cut(loses.get(run.register, ()), span)
        return Coverage(firm, estimated)

    def firm_in(self, register: Register, interval: Interval) -> tuple[Interval, ...]:
        """Where in `interval` an actual or final value is held."""
        return _inside(self.firm.get(register, ()), interval)

    def estimated_in(self, register: Register, interval: Interval) -> tuple[Interval, ...]:
        """Where in `interval` an estimate or substitute is held."""
        return _inside(self.estimated.get(register, ()), interval)


def _spans(run: Run) -> Iterator[tuple[Span, bool]]:
    at = int(run.start.timestamp())
    if len(run.quality) == 1:
        yield (at, at + run.count * run.interval_s), run.quality in FIRM
        return
    for is_firm, letters in groupby(run.quality, FIRM.__contains__):
        end = at + sum(1 for _ in letters) * run.interval_s
        yield (at, end), is_firm
        at = end


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


def _inside(spans: Spans, interval: Interval) -> tuple[Interval, ...]:
    start, end = int(interval.start.timestamp()), int(interval.end.timestamp())
    found = spans[bisect_right(spans, start, key=_END) : bisect_left(spans, end, key=_START)]
    return tuple(Interval(_instant(max(start, a)), _instant(min(end, b))) for a, b in found)


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
