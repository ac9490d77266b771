"""Every site's columns and rows: storage, meter, demand charge, wear, cycles, and its part in the markets."""

from __future__ import annotations

from typing import Literal

import numpy as np

from dispatch.optimiser.fleet import Fleet
from dispatch.optimiser.lp import INFINITE, Index, Lp, Numbers

Mode = Literal["choose", "meter", "response", "spot"]
"""Which of the modes that exclude each other the sites are in: open, or fixed to one."""

Tier = Literal["storage", "meter", "ramp", "wish", "market"]
"""What gives way: the storage's energy, the meter's limits, the ramp, a wish, what a market asks."""

Pairs = tuple[Index, Index]
"""Some (site, interval) positions."""


class SiteRows:
    """The columns of all sites; `*_at` of the fleet say whose rows the markets' columns are.

    `charge`, `discharge`, `stored`, `bought`, `sold` and `curtailed` are sites x intervals.
    """

    def __init__(
        self,
        lp: Lp,
        fleet: Fleet,
        mode: Mode = "choose",
        *,
        elastic: bool = False,
        apart: Pairs | None = None,
    ) -> None:
        self.lp = lp
        self.fleet = fleet
        self.mode = mode
        self.slack: dict[str, Index] = {}
        self._owned: list[Pairs] = []
        self._every = np.arange(fleet.shape[0])
        self._elastic = elastic
        self._integer = fleet.request.integer
        self._storage()
        self._meter()
        self._demand_charge()
        self._regulation()
        self._cycles_and_ramp()
        self._response()
        self._spot()
        self._apart(apart)

    def _storage(self) -> None:
        lp, fleet = self.lp, self.fleet
        hours, shape = fleet.request.interval_h, fleet.shape
        self.charge = self._columns(shape, 0.0, fleet.charge_max)
        self.discharge = self._columns(shape, 0.0, fleet.discharge_max)
        ceiling = np.broadcast_to(fleet.stored_max[:, None], shape)
        self.stored = self._columns(shape, 0.0 if self._elastic else fleet.stored_min, ceiling)
        if self._elastic:
            wished = self._soft("wish_kwh", "wish", shape, upper=fleet.wish)
            short = self._soft("reserve_kwh", "storage", shape)
            lp.rows(shape, fleet.stored_min, INFINITE, (self.stored, 1.0), (wished, 1.0), (short, 1.0))
        kept = fleet.kept[:, None]
        first = np.zeros(shape)
        first[:, 0] = fleet.kept * fleet.start
        gain = -hours * fleet.charge_efficiency[:, None]
        loss = hours / fleet.discharge_efficiency[:, None]
        rows = lp.rows(shape, first, first, (self.stored, 1.0), (self.charge, gain), (self.discharge, loss))
        lp.put(rows[:, 1:], self.stored[:, :-1], -kept)
        self.end_short = self._columns((shape[0],), 0.0, INFINITE)
        lp.rows((shape[0],), fleet.end, INFINITE, (self.stored[:, -1], 1.0), (self.end_short, 1.0))
        lp.price("penalty", self.end_short, fleet.penalty)
        worth = fleet.spot_end_value if self.mode == "spot" else fleet.end_value
        lp.price("cost", self.stored[:, -1], -worth)
        for flow in (self.charge, self.discharge):
            lp.price("cost", flow, hours * fleet.wear[:, None] / 2)
        if fleet.request.objective.support is not None:
            support = hours * fleet.request.objective.supported(shape[1])
            lp.price("grid_support", self.discharge, support)
            lp.price("grid_support", self.charge, -support)

    def _meter(self) -> None:
        """bought - sold - curtailed = load - PV + charge - discharge, without what is traded at spot."""
        lp, fleet = self.lp, self.fleet
        hours, shape = fleet.request.interval_h, fleet.shape
        self.bought = self._columns(shape, 0.0, INFINITE if self._elastic else fleet.import_max)
        self.sold = self._columns(shape, 0.0, INFINITE if self._elastic else fleet.export_max)
        self.curtailed = self._columns(shape, 0.0, fleet.pv)
        if self._elastic:
            over = self._soft("import_kw_max", "meter", shape)
            lp.rows(shape, -INFINITE, fleet.import_max, (self.bought, 1.0), (over, -1.0))
            out = self._soft("export_kw_max", "meter", shape)
            lp.rows(shape, -INFINITE, fleet.export_max, (self.sold, 1.0), (out, -1.0))
        net = fleet.load - fleet.pv
        terms = [(self.bought, 1.0), (self.sold, -1.0), (self.curtailed, -1.0)]
        if self.mode != "spot":
            terms += [(self.charge, -1.0), (self.discharge, 1.0)]
        self.balance = lp.rows(shape, net, net, *terms)
        lp.price("cost", self.bought, hours * fleet.buy)
        lp.price("cost", self.sold, -hours * fleet.sell)
        both = np.nonzero(fleet.sell > fleet.buy)
        if len(both[0]) and self._integer:
            on = self._columns(both[0].shape, 0.0, 1.0, both[0], integer=True)
            most = fleet.import_max[both]
            lp.rows(both[0].shape, -INFINITE, 0.0, (self.bought[both], 1.0), (on, -most))
            most = fleet.export_max[both]
            lp.rows(both[0].shape, -INFINITE, most, (self.sold[both], 1.0), (on, most))

    def _demand_charge(self) -> None:
        """peak >= what the physical meter imports, and >= the peak so far."""
        lp, fleet, at = self.lp, self.fleet, self.fleet.peak_at
        self.peak = self._columns(at.shape, fleet.peak[at], INFINITE, at)
        count = fleet.shape[1]
        terms = [(self.bought[at], 1.0), (self.sold[at], -1.0), (self.peak[:, None], -1.0)]
        if self.mode == "spot":
            terms += [(self.charge[at], 1.0), (self.discharge[at], -1.0)]
        self.peak_rows = lp.rows((len(at), count), -INFINITE, 0.0, *terms)
        lp.price("cost", self.peak, fleet.peak_price[at])
        lp.price("cost_weighting", self.peak, fleet.peak_price[at] * (fleet.weight("demand_charge")[at] - 1))

    def _regulation(self) -> None:
        """+-(discharge - charge) + regulation within the power, and the energy to sustain it both ways."""
        lp, fleet, at = self.lp, self.fleet, self.fleet.regulation_at
        terms = fleet.request.regulation
        self.regulation = lp.columns((0, 0), 0.0, 0.0)
        if terms is None or not len(at):
            return
        shape = (len(at), fleet.shape[1])
        most = np.repeat(fleet.regulation_max[at, None], len(terms.price), axis=1)
        self.regulation = self._columns(most.shape, 0.0, most, at)
        offered = self.regulation[:, terms.block]
        charge, discharge, stored = self.charge[at], self.discharge[at], self.stored[at]
        up = fleet.discharge_max[at]
        lp.rows(shape, -INFINITE, up, (discharge, 1.0), (charge, -1.0), (offered, 1.0))
        down = fleet.charge_max[at]
        lp.rows(shape, -INFINITE, down, (charge, 1.0), (discharge, -1.0), (offered, 1.0))
        below = -terms.sustain_h / fleet.discharge_efficiency[at, None]
        lp.rows(shape, fleet.stored_min[at], INFINITE, (stored, 1.0), (offered, below))
        above = terms.sustain_h * fleet.charge_efficiency[at, None]
        ceiling = np.broadcast_to(fleet.stored_max[at, None], shape)
        lp.rows(shape, -INFINITE, ceiling, (stored, 1.0), (offered, above))
        lp.price("cost", self.regulation, fleet.wear[at, None] * terms.call_kwh)
        weight = fleet.weight("ancillary")[at, None] - 1
        lp.price("revenue_weighting", self.regulation, weight * terms.price)
        if fleet.request.rules.regulation_alone and self._integer:
            alone = self._columns(most.shape, 0.0, 1.0, at, integer=True)
            lp.rows(most.shape, -INFINITE, 0.0, (self.regulation, 1.0), (alone, -most))
            for flow, limit in ((charge, down), (discharge, up)):
                lp.rows(shape, -INFINITE, limit, (flow, 1.0), (alone[:, terms.block], limit))

    def _cycles_and_ramp(self) -> None:
        lp, fleet = self.lp, self.fleet
        at, terms, hours = fleet.cycle_at, fleet.request.regulation, fleet.request.interval_h
        days = fleet.cycle_kwh.shape
        rows = lp.rows(days, -INFINITE, fleet.cycle_kwh)
        lp.put(rows[fleet.cycle_row], self.discharge[at], hours / fleet.discharge_efficiency[at, None])
        if terms is not None and self.regulation.size:
            here = np.isin(fleet.regulation_at, at)
            whose = np.searchsorted(at, fleet.regulation_at[here])
            lp.put(rows[fleet.cycle_row[whose][:, terms.starts]], self.regulation[here], terms.call_kwh)
        if self._elastic:
            lp.put(rows, self._soft("discharge_kwh_max", "storage", days, fleet.cycle_site), -1.0)
        at = fleet.ramp_at
        shape = (len(at), fleet.shape[1])
        before = np.zeros(shape)
        before[:, 0] = fleet.start_setpoint[at]
        limit = fleet.ramp[at]
        rows = lp.rows(
            shape, before - limit, before + limit, (self.discharge[at], 1.0), (self.charge[at], -1.0)
        )
        lp.put(rows[:, 1:], self.discharge[at, :-1], -1.0)
        lp.put(rows[:, 1:], self.charge[at, :-1], 1.0)
        if self._elastic:
            lp.put(rows, self._soft("ramp_kw", "ramp", shape, at), -1.0)
            lp.put(rows, self._soft("ramp_kw_down", "ramp", shape, at), 1.0)

    def _response(self) -> None:
        """reduced <= baseline - net while responding; no regulation in the blocks of the response."""
        lp, fleet, at = self.lp, self.fleet, self.fleet.response_at
        terms = fleet.request.response
        self.reduced = lp.columns((0, 0), 0.0, 0.0)
        self.responding = lp.columns((0,), 0.0, 0.0)
        if terms is None or not len(at):
            return
        shape = (len(at), len(terms.slot))
        if self.mode == "spot":
            return
        sun = fleet.pv[at[:, None], terms.slot].max(axis=1)
        most = np.maximum(fleet.baseline.max(axis=1) + fleet.discharge_kw[at] + sun, 0.0)[:, None]
        self.reduced = self._columns(shape, 0.0, np.broadcast_to(most, shape), at)
        net = [(self.bought[at[:, None], terms.slot], 1.0), (self.sold[at[:, None], terms.slot], -1.0)]
        idle = fleet.import_max[at[:, None], terms.slot] + np.maximum(-fleet.baseline, 0.0)
        on = self._responding(at)
        self.responding = on
        rows = lp.rows(
            shape, -INFINITE, fleet.baseline + idle, (self.reduced, 1.0), (on[:, None], idle), *net
        )
        if self.mode != "choose":
            lp.put(rows, self._soft("baseline_kw", "market", shape, at), -1.0)
        lp.rows(shape, -INFINITE, 0.0, (self.reduced, 1.0), (on[:, None], -most))
        weight = fleet.weight("demand_response")[at, None] - 1
        hours = fleet.request.interval_h
        lp.price("revenue_weighting", self.reduced, hours * weight * terms.price)
        self._no_regulation(at, on)

    def _responding(self, at: Index) -> Index:
        match self.mode:
            case "choose":
                return self._columns(at.shape, 0.0, 1.0, at, integer=self._integer)
            case "response":
                return self._columns(at.shape, 1.0, 1.0, at)
            case _:
                return self._columns(at.shape, 0.0, 0.0, at)

    def _no_regulation(self, at: Index, on: Index) -> None:
        regulation, response, fleet = self.fleet.request.regulation, self.fleet.request.response, self.fleet
        if regulation is None or response is None or not self.regulation.size:
            return
        blocks = np.unique(regulation.block[response.slot])
        both = np.intersect1d(at, fleet.regulation_at)
        offered = self.regulation[np.searchsorted(fleet.regulation_at, both)][:, blocks]
        most = fleet.regulation_max[both, None]
        mine = on[np.searchsorted(at, both), None]
        limit = np.broadcast_to(most, offered.shape)
        self.lp.rows(offered.shape, -INFINITE, limit, (offered, 1.0), (mine, most))

    def _spot(self) -> None:
        """What is traded at spot, and the mode that keeps it apart from what lowers the bill."""
        lp, fleet, at = self.lp, self.fleet, self.fleet.spot_at
        terms, rules = fleet.request.spot, fleet.request.rules
        self.spot_charge = self.spot_discharge = lp.columns((0, 0), 0.0, 0.0)
        self.trading = lp.columns((0, 0), 0.0, 0.0)
        if terms is None or not len(at) or self.mode in ("meter", "response"):
            return
        hours, shape = fleet.request.interval_h, (len(at), fleet.shape[1])
        if self.mode == "spot":
            self.spot_charge, self.spot_discharge = self.charge[at], self.discharge[at]
        else:
            self._spot_modes(shape, by_interval=rules.spot_scope == "interval")
        net = [(self.bought[at], 1.0), (self.sold[at], -1.0)]
        net += [(self.spot_charge, 1.0), (self.spot_discharge, -1.0)]
        self.physical = lp.rows(shape, -fleet.export_max[at], fleet.import_max[at], *net)
        if self._elastic:
            lp.put(self.physical, self._soft("import_kw_max_spot", "meter", shape, at), -1.0)
            lp.put(self.physical, self._soft("export_kw_max_spot", "meter", shape, at), 1.0)
        weight = fleet.weight("spot")[at, None] - 1
        for flow, sign in ((self.spot_charge, -1.0), (self.spot_discharge, 1.0)):
            lp.price("revenue", flow, sign * hours * terms.price)
            lp.price("revenue_weighting", flow, sign * hours * weight * terms.price)

    def _spot_modes(self, shape: tuple[int, int], *, by_interval: bool) -> None:
        lp, fleet, at = self.lp, self.fleet, self.fleet.spot_at
        charge, discharge = fleet.charge_max[at], fleet.discharge_max[at]
        self.spot_charge = self._columns(shape, 0.0, charge, at)
        self.spot_discharge = self._columns(shape, 0.0, discharge, at)
        held = np.where(fleet.spot_held[at], 1.0, 0.0)[:, None]
        own = shape if by_interval else (shape[0], 1)
        lowest = np.broadcast_to(held, own)
        self.trading = self._columns(own, lowest, 1.0, at, integer=self._integer)
        on = np.broadcast_to(self.trading, shape)
        pairs = (
            (self.spot_charge, self.charge[at], charge),
            (self.spot_discharge, self.discharge[at], discharge),
        )
        for traded, flow, most in pairs:
            lp.rows(shape, -INFINITE, 0.0, (traded, 1.0), (on, -most))
            lp.rows(shape, -INFINITE, most, (flow, 1.0), (traded, -1.0), (on, most))
            lp.rows(shape, 0.0, INFINITE, (flow, 1.0), (traded, -1.0))
        if not by_interval:
            self._kept_at_spot()
        balance = self.balance[at]
        lp.put(balance, self.spot_charge, 1.0)
        lp.put(balance, self.spot_discharge, -1.0)
        peaks = np.intersect1d(at, fleet.peak_at)
        mine, rows = np.searchsorted(at, peaks), self.peak_rows[np.searchsorted(fleet.peak_at, peaks)]
        lp.put(rows, self.spot_charge[mine], 1.0)
        lp.put(rows, self.spot_discharge[mine], -1.0)
        response = fleet.request.response
        if response is None or not self.responding.size or not fleet.request.rules.response_bars_spot:
            return
        both = np.intersect1d(at, fleet.response_at)
        responding = self.responding[np.searchsorted(fleet.response_at, both), None]
        trading = self.trading[np.searchsorted(at, both)]
        if by_interval:
            trading = trading[:, response.slot]
        lp.rows(trading.shape, -INFINITE, 1.0, (responding, 1.0), (trading, 1.0))

    def _kept_at_spot(self) -> None:
        """What a storage at spot keeps is worth what it is there: kept = stored x mode, for whole modes."""
        lp, fleet, at = self.lp, self.fleet, self.fleet.spot_at
        stored, on, most = self.stored[at, -1], self.trading[:, 0], fleet.stored_max[at]
        kept = self._columns(at.shape, 0.0, most, at)
        lp.rows(at.shape, -INFINITE, 0.0, (kept, 1.0), (on, -most))
        lp.rows(at.shape, -INFINITE, 0.0, (kept, 1.0), (stored, -1.0))
        lp.rows(at.shape, -most, INFINITE, (kept, 1.0), (stored, -1.0), (on, -most))
        lp.price("cost", kept, (fleet.end_value - fleet.spot_end_value)[at])

    def _apart(self, apart: Pairs | None) -> None:
        """No charging and discharging at once: a choice in the slots where both at once could pay."""
        found = np.nonzero(self.fleet.burning_pays)
        if apart is not None:
            sites = np.concatenate([found[0], apart[0]])
            pairs = np.unique(np.stack([sites, np.concatenate([found[1], apart[1]])]), axis=1)
            found = (pairs[0], pairs[1])
        if not len(found[0]) or not self._integer:
            return
        on = self._columns(found[0].shape, 0.0, 1.0, found[0], integer=True)
        most = self.fleet.charge_max[found]
        self.lp.rows(found[0].shape, -INFINITE, 0.0, (self.charge[found], 1.0), (on, -most))
        most = self.fleet.discharge_max[found]
        self.lp.rows(found[0].shape, -INFINITE, most, (self.discharge[found], 1.0), (on, most))

    def _columns(
        self,
        shape: tuple[int, ...],
        lower: Numbers,
        upper: Numbers,
        at: Index | None = None,
        *,
        integer: bool = False,
    ) -> Index:
        """New columns whose first axis is all sites, or those at `at`."""
        found = self.lp.columns(shape, lower, upper, integer=integer)
        self._owned.append((found, self._every if at is None else at))
        return found

    @property
    def owner(self) -> Index:
        """Which site each column belongs to."""
        found = np.zeros(self.lp.column_count, dtype=np.int64)
        for columns, at in self._owned:
            found[columns] = at.reshape(-1, *[1] * (columns.ndim - 1))
        return found

    def _soft(
        self,
        name: str,
        tier: Tier,
        shape: tuple[int, ...],
        at: Index | None = None,
        *,
        upper: Numbers = INFINITE,
    ) -> Index:
        """How far a limit is overrun, at a price that nothing earns; 1 each in the part of its tier."""
        found = self._columns(shape, 0.0, upper, at)
        penalty = self.fleet.penalty if at is None else self.fleet.penalty[at]
        self.lp.price("overrun", found, penalty.reshape(-1, *[1] * (len(shape) - 1)))
        self.lp.price(tier, found, 1.0)
        self.slack[name] = found
        return found
