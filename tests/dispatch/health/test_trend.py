"""Alarms before failure, on series of which is known what becomes of them."""

from __future__ import annotations

import random

import pytest

from dispatch.health.trend import TrendRule, trend
from ledger.refusal import Refused

SPREAD = TrendRule(threshold=30_000)
"""Cell spread at rest in microvolts: 30 mV is too much."""
DAYS = 140
COUNT = 40


def healthy(seed: int) -> dict[int, int]:
    """Around 10 mV: noise of 1.5 mV, a week's rhythm, a warm season, days missing, days misread."""
    chance = random.Random(seed)
    found = {}
    for day in range(DAYS):
        season = 2_000 * day // DAYS if seed % 2 else 0
        value = 10_000 + season + 500 * (day % 7 == 0) + round(chance.gauss(0, 1_500))
        if chance.random() < 0.03:
            value += chance.choice((-8_000, 25_000))
        if chance.random() > 0.1:
            found[day] = value
    return found


def failing(seed: int) -> tuple[dict[int, int], int]:
    """The same, and from a day on a rise that crosses in 20 to 80 days; and the day of that."""
    chance = random.Random(10_000 + seed)
    begins, lasts = chance.randint(20, 50), chance.randint(20, 80)
    values = {day: value + max(day - begins, 0) * 20_000 // lasts for day, value in healthy(seed).items()}
    return values, begins + lasts


def first_alarm(values: dict[int, int], until: int) -> int | None:
    for day in range(0, until, 3):
        found = trend(values, day, SPREAD)
        if found is not None and found.crosses_in is not None:
            return day
    return None


def test_healthy_series_raise_no_alarm_and_failing_ones_are_told_a_week_before() -> None:
    """Of 40 healthy series 0 false alarms; of 40 failing ones 0 misses: none told later than 7 days
    before."""
    false_alarms = sum(first_alarm(healthy(seed), DAYS) is not None for seed in range(COUNT))
    misses, leads = 0, []
    for seed in range(COUNT):
        values, crosses = failing(seed)
        told = first_alarm(values, crosses)
        if told is None or crosses - told < 7:
            misses += 1
        else:
            leads.append(crosses - told)
    assert (false_alarms, misses) == (0, 0)
    assert sorted(leads)[len(leads) // 2] >= 14, "days of warning, in the middle"


def test_noise_just_below_the_threshold_is_no_trend() -> None:
    """Every 30 days of 40 series within 3 mV of the threshold, where any slope by chance leads across it: 160
    windows, of which the rule takes at most one in a hundred for a rise."""
    told = 0
    for seed in range(COUNT):
        near = {day: value + 17_000 for day, value in healthy(2 * seed).items()}
        for day in range(29, DAYS, 30):
            found = trend(near, day, SPREAD)
            told += found is not None and found.crosses_in is not None
    assert told <= 1


def test_a_line_crosses_when_it_does_whatever_two_days_say() -> None:
    values = {day: 10_000 + 500 * day for day in range(30)}
    found = trend(values, 29, SPREAD)
    assert found is not None
    assert (found.slope, found.level, found.crosses_in) == (500, 24_500, 11)
    misread = trend(values | {5: 900_000, 20: -900_000}, 29, SPREAD)
    assert misread is not None
    assert misread.crosses_in in (10, 11, 12)


def test_what_goes_down_is_the_mirror() -> None:
    rule = TrendRule(threshold=800, way="down")
    falling = trend({day: 900 - 2 * day for day in range(30)}, 29, rule)
    assert falling is not None
    assert (falling.slope, falling.crosses_in) == (-2, 21)
    rising = trend({day: 900 + 2 * day for day in range(30)}, 29, rule)
    assert rising is not None
    assert (rising.certain, rising.crosses_in) == (False, None)


def test_too_few_days_say_nothing_and_what_is_crossed_is_told() -> None:
    assert trend(dict.fromkeys(range(13), 10000), 12, SPREAD) is None
    over = trend({day: 29_000 + 200 * day for day in range(30)}, 29, SPREAD)
    assert over is not None
    assert over.crosses_in == 0
    flat = trend(dict.fromkeys(range(30), 31000), 29, SPREAD)
    assert flat is not None
    assert flat.crosses_in is None, "no trend: the alarm of the value itself tells it"


def test_a_window_that_cannot_be_is_refused() -> None:
    for given in ({"days_min": 40}, {"days_min": 5}, {"horizon_days": 0}):
        with pytest.raises(Refused, match="days"):
            TrendRule(threshold=1, **given)
