"""The printed figures that are appraised, one file each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ledger.appraisal.assumption import AssumptionSet
from ledger.appraisal.figure import Figure
from ledger.appraisal.figures import (
    ancillary,
    arbitrage,
    cost_present_value,
    demand_charge,
    demand_response,
    internal_return,
    levelised_cost,
    payback_time,
    spot,
    time_shift,
)

FIGURES: Final[dict[str, Callable[[AssumptionSet], Figure]]] = {
    arbitrage.NAME: arbitrage.appraise,
    time_shift.NAME: time_shift.appraise,
    demand_charge.NAME: demand_charge.appraise,
    demand_response.NAME: demand_response.appraise,
    spot.NAME: spot.appraise,
    ancillary.NAME: ancillary.appraise,
    levelised_cost.NAME: levelised_cost.appraise,
    cost_present_value.NAME: cost_present_value.appraise,
    internal_return.NAME: internal_return.appraise,
    payback_time.NAME: payback_time.appraise,
}
"""The six ways of earning first, then cost and return."""
