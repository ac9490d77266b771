"""A day-ahead bid and what becomes of it: `python -m benchmarks.bidding`, some minutes.

New York City 2021, which nothing was tuned on: a storage of 1 MW and 2 MWh (95.5 % each way, empty at
midnight) is bid day-ahead by honest forecasts and settled twice, at 5 per MWh of deviation. In real time the
rest of the day is dispatched anew each hour. An hour's own real-time price is known when it is dispatched, as
an offer at what stored energy is worth is taken or left at it; beside it stands what is earned where only
the hour before is known. In % of what knowing all day-ahead prices earns. How long a surprise lasts, and
how much of it, was chosen on 2020.
"""

from __future__ import annotations

import sys
from datetime import date, timedelta
from typing import Final, NamedTuple

import numpy as np
from msgspec import structs

from benchmarks import forecasting
from benchmarks.figure import Figure
from dispatch.forecasts.blend import values_of
from dispatch.forecasts.day_table import DayTable, Values
from dispatch.forecasts.members.listed import MEMBERS
from dispatch.forecasts.rolling_origin import rolled
from dispatch.forecasts.worth import Arbitrage
from dispatch.optimiser.perfect_foresight import perfect_foresight
from dispatch.optimiser.site import Storage
from dispatch.plan_check import Whole
from dispatch.redispatch.position import expected_prices, redispatch

DATA: Final = forecasting.DATA
_FIRST: Final = date(2021, 1, 1)
_DAYS: Final = 365
_QUICK_DAYS: Final = 10
_MEAN_DAYS: Final = 28
_WARM_UP: Final = date(2020, 9, 1)
_WANTED: Final = 110.0
_KEEPS_PERMILLE: Final = 850
_DEVIATION: Final = 0.005
_EFFICIENCY: Final = 0.955
_ROOM_KWH: Final = 2000.0
_HOURS: Final = 24
_UNIT: Final = "% of perfect day-ahead"
_STORAGE: Final = Storage(
    charge_kw=1000.0, discharge_kw=1000.0, floor_kwh=0.0, ceiling_kwh=_ROOM_KWH, start_kwh=0.0, end_kwh=0.0,
    charge_efficiency=_EFFICIENCY, discharge_efficiency=_EFFICIENCY, availability=np.ones(_HOURS),
    reserve_kwh=np.zeros(_HOURS),
)  # fmt: skip


class Day(NamedTuple):
    """Prices per kWh of 24 hours: forecast day-ahead, as cleared, and in real time."""

    forecast: Values
    day_ahead: Values
    real_time: Values


def measure(*, quick: bool) -> list[Figure]:
    """What the schedule earns by itself, and with re-dispatch; quick: a few days by a mean of days before."""
    days = _days(quick=quick)
    best = sum(perfect_foresight(_STORAGE, 1.0, day.day_ahead).value_micro for day in days) / 1e6
    plans = [perfect_foresight(_STORAGE, 1.0, day.forecast).day_ahead_w for day in days]
    own = sum(float((plan / 1000 * day.day_ahead).sum()) for plan, day in zip(plans, days, strict=True))
    again = [100 * sum(_earned(day, plan, known) for day, plan in zip(days, plans, strict=True)) / best
             for known in (1, 0)]  # fmt: skip
    name = f"NYC 2021, {len(days)} days, two settlements"
    return [
        Figure(f"{name}: bid by forecast, re-dispatched", again[0], _WANTED, "wanted", _UNIT,
               again[0] / _WANTED, None if quick else 1.0),
        Figure(f"{name}: re-dispatched an hour late", again[1], None, "", _UNIT, again[1], None),
        Figure(f"{name}: bid by forecast alone", 100 * own / best, None, "", _UNIT, 100 * own / best, None),
    ]  # fmt: skip


def _earned(day: Day, sold_w: Whole, known: int) -> float:
    """Two settlements of a day, less what deviating costs; `known` is 1 where an hour's own price is seen."""
    day_ahead, real_time = (np.rint(row * 1e6).astype(np.int64) for row in (day.day_ahead, day.real_time))
    stored, done = 0.0, np.zeros(_HOURS)
    for hour in range(_HOURS):
        expected = expected_prices(day_ahead, real_time[: hour + known], _KEEPS_PERMILLE)[hour:]
        left = _HOURS - hour
        storage = structs.replace(
            _STORAGE, start_kwh=stored, availability=np.ones(left), reserve_kwh=np.zeros(left)
        )
        now = redispatch(
            storage, 1.0, sold_w[hour:], expected, deviation_micro=round(_DEVIATION * 1e6)
        ).setpoint_w[0]
        done[hour] = now / 1000
        moved = done[hour] * _EFFICIENCY if now < 0 else done[hour] / _EFFICIENCY
        stored = min(max(stored - moved, 0.0), _ROOM_KWH)
    deviation = done - sold_w / 1000
    paid = sold_w / 1000 * day.day_ahead + deviation * day.real_time - _DEVIATION * np.abs(deviation)
    return float(paid.sum())


def _days(*, quick: bool) -> list[Day]:
    """The year's days of which every price is known."""
    market = forecasting.new_york()
    real_time = forecasting.new_york_real_time()
    count = _QUICK_DAYS if quick else _DAYS
    last = _FIRST + timedelta(days=count - 1)
    day_ahead = market.past.days.between(_FIRST, last)
    spot = real_time.between(_FIRST, last)
    found = _means(market.past.days, count) if quick else _blended(market, last)
    whole = ~(np.isnan(day_ahead).any(axis=1) | np.isnan(spot).any(axis=1))
    return [
        Day(found[at] / 1000, day_ahead[at] / 1000, spot[at] / 1000) for at in np.flatnonzero(whole).tolist()
    ]


def _means(days: DayTable, count: int) -> Values:
    """The mean of the days before, of which the newest is the day before yesterday's."""
    rows = []
    for number in range(count):
        end = _FIRST + timedelta(days=number - 2)
        rows.append(np.nanmean(days.between(end - timedelta(days=_MEAN_DAYS - 1), end), axis=0))
    return np.array(rows)


def _blended(market: forecasting.Market, last: date) -> Values:
    """As `benchmarks.forecasting` measures them: each 28 days weighed by the 84 before."""
    seen = rolled(market.past, MEMBERS, 1, _WARM_UP, last)
    values = values_of(seen, Arbitrage(1.0))
    return forecasting.blended(seen, values, (_FIRST - _WARM_UP).days)


def main() -> None:
    """Measure and print the rows."""
    if not DATA.is_dir():
        sys.exit(f"the price files are not there: {DATA}")
    for figure in measure(quick="--quick" in sys.argv):
        met = "" if figure.wanted is None else figure.met
        print(f"{figure.what}: {figure.ours:.1f} {figure.unit} {met}")


if __name__ == "__main__":
    main()
