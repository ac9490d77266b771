"""What else to know of a plan: weights, the demand charge in its objective, targets that are missed."""

from __future__ import annotations

from typing import Final

from adapters.planning.cases import Cases
from dispatch.optimiser.plan import Plan
from dispatch.planning.choice import Chosen
from dispatch.planning.plan_record import money

_K: Final = 1000
_END_WH: Final = 100
"""A target that is missed by less is met: setpoints are whole W."""


def notes_of(cases: Cases, solved: Plan | None, chosen: Chosen) -> list[str]:
    """Of a plan that was chosen; `solved` where it is the solver's whole."""
    return [*_weighed(cases), *_demand_charged(cases, solved), *_short_at_end(cases, chosen)]


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


def _short_at_end(cases: Cases, chosen: Chosen) -> list[str]:
    """Sites that do not reach what they should hold at the end."""
    found: list[str] = []
    for case, planned in zip(cases.cases, chosen.sites, strict=True):
        left = int(planned.stored_wh[-1])
        if left < case.end_wh - _END_WH:
            end = cases.horizon.end
            found.append(f"{case.id}: holds {left} Wh of {case.end_wh} at the end, {end:%Y-%m-%dT%H:%M}Z")
    return found
