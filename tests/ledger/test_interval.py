"""Instants, local months with 23- and 25-hour days, and times that clocks show twice or never."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from ledger.effective import History, Period
from ledger.interval import Interval, Month, interval_starts, midnight, utc_of_local, zone_of
from ledger.refusal import Refused

BERLIN = zone_of("Europe/Berlin")
SHANGHAI = zone_of("Asia/Shanghai")


def test_a_local_month_counts_its_real_hours() -> None:
    hours = {
        str(m): m.interval(BERLIN).seconds // 3600 for m in (Month(2026, 3), Month(2026, 10), Month(2026, 8))
    }
    assert hours == {"2026-03": 743, "2026-10": 745, "2026-08": 744}
    assert len(interval_starts(Month(2026, 3).interval(BERLIN), 900)) == 2972
    assert Month(2026, 8).interval(SHANGHAI).start == datetime(2026, 7, 31, 16, tzinfo=UTC)


def test_a_repeated_hour_needs_a_word_and_a_skipped_one_is_refused() -> None:
    twice = datetime(2026, 10, 25, 2, 30)
    with pytest.raises(Refused) as caught:
        utc_of_local(twice, BERLIN)
    assert caught.value.code == "ambiguous_time"
    assert utc_of_local(twice, BERLIN, second_pass=False) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert utc_of_local(twice, BERLIN, second_pass=True) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    with pytest.raises(Refused) as caught:
        utc_of_local(datetime(2026, 3, 29, 2, 30), BERLIN)
    assert caught.value.code == "skipped_time"
    assert utc_of_local(datetime(2026, 8, 1), SHANGHAI) == datetime(2026, 7, 31, 16, tzinfo=UTC)


def test_months_follow_each_other() -> None:
    assert Month(2026, 12).next() == Month(2027, 1)
    assert (Month(2024, 2).days, Month(2026, 2).days) == (29, 28)
    assert Month.of(date(2026, 8, 31)) == Month.parse("2026-08")
    for text in ("2026-8", "2026-13", "26-08", "2026-08-01", "２０２６-08", ""):
        with pytest.raises(Refused):
            Month.parse(text)


def test_intervals_are_half_open_and_never_empty() -> None:
    one = Interval(datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 8, 2, tzinfo=UTC))
    after = Interval(one.end, datetime(2026, 8, 3, tzinfo=UTC))
    assert one.contains(one.start)
    assert not one.contains(one.end)
    assert not one.overlaps(after)
    assert one.overlaps(Interval(one.start, after.end))
    with pytest.raises(Refused):
        Interval(one.start, one.start)
    with pytest.raises(Refused) as caught:
        Interval(datetime(2026, 8, 1), datetime(2026, 8, 2))
    assert caught.value.code == "naive_time"
    with pytest.raises(Refused):
        interval_starts(one, 7)


def test_zones_are_iana_names() -> None:
    with pytest.raises(Refused) as caught:
        zone_of("Mars/Olympus")
    assert caught.value.code == "zone"
    assert midnight(date(2026, 8, 1), SHANGHAI) == datetime(2026, 7, 31, 16, tzinfo=UTC)


def test_the_later_recorded_version_holds_where_two_overlap() -> None:
    first = Period(datetime(2026, 1, 1, tzinfo=UTC))
    second = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    history = History[str]().with_version(first, "old").with_version(second, "new")
    held = [
        version.document if (version := history.at(datetime(year, month, 1, tzinfo=UTC))) else None
        for year, month in ((2025, 12), (2026, 2), (2026, 3), (2026, 4))
    ]
    assert held == [None, "old", "new", "old"]
