"""What a storage would have earned day by day from scheduling by our own price forecasts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from dispatch.forecasts.known import Known
from dispatch.forecasts.past import Past
from dispatch.forecasts.trained import trained
from dispatch.forecasts.worth import Arbitrage
from ledger.calendars import Calendar
from ledger.interval import zone_of
from ledger.refusal import Refused

DAY_S: Final = 86_400


def earnings(
    price: Known, issued_at: datetime, calendar: Calendar, lead: int, *, power_kw: float, energy_kwh: float
) -> Known:
    """Daily earnings of a storage, in the price's money, known when the day was over.

    Each past day is scheduled by the blend as it was weighed in all of them, from what was known its lead
    before, and settled at the price that came: what knowing all would have earned is not promised.

    Raises:
        Refused: `forecast_history` where too few prices are known to have judged members.
    """
    table = price.as_of(issued_at).table(calendar.zone)
    past = Past(days=table.until(table.last_whole), calendar=calendar)
    worth = Arbitrage(price.interval_s / 3600, hours=energy_kwh / power_kw)
    model = trained(past, worth, lead)
    if model.seen is None:
        raise Refused("forecast_history", "too few days of prices to judge forecasts by", place="subject")
    money = worth.of(model.blend.of(model.seen.predictions).expected, model.seen.actual) * power_kw
    days = [model.seen.first + timedelta(days=n) for n in range(len(money))]
    zone = zone_of(calendar.zone)
    starts = [datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC) for day in days]
    whole = ~np.isnan(model.seen.actual).any(axis=1)
    start = np.array([int(one.timestamp()) for one in starts], dtype=np.int64)[whole]
    return Known(
        interval_s=DAY_S, start=start, value=money[whole], known_at=np.minimum(start + DAY_S, _at(issued_at))
    )


def _at(instant: datetime) -> int:
    return int(instant.timestamp())
