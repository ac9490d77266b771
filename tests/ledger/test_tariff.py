"""Periods cover every minute once, prices satisfy their rule, months follow the market's clocks."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.calendars import REST, WORKING, Calendar, DayKind, calendar
from ledger.interval import Month
from ledger.period_schedule import ALL_MONTHS, PERIODS, Hours, PeriodRule, PeriodSchedule, TouPeriod
from ledger.price_table import Component, Components, FloatRule, FloatStep, PeriodPrices, PriceTable
from ledger.quantity import Price
from ledger.refusal import Refused
from ledger.tariff import Schedule, Tariff, prices_of_month

CN = calendar("CN")
SPRING = DayKind("holiday", ("春节",))


def rule(period: TouPeriod, *hours: tuple[int, int], days: tuple[str, ...] = ("all",)) -> PeriodRule:
    stretches = tuple(Hours(60 * start, 60 * end) for start, end in hours)
    return PeriodRule(period, ALL_MONTHS, days, stretches)


def kwh(text: str, currency: str = "CNY") -> Price:
    return Price.parse(text, currency, "kWh")


NIGHT_AND_DAY = PeriodSchedule((rule("valley", (0, 8)), rule("peak", (8, 24))))


def tariff(
    periods: PeriodSchedule = NIGHT_AND_DAY,
    *,
    days: Calendar = CN,
    start: str = "2026-01",
    until: str = "2026-03",
    deep: str | None = None,
) -> Tariff:
    prices = PeriodPrices(
        sharp=kwh("1.25"),
        peak=kwh("1"),
        flat=kwh("0.5"),
        valley=kwh("0.25"),
        deep=None if deep is None else kwh(deep),
    )
    return Tariff(
        id="t",
        province="上海",
        category="c",
        voltage="v",
        parts="single_part",
        currency="CNY",
        calendar=days,
        schedules=(Schedule(Month(2017, 1), None, "a notice", periods),),
        tables=(PriceTable(Month.parse(start), Month.parse(until), prices, "a price notice"),),
    )


def names(schedule: PeriodSchedule, kind: DayKind) -> list[str]:
    return [PERIODS[index] for index in schedule.timeline(2, kind)[::60].tolist()]


def test_the_periods_are_the_five_that_a_rule_may_name() -> None:
    assert set(PERIODS) == set(get_args(TouPeriod))


def test_the_more_specific_day_wins_minute_by_minute() -> None:
    schedule = PeriodSchedule(
        (
            rule("deep", (10, 14), days=("holiday:春节",)),
            rule("valley", (0, 24), days=("rest", "holiday")),
            rule("peak", (8, 20)),
            rule("flat", (0, 8), (20, 24)),
        )
    )
    assert names(schedule, WORKING) == ["flat"] * 8 + ["peak"] * 12 + ["flat"] * 4
    assert names(schedule, REST) == ["valley"] * 24
    assert names(schedule, DayKind("holiday", ("元旦",))) == ["valley"] * 24
    assert names(schedule, SPRING) == ["valley"] * 10 + ["deep"] * 4 + ["valley"] * 10


@pytest.mark.parametrize(
    ("rules", "code", "words"),
    [
        ((rule("valley", (0, 8)), rule("peak", (9, 24))), "period_gap", "08:00"),
        ((rule("valley", (0, 9)), rule("peak", (8, 24))), "period_overlap", "08:00"),
        ((rule("peak", (0, 24), days=("working",)),), "period_gap", "rest"),
        ((rule("peak", (0, 24), days=("working", "rest")),), "period_gap", "holiday"),
        (
            (
                rule("peak", (0, 24)),
                rule("deep", (0, 6), days=("holiday:国庆节",)),
                rule("valley", (5, 7), days=("holiday:中秋",)),
            ),
            "period_overlap",
            "05:00",
        ),
    ],
)
def test_a_minute_in_no_or_two_periods_is_refused_where_it_is(
    rules: tuple[PeriodRule, ...], code: str, words: str
) -> None:
    with pytest.raises(Refused, match=words) as caught:
        tariff(PeriodSchedule(rules), deep="0.1")
    assert caught.value.code == code
    assert caught.value.place.startswith("schedule[0].period")


def test_a_calendar_without_holidays_needs_no_rule_for_them() -> None:
    weekdays = PeriodSchedule(
        (rule("peak", (0, 24), days=("working",)), rule("valley", (0, 24), days=("rest",)))
    )
    made = tariff(weekdays, days=calendar("none", "Asia/Shanghai"))
    # 2026-01-01 is a Thursday: a holiday in China, a weekday in a calendar of weekdays.
    assert PERIODS[prices_of_month(made, Month(2026, 1), 900).period[0]] == "peak"


def test_the_rest_of_the_day_may_be_named_once() -> None:
    named = PeriodSchedule((rule("peak", (8, 12)),), otherwise="flat")
    assert names(named, WORKING) == ["flat"] * 8 + ["peak"] * 4 + ["flat"] * 12


def test_adjusted_working_days_and_holidays_move_the_periods() -> None:
    weekdays = PeriodSchedule(
        (rule("peak", (0, 24), days=("working",)), rule("valley", (0, 24), days=("rest", "holiday")))
    )
    prices = prices_of_month(tariff(weekdays), Month(2026, 2), 3600)
    by_day = [PERIODS[index] for index in prices.period[::24].tolist()]
    off = {1, 7, 8, *range(15, 24)}  # the Saturdays 14 and 28 are worked; 15 to 23 is the Spring Festival
    assert by_day == ["valley" if day in off else "peak" for day in range(1, 29)]
    assert set(prices.mantissa[::24].tolist()) == {1_000_000, 250_000}


def test_a_month_is_answered_once_and_read_only() -> None:
    prices = prices_of_month(tariff(), Month(2026, 1), 900)
    assert prices_of_month(tariff(), Month(2026, 1), 900) is prices
    assert len(prices.period) == 31 * 96
    assert prices.interval.start.isoformat() == "2025-12-31T16:00:00+00:00"
    with pytest.raises(ValueError, match="read-only"):
        prices.mantissa[0] = 1


def test_prices_of_one_table_are_brought_to_one_scale() -> None:
    made = tariff(PeriodSchedule((rule("deep", (0, 8)), rule("peak", (8, 24)))), deep="0.123456789")
    prices = prices_of_month(made, Month(2026, 1), 3600)
    assert prices.scale == 9
    assert prices.mantissa[:9].tolist() == [123_456_789] * 8 + [1_000_000_000]


@pytest.mark.parametrize(("month", "hours"), [("2017-03", 743), ("2017-11", 721), ("2017-04", 720)])
def test_periods_follow_the_wall_clock_when_it_changes(month: str, hours: int) -> None:
    zone = "America/Los_Angeles"
    made = tariff(days=calendar("none", zone), start="2017-01", until="2018-01")
    prices = prices_of_month(made, Month.parse(month), 3600)
    assert len(prices.period) == hours
    for number, index in enumerate(prices.period.tolist()):
        wall = (prices.interval.start + timedelta(hours=number)).astimezone(ZoneInfo(zone))
        assert PERIODS[index] == ("valley" if wall.hour < 8 else "peak"), wall


def test_an_interval_in_two_periods_is_refused() -> None:
    half_hours = PeriodSchedule(
        (
            PeriodRule("valley", ALL_MONTHS, ("all",), (Hours(0, 450),)),
            PeriodRule("peak", ALL_MONTHS, ("all",), (Hours(450, 1440),)),
        )
    )
    made = tariff(half_hours)
    assert len(prices_of_month(made, Month(2026, 1), 1800).period) == 31 * 48
    with pytest.raises(Refused, match="2026-01-01 07:00") as caught:
        prices_of_month(made, Month(2026, 1), 3600)
    assert caught.value.code == "interval_straddles"


@pytest.mark.parametrize("interval_s", [0, -900, 90, 7200, 86400])
def test_other_interval_lengths_are_refused(interval_s: int) -> None:
    with pytest.raises(Refused) as caught:
        prices_of_month(tariff(), Month(2026, 1), interval_s)
    assert caught.value.code == "interval"


@pytest.mark.parametrize("month", ["2025-12", "2026-03", "2016-12"])
def test_a_month_without_a_table_is_refused(month: str) -> None:
    with pytest.raises(Refused) as caught:
        prices_of_month(tariff(), Month.parse(month), 900)
    assert caught.value.code == "tariff_month"


def test_a_holiday_whose_period_has_no_price_is_refused_in_its_month_only() -> None:
    festive = PeriodSchedule((*NIGHT_AND_DAY.rules, rule("deep", (10, 14), days=("holiday:春节",))))
    prices_of_month(tariff(festive), Month(2026, 1), 900)
    with pytest.raises(Refused) as caught:
        prices_of_month(tariff(festive), Month(2026, 2), 900)
    assert (caught.value.code, caught.value.place) == ("price_missing", "prices.deep")
    february = prices_of_month(tariff(festive, deep="0.1"), Month(2026, 2), 3600)
    assert february.mantissa[16 * 24 + 9 : 16 * 24 + 15].tolist() == [10**6, *[10**5] * 4, 10**6]


def test_a_year_without_a_holiday_notice_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        prices_of_month(tariff(start="2098-01", until="2099-01"), Month(2098, 5), 900)
    assert caught.value.code == "calendar_year"


def test_a_working_day_whose_period_has_no_price_is_refused_at_once() -> None:
    with pytest.raises(Refused) as caught:
        tariff(PeriodSchedule((rule("deep", (0, 24)),)))
    assert (caught.value.code, caught.value.place) == ("price_missing", "prices[0].deep")


COMPONENTS = Components(kwh("0.4"), kwh("0.01"), kwh("0.03"), kwh("0.15"), kwh("0.02"))


@pytest.mark.parametrize(
    ("formula", "base", "factor", "expected"),
    [
        ("flat_plus", ("purchase", "transmission"), "0.80", "1.05"),
        ("flat_plus", ("purchase", "transmission"), "-0.60", "0.28"),
        ("scaled", ("purchase", "line_loss", "system_operation"), "1.85", "0.984"),
        (
            "scaled",
            ("purchase", "line_loss", "system_operation", "transmission", "government_fund"),
            "2",
            "1.22",
        ),
    ],
)
def test_the_float_rules_give_their_notices_prices(
    formula: str, base: tuple[Component, ...], factor: str, expected: str
) -> None:
    floating = FloatRule(formula, base, (FloatStep((7, 8), peak=factor),))  # type: ignore[arg-type]
    assert floating.expected(COMPONENTS, "peak", 7) == kwh(expected).exact
    assert floating.expected(COMPONENTS, "flat", 1) == COMPONENTS.flat == kwh("0.61").exact
    for period, month in (("peak", 9), ("valley", 7)):
        with pytest.raises(Refused) as caught:
            floating.expected(COMPONENTS, period, month)  # type: ignore[arg-type]
        assert caught.value.code == "float_rule"


@pytest.mark.parametrize(("flat", "good"), [("0.610002", True), ("0.609998", True), ("0.610003", False)])
def test_flat_is_the_sum_of_the_components_within_two_millionths(flat: str, good: bool) -> None:
    def make() -> PriceTable:
        return PriceTable(Month(2026, 1), Month(2026, 2), PeriodPrices(flat=kwh(flat)), "n", COMPONENTS)

    if good:
        make()
    else:
        with pytest.raises(Refused) as caught:
            make()
        assert (caught.value.code, caught.value.place) == ("flat_sum", "flat")


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 1439), max_size=6, unique=True).map(sorted),
    st.lists(st.sampled_from(PERIODS), min_size=7, max_size=7),
)
def test_any_division_of_the_day_is_found_again(cuts: list[int], periods: list[TouPeriod]) -> None:
    edges = [0, *cuts, 1440]
    stretches = list(zip(edges, edges[1:], periods, strict=False))
    rules = tuple(PeriodRule(p, ALL_MONTHS, ("all",), (Hours(a, b),)) for a, b, p in stretches)
    found = PeriodSchedule(tuple(reversed(rules))).timeline(5, WORKING)
    for minute in {0, 1439, *cuts, *(cut - 1 for cut in cuts)}:
        (expected,) = (p for a, b, p in stretches if a <= minute < b)
        assert PERIODS[found[minute]] == expected


@settings(max_examples=20)
@given(month=st.integers(1, 12), interval_s=st.sampled_from([300, 900, 1800, 3600]))
def test_every_interval_has_the_price_of_its_wall_clock(month: int, interval_s: int) -> None:
    zone = ZoneInfo("Europe/Berlin")
    made = tariff(days=calendar("none", "Europe/Berlin"), start="2026-01", until="2027-01")
    prices = prices_of_month(made, Month(2026, month), interval_s)
    assert len(prices.mantissa) * interval_s == prices.interval.seconds
    starts = [prices.interval.start + timedelta(seconds=interval_s * n) for n in range(len(prices.mantissa))]
    expected = [250_000 if start.astimezone(zone).hour < 8 else 1_000_000 for start in starts]
    assert np.array_equal(prices.mantissa, np.array(expected))


def test_two_schedules_or_tables_in_one_month_are_refused() -> None:
    one = tariff()
    schedules = (
        Schedule(Month(2024, 1), Month(2026, 1), "first", NIGHT_AND_DAY),
        Schedule(Month(2026, 1), None, "second", PeriodSchedule((), otherwise="flat")),
    )

    def made(schedules: tuple[Schedule, ...], tables: tuple[PriceTable, ...]) -> Tariff:
        return Tariff("t", "p", "c", "v", "single_part", "CNY", CN, schedules, tables)

    changed = made(schedules, one.tables)
    assert changed.schedule_for(Month(2025, 12)).document == "first"
    assert changed.schedule_for(Month(2026, 1)).document == "second"
    assert set(prices_of_month(changed, Month(2026, 1), 900).mantissa.tolist()) == {500_000}
    for bad_schedules, bad_tables, place in [
        ((*schedules, schedules[0]), one.tables, "schedule[2]"),
        (schedules, (*one.tables, *one.tables), "prices[1]"),
        (schedules[:1], one.tables, "prices[0]"),
    ]:
        with pytest.raises(Refused) as caught:
            made(bad_schedules, bad_tables)
        assert (caught.value.code, caught.value.place) == ("effective", place)
