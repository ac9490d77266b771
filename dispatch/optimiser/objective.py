"""What a plan is to be good at: low cost, high revenue and support of the grid."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec
import numpy as np

from dispatch.optimiser.series import Series, checked_number, checked_series
from ledger.refusal import Refused

Aim = Literal["cost", "revenue", "grid_support"]
"""`cost`: money for energy, demand, wear and calls, less what stored energy is worth at the end; lower is
better. `revenue`: money from markets. `grid_support`: kWh discharged less charged in the intervals that
the grid asks for; higher is better for both."""

AIMS: Final[tuple[Aim, ...]] = get_args(Aim)


class Objective(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """One weighted sum of the aims, or the aims one after another.

    Weighted: minimise cost x w - revenue x w - grid support x w; `weights` names them (0 where not named).
    Lexicographic: `order` names the aims; each is made as good as it can be while those before it stay as
    good, less `tolerance` (money, or kWh). `support` weighs each interval for `grid_support` (0 to 1).
    """

    weights: dict[Aim, float] = msgspec.field(default_factory=lambda: {"cost": 1.0, "revenue": 1.0})
    order: tuple[Aim, ...] = ()
    tolerance: float = 1e-4
    support: Series | None = None

    def __post_init__(self) -> None:
        for aim in (*self.weights, *self.order):
            if aim not in AIMS:
                raise Refused("not_allowed", f"one of {', '.join(AIMS)}", place="objective")
        if len(set(self.order)) != len(self.order):
            raise Refused("objective", "each aim once", place="objective.order")
        for aim, weight in self.weights.items():
            checked_number(weight, f"objective.weights.{aim}", high=1e6)
        checked_number(self.tolerance, "objective.tolerance")
        if not self.order and not any(self.weights.values()):
            raise Refused("objective", "a weight above 0, or an order of aims", place="objective.weights")
        asked = "grid_support" in self.order or self.weights.get("grid_support", 0.0) > 0
        if asked and self.support is None:
            message = "state how much each interval counts"
            raise Refused("objective", message, place="objective.support")

    def check(self, count: int) -> None:
        """Raises:
        Refused: `series_shape` or `series_value`."""
        if self.support is not None:
            checked_series(self.support, "objective.support", count, low=0.0, high=1.0)

    def supported(self, count: int) -> Series:
        """How much each interval counts for grid support; none where nothing was asked."""
        return np.zeros(count) if self.support is None else self.support

    @property
    def revenue_counts(self) -> float:
        """What money from markets counts beside a bill's; 0 where the two are aims of their own."""
        cost = self.weights.get("cost", 0.0)
        return 0.0 if self.order or not cost else self.weights.get("revenue", 0.0) / cost

    def stages(self) -> tuple[dict[Aim, float], ...]:
        """What is minimised, one stage after another: a factor for each aim."""
        signs: dict[Aim, float] = {"cost": 1.0, "revenue": -1.0, "grid_support": -1.0}
        if self.order:
            return tuple({aim: signs[aim]} for aim in self.order)
        return ({aim: signs[aim] * weight for aim, weight in self.weights.items() if weight},)
