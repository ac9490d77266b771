"""The whole-number limits of a request, written apart from the optimiser, for checking its plans."""

from __future__ import annotations

import numpy as np

from dispatch.optimiser.plan import Plan
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.site import Site
from dispatch.plan_check import Markets, PlannedSite, SiteLimits, Violation, check_portfolio, check_site


def watts(power: np.ndarray | float) -> np.ndarray:
    return np.rint(np.asarray(power) * 1000).astype(np.int64)


def limits_of(site: Site, seconds: int) -> SiteLimits:
    stored = site.storage
    return SiteLimits(
        id=site.id,
        interval_s=seconds,
        load_w=watts(site.load_kw),
        pv_w=watts(site.pv_kw),
        import_w_max=watts(site.import_kw_max),
        export_w_max=watts(site.export_kw_max),
        charge_w_max=watts(np.maximum(stored.charge_kw * stored.availability - stored.leased_kw, 0)),
        discharge_w_max=watts(np.maximum(stored.discharge_kw * stored.availability - stored.leased_kw, 0)),
        floor_wh=watts(stored.floor_kwh + stored.reserve_kwh),
        ceiling_wh=int(watts(stored.ceiling_kwh)),
        start_wh=int(watts(stored.start_kwh)),
        charge_efficiency_ppm=round(stored.charge_efficiency * 1e6),
        discharge_efficiency_ppm=round(stored.discharge_efficiency * 1e6),
        loss_ppm=round(stored.loss_per_interval * 1e6),
        discharge_wh_max=None
        if stored.discharge_kwh_max is None
        else tuple(int(watts(kwh)) for kwh in stored.discharge_kwh_max),
        day=stored.day,
        ramp_w=None if stored.ramp_kw is None else int(watts(stored.ramp_kw)),
        start_setpoint_w=int(watts(stored.start_setpoint_kw)),
        baseline_w=None if site.baseline_kw is None else watts(site.baseline_kw),
    )


def markets_of(asked: PlanRequest) -> Markets:
    regulation, response, spot = asked.regulation, asked.response, asked.spot
    return Markets(
        block=None if regulation is None else regulation.block,
        sustain_s=0 if regulation is None else round(regulation.sustain_h * 3600),
        call_wh_per_kw=0 if regulation is None else round(regulation.call_kwh * 1000),
        regulation_w_min=0 if regulation is None else int(watts(regulation.kw_min)),
        slot=None if response is None else response.slot,
        response_w_min=0 if response is None else int(watts(response.kw_min)),
        response_w_max=0 if response is None else int(watts(response.kw_max)),
        spot_w_max=0 if spot is None else int(watts(spot.kw_max)),
    )


def planned(plan: Plan) -> tuple[PlannedSite, ...]:
    return tuple(
        PlannedSite(
            id=site.id,
            setpoint_w=site.setpoint_w,
            stored_wh=site.stored_wh,
            curtailed_w=site.curtailed_w,
            spot_w=site.spot_w,
            regulation_w=site.regulation_w,
            response_w=site.response_w,
        )
        for site in plan.sites
    )


def broken(asked: PlanRequest, plan: Plan) -> tuple[Violation, ...]:
    """Every rule that the plan breaks."""
    markets, sites = markets_of(asked), planned(plan)
    seconds = round(asked.interval_h * 3600)
    found: list[Violation] = []
    for site, one in zip(asked.sites, sites, strict=True):
        found += check_site(limits_of(site, seconds), markets, one)
    shared = check_portfolio(markets, sites, plan.regulation_w, plan.response_w, plan.shortfall_w)
    return (*found, *shared)
