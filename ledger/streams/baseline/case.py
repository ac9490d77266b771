"""An event whose baseline is asked for, with everything that the methods look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ledger.calendars import DayKind
from ledger.interval import Interval, zone_of
from ledger.refusal import Refused
from ledger.streams.baseline.profile import Exclusion, Profile


class Case(NamedTuple):
    """What every method is given."""

    profile: Profile
    event: Interval
    announced: datetime
    day_kind: Callable[[date], DayKind]
    excluded: Sequence[Exclusion]

    @property
    def intervals(self) -> int:
        return self.event.seconds // self.profile.interval_s

    def day_of(self, instant: datetime) -> date:
        return instant.astimezone(zone_of(self.profile.zone)).date()

    def dates(self, span: Interval) -> list[date]:
        """The local days that `span` touches."""
        first, last = self.day_of(span.start), self.day_of(span.end - timedelta(microseconds=1))
        return [first + timedelta(days=number) for number in range((last - first).days + 1)]

    def same_day(self, window: Interval, purpose: str) -> npt.NDArray[np.int64]:
        """Readings near the event that a method names; never from within an event or outage."""
        for interval, reason in (Exclusion(self.event, "the event itself"), *self.excluded):
            if interval.overlaps(window):
                raise Refused(
                    "baseline_disturbed",
                    f"{purpose}: {window.start} to {window.end} is not normal ({reason})",
                    place="baseline",
                )
        return self.profile.readings(window, purpose)
