"""The ways to find a baseline (DOMAIN.md 3.4), as data: a province is a set of parameters, never a class."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from ledger.clauses.flow import one_of
from ledger.clauses.share import Portion, portion
from ledger.refusal import Refused
from ledger.streams.baseline.profile import WH_MAX, whole_number

DaysCompared = Literal["working", "same_type"]
CountedFrom = Literal["event_day", "announcement_day"]
DayChoice = Literal["all", "highest"]
DayValue = Literal["intervals", "daily_maximum"]

_DAY_S: Final = 86_400


class Tagged(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """A kind that a rule document names by its `type`."""


class AdditiveAdjustment(Tagged, frozen=True, kw_only=True, tag="additive"):
    """Adds actual less baseline of `hours` of the event's day, as a mean per interval, up or down.

    The hours end `hours_skipped` before the event.
    """

    hours: int
    hours_skipped: int

    def __post_init__(self) -> None:
        whole_number(self.hours, 1, "hours")
        whole_number(self.hours_skipped, 0, "hours_skipped")


class RatioAdjustment(Tagged, frozen=True, kw_only=True, tag="ratio"):
    """Multiplies by actual / baseline of `hours` of the event's day, kept within 1 - cap .. 1 + cap."""

    hours: int
    hours_skipped: int
    cap: Portion

    def __post_init__(self) -> None:
        whole_number(self.hours, 1, "hours")
        whole_number(self.hours_skipped, 0, "hours_skipped")
        portion(self.cap, "cap")


Adjustment = AdditiveAdjustment | RatioAdjustment


class DayPool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The most recent eligible days, walking back from `nearest_day` to `farthest_day` before the event.

    Not eligible: a day of another kind, a holiday, a day that an event or outage touches, a day with a
    missing reading in the hours needed, a day that touches the event's own. Then days whose consumption in
    the event's hours is below `low_usage` of the pool's mean go, earlier days refill the pool, and so on.
    """

    size: int
    at_least: int
    """With fewer eligible days there is no baseline."""
    days: DaysCompared
    """`same_type`: working days for an event on one, else rest days that are no holidays."""
    counted_from: CountedFrom
    nearest_day: int
    farthest_day: int
    low_usage: Portion | None = None
    """Absent: a quiet day counts like any other."""

    def __post_init__(self) -> None:
        one_of(self.days, DaysCompared, "days")
        one_of(self.counted_from, CountedFrom, "counted_from")
        whole_number(self.at_least, 1, "at_least")
        whole_number(self.size, self.at_least, "size")
        whole_number(self.nearest_day, 1, "nearest_day")
        whole_number(self.farthest_day, self.nearest_day + self.at_least - 1, "farthest_day")
        if self.low_usage is not None:
            portion(self.low_usage, "low_usage")


class RecentDays(Tagged, frozen=True, kw_only=True, tag="recent_days"):
    """The mean of the pool's days at the same local hours.

    `highest` keeps the `take` days that used most in the event's hours, the later day first where two are
    equal. `daily_maximum` takes the largest interval of each day instead of interval by interval.
    """

    pool: DayPool
    choose: DayChoice
    take: int
    value: DayValue
    adjustment: Adjustment | None = None

    def __post_init__(self) -> None:
        one_of(self.choose, DayChoice, "choose")
        one_of(self.value, DayValue, "value")
        whole_number(self.take, 1, "take")
        limit = self.pool.size if self.choose == "all" else self.pool.at_least
        if self.take > limit or (self.choose == "all" and self.take != limit):
            raise Refused("take", f"{self.take} days of at least {limit} cannot be taken", place="take")


class MatchDays(Tagged, frozen=True, kw_only=True, tag="match_days"):
    """The mean of the `take` days most like the event's day outside the event.

    Alike is the smallest sum of absolute differences over the event's local day, less the event and
    `hours_skipped` on each side; the later day first where two are equal (DOMAIN.md 3.4, our measure).
    """

    pool: DayPool
    take: int
    hours_skipped: int

    def __post_init__(self) -> None:
        whole_number(self.take, 1, "take")
        whole_number(self.hours_skipped, 0, "hours_skipped")
        if self.take > self.pool.at_least:
            raise Refused("take", f"{self.take} is more than at_least {self.pool.at_least}", place="take")


class PointBefore(Tagged, frozen=True, kw_only=True, tag="point_before"):
    """The mean of the last `points` intervals before control begins, for the whole event."""

    points: int

    def __post_init__(self) -> None:
        whole_number(self.points, 1, "points")


class SameDayHours(Tagged, frozen=True, kw_only=True, tag="same_day_hours"):
    """The mean of hours before and after the event, `hours_skipped` away from it on each side."""

    hours_before: int
    hours_after: int
    hours_skipped: int

    def __post_init__(self) -> None:
        whole_number(self.hours_before, 0, "hours_before")
        whole_number(self.hours_after, 0 if self.hours_before else 1, "hours_after")
        whole_number(self.hours_skipped, 0, "hours_skipped")


class ZeroBaseline(Tagged, frozen=True, kw_only=True, tag="zero"):
    """Nothing: storage that takes part under an account and meter of its own."""


class TypicalSchedule(Tagged, frozen=True, kw_only=True, tag="typical_schedule"):
    """A declared power for each piece of the local day, in W: above zero charges, below discharges."""

    interval_s: int
    power_w: tuple[int, ...]

    def __post_init__(self) -> None:
        whole_number(self.interval_s, 1, "interval_s")
        if self.interval_s * len(self.power_w) != _DAY_S:
            raise Refused(
                "schedule", f"{len(self.power_w)} x {self.interval_s} s is not a day", place="power_w"
            )
        for index, watts in enumerate(self.power_w):
            whole_number(watts, -WH_MAX, f"power_w[{index}]")


BaselineMethod = RecentDays | MatchDays | PointBefore | SameDayHours | ZeroBaseline | TypicalSchedule


def _days_before(
    size: int, *, from_announcement: bool = False, nearest_day: int = 1, low_usage: str | None = None
) -> DayPool:
    """Working days, all of them required, at most 45 days back (DOMAIN.md 3.4; 45 is [M])."""
    return DayPool(
        size=size,
        at_least=size,
        days="working",
        counted_from="announcement_day" if from_announcement else "event_day",
        nearest_day=nearest_day,
        farthest_day=45,
        low_usage=low_usage,
    )


METHODS: Final[dict[str, BaselineMethod]] = {
    "js_2015": RecentDays(
        pool=_days_before(5, from_announcement=True), choose="all", take=5, value="intervals"
    ),
    "real_time": PointBefore(points=1),
    "bj": RecentDays(
        pool=_days_before(10, nearest_day=2, low_usage="25%"), choose="highest", take=5, value="intervals"
    ),
    "taipower": RecentDays(pool=_days_before(5), choose="all", take=5, value="daily_maximum"),
    "pjm_3_plus_2": SameDayHours(hours_before=3, hours_after=2, hours_skipped=1),
    "pjm_3_day_match": MatchDays(pool=_days_before(10, low_usage="25%"), take=3, hours_skipped=1),
    "pjm_high_4_of_5": RecentDays(
        pool=_days_before(5, low_usage="25%"),
        choose="highest",
        take=4,
        value="intervals",
        adjustment=AdditiveAdjustment(hours=3, hours_skipped=1),
    ),
    "caiso_10_in_10": RecentDays(
        pool=_days_before(10),
        choose="all",
        take=10,
        value="intervals",
        adjustment=RatioAdjustment(hours=3, hours_skipped=1, cap="20%"),
    ),
    "nyiso_5_of_10": RecentDays(pool=_days_before(10), choose="highest", take=5, value="intervals"),
    "own_account": ZeroBaseline(),
}
"""The menu of DOMAIN.md 3.4 to copy from; a market rule states its own method in full.

js_2015, real_time, bj, taipower, pjm_3_plus_2 and the match of pjm_3_day_match are [R]; the adjustment's
hours, the pool of ten days to match from and every 45 are [M]: confirm them with the market's rules.
"""
