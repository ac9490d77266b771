"""Each method of the menu by hand, what may never enter a baseline, and a slow check of the whole."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.calendars import WORKING, calendar
from ledger.interval import Interval, utc_of_local
from ledger.refusal import Refused
from ledger.streams.baseline import (
    METHODS,
    AdditiveAdjustment,
    Baseline,
    BaselineMethod,
    DayPool,
    Exclusion,
    MatchDays,
    PointBefore,
    Profile,
    RatioAdjustment,
    RecentDays,
    SameDayHours,
    TypicalSchedule,
    baseline,
)

ROOT = Path(__file__).resolve().parents[3]
BUILDING = ROOT.parent / "shared" / "data" / "meters" / "lbnl_dr_building"
needs_building = pytest.mark.skipif(not BUILDING.exists(), reason=f"needs the metered building at {BUILDING}")

CHINA = "Asia/Shanghai"
CN = calendar("CN")
Value = Callable[[date, time], int | None]
"""Wh of the quarter hour that begins then; None where the reading is missing."""


def profile(first: date, days: int, value: Value, *, zone: str = CHINA, interval_s: int = 900) -> Profile:
    """Readings from local midnight of `first` on, for `days` times 24 hours."""
    start = utc_of_local(datetime.combine(first, time()), ZoneInfo(zone))
    step = timedelta(seconds=interval_s)
    local = [(start + step * n).astimezone(ZoneInfo(zone)) for n in range(days * 86400 // interval_s)]
    values = [value(at.date(), at.time()) for at in local]
    missing = np.array([one is None for one in values])
    known = np.array([-12345 if one is None else one for one in values], dtype=np.int64)
    return Profile(start=start, interval_s=interval_s, zone=zone, wh=known, missing=missing)


def window(day: date, begin: str, end: str, zone: str = CHINA) -> Interval:
    """Local times; an end at or before the beginning, such as 24:00 as 00:00, is on the next day."""
    first, last = time.fromisoformat(begin), time.fromisoformat(end)
    last_day = day + timedelta(days=last <= first)
    tz = ZoneInfo(zone)
    return Interval(
        utc_of_local(datetime.combine(day, first), tz), utc_of_local(datetime.combine(last_day, last), tz)
    )


def find(
    method: BaselineMethod,
    readings: Profile,
    event: Interval,
    *,
    announced: datetime | None = None,
    excluded: tuple[Exclusion, ...] = (),
    calendar_name: str = "CN",
) -> Baseline:
    kinds = calendar(calendar_name, None if calendar_name == "CN" else readings.zone)
    return baseline(
        method,
        readings,
        event,
        announced=announced or event.start,
        day_kind=kinds.day_kind,
        excluded=excluded,
    )


def refused(code: str, call: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        call()
    assert caught.value.code == code
    return caught.value


JUNE = date(2026, 6, 1)
"""A Monday. The Dragon Boat holiday of 2026 is 19 to 21 June."""
EVENT_DAY = date(2026, 6, 30)
EVENT = window(EVENT_DAY, "14:00", "16:00")


def by_day(day: date, _at: time) -> int:
    """The day of the month x 100 Wh in every quarter hour."""
    return day.day * 100


def days_of_june(*numbers: int) -> tuple[date, ...]:
    return tuple(date(2026, 6, number) for number in numbers)


def test_five_working_days_before_skip_weekends_and_holidays() -> None:
    event = window(date(2026, 6, 24), "14:00", "16:00")
    found = find(METHODS["js_2015"], profile(JUNE, 30, by_day), event)
    assert found.used == days_of_june(16, 17, 18, 22, 23)
    assert found.wh == (Fraction(1600 + 1700 + 1800 + 2200 + 2300, 5),) * 8
    assert [(one.day.day, one.reason) for one in found.left_out] == [
        (21, "holiday 端午"),
        (20, "holiday 端午"),
        (19, "holiday 端午"),
    ]
    assert "not used, holiday 端午: 2026-06-21, 2026-06-20, 2026-06-19" in found.explanation


def test_a_saturday_that_is_worked_counts() -> None:
    """Before the Spring Festival of 2026 (15 to 23 February) Saturday the 14th is worked."""
    event = window(date(2026, 2, 24), "14:00", "16:00")
    found = find(METHODS["js_2015"], profile(date(2026, 2, 1), 28, by_day), event)
    assert [day.day for day in found.used] == [10, 11, 12, 13, 14]


def test_days_count_from_the_invitation_where_the_method_says_so() -> None:
    announced = window(date(2026, 6, 29), "10:00", "11:00").start
    found = find(METHODS["js_2015"], profile(JUNE, 30, by_day), EVENT, announced=announced)
    assert found.used == days_of_june(22, 23, 24, 25, 26)
    assert find(METHODS["taipower"], profile(JUNE, 30, by_day), EVENT, announced=announced).used[-1].day == 29


def test_the_mean_is_exact() -> None:
    values = {16: 1, 17: 1, 18: 2, 22: 2, 23: 1}
    event = window(date(2026, 6, 24), "14:00", "14:30")
    found = find(METHODS["js_2015"], profile(JUNE, 30, lambda day, _: values.get(day.day, 0)), event)
    assert found.wh == (Fraction(7, 5), Fraction(7, 5))


def test_the_day_before_and_quiet_days_are_not_in_the_beijing_pool() -> None:
    """Days -2 and earlier, refilled to 10, the 5 highest."""

    def value(day: date, _at: time) -> int:
        return 10 if day.day == 25 else day.day * 100

    found = find(METHODS["bj"], profile(JUNE, 30, value), EVENT)
    pool = [26, 24, 23, 22, 18, 17, 16, 15, 12, 11]
    assert found.used == days_of_june(*sorted(pool)[-5:])
    assert found.wh[0] == Fraction((26 + 24 + 23 + 22 + 18) * 100, 5)
    reasons = {one.day.day: one.reason for one in found.left_out}
    assert reasons[25] == "below 25% of the mean usage"
    assert 29 not in reasons, "the day before is not looked at"
    assert reasons[11] == "not among the 5 highest"


def test_a_day_at_exactly_a_quarter_of_the_mean_stays() -> None:
    """700 and 100: the mean is 400, a quarter of it 100. At 99 the day goes and the next is taken."""
    pool = DayPool(
        size=2,
        at_least=2,
        days="working",
        counted_from="event_day",
        nearest_day=1,
        farthest_day=30,
        low_usage="25%",
    )
    method = RecentDays(pool=pool, choose="all", take=2, value="intervals")

    def values(low: int) -> Value:
        return lambda day, _at: {29: 700, 26: low}.get(day.day, 800)

    assert find(method, profile(JUNE, 30, values(100)), EVENT).used == days_of_june(26, 29)
    assert find(method, profile(JUNE, 30, values(99)), EVENT).used == days_of_june(25, 29)


def test_mean_of_daily_maximum_demand() -> None:
    """The largest quarter hour of the window each day; what lies outside the window does not count."""

    def value(day: date, at: time) -> int:
        if at == time(15, 15):
            return day.day * 100
        return 50 if time(14) <= at < time(16) else 99_999

    found = find(METHODS["taipower"], profile(JUNE, 30, value), EVENT)
    assert found.used == days_of_june(23, 24, 25, 26, 29)
    assert found.wh == (Fraction((23 + 24 + 25 + 26 + 29) * 100, 5),) * 8


def test_three_hours_before_and_two_after() -> None:
    """An event in hours ending 13 to 17 looks at hours ending 9 to 11 and 19 to 20 (DOMAIN.md 3.4)."""
    event = window(EVENT_DAY, "12:00", "17:00")

    def value(_day: date, at: time) -> int:
        return {8: 100, 9: 200, 10: 300, 18: 400, 19: 600}.get(at.hour, 77_777)

    found = find(METHODS["pjm_3_plus_2"], profile(JUNE, 30, value), event)
    assert found.wh == (Fraction(100 + 200 + 300 + 400 + 600, 5),) * 20


def test_the_interval_before_control() -> None:
    found = find(METHODS["real_time"], profile(JUNE, 30, lambda _, at: at.hour * 100 + at.minute), EVENT)
    assert found.wh == (Fraction(1345),) * 8
    two = find(PointBefore(points=2), profile(JUNE, 30, lambda _, at: at.hour * 100 + at.minute), EVENT)
    assert two.wh[0] == Fraction(1330 + 1345, 2)


def test_the_most_similar_days_outside_the_event() -> None:
    """The hour on each side of the event does not count for the likeness."""
    near = {9: 3, 11: 1, 17: 2}

    def value(day: date, at: time) -> int:
        if time(13) <= at < time(17):
            return day.day * 100
        return 1000 + (0 if day == EVENT_DAY else near.get(day.day, 50))

    pool = DayPool(
        size=20, at_least=10, days="working", counted_from="event_day", nearest_day=1, farthest_day=45
    )
    found = find(MatchDays(pool=pool, take=3, hours_skipped=1), profile(JUNE, 30, value), EVENT)
    assert found.used == days_of_june(9, 11, 17)
    assert found.wh == (Fraction(900 + 1100 + 1700, 3),) * 8
    assert find(METHODS["pjm_3_day_match"], profile(JUNE, 30, value), EVENT).used == days_of_june(17, 26, 29)


def adjusted(day: date, at: time) -> int:
    """Other days: 1000 in the event, 800 before. The event's day: 1000 from 10 to 13, 5000 from 13 to 14."""
    if day == EVENT_DAY:
        return {13: 5000}.get(at.hour, 1000)
    return 1000 if 14 <= at.hour < 16 else 800


def test_symmetric_additive_adjustment() -> None:
    """Actual is 200 above the other days from 10 to 13; the hour before the event is not looked at."""
    found = find(METHODS["pjm_high_4_of_5"], profile(JUNE, 30, adjusted), EVENT)
    assert found.wh == (Fraction(1200),) * 8
    assert len(found.used) == 4
    lower = profile(JUNE, 30, lambda day, at: adjusted(day, at) - 300 * (day == EVENT_DAY))
    assert find(METHODS["pjm_high_4_of_5"], lower, EVENT).wh == (Fraction(900),) * 8


@pytest.mark.parametrize(
    ("actual", "expected", "capped"),
    [
        (880, Fraction(1100), False),
        (960, Fraction(1200), False),
        (961, Fraction(1200), True),
        (640, Fraction(800), False),
        (600, Fraction(800), True),
    ],
)
def test_ratio_adjustment_within_twenty_percent(actual: int, expected: Fraction, capped: bool) -> None:
    readings = profile(JUNE, 30, lambda day, at: actual if day == EVENT_DAY else adjusted(day, at))
    found = find(METHODS["caiso_10_in_10"], readings, EVENT)
    assert found.wh == (expected,) * 8
    assert ("capped" in found.adjustment) is capped


def test_a_ratio_needs_something_to_divide_by() -> None:
    readings = profile(JUNE, 30, lambda _, at: 1000 if at.hour >= 14 else 0)
    refused("baseline_ratio", lambda: find(METHODS["caiso_10_in_10"], readings, EVENT))


def test_five_highest_of_ten() -> None:
    found = find(METHODS["nyiso_5_of_10"], profile(JUNE, 30, lambda day, _: 5000 - day.day * 100), EVENT)
    assert found.used == days_of_june(15, 16, 17, 18, 22), (
        "the oldest used most; 14 days are ten working days"
    )
    equal = find(METHODS["nyiso_5_of_10"], profile(JUNE, 30, lambda *_: 7), EVENT)
    assert equal.used == days_of_june(23, 24, 25, 26, 29), "equal days: the latest"


def test_own_account_and_typical_schedule() -> None:
    readings = profile(JUNE, 30, by_day)
    assert find(METHODS["own_account"], readings, EVENT).wh == (Fraction(0),) * 8
    hourly = TypicalSchedule(interval_s=3600, power_w=(*(0,) * 14, -500_000, 90, *(0,) * 8))
    assert find(hourly, readings, EVENT).wh == (Fraction(-125_000),) * 4 + (Fraction(90, 4),) * 4


def test_rest_days_for_an_event_on_a_rest_day() -> None:
    pool = DayPool(
        size=3, at_least=3, days="same_type", counted_from="event_day", nearest_day=1, farthest_day=45
    )
    method = RecentDays(pool=pool, choose="all", take=3, value="intervals")
    event = window(date(2026, 6, 28), "12:00", "13:00")
    assert find(method, profile(JUNE, 30, by_day), event).used == days_of_june(13, 14, 27)


def test_events_and_outages_are_in_no_pool() -> None:
    excluded = (
        Exclusion(window(date(2026, 6, 29), "20:00", "21:00"), "event E7"),
        Exclusion(window(date(2026, 6, 25), "23:00", "01:00"), "outage (feeder)"),
    )
    found = find(METHODS["taipower"], profile(JUNE, 30, by_day), EVENT, excluded=excluded)
    assert found.used == days_of_june(17, 18, 22, 23, 24)
    reasons = {one.day.day: one.reason for one in found.left_out}
    assert (reasons[29], reasons[26], reasons[25]) == ("event E7", "outage (feeder)", "outage (feeder)")


def test_a_missing_reading_leaves_the_day_out_and_is_no_zero() -> None:
    def value(day: date, at: time) -> int | None:
        return None if (day.day, at) == (29, time(14, 30)) else day.day * 100

    found = find(METHODS["taipower"], profile(JUNE, 30, value), EVENT)
    assert found.used == days_of_june(22, 23, 24, 25, 26)
    assert found.left_out[0].reason == "1 of 8 readings missing"
    elsewhere = profile(JUNE, 30, lambda day, at: None if at == time(16) else by_day(day, at))
    assert find(METHODS["taipower"], elsewhere, EVENT).used[-1].day == 29, "only the event's hours matter"


def test_too_few_days_are_refused_with_the_reasons() -> None:
    readings = profile(date(2026, 6, 24), 7, by_day)
    problem = refused("baseline_days", lambda: find(METHODS["taipower"], readings, EVENT))
    assert "4 of at least 5" in problem.reason
    assert "2026-06-23 outside the readings" in problem.reason


def test_an_event_that_the_readings_do_not_reach_is_refused() -> None:
    readings = profile(JUNE, 29, by_day)
    for method in METHODS.values():
        refused("event_outside_data", lambda method=method: find(method, readings, EVENT))


def test_same_day_hours_must_be_known_and_normal() -> None:
    gap = profile(JUNE, 30, lambda day, at: None if (day.day, at) == (30, time(13, 45)) else 100)
    refused("reading_missing", lambda: find(METHODS["real_time"], gap, EVENT))
    other = (Exclusion(window(EVENT_DAY, "10:00", "11:00"), "event E7"),)
    readings = profile(JUNE, 30, by_day)
    for name in ("caiso_10_in_10", "pjm_high_4_of_5", "pjm_3_plus_2", "pjm_3_day_match"):
        refused("baseline_disturbed", lambda name=name: find(METHODS[name], readings, EVENT, excluded=other))
    assert find(METHODS["real_time"], readings, EVENT, excluded=other).wh[0] == 3000


def test_an_event_over_midnight_leaves_out_the_day_whose_hours_run_into_it() -> None:
    """The last day of the month to 24:00 and on: day -1 would reach into the event's own day."""
    event = window(date(2026, 5, 29), "23:00", "01:00")
    start = date(2026, 5, 1)
    readings = profile(start, 31, lambda day, at: day.day * 1000 + at.hour)
    found = find(METHODS["taipower"], readings, event)
    assert [day.day for day in found.used] == [21, 22, 25, 26, 27]
    assert found.left_out[0].reason == "its hours run into the day of the event"
    ends = find(METHODS["taipower"], readings, window(date(2026, 5, 29), "23:00", "00:00"))
    assert ends.used[-1].day == 28, "24:00 is no part of the next day"


def test_a_day_on_which_the_clocks_change_in_these_hours_is_left_out() -> None:
    zone = "Europe/Berlin"
    pool = DayPool(
        size=2, at_least=2, days="same_type", counted_from="event_day", nearest_day=1, farthest_day=30
    )
    method = RecentDays(pool=pool, choose="all", take=2, value="intervals")
    readings = profile(date(2026, 3, 1), 36, by_day, zone=zone)
    night = find(method, readings, window(date(2026, 4, 4), "01:00", "04:00", zone), calendar_name="none")
    assert [day.isoformat() for day in night.used] == ["2026-03-22", "2026-03-28"]
    assert (date(2026, 3, 29), "the clocks change in its hours") in night.left_out
    noon = find(method, readings, window(date(2026, 4, 4), "12:00", "13:00", zone), calendar_name="none")
    assert [day.isoformat() for day in noon.used] == ["2026-03-28", "2026-03-29"]
    assert noon.wh[0] == Fraction(2800 + 2900, 2), "local noon on both sides of the change"


@settings(max_examples=60)
@given(
    name=st.sampled_from(sorted(set(METHODS) - {"own_account"})),
    noise=st.lists(st.one_of(st.none(), st.integers(0, 10**6)), min_size=96, max_size=96),
)
def test_no_data_from_within_the_event_enters(name: str, noise: list[int | None]) -> None:
    """Event-day data never enters, but for the hours that the method names (DOMAIN.md 3.4, 5)."""
    named = {
        "real_time": [(13, 14)],
        "pjm_high_4_of_5": [(10, 13)],
        "caiso_10_in_10": [(10, 13)],
        "pjm_3_plus_2": [(10, 13), (17, 19)],
        "pjm_3_day_match": [(0, 13), (17, 24)],
    }.get(name, [])

    def plain(day: date, at: time) -> int:
        return 1000 + (day.day * 37 + at.hour * 11) % 200

    def noisy(day: date, at: time) -> int | None:
        if day != EVENT_DAY or any(first <= at.hour < last for first, last in named):
            return plain(day, at)
        return noise[at.hour * 4 + at.minute // 15]

    first, second = (
        find(METHODS[name], profile(date(2026, 5, 15), 47, one), EVENT) for one in (plain, noisy)
    )
    assert first == second


def slow_recent(
    method: RecentDays,
    values: dict[datetime, int],
    event: tuple[datetime, datetime],
    abnormal: set[date],
) -> tuple[list[Fraction], list[date]] | None:
    """DOMAIN.md 3.4 read once more: naive local times, dictionaries and loops. None is a refusal."""
    quarter = timedelta(minutes=15)
    day0 = event[0].date()

    def quarters(first: datetime, last: datetime) -> list[datetime]:
        found = []
        while first < last:
            found.append(first)
            first += quarter
        return found

    hours = quarters(*event)
    around: list[datetime] = []
    if method.adjustment is not None:
        end = event[0] - timedelta(hours=method.adjustment.hours_skipped)
        around = quarters(end - timedelta(hours=method.adjustment.hours), end)

    def eligible(back: int) -> bool:
        day = day0 - timedelta(days=back)
        if CN.day_kind(day) != WORKING or day in abnormal:
            return False
        return all(at - timedelta(days=back) in values for at in [*hours, *around])

    def used(back: int) -> int:
        return sum(values[at - timedelta(days=back)] for at in hours)

    pool: list[int] = []
    dropped: set[int] = set()
    while True:
        candidates = range(method.pool.nearest_day, method.pool.farthest_day + 1)
        pool = [back for back in candidates if back not in dropped and eligible(back)][: method.pool.size]
        if method.pool.low_usage is None or not pool:
            break
        mean = Fraction(sum(map(used, pool)), len(pool))
        quiet = {back for back in pool if used(back) < mean / 4}
        if not quiet:
            break
        dropped |= quiet
    if len(pool) < method.pool.at_least:
        return None
    if method.choose == "highest":
        pool = sorted(pool, key=lambda back: (-used(back), back))[: method.take]
    n = len(pool)
    result = [Fraction(sum(values[at - timedelta(days=b)] for b in pool), n) for at in hours]
    if method.value == "daily_maximum":
        peak = Fraction(sum(max(values[at - timedelta(days=b)] for at in hours) for b in pool), n)
        result = [peak] * len(hours)
    if around:
        if any(at not in values for at in around):
            return None
        actual = Fraction(sum(values[at] for at in around), len(around))
        usual = Fraction(sum(values[at - timedelta(days=b)] for b in pool for at in around), n * len(around))
        if isinstance(method.adjustment, AdditiveAdjustment):
            result = [one + actual - usual for one in result]
        else:
            if usual <= 0:
                return None
            ratio = max(Fraction(4, 5), min(Fraction(6, 5), actual / usual))
            result = [one * ratio for one in result]
    return result, sorted(day0 - timedelta(days=b) for b in pool)


ADJUSTMENTS = (
    None,
    AdditiveAdjustment(hours=2, hours_skipped=1),
    RatioAdjustment(hours=3, hours_skipped=0, cap="20%"),
)


@settings(max_examples=120)
@given(
    size=st.integers(2, 8),
    choose=st.sampled_from(["all", "highest"]),
    value=st.sampled_from(["intervals", "daily_maximum"]),
    nearest=st.integers(1, 2),
    low=st.sampled_from([None, "25%"]),
    adjustment=st.sampled_from(ADJUSTMENTS),
    gaps=st.integers(0, 40),
    abnormal=st.sets(st.integers(1, 20), max_size=3),
    seed=st.integers(0, 2**32 - 1),
)
def test_recent_days_agree_with_the_slow_check(
    size: int,
    choose: str,
    value: str,
    nearest: int,
    low: str | None,
    adjustment: AdditiveAdjustment | RatioAdjustment | None,
    gaps: int,
    abnormal: set[int],
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    pool = DayPool(
        size=size,
        at_least=max(1, size - 1),
        days="working",
        counted_from="event_day",
        nearest_day=nearest,
        farthest_day=14,
        low_usage=low,
    )
    take = size if choose == "all" else max(1, size - 2)
    method = RecentDays(pool=pool, choose=choose, take=take, value=value, adjustment=adjustment)  # type: ignore[arg-type]
    first = date(2026, 6, 9)
    level = random.integers(1, 12, size=22) ** 2 * 10
    wh = (level[:, None] + random.integers(0, 40, size=(22, 96))).reshape(-1).astype(np.int64)
    missing = np.zeros(wh.shape, dtype=np.bool_)
    missing[random.integers(0, wh.size, size=gaps)] = True
    start = datetime.combine(first, time())
    readings = Profile(
        start=utc_of_local(start, ZoneInfo(CHINA)), interval_s=900, zone=CHINA, wh=wh, missing=missing
    )
    known = {
        start + timedelta(minutes=15) * n: int(one)
        for n, (one, gone) in enumerate(zip(wh, missing, strict=True))
        if not gone
    }
    days = {EVENT_DAY - timedelta(days=back) for back in abnormal}
    excluded = tuple(Exclusion(window(day, "08:00", "09:00"), "event") for day in days)
    wanted = slow_recent(method, known, (datetime(2026, 6, 30, 14), datetime(2026, 6, 30, 16)), days)
    if wanted is None:
        with pytest.raises(Refused):
            find(method, readings, EVENT, excluded=excluded)
        return
    found = find(method, readings, EVENT, excluded=excluded)
    assert (list(found.wh), list(found.used)) == wanted


@settings(max_examples=25)
@given(name=st.sampled_from(sorted(set(METHODS) - {"taipower", "real_time"})), seed=st.integers(0, 10**6))
def test_one_hour_equals_four_quarters(name: str, seed: int) -> None:
    """The baseline of a whole hour does not depend on the length of the intervals."""
    wh = np.random.default_rng(seed).integers(500, 1500, size=47 * 96).astype(np.int64)
    start = utc_of_local(datetime(2026, 5, 15), ZoneInfo(CHINA))
    none = np.zeros(wh.shape, dtype=np.bool_)
    quarters = Profile(start=start, interval_s=900, zone=CHINA, wh=wh, missing=none)
    hours = Profile(
        start=start, interval_s=3600, zone=CHINA, wh=wh.reshape(-1, 4).sum(axis=1), missing=none[::4].copy()
    )
    fine, coarse = (find(METHODS[name], one, EVENT) for one in (quarters, hours))
    if name == "pjm_3_day_match" and fine.used != coarse.used:
        return  # likeness is measured by the interval
    assert (sum(fine.wh[:4]), sum(fine.wh[4:])) == coarse.wh


def building() -> Profile:
    """The metered building: mean kW of quarter hours, to whole Wh, `nan` where there is no reading."""
    with (BUILDING / "test_kw.csv").open(encoding="utf-8") as file:
        rows = [(datetime.fromisoformat(at), text) for at, text in csv.reader(file)]
    missing = np.array([text == "nan" for _, text in rows])
    wh = [0 if text == "nan" else int(Fraction(text) * 250 + Fraction(1, 2)) for _, text in rows]
    zone = "America/Los_Angeles"
    return Profile(
        start=utc_of_local(rows[0][0], ZoneInfo(zone)),
        interval_s=900,
        zone=zone,
        wh=np.array(wh, dtype=np.int64),
        missing=missing,
    )


def building_events() -> list[Interval]:
    zone = ZoneInfo("America/Los_Angeles")
    with (BUILDING / "test_dr_days.csv").open(encoding="utf-8") as file:
        return [
            Interval(*(utc_of_local(datetime.fromisoformat(text.strip()), zone) for text in row))
            for row in csv.reader(file)
        ]


TEN_IN_TEN = RecentDays(
    pool=DayPool(
        size=10,
        at_least=10,
        days="working",
        counted_from="event_day",
        nearest_day=1,
        farthest_day=45,
        low_usage="25%",
    ),
    choose="all",
    take=10,
    value="intervals",
)


@needs_building
def test_a_real_building_with_hundreds_of_missing_values() -> None:
    """Labor Day, 2 September, is no weekend, and the calendar without holidays does not know it.

    Its 3.64 kW against a mean of 14.46 kW is just above a quarter: the quiet-day rule does not replace a
    calendar, so the holiday is named.
    """
    readings = building()
    assert int(readings.missing.sum()) == 743
    first, _ = building_events()
    unaware = find(TEN_IN_TEN, readings, first, calendar_name="none")
    assert unaware.used[0] == date(2013, 9, 2)
    labor_day = Exclusion(window(date(2013, 9, 2), "00:00", "00:00", readings.zone), "holiday Labor Day")
    found = find(TEN_IN_TEN, readings, first, calendar_name="none", excluded=(labor_day,))
    assert [f"{day:%m-%d}" for day in found.used] == [
        "08-30", "09-03", "09-04", "09-05", "09-10", "09-11", "09-17", "09-18", "09-19", "09-20",
    ]  # fmt: skip
    assert found.wh[0] == Fraction(40884, 10)
    reasons = {f"{one.day:%m-%d}": one.reason for one in found.left_out}
    assert reasons["09-02"] == "holiday Labor Day"
    assert reasons["09-09"] == "2 of 8 readings missing"
    assert reasons["09-16"] == reasons["09-13"] == reasons["09-12"] == "8 of 8 readings missing"


@needs_building
def test_a_real_event_after_the_end_of_the_data() -> None:
    _, second = building_events()
    for method in (TEN_IN_TEN, *METHODS.values()):
        refused(
            "event_outside_data",
            lambda method=method: find(method, building(), second, calendar_name="none"),
        )


POOL = {
    "size": 5,
    "at_least": 5,
    "days": "working",
    "counted_from": "event_day",
    "nearest_day": 1,
    "farthest_day": 45,
}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"size": 4}, "whole_number"),
        ({"at_least": 0}, "whole_number"),
        ({"nearest_day": 0}, "whole_number"),
        ({"farthest_day": 4}, "whole_number"),
        ({"days": "all"}, "not_allowed"),
        ({"counted_from": "today"}, "not_allowed"),
        ({"low_usage": "250%"}, "portion"),
        ({"size": True}, "whole_number"),
    ],
)
def test_a_pool_that_cannot_be_is_refused(change: dict[str, object], code: str) -> None:
    refused(code, lambda: DayPool(**(POOL | change)))  # type: ignore[arg-type]


def test_methods_that_cannot_be_are_refused() -> None:
    pool = DayPool(**POOL)  # type: ignore[arg-type]
    refused("take", lambda: RecentDays(pool=pool, choose="all", take=4, value="intervals"))
    refused("take", lambda: RecentDays(pool=pool, choose="highest", take=6, value="intervals"))
    refused("take", lambda: MatchDays(pool=pool, take=6, hours_skipped=1))
    refused("schedule", lambda: TypicalSchedule(interval_s=900, power_w=(0,) * 95))
    refused("whole_number", lambda: PointBefore(points=0))
    refused("whole_number", lambda: SameDayHours(hours_before=0, hours_after=0, hours_skipped=1))


def test_readings_that_cannot_be_are_refused() -> None:
    wh, missing = np.zeros(4, dtype=np.int64), np.zeros(4, dtype=np.bool_)
    start = datetime(2026, 6, 1, tzinfo=UTC)
    good = Profile(start=start, interval_s=900, zone=CHINA, wh=wh, missing=missing)
    for change, code in (
        ({"wh": wh.astype(np.float64)}, "profile"),
        ({"wh": wh[:3]}, "profile"),
        ({"wh": wh + 2**40}, "reading_range"),
        ({"zone": "Asia/Nowhere"}, "zone"),
        ({"start": start.replace(tzinfo=None)}, "naive_time"),
        ({"interval_s": 0}, "whole_number"),
    ):
        refused(code, lambda change=change: Profile(**(msgspec.structs.asdict(good) | change)))
    off = Interval(start + timedelta(minutes=5), start + timedelta(minutes=20))
    refused("interval", lambda: good.rows(off))


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_method_survives_being_encoded(name: str) -> None:
    encoded = msgspec.json.encode(METHODS[name])
    assert msgspec.json.decode(encoded, type=BaselineMethod) == METHODS[name]
