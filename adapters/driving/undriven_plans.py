"""Plans that nobody carries out: a site is planned now, and no driver holds any of its storages."""

from __future__ import annotations

from datetime import datetime

import msgspec

from adapters.driving.driven_site import STORAGES
from adapters.planning.portfolio import portfolio_of, to_be_planned
from adapters.postgres.database import Connection
from adapters.queries import registered, told_devices
from adapters.queries.recorded_plans import plan_at
from adapters.queries.told_devices import UndrivenShown
from dispatch.planning.storage_terms import StorageTerms
from ledger.device import Device
from ledger.refusal import Refused
from ledger.trading_unit import TradingUnit


class UndrivenPlan(msgspec.Struct, frozen=True):
    """A site's part of the plan `plan` of `portfolio`, which holds up to `until`; W of the interval that it
    is, above 0 discharging. `devices` are its storages, none of which a driver holds."""

    site: str
    portfolio: str
    plan: str
    planned_w: int
    until: datetime
    devices: tuple[str, ...]


def undriven_plans(
    connection: Connection, position: int, at: datetime, undriven: UndrivenShown | None = None
) -> tuple[UndrivenPlan, ...]:
    """By site. One of a site's storages that is driven is enough: a battery is driven through its converter.

    Raises:
        Discontinuity: an event of a plan is not what was recorded.
    """
    nobody = undriven or told_devices.undriven(connection, position, at)
    alone = {one.device for one in nobody.items}
    devices = registered.load(connection, "device", Device, position)
    here: dict[str, list[str]] = {}
    for name in sorted(devices.versions):
        held = devices.at(name, at)
        if held is not None and held.document.type in STORAGES:
            here.setdefault(held.document.site, []).append(name)
    driven = {site for site, names in here.items() if not alone.issuperset(names)}
    terms = registered.load(connection, "storage", StorageTerms, position)
    stated = frozenset(name for name in terms.versions if terms.at(name, at) is not None)
    if stated <= driven:
        return ()
    units = registered.load(connection, "trading_unit", TradingUnit, position)
    found: list[UndrivenPlan] = []
    for name in to_be_planned(units, stated, at):
        sites = [site for site in _sites(connection, position, name, at) if site not in driven]
        plan = plan_at(connection, position, name, at) if sites else None
        for site in sites:
            part = None if plan is None else plan.of(site)
            if plan is not None and part is not None:
                planned_w, names = part.setpoint_w[plan.at(at)], tuple(here.get(site, ()))
                found.append(UndrivenPlan(site, name, plan.name, planned_w, plan.end, names))
    return tuple(sorted(found, key=lambda one: one.site))


def _sites(connection: Connection, position: int, name: str, at: datetime) -> tuple[str, ...]:
    try:
        return portfolio_of(connection, position, name, at).sites
    except Refused as refused:
        if refused.code not in ("portfolio_ambiguous", "no_members", "unknown_portfolio"):
            raise
        # Nobody plans what cannot be told apart, or has no sites.
        return ()
