"""A day is working, rest or a named holiday; a year without an official notice is refused."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from ledger.calendars import REST, WORKING, DayKind, calendar, holiday_name
from ledger.refusal import Refused

ADJUSTED_WORKING_DAYS = {
    2024: ["02-04", "02-18", "04-07", "04-28", "05-11", "09-14", "09-29", "10-12"],
    2025: ["01-26", "02-08", "04-27", "09-28", "10-11"],
    2026: ["01-04", "02-14", "02-28", "05-09", "09-20", "10-10"],
}

BLOCKS = {
    2024: ["01-01", "02-10..02-17", "04-04..04-06", "05-01..05-05", "06-10", "09-15..09-17", "10-01..10-07"],
    2025: ["01-01", "01-28..02-04", "04-04..04-06", "05-01..05-05", "05-31..06-02", "10-01..10-08"],
    2026: [
        *["01-01..01-03", "02-15..02-23", "04-04..04-06", "05-01..05-05"],
        *["06-19..06-21", "09-25..09-27", "10-01..10-07"],
    ],
}
"""The days off that the State Council announced, weekends inside a block included."""


@pytest.mark.parametrize("year", ADJUSTED_WORKING_DAYS)
def test_the_weekend_days_worked_are_those_of_the_notice(year: int) -> None:
    cn = calendar("CN")
    worked = [
        f"{day:%m-%d}" for day in _days(year) if day.weekday() >= 5 and cn.day_kind(day).type == "working"
    ]
    assert worked == ADJUSTED_WORKING_DAYS[year]


@pytest.mark.parametrize("year", BLOCKS)
def test_the_holidays_are_those_of_the_notice_and_no_others(year: int) -> None:
    cn = calendar("CN")
    found = {f"{day:%m-%d}" for day in _days(year) if cn.day_kind(day).type == "holiday"}
    noticed: set[str] = set()
    for block in BLOCKS[year]:
        first, _, last = block.partition("..")
        noticed |= {f"{day:%m-%d}" for day in _days(year) if first <= f"{day:%m-%d}" <= (last or first)}
    assert found == noticed


@pytest.mark.parametrize(
    ("day", "name"),
    [
        ("2026-01-02", "元旦"),
        ("2024-02-15", "春节"),
        ("2026-02-23", "春节"),
        ("2026-04-06", "清明"),
        ("2026-05-05", "劳动节"),
        ("2026-06-21", "端午"),
        ("2026-09-25", "中秋"),
        ("2026-10-07", "国庆节"),
    ],
)
def test_every_day_of_a_block_has_the_holidays_name(day: str, name: str) -> None:
    assert calendar("CN").day_kind(date.fromisoformat(day)) == DayKind("holiday", (name,))


def test_a_block_of_two_holidays_has_both_names_on_every_day() -> None:
    cn = calendar("CN")
    kinds = {cn.day_kind(date(2025, 10, day)) for day in range(1, 9)}
    assert kinds == {DayKind("holiday", ("国庆节", "中秋"))}
    assert cn.day_kind(date(2025, 10, 9)) == WORKING


def test_a_plain_weekend_is_rest_and_no_holiday() -> None:
    assert calendar("CN").day_kind(date(2026, 8, 1)) == REST
    assert calendar("none", "America/Los_Angeles").day_kind(date(2017, 1, 1)) == REST
    assert calendar("none", "America/Los_Angeles").day_kind(date(2017, 7, 4)) == WORKING


@pytest.mark.parametrize("year", [2003, 2099])
def test_a_year_without_a_notice_is_refused_and_not_estimated(year: int) -> None:
    with pytest.raises(Refused) as caught:
        calendar("CN").day_kind(date(year, 3, 3))
    assert caught.value.code == "calendar_year"
    assert calendar("none", "UTC").day_kind(date(2099, 3, 3)) == WORKING


@pytest.mark.parametrize(
    ("name", "zone", "code"),
    [("XX", "UTC", "calendar"), ("none", None, "zone"), ("CN", "UTC", "zone"), ("none", "Mars/Base", "zone")],
)
def test_unknown_calendars_and_zones_are_refused(name: str, zone: str | None, code: str) -> None:
    with pytest.raises(Refused) as caught:
        calendar(name, zone)
    assert caught.value.code == code


def test_long_and_short_names_of_a_holiday_are_one() -> None:
    assert holiday_name("清明节") == holiday_name("清明") == "清明"
    with pytest.raises(Refused, match="春节"):
        holiday_name("圣诞节")


def _days(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [first + timedelta(days=number) for number in range((date(year + 1, 1, 1) - first).days)]
