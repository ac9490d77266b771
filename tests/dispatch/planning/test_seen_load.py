"""What was seen becomes days to draw from and a past to go on from; what is not known is not used."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from dispatch.planning.seen_load import SeenLoad
from ledger.calendars import calendar
from ledger.refusal import Refused

PER_DAY = 24
CHINA = calendar("CN")
FIRST = date(2026, 8, 3)
"""A Monday; no holiday in the four weeks after it."""


def seen(days: int = 15, until: int = 10, **changes: Any) -> SeenLoad:
    """Two weeks and a day that began on FIRST; each value names its day and hour."""
    load = 1000 * np.arange(days, dtype=np.int64)[:, None] + np.arange(PER_DAY, dtype=np.int64)
    known = np.ones((days, PER_DAY), dtype=np.bool_)
    known[-1, until:] = False
    fields: dict[str, Any] = {"first": FIRST, "load_w": load, "known": known, "until": until}
    return SeenLoad(**(fields | changes))


def test_the_past_ends_where_the_plan_begins_when_all_is_read() -> None:
    history, gap = seen().history(CHINA)
    assert (gap, len(history.load_w), history.today) == (0, 14 * 24 + 10, 14)
    assert history.kind.tolist() == [0, 0, 0, 0, 0, 1, 2] * 2 + [0], "weeks from a Monday, today a Monday"
    assert seen().whole_days().shape == (14, 24)


def test_tomorrow_is_reached_from_the_last_hour_that_was_read() -> None:
    """The plan begins on Tuesday's midnight, read up to Monday noon: days before working days are alike."""
    known = np.ones((16, PER_DAY), dtype=np.bool_)
    known[-2, 12:], known[-1] = False, False
    load = np.zeros((16, PER_DAY), dtype=np.int64)
    history, gap = seen(16, 0, known=known, load_w=load).history(CHINA)
    assert (gap, history.today) == (12, 14)
    assert history.kind.tolist() == [0, 0, 0, 0, 1, 2, 0] * 2 + [0]


def test_a_day_with_a_gap_and_the_one_before_it_are_not_gone_by() -> None:
    known = seen().known.copy()
    known[3, 5] = False
    history, _ = seen(known=known).history(CHINA)
    assert np.flatnonzero(history.kind < 0).tolist() == [2, 3]
    assert len(seen(known=known).whole_days()) == 13


def test_single_intervals_that_lack_end_the_past_an_hour_earlier() -> None:
    known = seen().known.copy()
    known[14, 8] = False
    history, gap = seen(known=known).history(CHINA)
    assert (gap, len(history.load_w)) == (2, 14 * 24 + 8)


def test_what_was_read_too_long_ago_says_nothing_of_today() -> None:
    known = seen().known.copy()
    known[10:] = False
    with pytest.raises(Refused) as refused:
        seen(known=known).history(CHINA)
    assert refused.value.code == "load_history"
    with pytest.raises(Refused):
        seen(known=np.zeros_like(known)).history(CHINA)


def test_a_holiday_is_like_a_sunday_and_a_worked_saturday_like_a_working_day() -> None:
    """1 October 2026 begins the National Day; Saturday 10 October is worked for it."""
    history, _ = seen(first=date(2026, 9, 30), days=13).history(CHINA)
    assert history.kind[1] == 2
    assert history.kind[10] == 0


@pytest.mark.parametrize("changes", [{"until": 24}, {"known": np.ones((2, 3), dtype=np.bool_)}])
def test_what_is_no_table_of_days_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        seen(**({"until": 10} | changes))
    assert refused.value.code == "series_shape"
