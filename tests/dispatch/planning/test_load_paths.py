"""Paths of the load: past days alike, shifted by what today's load tells, nothing of what is to come."""

from __future__ import annotations

import numpy as np
import pytest

from dispatch.planning.load_paths import LoadHistory, likely_paths
from ledger.refusal import Refused

PER_DAY = 8


def history(load: np.typing.NDArray[np.int64], kind: list[int] | None = None) -> LoadHistory:
    days = len(load) // PER_DAY + 1
    return LoadHistory(load_w=load, per_day=PER_DAY, kind=np.array(kind or [0] * days))


def test_a_load_that_repeats_goes_on_as_it_did() -> None:
    day = np.arange(PER_DAY) * 1000
    paths = likely_paths(history(np.concatenate([np.tile(day, 9), day[:5]])), 6)
    assert paths.shape == (9, 6)
    assert (paths == np.concatenate([day[5:], day[:3]])).all()


def test_a_day_above_its_kind_stays_above_where_days_did() -> None:
    level = np.array([100, 120, 80, 110, 90, 105, 95, 115])
    past = np.repeat(level, PER_DAY) * 1000
    paths = likely_paths(history(np.concatenate([past, np.full(5, 140_000)])), 3)
    # Levels stay all day in the past: the slope is 1, drawn to 8/10, so that all come near to today's.
    assert paths.mean() == pytest.approx(101_875 + 0.8 * (140_000 - 101_875), rel=0.02)
    noise = np.random.default_rng(5).integers(0, 200_000, (40, PER_DAY)).ravel()
    calm = likely_paths(history(np.concatenate([noise, np.full(5, 400_000)])), 3)
    assert calm.mean() < 250_000, "where levels did not stay, today's is not believed"


def test_days_of_another_kind_are_not_taken() -> None:
    work, rest = np.full(PER_DAY, 500_000), np.full(PER_DAY, 100_000)
    load = np.concatenate([work, rest] * 6)
    found = history(load, [0, 1] * 6 + [1])
    assert found.alike().tolist() == [1, 3, 5, 7, 9, 11]
    gone = history(load, [0, 1] * 5 + [0, -1] + [1])
    assert gone.alike().tolist() == [1, 3, 5, 7, 9]


def test_in_the_first_weeks_a_day_off_is_foreseen_from_days_off() -> None:
    """From a Saturday on: a Saturday from what Saturdays and Sundays were, a Monday from working days."""
    work, rest = np.full(PER_DAY, 500_000), np.full(PER_DAY, 100_000)
    weeks = [rest, rest, *[work] * 5] * 6
    kind = [1, 2, 0, 0, 0, 0, 0] * 6

    def seen(days: int) -> LoadHistory:
        return history(np.concatenate(weeks[:days]), kind[: days + 1])

    assert seen(1).alike().tolist() == [0], "a Sunday from the one Saturday"
    assert seen(2).alike().tolist() == [0, 1], "nothing is known of working days"
    assert seen(3).alike().tolist() == [2], "one working day alone rather than days off"
    assert seen(7).alike().tolist() == [0, 1], "a Saturday from both days off"
    assert seen(14).alike().tolist() == [0, 1, 7, 8]
    assert seen(36).alike().tolist() == [1, 8, 15, 22, 29], "of five Sundays the Saturdays are left out"
    assert likely_paths(seen(7), PER_DAY).max() == 100_000
    holiday = history(np.concatenate([work] * 3), [0, 0, -1, 2])
    assert holiday.alike().tolist() == [0, 1], "a first day off, from what there is"


def test_nothing_after_now_is_looked_at_and_nothing_is_below_zero() -> None:
    draw = np.random.default_rng(1)
    load = draw.integers(0, 50_000, 12 * PER_DAY + 3)
    paths = likely_paths(history(load), 2 * PER_DAY)
    assert paths.min() >= 0
    assert paths.shape == (12, 2 * PER_DAY)


def test_the_first_day_cannot_be_foreseen() -> None:
    for load, kind in ((np.arange(5), [0]), (np.arange(PER_DAY), [0])):
        with pytest.raises(Refused) as refused:
            LoadHistory(load_w=load, per_day=PER_DAY, kind=np.array(kind))
        assert refused.value.code == "load_history"
    unusable = history(np.arange(2 * PER_DAY), [-1, -1, 0])
    with pytest.raises(Refused):
        likely_paths(unusable, 3)
