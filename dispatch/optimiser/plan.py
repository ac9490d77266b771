"""What the optimiser answers: setpoints, stored energy, what is offered to markets, and how sure it is."""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from dispatch.optimiser.fleet import Fleet
from dispatch.optimiser.flows import Flows, stored_after
from dispatch.optimiser.lp import Values
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.valuation import worth_of

Whole = npt.NDArray[np.int64]

Status = Literal["optimal", "within_gap", "stopped", "relaxed"]
"""`optimal`: proven best; `within_gap`: proven to lie within the stated gap of the best; `stopped`: the
best found when the time was up; `relaxed`: the input allows no plan, and the reason names what gives way."""

_MICRO: Final = 1_000_000
_W: Final = 1000
_NOISE_KW_DIGITS: Final = 5
_PPM_MAX: Final = 2**62


class SitePlan(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """One site's part of a plan, per interval, block or slot; whole W and Wh, money in 10^-6 units.

    `setpoint_w` is above 0 discharging, at the AC side. `stored_wh` is what the cells hold at each
    interval's end. `spot_w` is what of the setpoint is settled at spot. `energy_micro` is bought less sold,
    `demand_micro` the demand charge above the peak so far, `end_micro` the worth of what is left stored.
    """

    id: str
    setpoint_w: Whole
    stored_wh: Whole
    curtailed_w: Whole
    spot_w: Whole
    regulation_w: Whole
    response_w: Whole
    energy_micro: int
    demand_micro: int
    wear_micro: int
    end_micro: int
    spot_micro: int
    reason: str = ""
    """Empty, or which of the site's limits gives way, where and by how much."""


class Plan(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """A portfolio's plan. `objective_micro` is what was minimised, and no plan has less than `bound_micro`.

    `gap_ppm` is their distance in millionths of the objective, rounded up. `cost_micro`, `revenue_micro`
    and `support_wh` are the three aims, computed from the setpoints.
    """

    sites: tuple[SitePlan, ...]
    regulation_w: Whole
    response_w: Whole
    shortfall_w: Whole
    spot_w: Whole
    status: Status
    reason: str
    objective_micro: int
    bound_micro: int
    gap_ppm: int
    cost_micro: int
    revenue_micro: int
    support_wh: int

    def of(self, site: str) -> SitePlan:
        """The plan of that site; KeyError for a site that was not asked about."""
        for plan in self.sites:
            if plan.id == site:
                return plan
        raise KeyError(site)


class Verdict(msgspec.Struct, frozen=True):
    """How a solve ended: objective and bound in money, and which sites' limits gave way."""

    status: Status
    objective: float
    bound: float
    reasons: dict[str, str] = {}
    reason: str = ""


def gap_ppm(objective: float, bound: float) -> int:
    """The distance in millionths of the objective, rounded up; 0 where it is the solver's rounding.

    >>> gap_ppm(1000.0, 999.5), gap_ppm(0.0, 0.0)
    (500, 0)
    """
    distance = max(0.0, objective - bound)
    if distance <= 1e-9 * max(1.0, abs(objective)):
        return 0
    relative = distance / max(abs(objective), 1e-6)
    return min(math.ceil(relative * _MICRO - 1e-6), _PPM_MAX)


def plan_of(request: PlanRequest, fleet: Fleet, flows: Flows, verdict: Verdict) -> Plan:
    """The plan in whole W and Wh.

    A setpoint is rounded so that the energy of all up to any interval is off by less than 1 W of one
    interval; it never leaves the storage's power. Stored energy and money follow from the rounded setpoints.
    """
    regulation = _whole_over_sites(flows.regulation)
    setpoint = _setpoints(fleet, flows, regulation)
    all_spot = np.abs(flows.spot - flows.setpoint) < 10.0**-_NOISE_KW_DIGITS
    spot = np.where(all_spot & (np.abs(flows.spot) > 0), setpoint, _whole_over_time(flows.spot))
    curtailed = _nearest(flows.curtailed)
    np.minimum(curtailed, _floor(fleet.pv), out=curtailed)
    reduced = _whole_over_sites(flows.reduced)
    offered = np.minimum(_nearest(flows.offered), regulation.sum(axis=0))
    exact = flows._replace(
        setpoint=setpoint / _W,
        spot=spot / _W,
        curtailed=curtailed / _W,
        regulation=regulation / _W,
        reduced=reduced / _W,
    )
    stored = np.rint(stored_after(fleet, exact.setpoint) * _W).astype(np.int64)
    worth = worth_of(fleet, exact)
    plans = tuple(
        SitePlan(
            id=site.id,
            setpoint_w=setpoint[i],
            stored_wh=stored[i],
            curtailed_w=curtailed[i],
            spot_w=spot[i],
            regulation_w=regulation[i],
            response_w=reduced[i],
            energy_micro=_micro(worth.energy[i]),
            demand_micro=_micro(worth.demand[i]),
            wear_micro=_micro(worth.wear[i]),
            end_micro=_micro(worth.end[i]),
            spot_micro=_micro(worth.spot[i]),
            reason=verdict.reasons.get(site.id, ""),
        )
        for i, site in enumerate(request.sites)
    )
    return Plan(
        sites=plans,
        regulation_w=offered,
        response_w=_nearest(flows.committed),
        shortfall_w=_nearest(flows.shortfall),
        spot_w=spot.sum(axis=0),
        status=verdict.status,
        reason=verdict.reason,
        objective_micro=_micro(verdict.objective),
        bound_micro=_micro(verdict.bound),
        gap_ppm=gap_ppm(verdict.objective, verdict.bound),
        cost_micro=_micro(worth.cost),
        revenue_micro=_micro(worth.revenue),
        support_wh=round(float(worth.support_kwh.sum()) * _W),
    )


def merged(plans: tuple[Plan, ...]) -> Plan:
    """The plans of chunks that share no market, as one: objectives and bounds add up."""
    order: tuple[Status, ...] = ("optimal", "within_gap", "stopped", "relaxed")
    objective = sum(plan.objective_micro for plan in plans)
    bound = sum(plan.bound_micro for plan in plans)
    return Plan(
        sites=tuple(site for plan in plans for site in plan.sites),
        regulation_w=plans[0].regulation_w,
        response_w=plans[0].response_w,
        shortfall_w=plans[0].shortfall_w,
        spot_w=plans[0].spot_w,
        status=max((plan.status for plan in plans), key=order.index),
        reason="; ".join(plan.reason for plan in plans if plan.reason),
        objective_micro=objective,
        bound_micro=bound,
        gap_ppm=gap_ppm(objective / _MICRO, bound / _MICRO),
        cost_micro=sum(plan.cost_micro for plan in plans),
        revenue_micro=sum(plan.revenue_micro for plan in plans),
        support_wh=sum(plan.support_wh for plan in plans),
    )


def _setpoints(fleet: Fleet, flows: Flows, regulation: Whole) -> Whole:
    """Whole W within what the storage's power leaves beside regulation, which is cut where it exceeds it."""
    up, down = _floor(fleet.discharge_max), _floor(fleet.charge_max)
    terms = fleet.request.regulation
    if terms is not None:
        least = np.minimum.reduceat((up + down) // 2, terms.starts, axis=1)
        np.minimum(regulation, least, out=regulation)
        up, down = up - regulation[:, terms.block], down - regulation[:, terms.block]
    return np.clip(_whole_over_time(flows.setpoint), -down, up)


def _floor(power: Values) -> Whole:
    return np.floor(power * _W + 1e-3).astype(np.int64)


def _micro(money: float) -> int:
    return round(money * _MICRO)


def _nearest(power: Values) -> Whole:
    return np.rint(power * _W).astype(np.int64)


def _whole_over_time(power: Values) -> Whole:
    """Whole W of which every sum from the first interval on is the nearest to the exact one."""
    total = np.rint(np.cumsum(np.round(power, _NOISE_KW_DIGITS) * _W, axis=1) - 1e-6).astype(np.int64)
    return np.diff(total, axis=1, prepend=0)


def _whole_over_sites(power: Values) -> Whole:
    """Whole W of which every sum over sites is the nearest to the exact one: the portfolio's offer holds."""
    total = np.rint(np.cumsum(np.round(power, _NOISE_KW_DIGITS) * _W, axis=0) - 1e-6).astype(np.int64)
    return np.diff(total, axis=0, prepend=0)
