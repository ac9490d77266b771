"""Schedules that follow each other are laid out at once, as one by one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest

from ledger.interval import Interval
from ledger.refusal import Refused
from ledger.streams.spot import SpotClearing, spot_prices
from ledger.streams.spot.prices import SpotPrices
from ledger.streams.spot.unit import end_to_end, energies_of, scheduled
from tests.ledger.streams.test_spot import day, hours, rule, schedule, series, unit

FIRST = day("2026-08-01")
HOUR = timedelta(hours=1)


def clearing(start_h: int, count_h: int, values: Sequence[int], name: str) -> SpotClearing:
    start = FIRST.start + start_h * HOUR
    twice = [2 * value for value in values]
    made = schedule(SpotClearing, Interval(start, start + count_h * HOUR), values, twice, id=name)
    assert isinstance(made, SpotClearing)
    return made


def prices(count_h: int) -> SpotPrices:
    interval = hours("2026-08-01", count_h)
    both = (series(interval.start, [0] * count_h, kind) for kind in ("day_ahead", "real_time"))
    return spot_prices(rule(), interval, *both)


def names(facts: Sequence[SpotClearing], interval_s: int = 3600) -> list[list[str]]:
    return [[fact.id for fact in run] for run in end_to_end(facts, interval_s)]


def test_alike_and_one_after_the_other_are_together() -> None:
    days = [clearing(0, 2, [1, 2], "a"), clearing(2, 2, [3, 4], "b"), clearing(4, 2, [5, 6], "c")]
    assert names(days) == [["a", "b", "c"]]
    assert energies_of(days).tolist() == [[1, 2, 3, 4, 5, 6], [2, 4, 6, 8, 10, 12]]
    assert names([days[0], days[2], days[1]]) == [["a"], ["c"], ["b"]]
    assert names([days[0], clearing(2, 2, [1, 2, 3, 4], "finer"), days[2]]) == [["a"], ["finer"], ["c"]]
    assert names([days[0], clearing(2, 1, [3, 4], "shorter")]) == [["a"], ["shorter"]]


def test_what_is_no_whole_interval_is_not_made_whole_by_the_next() -> None:
    """Two clearings of an hour each are not one of two hours."""
    halves = [clearing(0, 1, [1], "a"), clearing(1, 1, [2], "b")]
    assert names(halves, 7200) == [["a"], ["b"]]
    assert names(halves) == [["a", "b"]]


def test_together_they_say_what_they_say_apart() -> None:
    quarters = ([1, 2, 3, 4], [5, 6, 7, 8], [9, 1])
    facts = [clearing(2 * n, 2, values, f"c{n}") for n, values in enumerate(quarters)]
    found = scheduled(facts, unit([0] * 6, [0] * 6), prices(6), "clearing")
    assert found.injected.tolist() == [3, 7, 11, 15, 9, 1]
    assert np.array_equal(found.withdrawn, 2 * found.injected)


def test_a_refusal_names_the_one_among_them_that_it_is_about() -> None:
    facts = [clearing(4, 2, [1, 2], "early"), clearing(0, 2, [1, 2], "a"), clearing(2, 2, [1, 2], "b")]
    again = clearing(4, 2, [1, 2], "again")
    with pytest.raises(Refused) as refused:
        scheduled([*facts, again], unit([0] * 6, [0] * 6), prices(6), "clearing")
    assert (refused.value.code, refused.value.place) == ("clearing_overlap", "clearing again")
    with pytest.raises(Refused) as refused:
        scheduled(facts[1:], unit([0] * 3, [0] * 3), prices(3), "clearing")
    assert (refused.value.code, refused.value.place) == ("interval", "clearing b")
