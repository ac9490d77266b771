"""The whole model again, written to be read, equation by equation: what the arrays are compared with.

It shares the request's types with production and nothing else. Pyomo is imported when it is asked.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.site import Site


def reference_objective(request: PlanRequest, *, gap: float = 1e-8) -> float:
    """What the best plan of a weighted request costs, as `Plan.objective_micro` says it, in money.

    Raises:
        ValueError: for aims in lexicographic order, or when the request allows no plan.
    """
    import pyomo.environ as pyo  # type: ignore[import-untyped]
    from pyomo.contrib.appsi.base import TerminationCondition  # type: ignore[import-untyped]
    from pyomo.contrib.appsi.solvers import Highs  # type: ignore[import-untyped]

    model = reference_model(request)
    solver = Highs()
    solver.highs_options = {"mip_rel_gap": gap, "mip_abs_gap": 1e-7, "threads": 1}
    solver.config.load_solution = False
    found = solver.solve(model)
    if found.termination_condition != TerminationCondition.optimal:
        raise ValueError(f"no plan: {found.termination_condition}")
    found.solution_loader.load_vars()
    return float(pyo.value(model.objective))


def reference_model(request: PlanRequest) -> Any:
    """The request as a Pyomo model with a block for every site.

    Raises:
        ValueError: for aims in lexicographic order.
    """
    import pyomo.environ as pyo

    if request.objective.order:
        raise ValueError("the reference minimises one weighted sum")
    weights = request.objective.weights
    model = pyo.ConcreteModel()
    choice = pyo.Binary if request.integer else pyo.UnitInterval
    model.site = pyo.Block(range(len(request.sites)))
    model.rows = pyo.ConstraintList()
    cost, revenue, support, soft = 0.0, 0.0, 0.0, 0.0
    for block, site in zip(model.site.values(), request.sites, strict=True):
        parts = _site(pyo, block, site, request, choice)
        cost, revenue = cost + parts["cost"], revenue + parts["revenue"]
        support, soft = support + parts["support"], soft + parts["soft"]
    revenue = revenue + _portfolio(pyo, model, request, choice)
    total = weights.get("cost", 0.0) * cost - weights.get("revenue", 0.0) * revenue
    total = total - weights.get("grid_support", 0.0) * support + soft
    model.objective = pyo.Objective(expr=total)
    return model


def _site(pyo: Any, b: Any, site: Site, request: PlanRequest, choice: Any) -> dict[str, Any]:
    """One site's equations; what it costs, earns and gives."""
    store, hours, count = site.storage, request.interval_h, site.count
    b.rows = pyo.ConstraintList()
    every = range(count)
    charge_kw = [max(0.0, store.charge_kw * store.availability[t] - store.leased_kw) for t in every]
    discharge_kw = [max(0.0, store.discharge_kw * store.discharging[t] - store.leased_kw) for t in every]
    floor = [store.floor_kwh + store.reserve_kwh[t] for t in every]
    b.c = pyo.Var(every, bounds=lambda _, t: (0, charge_kw[t]))
    b.d = pyo.Var(every, bounds=lambda _, t: (0, discharge_kw[t]))
    b.e = pyo.Var(every, bounds=lambda _, t: (floor[t], store.ceiling_kwh))
    b.gi = pyo.Var(every, bounds=lambda _, t: (0, site.import_kw_max[t]))
    b.gx = pyo.Var(every, bounds=lambda _, t: (0, site.export_kw_max[t]))
    b.u = pyo.Var(every, bounds=lambda _, t: (0, site.pv_kw[t]))
    b.cm = pyo.Var(every, bounds=(0, None))
    b.dm = pyo.Var(every, bounds=(0, None))
    b.short = pyo.Var(bounds=(0, None))
    b.kept = pyo.Var(bounds=(0, None))
    b.peak = pyo.Var(bounds=(site.peak_kw, None))
    for t in every:
        before = b.e[t - 1] if t else store.start_kwh
        gained = store.charge_efficiency * b.c[t] - b.d[t] / store.discharge_efficiency
        b.rows.add(b.e[t] == (1 - store.loss_per_interval) * before + hours * gained)
        own = (b.c[t] - b.cm[t]) - (b.d[t] - b.dm[t])
        b.rows.add(b.gi[t] - b.gx[t] == site.load_kw[t] - site.pv_kw[t] + b.u[t] + own)
        physical = b.gi[t] - b.gx[t] + b.cm[t] - b.dm[t]
        b.rows.add(b.peak >= physical)
        b.rows.add(physical <= site.import_kw_max[t])
        b.rows.add(physical >= -site.export_kw_max[t])
    b.rows.add(b.e[count - 1] + b.short >= store.end_kwh)
    if store.ramp_kw is not None:
        ramp = [float(kw) for kw in np.broadcast_to(store.ramp_kw, count)]
        setpoints = [store.start_setpoint_kw, *(b.d[t] - b.c[t] for t in every)]
        for t in every:
            b.rows.add((-ramp[t], setpoints[t + 1] - setpoints[t], ramp[t]))
    called = _regulation(pyo, b, site, request, charge_kw, discharge_kw, choice)
    _response(pyo, b, site, request, choice)
    _spot(pyo, b, site, request, charge_kw, discharge_kw, choice)
    _apart(pyo, b, site, request, charge_kw, discharge_kw)
    day = store.days(count)
    for number, most in enumerate(store.discharge_kwh_max or ()):
        of_day = [t for t in every if day[t] == number]
        discharged = sum(hours * b.d[t] / store.discharge_efficiency for t in of_day)
        if request.regulation is not None:
            begins = [int(np.argmax(request.regulation.block == h)) for h in b.r]
            discharged += request.regulation.call_kwh * sum(b.r[h] for h in b.r if begins[h] in of_day)
        b.rows.add(discharged <= most)
    return _money(b, site, request, called)


def _money(b: Any, site: Site, request: PlanRequest, called: Any) -> dict[str, Any]:
    store, hours, every = site.storage, request.interval_h, range(site.count)
    cost = hours * sum(site.buy_price[t] * b.gi[t] - site.sell_price[t] * b.gx[t] for t in every)
    cost += hours * store.wear_price * sum(b.c[t] + b.d[t] for t in every) / 2
    cost += store.wear_price * called - _left(b, site, request) * store.discharge_efficiency
    if site.uses("demand_charge"):
        cost += site.weights.get("demand_charge", 1.0) * site.peak_price * (b.peak - site.peak_kw)
    revenue = 0.0
    if request.spot is not None:
        price, weight = request.spot.price, site.weights.get("spot", 1.0)
        revenue += weight * hours * sum(price[t] * (b.dm[t] - b.cm[t]) for t in every)
    if request.regulation is not None:
        weight = site.weights.get("ancillary", 1.0)
        revenue += (weight - 1) * sum(p * b.r[h] for h, p in enumerate(request.regulation.price))
    if request.response is not None:
        weight = site.weights.get("demand_response", 1.0)
        revenue += (weight - 1) * hours * sum(p * b.k[j] for j, p in enumerate(request.response.price))
    asked = request.objective.supported(site.count)
    support = hours * sum(asked[t] * (b.d[t] - b.c[t]) for t in every)
    return {"cost": cost, "revenue": revenue, "support": support, "soft": 1e5 * b.short}


def _left(b: Any, site: Site, request: PlanRequest) -> Any:
    """What the kWh left stored cost to buy again: at the tariff, or at spot by the storage that trades there;
    behind the meter no more than they are good for."""
    every, left, spot = range(site.count), b.e[site.count - 1], request.spot
    tariff = max(0.0, min(site.buy_price))
    if spot is None or not site.uses("spot"):
        return tariff * left
    weights = request.objective.weights
    cost, revenue = weights.get("cost", 0.0), weights.get("revenue", 0.0)
    counts = min(1.0, site.weights.get("spot", 1.0) * revenue / cost) if cost else 0.0
    at_spot = counts * max(0.0, min(spot.price))
    if request.rules.spot_scope == "interval":
        return min(tariff, at_spot) * left
    sent = [site.sell_price[t] if site.export_kw_max[t] > 0 else 0.0 for t in every]
    used = [site.buy_price[t] if site.load_kw[t] > site.pv_kw[t] else sent[t] for t in every]
    behind = min(tariff, max(0.0, *used))
    most = site.storage.ceiling_kwh
    b.rows.add(b.kept <= most * b.w[0])
    b.rows.add(b.kept <= left)
    b.rows.add(b.kept >= left - most * (1 - b.w[0]))
    return behind * left + (at_spot - behind) * b.kept


def _regulation(
    pyo: Any, b: Any, site: Site, request: PlanRequest, charge_kw: Any, discharge_kw: Any, choice: Any
) -> Any:
    """Power and energy kept ready; the cells' discharge when called."""
    terms, store = request.regulation, site.storage
    blocks = range(0 if terms is None else len(terms.price))
    most = site.regulation_kw_max if site.uses("ancillary") else 0.0
    b.r = pyo.Var(blocks, bounds=(0, most))
    b.alone = pyo.Var(blocks, domain=choice)
    if terms is None or not most:
        return 0.0
    for t in range(site.count):
        r = b.r[int(terms.block[t])]
        b.rows.add(b.d[t] - b.c[t] + r <= discharge_kw[t])
        b.rows.add(b.c[t] - b.d[t] + r <= charge_kw[t])
        b.rows.add(
            b.e[t]
            >= store.floor_kwh + store.reserve_kwh[t] + terms.sustain_h * r / store.discharge_efficiency
        )
        b.rows.add(b.e[t] <= store.ceiling_kwh - terms.sustain_h * store.charge_efficiency * r)
        if request.rules.regulation_alone and request.integer:
            alone = b.alone[int(terms.block[t])]
            b.rows.add(b.c[t] <= charge_kw[t] * (1 - alone))
            b.rows.add(b.d[t] <= discharge_kw[t] * (1 - alone))
    for h in blocks:
        if request.rules.regulation_alone and request.integer:
            b.rows.add(b.r[h] <= most * b.alone[h])
    return terms.call_kwh * sum(b.r[h] for h in blocks)


def _response(pyo: Any, b: Any, site: Site, request: PlanRequest, choice: Any) -> None:
    """Below the baseline while responding, and no regulation in those blocks."""
    terms, baseline = request.response, site.baseline_kw
    slots = range(0 if terms is None else len(terms.slot))
    b.k = pyo.Var(slots, bounds=(0, None))
    b.y = pyo.Var(domain=choice)
    if terms is None or baseline is None or not site.uses("demand_response"):
        for j in slots:
            b.k[j].fix(0)
        b.y.fix(0)
        return
    sun = float(np.max(site.pv_kw[terms.slot]))
    most = max(0.0, float(np.max(baseline)) + site.storage.discharge_kw + sun)
    for j in slots:
        t = int(terms.slot[j])
        idle = site.import_kw_max[t] + max(0.0, -baseline[j])
        b.rows.add(b.k[j] <= baseline[j] - (b.gi[t] - b.gx[t]) + idle * (1 - b.y))
        b.rows.add(b.k[j] <= most * b.y)
    if request.regulation is not None:
        for h in {int(request.regulation.block[t]) for t in terms.slot}:
            b.rows.add(b.r[h] <= site.regulation_kw_max * (1 - b.y))


def _spot(
    pyo: Any, b: Any, site: Site, request: PlanRequest, charge_kw: Any, discharge_kw: Any, choice: Any
) -> None:
    """Everything at spot or nothing, over the horizon or in an interval; never while responding."""
    scope = range(site.count if request.rules.spot_scope == "interval" else 1)
    b.w = pyo.Var(scope, domain=choice)
    if request.spot is None or not site.uses("spot"):
        for t in range(site.count):
            b.cm[t].fix(0)
            b.dm[t].fix(0)
        return
    for s in scope:
        if site.spot_mode == "held":
            b.w[s].fix(1)
    for t in range(site.count):
        w = b.w[t if len(scope) > 1 else 0]
        b.rows.add(b.cm[t] <= charge_kw[t] * w)
        b.rows.add(b.dm[t] <= discharge_kw[t] * w)
        b.rows.add((0, b.c[t] - b.cm[t], None))
        b.rows.add((0, b.d[t] - b.dm[t], None))
        b.rows.add(b.c[t] - b.cm[t] <= charge_kw[t] * (1 - w))
        b.rows.add(b.d[t] - b.dm[t] <= discharge_kw[t] * (1 - w))
    if request.response is not None and request.rules.response_bars_spot:
        for t in request.response.slot:
            b.rows.add(b.y + b.w[int(t) if len(scope) > 1 else 0] <= 1)


def _apart(pyo: Any, b: Any, site: Site, request: PlanRequest, charge_kw: Any, discharge_kw: Any) -> None:
    """No charging and discharging, and no buying and selling, at once: a choice in every interval."""
    if not request.integer:
        return
    every = range(site.count)
    b.charging = pyo.Var(every, domain=pyo.Binary)
    b.buying = pyo.Var(every, domain=pyo.Binary)
    lowest = [min(site.buy_price[t], site.sell_price[t]) for t in every]
    if request.spot is not None and site.uses("spot"):
        lowest = [min(lowest[t], request.spot.price[t]) for t in every]
    for t in every:
        if lowest[t] < 0:
            b.rows.add(b.c[t] <= charge_kw[t] * b.charging[t])
            b.rows.add(b.d[t] <= discharge_kw[t] * (1 - b.charging[t]))
        if site.sell_price[t] > site.buy_price[t]:
            b.rows.add(b.gi[t] <= site.import_kw_max[t] * b.buying[t])
            b.rows.add(b.gx[t] <= site.export_kw_max[t] * (1 - b.buying[t]))


def _portfolio(pyo: Any, model: Any, request: PlanRequest, choice: Any) -> Any:
    """What the markets pay the portfolio, and the rows that tie the sites to it."""
    sites, rows, revenue = list(model.site.values()), model.rows, 0.0
    if request.regulation is not None:
        price, least = request.regulation.price, request.regulation.kw_min
        most = sum(site.regulation_kw_max for site in request.sites if site.uses("ancillary"))
        model.R = pyo.Var(range(len(price)), bounds=(0, None))
        model.z = pyo.Var(range(len(price)), domain=choice)
        for h in range(len(price)):
            rows.add(model.R[h] <= sum(b.r[h] for b in sites))
            rows.add(model.R[h] >= least * model.z[h])
            rows.add(model.R[h] <= most * model.z[h])
            revenue += price[h] * model.R[h]
    if request.response is not None:
        terms, hours = request.response, request.interval_h
        model.K = pyo.Var(range(len(terms.slot)), bounds=(0, None))
        model.missed = pyo.Var(range(len(terms.slot)), bounds=(0, None))
        model.Y = pyo.Var(domain=choice)
        for j in range(len(terms.slot)):
            rows.add(model.K[j] <= sum(b.k[j] for b in sites) + model.missed[j])
            rows.add(model.K[j] >= terms.kw_min * model.Y)
            rows.add(model.K[j] <= terms.kw_max * model.Y)
            revenue += hours * (terms.price[j] * model.K[j] - terms.shortfall_price[j] * model.missed[j])
    if request.spot is not None:
        for t in range(request.count):
            sold = sum(b.dm[t] - b.cm[t] for b in sites)
            rows.add((-request.spot.kw_max, sold, request.spot.kw_max))
    return revenue
