"""What a tariff asks for a kWh in each interval of a horizon, as far as it is known."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple

import numpy as np

from adapters.planning.portfolio import Horizon, day_of
from dispatch.plan_check import Whole
from ledger.interval import Month, zone_of
from ledger.quantity import Price, round_half_away
from ledger.refusal import Refused
from ledger.tariff import Tariff, prices_of_month

_DAY_S: Final = 86_400
_MICRO: Final = 10**6
_MICRO_MAX: Final = 10**15
"""The largest price that the optimiser takes: 10^9 of money per kWh."""
_UNKNOWN_LATER: Final = frozenset({"tariff_month", "calendar_year", "price_missing"})
"""Refusals of a month's prices that shorten a horizon which reaches into it."""


class Priced(NamedTuple):
    """Buying prices of the intervals up to which they are known, and why not farther."""

    buy_micro: Whole
    ends: str


def prices_of(tariff: Tariff, horizon: Horizon) -> Priced:
    """Millionths per kWh of the intervals, month by month on the tariff's clocks.

    Raises:
        Refused: as `prices_of_month` for the first interval; `price_range`.
    """
    zone = zone_of(tariff.zone)
    parts: list[Whole] = []
    at, left, ends = horizon.start, horizon.count, ""
    while left:
        month = Month.of(day_of(tariff.zone, at))
        try:
            prices = prices_of_month(tariff, month, horizon.interval_s)
        except Refused as refused:
            if at == horizon.start or refused.code not in _UNKNOWN_LATER:
                raise
            ends = f"{refused.reason} ({refused.code})"
            break
        first, off = divmod(int((at - month.interval(zone).start).total_seconds()), horizon.interval_s)
        if off:
            wrong = f"{at:%H:%M}Z is no begin of an interval of {tariff.id}"
            raise Refused("interval", wrong, place="start")
        rows = prices.mantissa[first : first + left]
        parts.append(_scaled(rows, prices.scale))
        left -= len(rows)
        at += timedelta(seconds=horizon.interval_s * len(rows))
    return Priced(np.concatenate(parts), ends)


def by_wall_clock(values: Whole, day: Horizon, zone: str) -> Whole:
    """A local day's values, as far as they are known, in slots of its wall clock: as many on every day.

    Of the hour that a day has twice the first counts; an hour that it lacks, and what is not known, is as the
    slot before.
    """
    found = np.full(_DAY_S // day.interval_s, -1, dtype=np.int64)
    for number, at in reversed(list(enumerate(day.local(zone)))):
        found[(at.hour * 3600 + at.minute * 60 + at.second) // day.interval_s] = number
    return np.asarray(values[np.clip(np.maximum.accumulate(found), 0, len(values) - 1)], dtype=np.int64)


def _scaled(mantissa: Whole, scale: int) -> Whole:
    """Prices at a scale as millionths, the half away from zero."""
    largest = int(np.abs(mantissa).max(initial=0))
    if largest * _MICRO > _MICRO_MAX * 10**scale:
        raise Refused("price_range", f"a price is above {_MICRO_MAX // _MICRO} per kWh", place="prices")
    if scale <= 6:
        return np.asarray(mantissa * 10 ** (6 - scale), dtype=np.int64)
    divisor = 10 ** (scale - 6)
    return np.asarray(np.sign(mantissa) * ((np.abs(mantissa) + divisor // 2) // divisor), dtype=np.int64)


def micro_of(price: Price) -> int:
    """In 10^-6 of money, the half away from zero."""
    return round_half_away(price.exact * _MICRO)
