"""A gap of a register: what is recorded around it, and what each method makes of that (DOMAIN.md 3.11)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from adapters.postgres.database import Connection
from adapters.queries import meter_month, registered
from adapters.queries.meter_month import Key
from adapters.queries.validation import register_reads
from ledger.interval import Interval, interval_starts, midnight, zone_of
from ledger.meter import Meter
from ledger.metering import estimation
from ledger.metering.method import (
    Basis,
    EfficiencyFactor,
    ErrorMethod,
    GapMethod,
    HoldFlat,
    LinearInterpolation,
    Method,
    ReferenceMeter,
    SimilarDays,
)
from ledger.metering.register_read import around
from ledger.readings import MeterSpec, Register, Values, instant_text
from ledger.refusal import Refused

DAYS_MAX: Final = 400
"""Of one substitution: the look-back of a meter error is a year at most in practice."""


class Source:
    """The meters and their readings, as of a position."""

    def __init__(self, connection: Connection, book: str, position: int) -> None:
        self._connection, self._book, self._position = connection, book, position
        self._meters = registered.load(connection, "meter", Meter, position)

    def spec(self, meter: str, register: Register) -> MeterSpec:
        """The meter's latest registration.

        Raises:
            Refused: `unknown_meter`, `unknown_register`.
        """
        versions = self._meters.versions.get(meter)
        if versions is None:
            raise Refused("unknown_meter", f"no meter {meter!r} is registered", place="meter")
        spec = versions[-1].document.spec
        if register not in spec.registers:
            allowed = ", ".join(spec.registers)
            raise Refused("unknown_register", f"{register} is not one of {allowed}", place="register")
        return spec

    def reference(self, key: Key) -> Key:
        """Another meter of the same place at the site that has the register: the first by name.

        Raises:
            Refused: `reference` when there is none.
        """
        latest = {name: versions[-1].document for name, versions in self._meters.versions.items()}
        own = latest[key[0]]
        for name in sorted(latest):
            other = latest[name]
            alike = (other.site, other.position, other.interval_s) == (own.site, own.position, own.interval_s)
            if name != key[0] and alike and key[1] in other.registers:
                return name, key[1]
        raise Refused(
            "reference", f"no other {own.position} meter at site {own.site} has {key[1]}", place="reference"
        )

    def held(self, key: Key, interval: Interval, interval_s: int) -> Values:
        """The values of a register, below zero where one is missing."""
        wh: Values = meter_month.load(
            self._connection, self._book, [key], interval, interval_s, self._position
        ).wh[0]
        return wh

    def whole(self, key: Key, interval: Interval, interval_s: int) -> Values:
        """As `held`, where none may be missing.

        Raises:
            Refused: `missing_basis`.
        """
        wh = self.held(key, interval, interval_s)
        if (wh < 0).any():
            first = interval.start + timedelta(seconds=interval_s) * int(np.argmax(wh < 0))
            raise Refused(
                "missing_basis",
                f"the method needs {key[0]} {key[1]} there, and {int((wh < 0).sum())} intervals are missing,"
                f" the first at {instant_text(first)}",
                place="method",
            )
        return wh

    def energy_by_reads(self, key: Key, gap: Interval, interval_s: int) -> int | None:
        """The gap's energy: what the register reads around it differ by, less the intervals beside it.

        Below zero where the register fell. None without reads on both sides, or with another gap between
        them: then nothing says how much of the difference is this gap's.
        """
        found = register_reads(self._connection, [key[0]], gap, self._position)[key[0]]
        pair = around(found, key[1], gap, interval_s)
        if pair is None:
            return None
        before, after = pair
        beside = 0
        for start, end in ((before.at, gap.start), (gap.end, after.at)):
            if start < end:
                wh = self.held(key, Interval(start, end), interval_s)
                if (wh < 0).any():
                    return None
                beside += int(wh.sum())
        return after.total_wh - before.total_wh - beside


class Gap:
    """The intervals to be substituted."""

    def __init__(self, source: Source, spec: MeterSpec, register: Register, interval: Interval) -> None:
        self._source, self._spec, self._interval = source, spec, interval
        self._key: Key = (spec.meter, register)

    def values(self, method: Method) -> tuple[Values, Basis]:
        """What the method gives, and what it was computed from.

        Raises:
            Refused: as `prepare`.
        """
        if isinstance(method, ErrorMethod):
            return self._corrected(method.factor), Basis()
        active = self._active(method)
        match method:
            case LinearInterpolation():
                total = self._total()
                return estimation.linear(total, active), Basis(total_wh=total)
            case ReferenceMeter():
                total, reference = self._total(), self._reference(method, self._interval)
                return estimation.by_reference(total, reference, active), Basis(total_wh=total)
            case EfficiencyFactor():
                return self._by_factor(method, active)
            case SimilarDays():
                days = [self._whole_on(day) for day in method.days]
                return estimation.by_similar_days(days, active), self._known_total()
            case HoldFlat():
                return estimation.flat(active), self._known_total()

    def _active(self, method: GapMethod) -> estimation.Active:
        if method.pv_hours is None and self._key[1] == "pv":
            raise Refused(
                "pv_hours", "a PV register stands still at night: say when not", place="method.pv_hours"
            )
        return estimation.active_in(self._interval, self._spec.interval_s, self._spec.zone, method.pv_hours)

    def _total(self) -> int:
        total = self._source.energy_by_reads(self._key, self._interval, self._spec.interval_s)
        if total is None:
            raise Refused(
                "no_end_point",
                "no register reads around the gap, with every interval between them but the gap's: use the"
                " efficiency factor or similar days",
                place="method",
            )
        return total

    def _known_total(self) -> Basis:
        """For the levelling, where the registers tell."""
        return Basis(total_wh=self._source.energy_by_reads(self._key, self._interval, self._spec.interval_s))

    def _reference(self, method: ReferenceMeter | EfficiencyFactor, interval: Interval) -> Values:
        spec = self._source.spec(method.meter, method.register)
        if (method.meter, method.register) == self._key or spec.interval_s != self._spec.interval_s:
            raise Refused(
                "reference",
                f"the reference is another register, read every {self._spec.interval_s} s too",
                place="method",
            )
        return self._source.whole((method.meter, method.register), interval, spec.interval_s)

    def _by_factor(self, method: EfficiencyFactor, active: estimation.Active) -> tuple[Values, Basis]:
        week = Interval(self._interval.start - estimation.FACTOR_PERIOD, self._interval.start)
        own = int(self._source.whole(self._key, week, self._spec.interval_s).sum())
        of = int(self._reference(method, week).sum())
        reference = self._reference(method, self._interval)
        values = estimation.by_factor(own, of, reference, active)
        return values, Basis(self._known_total().total_wh, own, of)

    def _whole_on(self, day: date) -> Values:
        picked = self._on(day)
        if (picked < 0).any():
            raise Refused(
                "missing_basis",
                f"{day} lies in the gap, or misses some of its intervals",
                place="method.days",
            )
        return picked

    def _on(self, day: date) -> Values:
        """The gap's intervals by the clocks of another day, below zero where one is missing or in the gap."""
        zone = zone_of(self._spec.zone)
        local_day = Interval(midnight(day, zone), midnight(day + timedelta(days=1), zone))
        values = self._source.held(self._key, local_day, self._spec.interval_s)
        step = timedelta(seconds=self._spec.interval_s)
        found = [
            _on_day(start, day, zone) for start in interval_starts(self._interval, self._spec.interval_s)
        ]
        picked: Values = values[[(start - local_day.start) // step for start in found]]
        return np.full_like(picked, meter_month.MISSING) if self._interval.overlaps(local_day) else picked

    def is_whole_on(self, day: date) -> bool:
        """Whether a day holds all of the gap's intervals, by the clocks, and does not lie in the gap."""
        return not (self._on(day) < 0).any()

    def _corrected(self, factor: Fraction) -> Values:
        recorded = self._source.held(self._key, self._interval, self._spec.interval_s)
        if (recorded < 0).any():
            raise Refused(
                "not_actual",
                "a meter error corrects what was recorded, and some is missing",
                place="interval",
            )
        return estimation.corrected(recorded, factor)


def _on_day(start: datetime, day: date, zone: ZoneInfo) -> datetime:
    """The instant at which the clocks show on `day` what they show at `start`."""
    wall = start.astimezone(zone)
    return wall.replace(year=day.year, month=day.month, day=day.day).astimezone(UTC)
