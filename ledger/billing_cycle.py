"""The billing cycle of a grid account: which days one bill is of, and what each of them costs.

A cycle belongs to the month that its last day is in (DOMAIN.md 3.3: it is not assumed a calendar month).
Energy costs what the tariff says of the month in which it flowed; the demand or capacity price is that of
the month to which the cycle belongs.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.interval import Interval, Month, midnight, zone_of
from ledger.period_energy import PeriodEnergy, energy_by_period
from ledger.refusal import Refused
from ledger.tariff import MonthPrices, Tariff, prices_of_month

ANCHOR_DAY_MAX: Final = 28
"""The last day that every month has."""


def check_anchor_day(day: int) -> None:
    """Refuse a day on which some month could not begin a cycle.

    Raises:
        Refused: `billing_anchor`.
    """
    if isinstance(day, bool) or not isinstance(day, int) or not 1 <= day <= ANCHOR_DAY_MAX:
        raise Refused(
            "billing_anchor",
            f"a billing cycle begins on a day from 1 to {ANCHOR_DAY_MAX}, which every month has, not {day}",
            place="anchor_day",
        )


def cycle_days(month: Month, anchor_day: int) -> tuple[date, date]:
    """The local days [first, end) of the cycle whose last day is in `month`.

    >>> [str(day) for day in cycle_days(Month(2026, 1), 25)]
    ['2025-12-25', '2026-01-25']
    >>> [str(day) for day in cycle_days(Month(2026, 1), 1)]
    ['2026-01-01', '2026-02-01']

    Raises:
        Refused: `billing_anchor`.
    """
    check_anchor_day(anchor_day)
    if anchor_day == 1:
        return month.first_day, month.next().first_day
    before = month.first_day - timedelta(days=1)
    return before.replace(day=anchor_day), month.first_day.replace(day=anchor_day)


def cycle_interval(month: Month, anchor_day: int, zone: ZoneInfo) -> Interval:
    """The instants of that cycle on clocks in `zone`."""
    first, end = cycle_days(month, anchor_day)
    return Interval(midnight(first, zone), midnight(end, zone))


@lru_cache(maxsize=512)
def prices_of_cycle(
    tariff: Tariff, month: Month, anchor_day: int, interval_s: int
) -> tuple[MonthPrices, ...]:
    """What every interval of the cycle costs, in order: one part, or one for each month that it touches.

    Raises:
        Refused: as `prices_of_month`, for either month.
    """
    last = prices_of_month(tariff, month, interval_s)
    if anchor_day == 1:
        return (last,)
    before = prices_of_month(tariff, Month.of(month.first_day - timedelta(days=1)), interval_s)
    span = cycle_interval(month, anchor_day, zone_of(tariff.zone))
    return (_cut(before, span), _cut(last, span))


def _cut(prices: MonthPrices, span: Interval) -> MonthPrices:
    """The part of a month's prices that lies in `span`."""
    start, end = max(prices.interval.start, span.start), min(prices.interval.end, span.end)
    first, off = divmod(int((start - prices.interval.start).total_seconds()), prices.interval_s)
    count, over = divmod(int((end - start).total_seconds()), prices.interval_s)
    assert not off, "a day begins with an interval"
    assert not over, "a day ends with an interval"
    rows = slice(first, first + count)
    return msgspec.structs.replace(
        prices, interval=Interval(start, end), period=prices.period[rows], mantissa=prices.mantissa[rows]
    )


def energy_by_part(profiles: npt.NDArray[np.int64], parts: tuple[MonthPrices, ...]) -> list[PeriodEnergy]:
    """As `energy_by_period`, for each part of the cycle that the profiles are of.

    Raises:
        Refused: as `energy_by_period`.
    """
    if len(parts) == 1:
        return [energy_by_period(profiles, parts[0])]
    found: list[PeriodEnergy] = []
    first = 0
    for number, part in enumerate(parts):
        end = None if number == len(parts) - 1 else first + len(part.period)
        found.append(energy_by_period(profiles[..., first:end], part))
        first += len(part.period)
    return found
