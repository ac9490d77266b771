"""Which way a storage runs in each interval, where energy that is given away would pay for running both ways.

Below a price of 0 a program needs a choice an interval, and where such intervals are many the search through
them has no end: what is the same at any hour is searched for longest. Dynamic programming over the stored
energy needs no search. Its grid tells the directions; how much is moved is then an exact linear program.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dispatch.optimiser.lp import Index, Mask, Values
from dispatch.optimiser.site import Site, Storage

SEARCHED_MAX: Final = 12
"""Of so many intervals every choice is searched through; beyond these it may take minutes a day."""

_PARTS: Final = 24
"""Steps of the grid that an interval of charging fills: half as many changed directions on some days."""
_NODES_MAX: Final = 2000
_ROWS: Final = 256
"""Days at once: what is compared of them stays in the processor's cache."""
_PENALTY_FACTOR: Final = 10.0
_NEAR: Final = 1e-9


class Meter(NamedTuple):
    """Days x slots: money for each kWh bought and each one sold, and the kW drawn without storage."""

    buy: Values
    sell: Values
    behind: Values


def pays_to_burn(storage: Storage, price: Values) -> Mask:
    """Where charging and discharging at once would pay: prices below the wear of it."""
    n = storage.charge_efficiency * storage.discharge_efficiency
    if n >= 1:
        return np.zeros(price.shape, dtype=np.bool_)
    return np.asarray(price < -storage.wear_price * (1 + n) / (2 * (1 - n)))


def directions(storage: Storage, interval_h: float, meter: Meter, extra_wear: float = 0.0) -> Index:
    """Days x slots: 1 charges, -1 discharges, 0 stands still; every day begins and ends as the storage must.

    Demand charges, cycles, ramps and losses of standing are not seen: `extra_wear`, money per kWh beside the
    storage's own, makes it move less.
    """
    count = len(meter.buy)
    parts = [Meter(*(one[begin : begin + _ROWS] for one in meter)) for begin in range(0, count, _ROWS)]
    wear = storage.wear_price + extra_wear
    return np.concatenate([_Stored(storage, interval_h, part, wear).ways() for part in parts])


def burning(site: Site) -> Mask:
    """The site's intervals so cheap to buy or sell in that running both ways at once would pay."""
    return pays_to_burn(site.storage, np.minimum(site.buy_price, site.sell_price))


def directed(site: Site, interval_h: float, extra_wear: float = 0.0) -> Site:
    """The site with one direction left in each of its `burning` intervals: no choice is left to search."""
    storage = site.storage
    behind = site.load_kw - site.pv_kw
    able = msgspec.structs.replace(
        storage,
        availability=_part(storage.availability, site.import_kw_max - behind, storage.charge_kw),
        discharge_availability=_part(storage.discharging, site.export_kw_max + behind, storage.discharge_kw),
    )
    meter = Meter(site.buy_price[None], site.sell_price[None], behind[None])
    return one_way(site, directions(able, interval_h, meter, extra_wear)[0])


def one_way(site: Site, ways: Index) -> Site:
    """The site with the directions of `directions` in its `burning` intervals."""
    return msgspec.structs.replace(site, storage=left_open(site.storage, ~burning(site), ways))


def left_open(storage: Storage, open_: Mask, ways: Index) -> Storage:
    """The storage with both directions where they stay open, and one of them or none elsewhere."""
    return msgspec.structs.replace(
        storage,
        availability=storage.availability * (open_ | (ways > 0)),
        discharge_availability=storage.discharging * (open_ | (ways < 0)),
    )


def _part(available: Values, room_kw: Values, power_kw: float) -> Values:
    return np.minimum(available, np.maximum(room_kw, 0.0) / power_kw)


class _Stored:
    """Values of stored energy at nodes of a grid, straight between them; days x nodes for each interval."""

    def __init__(self, storage: Storage, interval_h: float, meter: Meter, wear: float) -> None:
        self._storage, self._hours, self._meter, self._wear = storage, interval_h, meter, wear
        self._gain = interval_h * storage.charge_kw * storage.charge_efficiency * storage.availability
        loss = interval_h * storage.discharge_kw / storage.discharge_efficiency
        self._loss = loss * storage.discharging
        self._low, self._high = storage.floor_kwh, storage.ceiling_kwh
        most = float(max(self._gain.max(), self._loss.max(), _NEAR))
        room = self._high - self._low
        self._count = int(np.clip(np.ceil(room / most * _PARTS), 1, _NODES_MAX))
        self._step = room / self._count
        self._nodes = self._low + self._step * np.arange(self._count + 1, dtype=np.float64)
        self._down, self._up = (
            min(int(one.max() / self._step), self._count) for one in (self._loss, self._gain)
        )
        dearest = max(float(np.abs(meter.buy).max()), float(np.abs(meter.sell).max()))
        self._penalty = _PENALTY_FACTOR * (dearest + wear + 1.0)

    def ways(self) -> Index:
        """See `directions`."""
        worth = self._worth()
        days, slots = self._meter.buy.shape
        every = np.arange(days)
        stored = np.full(days, self._storage.start_kwh)
        found = np.zeros((days, slots), dtype=np.int64)
        for slot in range(slots):
            to_nodes = self._nodes[None] - stored[:, None]
            full = np.broadcast_to(np.array([self._gain[slot], -self._loss[slot], 0.0]), (days, 3))
            moves = np.concatenate([to_nodes, full], axis=1)
            ends = stored[:, None] + moves
            values = np.concatenate(
                [worth[slot + 1], self._between(worth[slot + 1], ends[:, -3:])], axis=1
            ) + self._earned(slot, moves)
            values[~self._allowed(slot, moves, ends)] = -np.inf
            best = moves.shape[1] - 1 - values[:, ::-1].argmax(axis=1)
            move = moves[every, best]
            stored = np.clip(stored + move, self._low, self._high)
            found[:, slot] = np.where(np.abs(move) > _NEAR, np.sign(move), 0)
        return found

    def _worth(self) -> Values:
        """What each stored energy is worth before each interval and at the end; backwards from there."""
        days, slots = self._meter.buy.shape
        worth = np.empty((slots + 1, days, self._count + 1))
        worth[slots] = -self._penalty * np.maximum(self._storage.end_kwh - self._nodes, 0.0)
        moves = self._step * np.arange(-self._down, self._up + 1, dtype=np.float64)
        none = np.full((days, 1), -np.inf)
        for slot in range(slots - 1, -1, -1):
            after = worth[slot + 1]
            lowest = self._low + self._storage.reserve_kwh[slot]
            after -= self._penalty * np.maximum(lowest - self._nodes, 0.0)
            earned = self._earned(slot, np.broadcast_to(moves, (days, len(moves))))
            earned[:, ~self._allowed(slot, moves, np.full(len(moves), self._low))] = -np.inf
            around = np.concatenate(
                [np.repeat(none, self._down, axis=1), after, np.repeat(none, self._up, axis=1)], axis=1
            )
            best = (sliding_window_view(around, len(moves), axis=1) + earned[:, None]).max(axis=2)
            for full in (self._gain[slot], -self._loss[slot]):
                ends = self._nodes + full
                there = (ends >= self._low - _NEAR) & (ends <= self._high + _NEAR)
                reached = self._between(after, np.broadcast_to(ends[there], (days, int(there.sum()))))
                earns = self._earned(slot, np.full((days, 1), full))
                best[:, there] = np.maximum(best[:, there], reached + earns)
            worth[slot] = best
        return worth

    def _earned(self, slot: int, moves: Values) -> Values:
        """Money of changes of the stored energy (days x moves) in an interval, less wear."""
        storage = self._storage
        sold = -np.where(moves > 0, moves / storage.charge_efficiency, moves * storage.discharge_efficiency)
        behind = self._hours * self._meter.behind[:, slot, None]
        drawn = behind - sold
        buy, sell = self._meter.buy[:, slot, None], self._meter.sell[:, slot, None]
        paid = buy * np.maximum(drawn, 0.0) - sell * np.maximum(-drawn, 0.0)
        return np.asarray(-paid - self._wear * np.abs(sold) / 2)

    def _allowed(self, slot: int, moves: Values, ends: Values) -> Mask:
        within = (moves <= self._gain[slot] + _NEAR) & (moves >= -self._loss[slot] - _NEAR)
        return np.asarray(within & (ends >= self._low - _NEAR) & (ends <= self._high + _NEAR))

    def _between(self, worth: Values, stored: Values) -> Values:
        """The values (days x nodes) at stored energies (days x any), straight between nodes."""
        at = (np.clip(stored, self._low, self._high) - self._low) / self._step
        below = np.clip(at.astype(np.int64), 0, self._count - 1)
        part = at - below
        rows = np.arange(len(worth))[:, None]
        return np.asarray(worth[rows, below] * (1 - part) + worth[rows, below + 1] * part)
