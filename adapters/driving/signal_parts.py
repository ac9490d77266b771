"""Which storages of a portfolio are this driver's to answer for, and which another's."""

from __future__ import annotations

from adapters.driving.fleet import Fleet
from adapters.driving.regulating import SignalParts


def signal_parts(fleet: Fleet, portfolio: str) -> SignalParts:
    """Of the portfolio, or of the site of that name."""

    def of(site: str) -> bool:
        return portfolio in (site, fleet.plans.portfolio(site))

    here = {one.id: one.executor.keeper.held() for one in fleet.storages.values() if of(one.site)}
    elsewhere = [one.device for one in fleet.others if one.driven and of(one.site)]
    own = tuple(name for name, held in here.items() if held)
    return SignalParts(own, (*(name for name, held in here.items() if not held), *elsewhere))
