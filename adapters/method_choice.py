"""Choosing how to substitute a gap: the order of DOMAIN.md 3.11, and why a method was passed over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Final, NamedTuple

import msgspec

from adapters.gap import DAYS_MAX, Gap, Source
from adapters.postgres.database import Connection
from adapters.queries.meter_month import Key
from ledger.calendars import calendar_in
from ledger.interval import Interval, zone_of
from ledger.metering.method import (
    SIMILAR_DAYS,
    EfficiencyFactor,
    GapMethod,
    HoldFlat,
    LinearInterpolation,
    PvHours,
    ReferenceMeter,
    SimilarDays,
    quality_of,
)
from ledger.readings import MeterSpec
from ledger.refusal import Refused

SIMILAR_DAYS_BACK: Final = 28
"""How far back similar days are looked for."""


class PassedOver(msgspec.Struct, frozen=True):
    """A method that cannot substitute the gap, and why."""

    method: str
    reason: str


class Choice(msgspec.Struct, frozen=True):
    """The first method, in the order of DOMAIN.md 3.11, that can substitute a gap; what it would give; and
    why those before it cannot."""

    method: GapMethod
    quality: str
    intervals: int
    wh: int
    levelling_wh: int | None
    passed_over: tuple[PassedOver, ...]


def choose(
    connection: Connection,
    book: str,
    key: Key,
    interval: Interval,
    position: int,
    *,
    pv_hours: PvHours | None = None,
    reference: Key | None = None,
) -> Choice:
    """The method for a gap; it records nothing.

    The order is: none outside PV hours, a straight line, the reference meter, its efficiency factor over
    7 days, and the mean of 4 similar days, which are the last earlier ones without a gap that are working
    days, or days of rest, as the gap's first day is. Without a named reference it is another meter of the
    same place at the site that has the register.

    Raises:
        Refused: `unknown_meter`, `unknown_register`, `interval`, `substitute_length`; `no_method` when
            none can, with the reason of each.
    """
    source = Source(connection, book, position)
    spec = source.spec(*key)
    if interval.end - interval.start > timedelta(days=DAYS_MAX):
        raise Refused("substitute_length", f"at most {DAYS_MAX} days at once", place="end")
    gap = Gap(source, spec, key[1], interval)
    asked = _Asked(gap, source, spec, key, interval, pv_hours, reference)
    passed: list[PassedOver] = []
    for code, method_of in _ORDER.items():
        try:
            method = method_of(asked)
            values, basis = gap.values(method)
        except Refused as refused:
            passed.append(PassedOver(code, refused.reason))
            continue
        levelling = None if basis.total_wh is None else basis.total_wh - int(values.sum())
        return Choice(method, quality_of(method), len(values), int(values.sum()), levelling, tuple(passed))
    told = "; ".join(f"{one.method}: {one.reason}" for one in passed)
    raise Refused("no_method", f"no method can substitute {key[0]} {key[1]} there: {told}", place="method")


class _Asked(NamedTuple):
    gap: Gap
    source: Source
    spec: MeterSpec
    key: Key
    interval: Interval
    pv_hours: PvHours | None
    named: Key | None

    @property
    def reference(self) -> Key:
        return self.named or self.source.reference(self.key)


def _hold_flat(asked: _Asked) -> GapMethod:
    if asked.pv_hours is None:
        raise Refused("pv_hours", "no PV hours are given", place="pv_hours")
    return HoldFlat(asked.pv_hours)


def _similar_days(asked: _Asked) -> GapMethod:
    """The last days before the gap that hold its time of day whole and are of its first day's kind."""
    zone = asked.spec.zone
    days = calendar_in(zone)
    first = asked.interval.start.astimezone(zone_of(zone)).date()
    kind = days.day_kind(first).type
    found: list[date] = []
    for back in range(1, SIMILAR_DAYS_BACK + 1):
        day = first - timedelta(days=back)
        if days.day_kind(day).type == kind and asked.gap.is_whole_on(day):
            found.append(day)
        if len(found) == SIMILAR_DAYS:
            return SimilarDays(tuple(found), asked.pv_hours)
    raise Refused(
        "missing_basis",
        f"only {len(found)} similar days of the {SIMILAR_DAYS_BACK} before it hold this time of day",
        place="method",
    )


_ORDER: Final[dict[str, Callable[[_Asked], GapMethod]]] = {
    "hold_flat": _hold_flat,
    "linear_interpolation": lambda asked: LinearInterpolation(asked.pv_hours),
    "reference_meter": lambda asked: ReferenceMeter(*asked.reference, asked.pv_hours),
    "efficiency_factor": lambda asked: EfficiencyFactor(*asked.reference, asked.pv_hours),
    "similar_days": _similar_days,
}
"""The order of DOMAIN.md 3.11; the first that can substitute the gap is chosen."""
