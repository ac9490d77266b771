"""A time-of-use tariff of one province, category and voltage: dated schedules and dated price tables.

The schedule (periods, float rule) changes by notice; the prices change every month, because the
purchase price of the grid company's agency does (代购电价, DOMAIN.md 3.1).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.calendars import REST, WORKING, Calendar
from ledger.interval import Interval, Month, midnight, zone_of
from ledger.period_schedule import ALL_MONTHS, PERIODS, PeriodSchedule, TouPeriod, check_months
from ledger.price_table import RULE_TOLERANCE, FloatRule, PriceTable
from ledger.quantity import MINOR_DIGITS, Price, decimal_text, round_half_away
from ledger.refusal import Refused

Parts = Literal["single_part", "two_part"]
"""单一制 or 两部制: without or with a demand or capacity charge (基本电费)."""

_LAST: Final = Month(9998, 12)


class Schedule(msgspec.Struct, frozen=True, cache_hash=True):
    """The periods and the float rule of one notice, in force in `months` of [start, until).

    `until` None is open. `months` limits a schedule that is known for some months of the year only.
    """

    start: Month
    until: Month | None
    document: str
    periods: PeriodSchedule
    months: tuple[int, ...] = ALL_MONTHS
    float_rule: FloatRule | None = None

    def __post_init__(self) -> None:
        if self.until is not None and self.until <= self.start:
            raise Refused("effective", f"until {self.until} is not after {self.start}", place="until")
        if not self.document:
            raise Refused("document", "a schedule names the notice it comes from", place="document")
        check_months(self.months, "months")
        named = {month for rule in self.periods.rules for month in rule.months}
        if not named <= set(self.months):
            raise Refused(
                "months",
                f"a period rule names months {sorted(named - set(self.months))} that the schedule leaves out",
                place="months",
            )

    def covers(self, month: Month) -> bool:
        """Whether the schedule is in force in `month`."""
        before_end = self.until is None or month < self.until
        return self.start <= month and before_end and month.month in self.months


class Tariff(msgspec.Struct, frozen=True, cache_hash=True):
    """One province's tariff for one category and voltage, checked whole when it is made.

    Raises:
        Refused: `period_gap` or `period_overlap` of a schedule, `effective` when two schedules or two
            tables hold in one month or a table's month has no schedule, `price_missing` when a period of
            the month has no price, `float_rule` when a price does not satisfy the rule, `currency`,
            `calendar`, `zone`, `parts`. The place is the path of the field, such as `prices[0].peak`.
    """

    id: str
    province: str
    category: str
    voltage: str
    parts: Parts
    currency: str
    calendar: Calendar
    schedules: tuple[Schedule, ...]
    tables: tuple[PriceTable, ...]

    def __post_init__(self) -> None:
        if not self.id:
            raise Refused("id", "a tariff has an id", place="id")
        if self.parts not in {"single_part", "two_part"}:
            raise Refused("parts", f"{self.parts!r} is not single_part or two_part", place="parts")
        if self.currency not in MINOR_DIGITS:
            raise Refused(
                "currency", f"{self.currency!r} is not one of {', '.join(MINOR_DIGITS)}", place="currency"
            )
        for number, schedule in enumerate(self.schedules):
            self._check_schedule(schedule, number)
        for number, table in enumerate(self.tables):
            self._check_table(table, number)

    @property
    def zone(self) -> str:
        """The IANA zone on whose clocks the periods lie."""
        return self.calendar.zone

    def schedule_for(self, month: Month) -> Schedule:
        """The schedule in force in `month`.

        Raises:
            Refused: `tariff_month` when none is.
        """
        for schedule in self.schedules:
            if schedule.covers(month):
                return schedule
        raise Refused("tariff_month", f"{self.id} has no periods in force in {month}", place="schedule")

    def table_for(self, month: Month) -> PriceTable:
        """The price table of `month`; a month's prices are never carried over to another month.

        Raises:
            Refused: `tariff_month` when the tariff has none.
        """
        for table in self.tables:
            if table.start <= month < table.until:
                return table
        raise Refused("tariff_month", f"{self.id} has no price table for {month}", place="prices")

    def _check_schedule(self, schedule: Schedule, number: int) -> None:
        place = f"schedule[{number}]"
        for other in self.schedules[:number]:
            apart = (other.until or _LAST) <= schedule.start or (schedule.until or _LAST) <= other.start
            if not apart and set(schedule.months) & set(other.months):
                raise Refused("effective", "two schedules hold in one month", place=place)
        try:
            schedule.periods.check(schedule.months, self.calendar)
        except Refused as refused:
            raise Refused(refused.code, refused.reason, place=f"{place}.{refused.place}") from None

    def _check_table(self, table: PriceTable, number: int) -> None:
        place = f"prices[{number}]"
        for other in self.tables[:number]:
            if table.start < other.until and other.start < table.until:
                raise Refused("effective", "two price tables hold in one month", place=place)
        if table.currencies != {self.currency}:
            raise Refused("currency", f"the tariff's prices are in {self.currency}", place=place)
        charged = table.demand is not None or table.capacity is not None
        if charged != (self.parts == "two_part"):
            raise Refused(
                "parts",
                "a two-part tariff has a demand or a capacity price, and a single-part tariff has neither",
                place=place,
            )
        for month in table.months:
            schedule = next((s for s in self.schedules if s.covers(month)), None)
            if schedule is None:
                raise Refused("effective", f"no schedule is in force in {month}", place=place)
            self._check_periods_priced(schedule, table, month, place)
            if schedule.float_rule is not None:
                _check_float(schedule.float_rule, table, month, place)

    def _check_periods_priced(self, schedule: Schedule, table: PriceTable, month: Month, place: str) -> None:
        # Working and rest days only: which holidays a month has is known when its year's notice is.
        for kind in (WORKING, REST):
            for index in np.unique(schedule.periods.timeline(month.month, kind)).tolist():
                if table.prices.of(PERIODS[index]) is None:
                    raise Refused(
                        "price_missing",
                        f"{kind.type} days of {month} have the period {PERIODS[index]}, which has no price",
                        place=f"{place}.{PERIODS[index]}",
                    )


def _check_float(rule: FloatRule, table: PriceTable, month: Month, place: str) -> None:
    if table.components is None:
        raise Refused("float_rule", "a float rule needs the components of the price", place=place)
    for period, price in table.prices.printed.items():
        try:
            expected = rule.expected(table.components, period, month.month)
        except Refused as refused:
            raise Refused(refused.code, refused.reason, place=f"{place}.{period}") from None
        if abs(price.exact - expected) > RULE_TOLERANCE:
            by_rule = decimal_text(round_half_away(expected * 10**6), 6)
            raise Refused(
                "float_rule",
                f"{price} is not the {by_rule} of the float rule in {month}",
                place=f"{place}.{period}",
            )


class MonthPrices(msgspec.Struct, frozen=True, eq=False):
    """What every interval of one local month costs; the arrays are read-only and shared.

    `period` holds indices into PERIODS, `mantissa` the price per kWh x 10^scale in `currency`; the
    n-th entry is the n-th interval of `interval_s` seconds from `interval.start`.
    """

    tariff_id: str
    month: Month
    interval: Interval
    interval_s: int
    currency: str
    scale: int
    period: npt.NDArray[np.int8]
    mantissa: npt.NDArray[np.int64]
    table: PriceTable

    def price_of(self, period: TouPeriod) -> Price:
        """The price per kWh of a period.

        Raises:
            Refused: `price_missing` when the table prints none.
        """
        price = self.table.prices.of(period)
        if price is None:
            raise Refused("price_missing", f"{self.tariff_id} prints no {period} price for {self.month}")
        return price


@lru_cache(maxsize=512)
def prices_of_month(tariff: Tariff, month: Month, interval_s: int) -> MonthPrices:
    """TouPeriod and price of every interval of the local month, on the tariff's clocks.

    A month whose clocks change has 743 or 745 hours; the periods follow the wall clock. Cached: a
    thousand sites share one answer.

    Raises:
        Refused: `tariff_month` outside the tariff's schedules or price tables, `calendar_year`,
            `price_missing` when a holiday's period has no price, `interval` when the length is not whole
            minutes that divide an hour and the month, `interval_straddles` when one interval lies in two
            periods.
    """
    schedule = tariff.schedule_for(month)
    table = tariff.table_for(month)
    zone = zone_of(tariff.zone)
    span = month.interval(zone)
    if interval_s < 60 or interval_s % 60 or 3600 % interval_s or span.seconds % interval_s:
        raise Refused("interval", f"{interval_s} s is not whole minutes that divide an hour and {month}")
    minutes = _minutes_of_month(tariff, schedule, month)
    rows = minutes.reshape(-1, interval_s // 60)
    period = rows[:, 0].copy()
    mixed = (rows != period[:, None]).any(axis=1)
    if mixed.any():
        start = span.start + timedelta(seconds=interval_s * int(np.argmax(mixed)))
        wall = start.astimezone(zone).strftime("%Y-%m-%d %H:%M")
        raise Refused(
            "interval_straddles", f"the {interval_s} s from {wall} lie in two periods of {tariff.id}"
        )
    mantissa, scale = _mantissas(tariff, table, month, period)
    period.setflags(write=False)
    mantissa.setflags(write=False)
    return MonthPrices(tariff.id, month, span, interval_s, tariff.currency, scale, period, mantissa, table)


def _mantissas(
    tariff: Tariff, table: PriceTable, month: Month, period: npt.NDArray[np.int8]
) -> tuple[npt.NDArray[np.int64], int]:
    printed = table.prices.printed
    scale = max(price.scale for price in printed.values())
    by_index = np.zeros(len(PERIODS), dtype=np.int64)
    for index in np.unique(period).tolist():
        price = printed.get(PERIODS[index])
        if price is None:
            raise Refused(
                "price_missing",
                f"{tariff.id} has {PERIODS[index]} intervals in {month} and no price for them",
                place=f"prices.{PERIODS[index]}",
            )
        mantissa = price.mantissa * 10 ** (scale - price.scale)
        if abs(mantissa) >= 2**63:
            raise Refused(
                "price_range", f"{price} is too large for 64 bits", place=f"prices.{PERIODS[index]}"
            )
        by_index[index] = mantissa
    return by_index[period], scale


def _minutes_of_month(tariff: Tariff, schedule: Schedule, month: Month) -> npt.NDArray[np.int8]:
    days = [month.first_day + timedelta(days=number) for number in range(month.days)]
    return np.concatenate([_minutes_of_day(tariff, schedule, day) for day in days])


def _minutes_of_day(tariff: Tariff, schedule: Schedule, day: date) -> npt.NDArray[np.int8]:
    zone = zone_of(tariff.zone)
    timeline = schedule.periods.timeline(day.month, tariff.calendar.day_kind(day))
    start = midnight(day, zone)
    end = midnight(day + timedelta(days=1), zone)
    if start.astimezone(zone).utcoffset() == end.astimezone(zone).utcoffset():
        return timeline
    length = int((end - start).total_seconds()) // 60
    walls = [(start + timedelta(minutes=minute)).astimezone(zone) for minute in range(length)]
    return timeline[[_minute_of_day(wall) for wall in walls]]


def _minute_of_day(wall: datetime) -> int:
    return wall.hour * 60 + wall.minute
