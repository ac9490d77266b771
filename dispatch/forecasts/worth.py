"""What a forecast is worth: the money that a storage makes by it, settled at what then came."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec
import numpy as np

from dispatch.forecasts.day_table import Values
from dispatch.forecasts.forecast import Quantity
from dispatch.optimiser.directions import Meter, burning, directions, one_way
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.site import Site, Storage
from dispatch.optimiser.solve import CHUNK_SITES, solve

_EFFICIENCY: Final = 0.955
"""One way, so that a round trip keeps 91.2 %."""

_FREE: Final = 10.0
_PEAK_PART: Final = 0.2
_DEVIATION_PART: Final = 0.5


class Worth(Protocol):
    """How days of a forecast are valued; both arguments are days x slots, the answer is a number a day."""

    def of(self, expected: Values, actual: Values) -> Values:
        """What each day's forecast earned; days of which a slot is not known earn 0."""
        ...

    def hourly(self) -> Worth:
        """The same of days by the hour."""
        ...


class Arbitrage(msgspec.Struct, frozen=True):
    """A storage of 1 kW and `hours` kWh, empty at midnight, that buys and sells by the forecast of the price.

    Money per kWh in, money out. Its schedule is the optimiser's for the forecast and is carried out.
    """

    interval_h: float
    hours: float = 2.0

    def of(self, expected: Values, actual: Values) -> Values:
        """See `Worth.of`."""
        stored = _storage(expected.shape[1], 1.0, self.hours)
        none, free = np.zeros(expected.shape[1]), np.full(expected.shape[1], _FREE)
        # A plan is the same in any unit of money; the solver's tolerances are made for prices of about 1.
        prices = np.ascontiguousarray(expected) / (float(np.abs(expected).mean()) or 1.0)
        sites = [_unit(none, price, price, free, stored) for price in prices]
        sold = _planned(sites, self.interval_h)
        return np.asarray((sold * np.nan_to_num(actual)).sum(axis=1) * self.interval_h * _whole(actual))

    def hourly(self) -> Arbitrage:
        """See `Worth.hourly`."""
        return Arbitrage(1.0, self.hours)


class PeakShaving(msgspec.Struct, frozen=True):
    """A storage of a fifth of the usual daily peak and two hours that lowers the peak by the forecast load.

    The answer is by how much the day's peak import is lower, in the unit of the load: money at 1 per unit.
    A plan that charges into a peak that was not foreseen loses, and the number is below 0.
    """

    interval_h: float

    def of(self, expected: Values, actual: Values) -> Values:
        """See `Worth.of`."""
        known = np.nan_to_num(actual)
        whole = _whole(actual) > 0
        usual = float(np.median(known[whole].max(axis=1))) if whole.any() else 0.0
        if usual <= 0:
            return np.zeros(len(expected))
        count = expected.shape[1]
        storage = _storage(count, _PEAK_PART)
        # Energy costs a little, so that nothing is moved but for the peak.
        cheap, none, free = np.full(count, 1e-3), np.zeros(count), np.full(count, _FREE)
        loads = np.clip(expected / usual, 0.0, _FREE / 2)
        sites = [
            msgspec.structs.replace(_unit(load, cheap, none, free, storage), peak_price=1.0) for load in loads
        ]
        sold = _planned(sites, self.interval_h) * usual
        return np.asarray((known.max(axis=1) - (known - sold).max(axis=1)) * _whole(actual))

    def hourly(self) -> PeakShaving:
        """See `Worth.hourly`."""
        return PeakShaving(1.0)


class Pledge(msgspec.Struct, frozen=True):
    """What is pledged a day ahead and then delivered: 1 per unit delivered, half per unit of deviation."""

    def of(self, expected: Values, actual: Values) -> Values:
        """See `Worth.of`."""
        known = np.nan_to_num(actual)
        paid = known - _DEVIATION_PART * np.abs(known - expected)
        return np.asarray(paid.sum(axis=1) * _whole(actual))

    def hourly(self) -> Pledge:
        """See `Worth.hourly`."""
        return self


def worth_of(quantity: Quantity, interval_s: int) -> Worth:
    """How forecasts of that quantity are valued."""
    match quantity:
        case "price":
            return Arbitrage(interval_s / 3600)
        case "load":
            return PeakShaving(interval_s / 3600)
        case "pv" | "revenue":
            return Pledge()


def best_of(worth: Worth, actual: Values) -> float:
    """What knowing all would have earned."""
    return earned(worth, np.nan_to_num(actual), actual)


def earned(worth: Worth, expected: Values, actual: Values) -> float:
    """What forecasts of all those days earned."""
    return float(worth.of(expected, actual).sum())


def captured_permille(made: float, best: float) -> int | None:
    """The part of the best that was earned; None where that is not above 0."""
    return None if best <= 1e-12 else round(1000 * made / best)


def _storage(count: int, power: float, hours: float = 2.0) -> Storage:
    return Storage(
        charge_kw=power,
        discharge_kw=power,
        floor_kwh=0.0,
        ceiling_kwh=hours * power,
        start_kwh=0.0,
        end_kwh=0.0,
        charge_efficiency=_EFFICIENCY,
        discharge_efficiency=_EFFICIENCY,
        availability=np.ones(count),
        reserve_kwh=np.zeros(count),
    )


def _unit(load: Values, buy: Values, sell: Values, free: Values, storage: Storage) -> Site:
    return Site(
        id="unit",
        load_kw=load.copy(),
        pv_kw=np.zeros(len(load)),
        buy_price=buy.copy(),
        sell_price=sell.copy(),
        import_kw_max=free,
        export_kw_max=free,
        storage=storage,
    )


def _planned(sites: list[Site], interval_h: float) -> Values:
    """Setpoints in kW, above 0 discharging; a day a row. All sites have one storage.

    Where energy is given away the storage's directions are found first, for all such days at once: a blend
    asks for thousands of them, and a search through one alone may have no end.
    """
    found = np.zeros((len(sites), len(sites[0].load_kw) if sites else 0))
    below = [n for n, site in enumerate(sites) if burning(site).any()]
    if below:
        buy, sell, load = (
            np.array([getattr(sites[n], name) for n in below])
            for name in ("buy_price", "sell_price", "load_kw")
        )
        ways = directions(sites[0].storage, interval_h, Meter(buy, sell, load))
        sites = sites.copy()
        for n, way in zip(below, ways, strict=True):
            sites[n] = one_way(sites[n], way)
    simple = sorted(set(range(len(sites))) - set(below))
    for days in (simple, below):
        for begin in range(0, len(days), CHUNK_SITES):
            part = days[begin : begin + CHUNK_SITES]
            named = tuple(msgspec.structs.replace(sites[n], id=f"d{n}") for n in part)
            # Of one direction an interval nothing is left to choose.
            plan = solve(PlanRequest(sites=named, interval_h=interval_h, integer=days is simple))
            found[part] = [one.setpoint_w / 1000 for one in plan.sites]
    return found


def _whole(actual: Values) -> Values:
    return np.asarray((~np.isnan(actual)).all(axis=1).astype(np.float64))
