"""A baseline computed: exact energy for each interval of an event, and how it came about (DOMAIN.md 3.4).

Data of the event's own day enters only through the hours that a method names (`point_before`,
`same_day_hours`, an adjustment, the hours that `match_days` compares), and never from within the event.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple, assert_never

import numpy as np
import numpy.typing as npt

from ledger.calendars import DayKind
from ledger.clauses.flow import exact_text
from ledger.clauses.share import portion
from ledger.interval import Interval, midnight, zone_of
from ledger.refusal import Refused
from ledger.streams.baseline.case import Case
from ledger.streams.baseline.day_pool import PoolDay, pool_days
from ledger.streams.baseline.method import (
    AdditiveAdjustment,
    Adjustment,
    BaselineMethod,
    MatchDays,
    PointBefore,
    RatioAdjustment,
    RecentDays,
    SameDayHours,
    TypicalSchedule,
    ZeroBaseline,
)
from ledger.streams.baseline.profile import Exclusion, LeftOut, Profile


class Baseline(NamedTuple):
    """Wh of each interval of the event: `numerators[i] / denominator`, with how it came about."""

    event: Interval
    numerators: tuple[int, ...]
    denominator: int
    used: tuple[date, ...]
    left_out: tuple[LeftOut, ...]
    adjustment: str
    method: str

    @property
    def wh(self) -> tuple[Fraction, ...]:
        """The exact baseline of each interval."""
        return tuple(Fraction(numerator, self.denominator) for numerator in self.numerators)

    @property
    def explanation(self) -> str:
        """One sentence for a settlement line: which days were used, which were not and why."""
        parts = [f"baseline {self.method}"]
        if self.used:
            parts.append("mean of " + ", ".join(map(str, self.used)))
        reasons: dict[str, list[str]] = defaultdict(list)
        for day, reason in self.left_out:
            reasons[reason].append(str(day))
        parts += [f"not used, {reason}: {', '.join(days)}" for reason, days in reasons.items()]
        return "; ".join([*parts, self.adjustment] if self.adjustment else parts)


def baseline(
    method: BaselineMethod,
    profile: Profile,
    event: Interval,
    *,
    announced: datetime,
    day_kind: Callable[[date], DayKind],
    excluded: Sequence[Exclusion] = (),
) -> Baseline:
    """The baseline of `event` (DOMAIN.md 3.4).

    `excluded` is every other event and outage of the site; `announced` is when the event was told.

    Raises:
        Refused: `event_outside_data` for an event that the readings do not reach, `baseline_days` for too
            few eligible days, `baseline_disturbed` or `reading_missing` for same-day hours that a method
            needs, `baseline_ratio` where a ratio has nothing to divide by, `interval` for bounds that are
            not the profile's.
    """
    if profile.rows(event) is None:
        shown = f"{event.start} to {event.end}"
        raise Refused("event_outside_data", f"the readings do not cover {shown}", place="event")
    case = Case(profile, event, announced, day_kind, excluded)
    match method:
        case RecentDays():
            return _recent_days(method, case)
        case MatchDays():
            return _match_days(method, case)
        case PointBefore():
            step = timedelta(seconds=profile.interval_s)
            return _flat(case, [Interval(event.start - method.points * step, event.start)], "point_before")
        case SameDayHours():
            return _flat(case, list(_hours_around(method, event)), "same_day_hours")
        case ZeroBaseline():
            return Baseline(event, (0,) * case.intervals, 1, (), (), "", "zero")
        case TypicalSchedule():
            return _typical(method, case)
        case never:
            assert_never(never)


def _recent_days(method: RecentDays, case: Case) -> Baseline:
    window = None if method.adjustment is None else _before(case.event, method.adjustment)
    days, left_out = pool_days(method.pool, case, (case.event,) if window is None else (case.event, window))
    if method.choose == "highest":
        days.sort(key=lambda one: (-one.usage_wh, -one.day.toordinal()))
        reason = f"not among the {method.take} highest"
        left_out += [LeftOut(one.day, reason) for one in days[method.take :]]
        days = days[: method.take]
    if method.value == "daily_maximum":
        numerators = [sum(int(one.values[0].max()) for one in days)] * case.intervals
    else:
        numerators = np.sum([one.values[0] for one in days], axis=0).tolist()
    made = _mean("recent_days", case, days, left_out, numerators)
    if method.adjustment is None or window is None:
        return made
    actual = case.same_day(window, "the adjustment of the baseline")
    return _adjusted(made, method.adjustment, actual, sum(int(one.values[1].sum()) for one in days))


def _adjusted(
    made: Baseline, adjustment: Adjustment, actual: npt.NDArray[np.int64], compared_wh: int
) -> Baseline:
    """`compared_wh` is the sum of the used days in the adjustment's hours, not divided by their number."""
    days, count, actual_wh = made.denominator, len(actual), int(actual.sum())
    match adjustment:
        case AdditiveAdjustment():
            shift = days * actual_wh - compared_wh
            each = exact_text(Fraction(shift, days * count))
            return made._replace(
                numerators=tuple(numerator * count + shift for numerator in made.numerators),
                denominator=days * count,
                adjustment=f"adjusted by {each} Wh in each interval",
            )
        case RatioAdjustment():
            if compared_wh <= 0:
                raise Refused(
                    "baseline_ratio", "the days used consumed nothing before the event", place="baseline"
                )
            cap = portion(adjustment.cap, "cap")
            found = Fraction(days * actual_wh, compared_wh)
            ratio = min(max(found, 1 - cap), 1 + cap)
            kept = "" if ratio == found else f" (the ratio {exact_text(found)} is capped)"
            return made._replace(
                numerators=tuple(numerator * ratio.numerator for numerator in made.numerators),
                denominator=days * ratio.denominator,
                adjustment=f"multiplied by {exact_text(ratio)}{kept}",
            )
        case never:
            assert_never(never)


def _match_days(method: MatchDays, case: Case) -> Baseline:
    windows = list(_hours_compared(method, case))
    actual = [case.same_day(window, "the hours compared with other days") for window in windows]
    if not actual:
        raise Refused("baseline_hours", "the event leaves no hour of its day to compare", place="baseline")
    days, left_out = pool_days(method.pool, case, (case.event, *windows))

    def unlike(one: PoolDay) -> int:
        return sum(int(np.abs(a - b).sum()) for a, b in zip(actual, one.values[1:], strict=True))

    days.sort(key=lambda one: (unlike(one), -one.day.toordinal()))
    reason = f"not among the {method.take} most alike"
    left_out += [LeftOut(one.day, reason) for one in days[method.take :]]
    days = days[: method.take]
    numerators = np.sum([one.values[0] for one in days], axis=0).tolist()
    return _mean("match_days", case, days, left_out, numerators)


def _hours_compared(method: MatchDays, case: Case) -> Iterator[Interval]:
    zone, skipped = zone_of(case.profile.zone), timedelta(hours=method.hours_skipped)
    first = midnight(case.day_of(case.event.start), zone)
    last_day = case.day_of(case.event.end - timedelta(microseconds=1))
    end = midnight(last_day + timedelta(days=1), zone)
    if case.event.start - skipped > first:
        yield Interval(first, case.event.start - skipped)
    if case.event.end + skipped < end:
        yield Interval(case.event.end + skipped, end)


def _mean(
    method: str, case: Case, days: list[PoolDay], left_out: list[LeftOut], numerators: list[int]
) -> Baseline:
    used = tuple(sorted(one.day for one in days))
    return Baseline(
        case.event, tuple(numerators), len(days), used, tuple(sorted(left_out, reverse=True)), "", method
    )


def _flat(case: Case, windows: list[Interval], method: str) -> Baseline:
    """One level for the whole event: the mean of all intervals in `windows`."""
    values = np.concatenate([case.same_day(window, f"baseline {method}") for window in windows])
    shown = " and ".join(f"{window.start:%H:%M} to {window.end:%H:%M} UTC" for window in windows)
    numerators = (int(values.sum()),) * case.intervals
    return Baseline(case.event, numerators, len(values), (), (), f"from {shown}", method)


def _hours_around(method: SameDayHours, event: Interval) -> Iterator[Interval]:
    skipped = timedelta(hours=method.hours_skipped)
    if method.hours_before:
        end = event.start - skipped
        yield Interval(end - timedelta(hours=method.hours_before), end)
    if method.hours_after:
        start = event.end + skipped
        yield Interval(start, start + timedelta(hours=method.hours_after))


def _typical(method: TypicalSchedule, case: Case) -> Baseline:
    seconds = case.profile.interval_s
    if method.interval_s % seconds:
        raise Refused(
            "interval", f"{seconds} s does not divide the schedule's {method.interval_s} s", place="baseline"
        )
    zone = zone_of(case.profile.zone)
    step = timedelta(seconds=seconds)
    local = [(case.event.start + step * index).astimezone(zone) for index in range(case.intervals)]
    places = [(at.hour * 3600 + at.minute * 60 + at.second) // method.interval_s for at in local]
    numerators = tuple(method.power_w[place] * seconds for place in places)
    return Baseline(case.event, numerators, 3600, (), (), "", "typical_schedule")


def _before(event: Interval, adjustment: Adjustment) -> Interval:
    end = event.start - timedelta(hours=adjustment.hours_skipped)
    return Interval(end - timedelta(hours=adjustment.hours), end)
