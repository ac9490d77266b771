"""What a storage would have earned had all prices been known: the yardstick of a profit report."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from dispatch.optimiser.directions import SEARCHED_MAX, Meter, directions, left_open, pays_to_burn
from dispatch.optimiser.fleet import Fleet
from dispatch.optimiser.flows import stored_after
from dispatch.optimiser.lp import INFINITE, Index, Lp, Solver, SolverError
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.series import Series, checked_number, checked_series
from dispatch.optimiser.site import Site, Storage

_W: Final = 1000
_MICRO: Final = 1_000_000

Whole = npt.NDArray[np.int64]
Flow = tuple[Index, Index]
"""Columns of charging and discharging power, an interval each."""


class Foresight(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """The best that could be done, in 10^-6 of money, whole W (above 0 sells) and Wh at each interval's end.

    `value_micro` is what both settlements pay less wear; `energy_micro` is without wear.
    """

    value_micro: int
    energy_micro: int
    wear_micro: int
    day_ahead_w: Whole
    real_time_w: Whole
    stored_wh: Whole


def perfect_foresight(
    storage: Storage,
    interval_h: float,
    day_ahead_price: Series,
    real_time_price: Series | None = None,
    *,
    deviation_price: float = 0.0,
    position_kw_max: float | None = None,
    sold_kw: Series | None = None,
) -> Foresight:
    """The value of a price series for one storage under two settlements (DOMAIN.md 3.5).

    Per interval R = Q_da P_da + (Q_rt - Q_da) P_rt, less `deviation_price` per kWh of |Q_rt - Q_da|; Q_rt is
    what the storage does, Q_da what is sold day-ahead, at most `position_kw_max` each way (None: what the
    storage's power is), or `sold_kw`, where it is sold already. Prices are money per kWh, negative where they
    are. Without a real-time price the plan is day-ahead alone. The storage ends with at least its `end_kwh`,
    exactly as it must. Where many prices are below 0 the answer is very nearly the best (see `directions`).

    Raises:
        Refused: `series_shape`, `series_value`, `storage_capacity` or `stored_energy_limits`.
        SolverError: when the solver fails, or the storage cannot end with its `end_kwh`.
    """
    count = len(storage.availability)
    storage.check("storage", count)
    checked_number(interval_h, "interval_h", low=1 / 60, high=24.0)
    checked_series(day_ahead_price, "day_ahead_price", count)
    real_time = day_ahead_price if real_time_price is None else real_time_price
    checked_series(real_time, "real_time_price", count)
    checked_number(deviation_price, "deviation_price")
    if position_kw_max is not None:
        checked_number(position_kw_max, "position_kw_max")
    if sold_kw is not None:
        checked_series(sold_kw, "sold_kw", count)
    lowest = real_time if real_time_price is None else real_time - deviation_price
    burning, able = pays_to_burn(storage, lowest), storage
    if int(burning.sum()) > SEARCHED_MAX:
        meter = _met(day_ahead_price, real_time, deviation_price, sold_kw)
        able = left_open(storage, ~burning, directions(storage, interval_h, meter)[0])
        burning = np.zeros(count, dtype=np.bool_)
    fleet, running = (
        Fleet(PlanRequest(sites=(_alone(one, count),), interval_h=interval_h)) for one in (storage, able)
    )
    lp = Lp()
    charge, discharge = _storage(lp, running, able)
    most = 0.0 if real_time_price is None else position_kw_max
    sold = _positions(lp, fleet, (charge, discharge), most, sold_kw)
    hours = interval_h
    for flow, sign in ((charge, 1.0), (discharge, -1.0)):
        lp.price("cost", flow, hours * (sign * real_time + storage.wear_price / 2))
    lp.price("cost", sold.position, -hours * (day_ahead_price - real_time))
    if real_time_price is not None:
        lp.price("cost", sold.deviation, hours * deviation_price)
    _keep_apart(lp, fleet, (charge, discharge), burning)
    solver = Solver(lp, lp.part("cost"))
    if solver.run() != "optimal":
        raise SolverError("the storage cannot end with its end_kwh")
    values = solver.values()
    setpoint = values[discharge] - values[charge]
    wear = hours * storage.wear_price * float((values[charge] + values[discharge]).sum()) / 2
    position = setpoint if real_time_price is None else values[sold.position]
    return Foresight(
        value_micro=round(-solver.objective * _MICRO),
        energy_micro=round((wear - solver.objective) * _MICRO),
        wear_micro=round(wear * _MICRO),
        day_ahead_w=np.rint(position * _W).astype(np.int64),
        real_time_w=np.rint(setpoint * _W).astype(np.int64),
        stored_wh=np.rint(stored_after(fleet, setpoint[None])[0] * _W).astype(np.int64),
    )


class _Sold(NamedTuple):
    """What is sold day-ahead, and how far what is done deviates from it, up and down."""

    position: Index
    deviation: Index


def _met(day_ahead: Series, real_time: Series, deviation_price: float, sold_kw: Series | None) -> Meter:
    """What a kWh more or less is worth: about what is sold already as a deviation in real time; else as it is
    best sold, day-ahead or by a deviation where that pays more."""
    low, high = real_time - deviation_price, real_time + deviation_price
    if sold_kw is not None:
        return Meter(high[None], low[None], sold_kw[None])
    price = np.clip(day_ahead, low, high)[None]
    return Meter(price, price, np.zeros_like(price))


def _storage(lp: Lp, fleet: Fleet, storage: Storage) -> Flow:
    """Power, stored energy, cycles and ramp of one storage; it ends with at least its `end_kwh`."""
    count, hours = fleet.shape[1], fleet.request.interval_h
    shape = (count,)
    charge = lp.columns(shape, 0.0, fleet.charge_max[0])
    discharge = lp.columns(shape, 0.0, fleet.discharge_max[0])
    lowest = fleet.stored_min[0].copy()
    lowest[-1] = max(lowest[-1], storage.end_kwh)
    stored = lp.columns(shape, lowest, storage.ceiling_kwh)
    first = np.zeros(count)
    first[0] = fleet.kept[0] * storage.start_kwh
    gain, loss = -hours * storage.charge_efficiency, hours / storage.discharge_efficiency
    rows = lp.rows(shape, first, first, (stored, 1.0), (charge, gain), (discharge, loss))
    lp.put(rows[1:], stored[:-1], -fleet.kept[0])
    days = lp.rows(fleet.cycle_kwh.shape, -INFINITE, fleet.cycle_kwh)
    lp.put(days[fleet.cycle_row], discharge[None][: len(fleet.cycle_at)], loss)
    if storage.ramp_kw is not None:
        before = np.zeros(count)
        before[0] = storage.start_setpoint_kw
        limits = before - storage.ramp_kw, before + storage.ramp_kw
        rows = lp.rows(shape, *limits, (discharge, 1.0), (charge, -1.0))
        lp.put(rows[1:], discharge[:-1], -1.0)
        lp.put(rows[1:], charge[:-1], 1.0)
    return charge, discharge


def _positions(lp: Lp, fleet: Fleet, flow: Flow, most: float | None, given: Series | None) -> _Sold:
    """Day-ahead positions as `given`, or up to `most` kW each way; None is what the storage's power is."""
    shape = (fleet.shape[1],)
    up = fleet.discharge_max[0] if most is None else np.full(shape, most)
    down = fleet.charge_max[0] if most is None else np.full(shape, most)
    position = lp.columns(shape, -down, up) if given is None else lp.columns(shape, given, given)
    deviation = lp.columns((2, *shape), 0.0, INFINITE)
    charge, discharge = flow
    rows = lp.rows(shape, 0.0, 0.0, (discharge, 1.0), (charge, -1.0), (position, -1.0))
    lp.put(rows, deviation, np.array([[-1.0], [1.0]]))
    return _Sold(position, deviation)


def _keep_apart(lp: Lp, fleet: Fleet, flow: Flow, burning: npt.NDArray[np.bool_]) -> None:
    both = np.flatnonzero(burning)
    if len(both):
        on = lp.columns(both.shape, 0.0, 1.0, integer=True)
        charge, discharge = flow
        lp.rows(both.shape, -INFINITE, 0.0, (charge[both], 1.0), (on, -fleet.charge_max[0][both]))
        most = fleet.discharge_max[0][both]
        lp.rows(both.shape, -INFINITE, most, (discharge[both], 1.0), (on, most))


def _alone(storage: Storage, count: int) -> Site:
    none, most = np.zeros(count), np.full(count, 1e9)
    return Site(
        id="storage", load_kw=none, pv_kw=none.copy(), buy_price=none.copy(), sell_price=none.copy(),
        import_kw_max=most, export_kw_max=most.copy(), storage=storage,
    )  # fmt: skip
