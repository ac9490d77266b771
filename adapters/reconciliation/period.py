"""The period that a row of a statement is about."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import msgspec

from adapters.reconciliation.table import check_pattern, day_of
from ledger.interval import Interval, Month, midnight, zone_of
from ledger.quantity import exact
from ledger.refusal import Refused

_POINTS = (24, 48, 96, 288)


class PeriodRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`pattern` is how the column writes its month or day, such as `%Y-%m`, `%Y年%m月` or `%Y%m%d`.

    With `points_per_day` a column of point numbers says which part of the day: 1 is the first, which ends
    at 00:15 of 96 points (DOMAIN.md 3.0).
    """

    kind: Literal["month", "day"]
    pattern: str
    zone: str
    points_per_day: int = 0

    def __post_init__(self) -> None:
        zone_of(self.zone)
        check_pattern(self.pattern, "pattern")
        if self.points_per_day and (self.kind != "day" or self.points_per_day not in _POINTS):
            raise Refused(
                "points_per_day", f"{', '.join(map(str, _POINTS))} of a day", place="points_per_day"
            )

    def interval(self, cell: str) -> Interval:
        """The month or day of a cell.

        Raises:
            Refused: `date`, `year`.
        """
        zone = zone_of(self.zone)
        day = day_of(cell, self.pattern)
        if self.kind == "month":
            return Month.of(day).interval(zone)
        return Interval(midnight(day, zone), midnight(day + timedelta(days=1), zone))

    def point(self, day: Interval, cell: str) -> Interval:
        """The part of the day with that number.

        Raises:
            Refused: `point`, also on a day when the clocks change: operators number its points differently.
        """
        number = exact(cell)
        if number.denominator != 1 or not 1 <= number <= self.points_per_day:
            raise Refused("point", f"{cell!r} is not a point 1..{self.points_per_day}")
        if day.seconds != 86_400:
            raise Refused("point", "the clocks change on this day: name start and end instead")
        length = timedelta(seconds=day.seconds // self.points_per_day)
        start = day.start + length * (int(number) - 1)
        return Interval(start, start + length)
