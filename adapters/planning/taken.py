"""What the desk has bound of each site in a horizon: power, and the energy behind it, that no plan may use.

A commitment is its unit's; a site has its part of it as the award was shared out, or by its capability where
nothing was yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

import msgspec
import numpy as np

from adapters.planning.called import Mask, called_of
from adapters.planning.portfolio import Horizon, Portfolio, day_of
from adapters.postgres.database import Connection
from adapters.queries import registered
from adapters.queries.folded import states
from adapters.queries.shared_awards import shared_award
from dispatch.plan_check import SiteLimits, Whole
from ledger.interval import midnight, zone_of
from ledger.trading_unit import TradingUnit
from trading.commitment import UnitDay, aggregate_of
from trading.envelope import SLOT_S
from trading.feasibility import Commitment

_PPM: Final = 1_000_000
_S_PER_HOUR: Final = 3600


class Taken(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Per interval and at least 0, but `path_w`: what is planned of it, above 0 discharging.

    `up_w` and `down_w` are held ready, with energy for `held_s` each; `asked_up_w` and `asked_down_w` may be
    asked for throughout. `spot_w` is the part of the path that is settled at spot. `held` is 1 where the path
    is all that is done, also where it is 0.
    """

    path_w: Whole
    spot_w: Whole
    up_w: Whole
    down_w: Whole
    asked_up_w: Whole
    asked_down_w: Whole
    up_ws: Whole
    down_ws: Whole
    held: Whole

    @classmethod
    def nothing(cls, count: int) -> Taken:
        return cls(**{name: np.zeros(count, dtype=np.int64) for name in cls.__struct_fields__})

    @property
    def any(self) -> bool:
        return any(getattr(self, name).any() for name in self.__struct_fields__)

    @property
    def bound(self) -> Whole:
        """1 where the storage does what is committed and nothing else."""
        busy = (self.path_w != 0) | (self.asked_up_w > 0) | (self.asked_down_w > 0) | (self.held > 0)
        return np.asarray(busy, dtype=np.int64)

    def left_of(self, limits: SiteLimits) -> SiteLimits:
        """What a plan beside it may use.

        A committed path moves the energy that the plan does not know of: the floor rises by what it has
        taken out by then. In its intervals the storage does nothing else.
        """
        seconds = limits.interval_s
        out = np.maximum(self.path_w, 0) * seconds * _PPM // (limits.discharge_efficiency_ppm * _S_PER_HOUR)
        into = np.maximum(-self.path_w, 0) * seconds * limits.charge_efficiency_ppm // (_PPM * _S_PER_HOUR)
        moved = np.cumsum(out - into)
        asked_out = self.asked_up_w * seconds * _PPM // (limits.discharge_efficiency_ppm * _S_PER_HOUR)
        asked_in = self.asked_down_w * seconds * limits.charge_efficiency_ppm // (_PPM * _S_PER_HOUR)
        held_out = self.up_ws * _PPM // (limits.discharge_efficiency_ppm * _S_PER_HOUR)
        held_in = self.down_ws * limits.charge_efficiency_ppm // (_PPM * _S_PER_HOUR)
        floor = limits.floor_wh + moved + _until(asked_out) + held_out
        ceiling = limits.ceiling_wh + min(0, int(moved.min())) - int(asked_in.sum()) - int(held_in.max())
        ceiling = max(ceiling, int(limits.floor_wh.min()) + 1)
        free = 1 - self.bound
        used, day = limits.discharge_wh_max, limits.days()
        return msgspec.structs.replace(
            limits,
            load_w=limits.load_w - self.path_w,
            charge_w_max=np.maximum(limits.charge_w_max - self.down_w, 0) * free,
            discharge_w_max=np.maximum(limits.discharge_w_max - self.up_w, 0) * free,
            floor_wh=np.clip(floor, 0, ceiling),
            ceiling_wh=ceiling,
            discharge_wh_max=None
            if used is None
            else tuple(max(0, most - int(out[day == number].sum())) for number, most in enumerate(used)),
        )


def _until(asked: Whole) -> Whole:
    """The energy that must be there at each interval's end: what may be asked for after it, from the interval
    before the first on."""
    after = asked[::-1].cumsum()[::-1] - asked
    if asked.any():
        first = int(np.argmax(asked > 0))
        after[: max(0, first - 1)] = 0
    return np.asarray(after, dtype=np.int64)


class Takings(NamedTuple):
    """By site, those from whom something is taken; what it rests on; and the sites of which another unit than
    the portfolio has bound something."""

    of: dict[str, Taken]
    rests_on: tuple[str, ...]
    others: frozenset[str]


def takings(connection: Connection, position: int, portfolio: Portfolio, horizon: Horizon) -> Takings:
    """What every unit that has one of the portfolio's sites is committed to.

    Raises:
        Discontinuity: an event that is read is not what was recorded.
    """
    units = registered.load(connection, "trading_unit", TradingUnit, position)
    found: dict[str, Taken] = {}
    rests_on: list[str] = []
    others: set[str] = set()
    days: dict[str, tuple[TradingUnit, date]] = {}
    for name in sorted(units.versions):
        held = units.at(name, horizon.start)
        if held is None:
            continue
        if not _members(held.document, horizon).keys() & set(portfolio.sites):
            continue
        first = day_of(held.document.zone, horizon.start)
        last = day_of(held.document.zone, horizon.end - timedelta(seconds=1))
        for number in range((last - first).days + 1):
            day = first + timedelta(days=number)
            days[aggregate_of(name, day)] = held.document, day
    bound = states(connection, days, position)
    for aggregate, (unit, day) in days.items():
        state = bound.get(aggregate)
        own = [one for one in state.commitments if one.of is None] if isinstance(state, UnitDay) else []
        if not own:
            continue
        rests_on.append(f"{aggregate}: {', '.join(one.bid for one in own)}")
        offset = int((midnight(day, zone_of(unit.zone)) - horizon.start).total_seconds())
        members = _members(unit, horizon)
        for one in own:
            calls = called_of(connection, position, one, day, unit.zone)
            for site, parts in _parts(connection, position, one, members):
                if site in portfolio.sites:
                    others |= {site} if unit.id != portfolio.id else set()
                    taken = found.setdefault(site, Taken.nothing(horizon.count))
                    for part, delivered in parts.split(calls.slots_of(site), reserves=one.reserves):
                        _add(taken, one, part, offset, horizon, delivered=delivered)
    of = {site: taken for site, taken in found.items() if taken.any}
    return Takings(of, tuple(rests_on), frozenset(others))


def _members(unit: TradingUnit, horizon: Horizon) -> dict[str, int]:
    return {m.site: m.capability_w for m in unit.members if m.stands_at(horizon.start)}


class _Parts(NamedTuple):
    """A site's part of a commitment, W for each slot; the path None where there is none."""

    up: Whole
    down: Whole
    path: Whole | None

    def split(self, called: Mask, *, reserves: bool) -> Iterator[tuple[_Parts, bool]]:
        """What is delivered, and what is held ready: a reserve's path is delivered where it is called."""
        if not reserves or self.path is None or not called.any():
            yield self, not reserves
            return
        yield _Parts(self.up * called, self.down * called, self.path * called), True
        yield _Parts(self.up * ~called, self.down * ~called, None), False


def _parts(
    connection: Connection, position: int, one: Commitment, members: dict[str, int]
) -> Iterator[tuple[str, _Parts]]:
    slots = len(one.up_w)
    shared: dict[str, Whole] = {}
    if one.awarded and one.path_w is not None:
        for part in shared_award(connection, position, one.bid):
            for site, powers in part.sites.items():
                shared[site] = _by_slots(np.array(powers, dtype=np.int64), slots)
    if shared:
        for site, path in shared.items():
            yield site, _Parts(np.maximum(path, 0), np.maximum(-path, 0), path)
        return
    sites = sorted(members)
    total, before = sum(members.values()), 0
    path_w = None if one.path_w is None else _by_slots(np.array(one.path_w, dtype=np.int64), slots)
    for site in sites:
        after = before + members[site]

        def cut(whole: Sequence[int] | Whole, low: int = before, high: int = after) -> Whole:
            values = np.array(whole, dtype=np.int64)
            sign = np.where(values < 0, -1, 1)
            size = np.abs(values)
            return np.asarray(sign * (size * high // total - size * low // total), dtype=np.int64)

        yield site, _Parts(cut(one.up_w), cut(one.down_w), None if path_w is None else cut(path_w))
        before = after


def _by_slots(path: Whole, slots: int) -> Whole:
    """Mean power of each slot, toward 0, of a path that is as fine or finer."""
    if len(path) % slots:
        # Hours for quarter-hours: each holds in all of its parts.
        return np.repeat(path, slots // max(len(path), 1))[:slots]
    rows = path.reshape(slots, -1)
    total = rows.sum(axis=1)
    return np.asarray(np.sign(total) * (np.abs(total) // rows.shape[1]), dtype=np.int64)


def _add(
    taken: Taken, one: Commitment, parts: _Parts, offset_s: int, horizon: Horizon, *, delivered: bool
) -> None:
    """Put the slots where the horizon's intervals are; of several slots in one the largest, of paths the
    mean. What is not `delivered` is held ready."""
    step = horizon.interval_s
    at = step * np.arange(horizon.count, dtype=np.int64) - offset_s
    width = max(1, step // SLOT_S)
    index = at[:, None] // SLOT_S + np.arange(width, dtype=np.int64)
    there = (index >= 0) & (index < len(parts.up))
    index = np.clip(index, 0, len(parts.up) - 1)

    def most(values: Whole) -> Whole:
        return np.asarray(np.where(there, values[index], 0).max(axis=1), dtype=np.int64)

    if not delivered:
        held = one.held_s or 0
        taken.up_w[:] += most(parts.up)
        taken.down_w[:] += most(parts.down)
        taken.up_ws[:] += most(parts.up) * held
        taken.down_ws[:] += most(parts.down) * held
    elif parts.path is None:
        taken.asked_up_w[:] += most(parts.up)
        taken.asked_down_w[:] += most(parts.down)
    else:
        total = np.where(there, parts.path[index], 0).sum(axis=1)
        mean = np.sign(total) * (np.abs(total) // width)
        taken.path_w[:] += mean
        if one.stream == "spot":
            taken.spot_w[:] += mean
