"""A site's month: its version, its tariff, and its meters by what they measure."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import Final, NamedTuple

from adapters.queries.contracts_in_force import local_month
from adapters.queries.meter_month import Key
from adapters.queries.registered import Recorded, Register
from ledger.billing_cycle import cycle_interval
from ledger.contract import Contract
from ledger.grid_account import Account
from ledger.interval import Interval, Month, zone_of
from ledger.meter import Meter
from ledger.refusal import Refused
from ledger.site import Site
from ledger.tariff import Tariff

_TICK: Final = timedelta(microseconds=1)


class Registers(NamedTuple):
    """The registers as of a position; `meters_of` names the meters that ever stood at a site."""

    contracts: Register[Contract]
    sites: Register[Site]
    meters: Register[Meter]
    tariffs: Register[Tariff]
    meters_of: dict[str, list[str]]


def meters_of_sites(register: Register[Meter]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in sorted(register.versions):
        for site in {version.document.site for version in register.versions[name]}:
            found[site].append(name)
    return found


class SiteLayout(NamedTuple):
    """A site, its tariff and its meters by what they measure.

    `interval` is the billing cycle whose last day is in the month, `month` the calendar month, which markets
    settle; a provisional run cuts both short.
    """

    site: Recorded[Site]
    tariff: Recorded[Tariff]
    interval: Interval
    month: Interval
    interval_s: int
    storage: tuple[Recorded[Meter], ...]
    grid: tuple[Recorded[Meter], ...]
    load: tuple[Recorded[Meter], ...]
    pv: tuple[Recorded[Meter], ...]

    @property
    def keys(self) -> list[Key]:
        meters = (*self.storage, *self.grid, *self.load, *self.pv)
        return [(meter.id, register) for meter in meters for register in meter.document.registers]

    @property
    def storage_keys(self) -> list[Key]:
        return [(meter.id, register) for meter in self.storage for register in meter.document.registers]


def site_layout(register: Registers, name: str, month: Month) -> SiteLayout:
    versions = register.sites.versions.get(name)
    if versions is None:
        raise Refused("unknown_site", f"no site {name!r} is registered", place="site")
    whole = local_month(month, versions[-1].document.zone)
    site = register.sites.at(name, whole.end - _TICK)
    if site is None:
        raise Refused("unknown_site", f"site {name} is not registered for {month}", place=f"site {name}")
    interval = billing_interval(site.document.account, month)
    site = register.sites.at(name, interval.end - _TICK) or site
    begun = register.sites.at(name, interval.start)
    if begun is not None and begun.document != site.document:
        raise Refused(
            "site_change",
            f"site {name} changes inside the billing cycle of {month}; let its new version begin on day"
            f" {site.document.account.anchor_day} of a month",
            place=f"site {name}",
        )
    tariff = register.tariffs.versions.get(site.document.tariff)
    if tariff is None:
        raise Refused(
            "unknown_tariff", f"no tariff {site.document.tariff!r} is published", place=f"site {name}"
        )
    standing = (register.meters.at(meter, interval.end - _TICK) for meter in register.meters_of.get(name, ()))
    meters = [meter for meter in standing if meter is not None and meter.document.site == name]
    lengths = {meter.document.interval_s for meter in meters}
    layout = SiteLayout(
        site,
        tariff[-1],
        interval,
        whole,
        max(lengths, default=0),
        *(
            tuple(meter for meter in meters if meter.document.position == place)
            for place in ("storage", "grid", "load", "pv")
        ),
    )
    _check_layout(layout, lengths)
    return layout


def billing_interval(account: Account, month: Month) -> Interval:
    """The billing cycle whose last day is in the month."""
    if account.anchor_day == 1:
        return local_month(month, account.zone)
    return cycle_interval(month, account.anchor_day, zone_of(account.zone))


def _check_layout(layout: SiteLayout, lengths: set[int]) -> None:
    name = layout.site.id
    if not layout.storage:
        raise Refused("meter_layout", "no storage meter is registered", place=f"site {name}")
    for meter in layout.storage:
        if not {"charge", "discharge"} <= set(meter.document.registers):
            raise Refused(
                "meter_layout", f"storage meter {meter.id} needs charge and discharge", place=f"site {name}"
            )
    if layout.grid and layout.load:
        raise Refused("meter_layout", "a grid meter or load meters, not both", place=f"site {name}")
    if len(lengths) > 1:
        raise Refused(
            "meter_layout",
            f"its meters read every {sorted(lengths)} s; one length is needed",
            place=f"site {name}",
        )
    _check_feeders(layout)


def _check_feeders(layout: SiteLayout) -> None:
    """Each meter names a feeder that the account has, and each feeder is metered (DOMAIN.md 3.3)."""
    place = f"site {layout.site.id}"
    feeders = [feeder.id for feeder in layout.site.document.account.feeders]
    for meter in (*layout.storage, *layout.grid, *layout.load, *layout.pv):
        named = meter.document.feeder
        if named is not None and named not in feeders:
            allowed = ", ".join(feeders) or "none: the account has one supply"
            message = f"meter {meter.id} names feeder {named}; the account has {allowed}"
            raise Refused("unknown_feeder", message, place=place)
        if named is None and feeders:
            message = f"meter {meter.id} names no feeder; the account has {', '.join(feeders)}"
            raise Refused("feeder_missing", message, place=place)
    metered = {meter.document.feeder for meter in (*layout.grid, *layout.load)}
    for feeder in feeders:
        if feeder not in metered:
            raise Refused("feeder_meter", f"feeder {feeder} has neither a grid nor a load meter", place=place)
