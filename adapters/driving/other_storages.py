"""The storages of the book that other drivers drive, or drove: with them a response is shared."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime

from adapters.driving.driven_site import STORAGES
from adapters.postgres.database import Connection
from adapters.queries import folded, registered
from dispatch.control.lease import Lease, lease_aggregate
from dispatch.control.response_part import Rated
from ledger.device import Device


def other_storages(
    connection: Connection, position: int, own: Collection[str], now: datetime
) -> tuple[Rated, ...]:
    """Those beside `own` that are registered at `now` and whose lease somebody has held, by name: a storage
    that no driver ever drove, such as a battery behind its converter, gives nothing by itself."""
    devices = registered.load(connection, "device", Device, position)
    held = [devices.at(name, now) for name in sorted(devices.versions) if name not in own]
    there = {one.id: one.document for one in held if one is not None and one.document.type in STORAGES}
    days = _last_leases(connection, position, list(there))
    leases = folded.states(connection, list(days.values()), position)
    found = []
    for name, aggregate in days.items():
        lease = leases.get(aggregate)
        assert isinstance(lease, Lease), f"{aggregate} is one"
        device = there[name]
        found.append(Rated(name, device.site, device.power_w, lease.since <= now < lease.until))
    return tuple(found)


def _last_leases(connection: Connection, position: int, names: list[str]) -> dict[str, str]:
    """Of each device that somebody has held, the aggregate of its last UTC day's leases."""
    firsts, lasts = ([lease_aggregate(name, day) for name in names] for day in (date.min, date.max))
    rows = connection.execute(
        "SELECT asked.name, (SELECT max(aggregate) FROM ledger.envelope"
        " WHERE book = current_setting('app.book')"
        ' AND aggregate COLLATE "C" BETWEEN asked.first AND asked.last'
        " AND length(aggregate) = length(asked.first) AND sequence <= %s)"
        " FROM unnest(%s::text[], %s::text[], %s::text[]) AS asked (name, first, last)",
        [position, names, firsts, lasts],
    ).fetchall()
    return {name: aggregate for name, aggregate in rows if aggregate is not None}
