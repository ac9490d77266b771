"""A tariff as clients read it: prices as decimal text in its currency, months as `2026-08`."""

from __future__ import annotations

from typing import Self

import msgspec

from ledger.calendars import Calendar
from ledger.period_schedule import PeriodSchedule
from ledger.price_table import COMPONENTS, FloatRule, PriceTable
from ledger.quantity import Price
from ledger.tariff import Parts, Schedule, Tariff


class ScheduleBody(msgspec.Struct, frozen=True):
    """The periods of one notice, in force in `months` of [start, until)."""

    start: str
    until: str | None
    document: str
    periods: PeriodSchedule
    months: tuple[int, ...]
    float_rule: FloatRule | None

    @classmethod
    def of(cls, schedule: Schedule) -> Self:
        return cls(
            str(schedule.start),
            None if schedule.until is None else str(schedule.until),
            schedule.document,
            schedule.periods,
            schedule.months,
            schedule.float_rule,
        )


class PriceTableBody(msgspec.Struct, frozen=True):
    """Prices of the months [start, until): per kWh by period, what flat is made of, and per kW and kVA."""

    start: str
    until: str
    prices: dict[str, str]
    components: dict[str, str] | None
    demand: str | None
    capacity: str | None
    source: str

    @classmethod
    def of(cls, table: PriceTable) -> Self:
        parts = table.components
        return cls(
            str(table.start),
            str(table.until),
            {period: str(price) for period, price in table.prices.printed.items()},
            None if parts is None else {name: str(parts.of(name)) for name in COMPONENTS},
            _text(table.demand),
            _text(table.capacity),
            table.source,
        )


class TariffBody(msgspec.Struct, frozen=True):
    """One province's tariff for one category and voltage."""

    id: str
    province: str
    category: str
    voltage: str
    parts: Parts
    currency: str
    calendar: Calendar
    schedules: tuple[ScheduleBody, ...]
    tables: tuple[PriceTableBody, ...]

    @classmethod
    def of(cls, tariff: Tariff) -> Self:
        return cls(
            tariff.id,
            tariff.province,
            tariff.category,
            tariff.voltage,
            tariff.parts,
            tariff.currency,
            tariff.calendar,
            tuple(ScheduleBody.of(schedule) for schedule in tariff.schedules),
            tuple(PriceTableBody.of(table) for table in tariff.tables),
        )


def _text(price: Price | None) -> str | None:
    return None if price is None else str(price)
