"""What the storage of sites did in a month: its metered energy, and the time that it was not available."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

import numpy as np

from adapters.postgres.database import Connection
from adapters.queries import meter_month, registered
from adapters.queries.meter_month import MISSING, Key
from adapters.queries.registered import Register
from adapters.queries.site_layout import meters_of_sites
from ledger.interval import Interval, Month, zone_of
from ledger.kpi.month_figures import SiteMonth
from ledger.kpi.stated_availability import SiteAvailability
from ledger.meter import Meter
from ledger.readings import Register as EnergyRegister
from ledger.refusal import Refused
from ledger.site import Site

_TICK: Final = timedelta(microseconds=1)


class _Storage(NamedTuple):
    """A site in force at the month's end, and its storage meters with their interval lengths."""

    site: Site
    interval: Interval
    meters: tuple[tuple[str, int], ...]


def load(
    connection: Connection, book: str, month: Month, position: int, sites: Sequence[str]
) -> tuple[SiteMonth, ...]:
    """The sites' calendar month, as the ledger knew it at `position`, in the order given.

    Raises:
        Refused: `unknown_site`.
    """
    register = registered.load(connection, "site", Site, position)
    meters = registered.load(connection, "meter", Meter, position)
    standing = meters_of_sites(meters)
    storages = [_storage(register, meters, standing.get(name, ()), name, month) for name in sites]
    energy = _energies(connection, book, position, storages)
    stated = registered.load(connection, "availability", SiteAvailability, position).versions
    found = []
    for one in storages:
        name = one.site.id
        availability = stated.get(f"{name}_{month}")
        found.append(
            SiteMonth(
                name,
                one.site.storage_energy_wh,
                one.site.storage_power_w,
                _total(energy, one, "charge"),
                _total(energy, one, "discharge"),
                one.interval.seconds,
                availability[-1].document.unavailable_s if availability else None,
            )
        )
    return tuple(found)


def _storage(
    sites: Register[Site], meters: Register[Meter], standing: Sequence[str], name: str, month: Month
) -> _Storage:
    versions = sites.versions.get(name)
    if not versions:
        raise Refused("unknown_site", f"no site {name!r} is registered", place="site")
    interval = month.interval(zone_of(versions[-1].document.zone))
    held = sites.at(name, interval.end - _TICK)
    if held is None:
        raise Refused("unknown_site", f"site {name} is not registered for {month}", place="site")
    there = (meters.at(one, interval.end - _TICK) for one in standing)
    storage = tuple(
        (meter.id, meter.document.interval_s)
        for meter in there
        if meter is not None and meter.document.site == name and meter.document.position == "storage"
    )
    return _Storage(held.document, interval, storage)


def _energies(
    connection: Connection, book: str, position: int, storages: Sequence[_Storage]
) -> dict[Key, int | None]:
    """The month's Wh of every register, None where an interval is missing; one query an interval length."""
    groups: dict[tuple[Interval, int], list[Key]] = defaultdict(list)
    for one in storages:
        for meter, seconds in one.meters:
            groups[one.interval, seconds] += [(meter, "charge"), (meter, "discharge")]
    found: dict[Key, int | None] = {}
    for (interval, seconds), keys in groups.items():
        values = meter_month.load(connection, book, keys, interval, seconds, position).wh
        missing = (values == MISSING).any(axis=1)
        sums = values.sum(axis=1, dtype=np.int64)
        for key, lacks, total in zip(keys, missing.tolist(), sums.tolist(), strict=True):
            found[key] = None if lacks else total
    return found


def _total(energy: Mapping[Key, int | None], one: _Storage, register: EnergyRegister) -> int | None:
    """The sum over the storage meters; None where one of them, or every one, is missing."""
    values = [energy[meter, register] for meter, _ in one.meters]
    known = [value for value in values if value is not None]
    return sum(known) if values and len(known) == len(values) else None
