"""What else to know of a plan: weights, what its objective is made of, targets that are missed."""

from __future__ import annotations

from typing import Final

import numpy as np

from adapters.planning.cases import Cases
from dispatch.optimiser.plan import Plan, SitePlan
from dispatch.planning.choice import Chosen
from dispatch.planning.plan_record import Basis, money
from dispatch.planning.site_case import SiteCase

_K: Final = 1000
_S_PER_HOUR: Final = 3600
_CENT: Final = 10_000
_WITHOUT: Final[dict[Basis, str]] = {
    "rule": "none: the time-of-use rule's",
    "hold": "none: standing still",
}
_END_WH: Final = 100
"""A target that is missed by less is met: setpoints are whole W."""


def notes_of(cases: Cases, solved: Plan | None, chosen: Chosen) -> list[str]:
    """Of a plan that was chosen; `solved` where it is the solver's whole."""
    return [
        *_weighed(cases),
        *_demand_charged(cases, solved),
        *_no_money(cases, solved),
        *_short_at_end(cases, chosen),
        *_peak_above_limit(cases),
    ]


def objective_of(basis: Basis, asked: str, cases: Cases) -> str:
    """What a plan was made to be good at: of one that stands in for the solver's, not what was asked."""
    if basis == "last_plan" and cases.before is not None:
        return cases.before.head.objective
    return _WITHOUT.get(basis, asked)


def _weighed(cases: Cases) -> list[str]:
    """Which streams count for more or less than their money."""
    return [
        f"{case.id}: {stream} counts {weight // _K} permille of its money"
        for case in cases.cases
        for stream, weight in sorted(case.weights.items())
    ]


def _demand_charged(cases: Cases, solved: Plan | None) -> list[str]:
    """How much of the objective is demand charge, and how much of it the load alone would bring."""
    found: list[str] = []
    for case in cases.guarded if solved is not None else ():
        assert solved is not None, "checked before"
        charged = solved.of(case.id).demand_micro
        limits = case.limits
        above = max(0, int((limits.load_w - limits.pv_w).max()) - case.peak_w)
        alone = above * case.peak_price_micro // _K
        if charged > 0:
            found.append(
                f"{case.id}: of the objective {money(charged)} is the demand charge above"
                f" {case.peak_w / _K:.1f} kW; its load alone would bring {money(alone)}"
            )
    return found


def _no_money(cases: Cases, solved: Plan | None) -> list[str]:
    """How much of the objective nobody is billed for."""
    found: list[str] = []
    for case, guarded in zip(cases.cases, cases.guarded, strict=True) if solved is not None else ():
        assert solved is not None, "checked before"
        planned = solved.of(case.id)
        parts = {
            "for taking later hours as dearer, so that of equal ones the later discharges": _later_micro(
                case, guarded, planned
            ),
            "wear": planned.wear_micro,
            "the worth of what stays stored": -planned.end_micro,
        }
        told = [f"{money(micro)} {what}" for what, micro in parts.items() if abs(micro) >= _CENT]
        if told:
            found.append(f"{case.id}: counted as cost, but on no bill: {', '.join(told)}")
    return found


def _later_micro(case: SiteCase, guarded: SiteCase, planned: SitePlan) -> int:
    """What is bought, at the prices that were solved with less those that are paid."""
    limits = case.limits
    net = limits.load_w - limits.pv_w + planned.curtailed_w - planned.setpoint_w + planned.spot_w
    more = (guarded.buy_micro - case.buy_micro).astype(object)
    total = int((np.maximum(net, 0).astype(object) * more).sum())
    return total * limits.interval_s // (_S_PER_HOUR * _K)


def _peak_above_limit(cases: Cases) -> list[str]:
    """Sites whose meter may not import what the peak to hold is."""
    found: list[str] = []
    for case in cases.cases:
        most, peak = int(case.limits.import_w_max.min()), cases.peak_w.get(case.id, 0)
        if most < peak:
            found.append(
                f"{case.id}: the peak to hold, {peak / _K:.1f} kW, is that of the demand charge; its meter's"
                f" limit is lower, down to {most / _K:.1f} kW"
            )
    return found


def _short_at_end(cases: Cases, chosen: Chosen) -> list[str]:
    """Sites that do not reach what they should hold at the end."""
    found: list[str] = []
    for case, planned in zip(cases.cases, chosen.sites, strict=True):
        left = int(planned.stored_wh[-1])
        if left < case.end_wh - _END_WH:
            end = cases.horizon.end
            found.append(f"{case.id}: holds {left} Wh of {case.end_wh} at the end, {end:%Y-%m-%dT%H:%M}Z")
    return found
