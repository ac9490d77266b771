"""What was planned for a site when a day began: the plans on record, else the schedules of bids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, timedelta
from typing import NamedTuple

import numpy as np

from adapters.backtest.book import FromBook
from adapters.backtest.priced_day import at_interval
from adapters.postgres.database import Connection
from adapters.queries import unit_facts
from adapters.queries.recorded_plans import plan_at
from adapters.queries.unit_days import UnitDay, UnitDays
from dispatch.plan_check import Whole
from dispatch.value.site_month import SiteMonth
from ledger.interval import midnight, zone_of
from ledger.trading_unit import TradingUnit
from trading.envelope import SLOT_S
from trading.position import Stand, by_slot


class PlannedDays(NamedTuple):
    """W of each of the month's intervals, above 0 discharging, and the numbers of the days that nobody
    planned; where the others' plans stand."""

    plan_w: Whole
    unplanned: tuple[int, ...]
    rests_on: tuple[str, ...]


def planned_days(connection: Connection, book: str, found: FromBook, month: SiteMonth) -> PlannedDays:
    """What was planned of each day when it began, continued where that plan ended before the day.

    A bid's schedule is the unit's, of which the site has the part that its capability is.
    """
    plan_w = np.zeros(len(month.load_w), dtype=np.int64)
    unplanned: list[int] = []
    rests_on: list[str] = []
    units = _units(connection, found)
    offers = _Offers(connection, book, found, units)
    for number in range(month.days):
        part, day = month.of_day(number), month.first_day + timedelta(days=number)
        told = _recorded(connection, found, month, day, (month.id, *units))
        if told is None:
            told = offers.of(month, day)
        if told is None:
            unplanned.append(number)
            continue
        plan_w[part] = told[1]
        rests_on.append(told[0])
    return PlannedDays(plan_w, tuple(unplanned), tuple(dict.fromkeys(rests_on)))


def _units(connection: Connection, found: FromBook) -> dict[str, TradingUnit]:
    """The units that have the site when the month begins."""
    site, instant = found.site.site.id, found.start
    held: dict[str, TradingUnit] = {}
    for name, known in unit_facts.units(connection, found.position).items():
        for version in known.history.versions:
            unit: TradingUnit = version.document
            if any(one.site == site and one.stands_at(instant) for one in unit.members):
                held[name] = unit
    return held


def _recorded(
    connection: Connection, found: FromBook, month: SiteMonth, day: date, portfolios: tuple[str, ...]
) -> tuple[str, Whole] | None:
    part = month.of_day((day - month.first_day).days)
    count = part.stop - part.start
    at = midnight(day, zone_of(found.site.site.zone)).astimezone(UTC)
    end = at + timedelta(seconds=count * month.interval_s)
    parts: list[Whole] = []
    name = ""
    while at < end:
        plans = (plan_at(connection, found.position, one, at) for one in portfolios)
        plan = next((one for one in plans if one is not None and one.of(month.id) is not None), None)
        if plan is None:
            return None
        own = plan.of(month.id)
        assert own is not None, "the plan has the site"
        name = name or plan.head.portfolio
        until = min(plan.end, end)
        first = plan.at(at)
        steps = int((until - at).total_seconds()) // plan.head.interval_s
        watts = np.array(own.setpoint_w[first : first + steps], dtype=np.int64)
        parts.append(at_interval(watts, plan.head.interval_s, month.interval_s))
        at = until
    return f"plans of {name}", np.concatenate(parts)[:count]


class _Offers:
    """The schedules of the bids of the units that have the site; each unit's month is read once."""

    def __init__(
        self, connection: Connection, book: str, found: FromBook, units: dict[str, TradingUnit]
    ) -> None:
        self._units = units
        self._days: dict[str, dict[date, UnitDay]] = {}
        for name in units:
            days = UnitDays(connection, book, found.position, name).days(*found.days)
            self._days[name] = {one.day: one for one in days}

    def of(self, month: SiteMonth, day: date) -> tuple[str, Whole] | None:
        """The site's part of what a unit offered for the day; None where none did."""
        part = month.of_day((day - month.first_day).days)
        slots = (part.stop - part.start) * month.interval_s // SLOT_S
        for name, unit in self._units.items():
            schedules = [by_slot(schedule, slots) for schedule in _schedules(self._days[name][day].stands)]
            if schedules:
                power = {member.site: member.capability_w for member in unit.members}
                whole = sum(power.values())
                watts = [
                    int(sum(column) * power[month.id] / whole) for column in zip(*schedules, strict=True)
                ]
                own = at_interval(np.array(watts, dtype=np.int64), SLOT_S, month.interval_s)
                return f"schedules of {name}'s bids, by capability", own
        return None


def _schedules(stands: Sequence[Stand]) -> Iterator[tuple[int, ...]]:
    for one in stands:
        if one.energy and one.product.stage == "day_ahead" and one.bid.schedule_w is not None:
            yield one.bid.schedule_w
