"""The sites of a request as arrays: sites x intervals, sites, or the positions of those who take part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from dispatch.optimiser.lp import INFINITE, Index, Values
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.site import PlanStream, Site

_PENALTY_FACTOR: Final = 10.0


class Fleet:
    """kW, kWh and money per kWh. Arrays have a site a row; those named `*_at` are positions of sites."""

    def __init__(self, request: PlanRequest) -> None:
        self.request = request
        sites = request.sites
        self.load = _stack(sites, lambda s: s.load_kw)
        self.pv = _stack(sites, lambda s: s.pv_kw)
        self.buy = _stack(sites, lambda s: s.buy_price)
        self.sell = _stack(sites, lambda s: s.sell_price)
        self.import_max = _stack(sites, lambda s: s.import_kw_max)
        self.export_max = _stack(sites, lambda s: s.export_kw_max)
        charging = _stack(sites, lambda s: s.storage.availability)
        discharging = _stack(sites, lambda s: s.storage.discharging)
        leased = _each(sites, lambda s: s.storage.leased_kw)[:, None]
        self.charge_kw = _each(sites, lambda s: s.storage.charge_kw)
        self.discharge_kw = _each(sites, lambda s: s.storage.discharge_kw)
        self.charge_max = np.maximum(charging * self.charge_kw[:, None] - leased, 0.0)
        self.discharge_max = np.maximum(discharging * self.discharge_kw[:, None] - leased, 0.0)
        floor = _each(sites, lambda s: s.storage.floor_kwh)[:, None]
        self.stored_min = floor + _stack(sites, lambda s: s.storage.reserve_kwh)
        self.stored_max = _each(sites, lambda s: s.storage.ceiling_kwh)
        self.start = _each(sites, lambda s: s.storage.start_kwh)
        self.end = _each(sites, lambda s: s.storage.end_kwh)
        self.charge_efficiency = _each(sites, lambda s: s.storage.charge_efficiency)
        self.discharge_efficiency = _each(sites, lambda s: s.storage.discharge_efficiency)
        self.kept = 1.0 - _each(sites, lambda s: s.storage.loss_per_interval)
        self.wear = _each(sites, lambda s: s.storage.wear_price)
        self.start_setpoint = _each(sites, lambda s: s.storage.start_setpoint_kw)
        self.wish = _stack(sites, lambda s: _or_nothing(s.storage.wish_kwh, s.count))
        self.ramp = _stack(sites, lambda s: np.broadcast_to(_or_infinite(s.storage.ramp_kw), s.count))
        self.peak = _each(sites, lambda s: s.peak_kw)
        self.peak_price = _each(sites, lambda s: s.peak_price)
        self.regulation_max = _each(sites, lambda s: s.regulation_kw_max)
        self._place_streams()
        self._value_energy()

    def _place_streams(self) -> None:
        request, sites = self.request, self.request.sites
        every = np.arange(len(sites))
        self.peak_at = _where(sites, lambda s: s.uses("demand_charge"))
        self.ramp_at = every[np.isfinite(self.ramp).any(axis=1)]
        self._place_days()
        none = np.zeros(0, dtype=np.int64)
        self.regulation_at = none if request.regulation is None else _where(sites, _uses("ancillary"))
        self.response_at = none if request.response is None else _where(sites, _uses("demand_response"))
        self.spot_at = none if request.spot is None else _where(sites, _uses("spot"))
        self.spot_held = np.array([s.spot_mode == "held" for s in sites], dtype=np.bool_)
        rows = [site.baseline_kw for site in sites if site.baseline_kw is not None and len(self.response_at)]
        kept = [sites[i].baseline_kw for i in self.response_at]
        self.baseline = np.array([row for row in kept if row is not None]) if rows else np.zeros((0, 0))

    def _place_days(self) -> None:
        """`cycle_at`: who has a limit a day. `cycle_site`, `cycle_kwh`: whose each of these limits is, and
        how much; `cycle_row` which of them holds in each interval of those at `cycle_at`."""
        count, sites = self.shape[1], self.request.sites
        self.cycle_at = _where(sites, lambda s: s.storage.discharge_kwh_max is not None)
        limits = [sites[i].storage.discharge_kwh_max or () for i in self.cycle_at]
        each = np.array([len(one) for one in limits], dtype=np.int64)
        self.cycle_site = np.repeat(self.cycle_at, each)
        self.cycle_kwh = np.array([kwh for one in limits for kwh in one], dtype=np.float64)
        first = np.cumsum(each) - each
        days = [sites[i].storage.days(count) for i in self.cycle_at]
        self.cycle_row = first[:, None] + np.array(days, dtype=np.int64).reshape(len(each), count)

    def _value_energy(self) -> None:
        request = self.request
        self._value_stored()
        dearest = np.maximum(np.abs(self.buy).max(axis=1), np.abs(self.sell).max(axis=1))
        if request.spot is not None:
            dearest = np.maximum(dearest, np.abs(request.spot.price).max())
        if request.response is not None:
            dearest = dearest + request.response.price.max() + request.response.shortfall_price.max()
        if request.regulation is not None:
            dearest = dearest + np.abs(request.regulation.price).max() / request.interval_h
        peak = np.where(self.peak_price > 0, self.peak_price / request.interval_h, 0.0)
        self.penalty = _PENALTY_FACTOR * (dearest + peak + self.wear + 1.0)

    def _value_stored(self) -> None:
        """A kWh left is worth what it costs to buy again, of which the losses come off, and never less than
        nothing: `end_value` behind the meter, `spot_end_value` at spot.

        Of a site that trades it is worth no more behind the meter than what it is good for there: without a
        load, what sending it out earns. Where each interval may be at spot, the cheaper of the two holds.
        """
        request, at = self.request, self.spot_at
        behind = np.maximum(self.buy.min(axis=1), 0.0)
        at_spot = behind.copy()
        if request.spot is not None and len(at):
            cheapest = max(float(request.spot.price.min()), 0.0)
            counts = self.weight("spot")[at] * request.objective.revenue_counts
            at_spot[at] = cheapest * np.minimum(counts, 1.0)
            if request.rules.spot_scope == "interval":
                behind[at] = at_spot[at] = np.minimum(behind[at], at_spot[at])
            else:
                sent = np.where(self.export_max[at] > 0, self.sell[at], 0.0)
                used = np.where(self.load[at] > self.pv[at], self.buy[at], sent)
                behind[at] = np.minimum(behind[at], np.maximum(used.max(axis=1), 0.0))
        self.end_value = behind * self.discharge_efficiency
        self.spot_end_value = at_spot * self.discharge_efficiency

    def weight(self, stream: PlanStream) -> Values:
        """What each site's contract multiplies the stream's money by."""
        return _each(self.request.sites, lambda s: s.weights.get(stream, 1.0))

    @property
    def peaks_paid(self) -> float:
        """The demand charge of the peaks so far, with the contracts' weights: no plan changes it."""
        return float((self.peak_price * self.weight("demand_charge") * self.peak)[self.peak_at].sum())

    @property
    def shape(self) -> tuple[int, int]:
        """Sites and intervals."""
        return self.load.shape[0], self.load.shape[1]

    @property
    def burning_pays(self) -> Values:
        """Where charging and discharging at once could pay: 1 for a slot priced below the wear of it.

        It never pays while price >= -k (1 + n) / (2 (1 - n)), n the efficiency of a round trip.
        """
        n = self.charge_efficiency * self.discharge_efficiency
        with np.errstate(divide="ignore", invalid="ignore"):
            least = -self.wear * (1 + n) / (2 * (1 - n))
        price = np.minimum(self.buy, self.sell)
        if self.request.spot is not None and len(self.spot_at):
            price = price.copy()
            price[self.spot_at] = np.minimum(price[self.spot_at], self.request.spot.price)
        below: Values = (price < np.where(n < 1, least, -INFINITE)[:, None]).astype(np.float64)
        return below


def _uses(stream: PlanStream) -> Callable[[Site], bool]:
    return lambda site: site.uses(stream)


def _stack(sites: tuple[Site, ...], of: Callable[[Site], Values]) -> Values:
    return np.array([of(site) for site in sites])


def _each(sites: tuple[Site, ...], of: Callable[[Site], float]) -> Values:
    return np.array([of(site) for site in sites], dtype=np.float64)


def _where(sites: tuple[Site, ...], holds: Callable[[Site], bool]) -> Index:
    return np.array([i for i, site in enumerate(sites) if holds(site)], dtype=np.int64)


def _or_infinite(limit: float | Values | None) -> float | Values:
    return INFINITE if limit is None else limit


def _or_nothing(series: Values | None, count: int) -> Values:
    return np.zeros(count) if series is None else series
