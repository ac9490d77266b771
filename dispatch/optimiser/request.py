"""What a plan is asked for: sites, markets, aims and rules over one horizon."""

from __future__ import annotations

import msgspec

from dispatch.optimiser.market_terms import Regulation, Response, Spot
from dispatch.optimiser.objective import Objective
from dispatch.optimiser.rules import Rules
from dispatch.optimiser.series import checked_number
from dispatch.optimiser.site import Site
from ledger.refusal import Refused


class PlanRequest(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Sites of one portfolio over equal intervals of `interval_h` hours (a day has 92, 96 or 100 of 0.25).

    A market that is None pays nothing in this horizon. `integer` False relaxes every choice (for bounds
    and comparisons; such a plan may mix modes that exclude each other).
    """

    sites: tuple[Site, ...]
    interval_h: float
    regulation: Regulation | None = None
    response: Response | None = None
    spot: Spot | None = None
    objective: Objective = Objective()
    rules: Rules = Rules()
    integer: bool = True

    def __post_init__(self) -> None:
        if not self.sites:
            raise Refused("plan_sites", "one or more sites", place="sites")
        checked_number(self.interval_h, "interval_h", low=1 / 60, high=24.0)
        seen: set[str] = set()
        for site in self.sites:
            if site.id in seen:
                raise Refused("plan_sites", "each site once", place=f"sites.{site.id}")
            seen.add(site.id)
            if site.count != self.count:
                message = f"{site.count} intervals, where the first site has {self.count}"
                raise Refused("series_shape", message, place=f"sites.{site.id}.load_kw")
        for market in (self.regulation, self.response, self.spot):
            if market is not None:
                market.check(self.count)
        if self.response is not None:
            self._check_baselines(len(self.response.slot))
        self.objective.check(self.count)

    def _check_baselines(self, slots: int) -> None:
        for site in self.sites:
            if site.baseline_kw is not None and len(site.baseline_kw) != slots:
                message = f"{slots} numbers, one for each slot of the response"
                raise Refused("series_shape", message, place=f"sites.{site.id}.baseline_kw")

    @property
    def count(self) -> int:
        """How many intervals the horizon has."""
        return self.sites[0].count

    @property
    def coupled(self) -> bool:
        """Whether a market ties the sites together."""
        return any(market is not None for market in (self.regulation, self.response, self.spot))
