"""What devices are told, as of a sequence number: a day's commands, leases, fallbacks, emergencies."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeVar

import msgspec

from adapters.driving.driven_site import STORAGES
from adapters.postgres.database import Connection
from adapters.queries import folded, registered, registered_page
from dispatch.control.command_life import Command, DeviceDay, command_aggregate
from dispatch.control.emergency import AGGREGATE, Emergencies, Emergency
from dispatch.control.fallback import Fallback, FallbackSchedule, fallback_aggregate
from dispatch.control.lease import Lease, lease_aggregate
from ledger.device import Device
from ledger.effective import History
from ledger.interval import midnight, zone_of
from ledger.refusal import Refused
from ledger.site import Site

T = TypeVar("T")
_EMPTY: Final = DeviceDay()
_DAY: Final = timedelta(days=1)


class EmergencyShown(msgspec.Struct, frozen=True):
    """One that nobody ended. `stands`: its time is not over."""

    emergency: Emergency
    stands: bool


class EmergenciesShown(msgspec.Struct, frozen=True):
    """Those that nobody ended, the newest first; `count` is how many there ever were."""

    position: int
    count: int
    items: tuple[EmergencyShown, ...]


class CommandsShown(msgspec.Struct, frozen=True):
    """A device's commands of a UTC day by sequence. `standing_w` is the setpoint that was read of it last, W
    above 0 discharging, None while that is not known; `unknown` are writes of which nobody knows whether they
    arrived."""

    position: int
    device: str
    day: date
    standing_w: int | None
    unknown: tuple[int, ...]
    items: tuple[Command, ...]


class LeaseShown(msgspec.Struct, frozen=True):
    """The last lease of a device; `free_at` is from when another may take it."""

    position: int
    device: str
    lease: Lease
    free_at: datetime


class Undriven(msgspec.Struct, frozen=True):
    """A storage that nobody may write to; `since` is when its last lease was over, None where it had none."""

    device: str
    site: str
    holder: str | None
    since: datetime | None


class UndrivenShown(msgspec.Struct, frozen=True):
    """Of `count` registered storages those without a lease in force at `at`."""

    position: int
    at: datetime
    count: int
    items: tuple[Undriven, ...]


class FallbackShown(msgspec.Struct, frozen=True):
    """The schedule that was stored last with its SHA-256, and the one that the site holds. `agreed`: they are
    the same. `kept`: its driver has it, for when it lives and the store or the plan is lost."""

    position: int
    device: str
    stored: FallbackSchedule
    digest: str
    acknowledged: FallbackSchedule | None
    agreed: bool
    kept: bool


def emergencies(connection: Connection, position: int, now: datetime) -> EmergenciesShown:
    """Those that nobody ended, as of then."""
    found = _state(connection, position, AGGREGATE, Emergencies) or Emergencies()
    items = (
        EmergencyShown(one, one.order.until is None or now < one.order.until)
        for one in sorted(found.open, key=lambda one: -one.number)
    )
    return EmergenciesShown(position, found.count, tuple(items))


def commands(connection: Connection, position: int, device: str, day: date) -> CommandsShown:
    """A device's commands of a UTC day; none where it was told nothing.

    Raises:
        Refused: `unknown_device`.
    """
    _check_registered(connection, position, device)
    found = _state(connection, position, command_aggregate(device, day), DeviceDay) or _EMPTY
    items = tuple(found.commands[number] for number in sorted(found.commands))
    return CommandsShown(position, device, day, found.standing_w, found.unknown, items)


def site_zone(connection: Connection, position: int, device: str) -> str:
    """The zone of the device's site.

    Raises:
        Refused: `unknown_device`.
    """
    found = registered_page.versions(connection, "device", Device, position, device)
    if not found:
        raise Refused("unknown_device", f"no device {device!r} is registered", place="device")
    return registered_page.versions(connection, "site", Site, position, found[-1].document.site)[
        -1
    ].document.zone


def local_commands(connection: Connection, position: int, device: str, day: date) -> CommandsShown:
    """As `commands`, of a local day of the device's site: numbers begin anew at midnight UTC.

    Raises:
        Refused: `unknown_device`.
    """
    zone = zone_of(site_zone(connection, position, device))
    start, end = midnight(day, zone), midnight(day + _DAY, zone)
    first, last = start.astimezone(UTC).date(), (end - timedelta(microseconds=1)).astimezone(UTC).date()
    items: list[Command] = []
    standing_w: int | None = None
    unknown: list[int] = []
    for of in dict.fromkeys((first, last)):
        found = _state(connection, position, command_aggregate(device, of), DeviceDay) or _EMPTY
        told = [found.commands[number] for number in sorted(found.commands)]
        here = [one for one in told if start <= one.at < end]
        if here:
            # What was read after the day is of a later command.
            whole = here[-1] is told[-1]
            standing_w = found.standing_w if whole else here[-1].found_w
        unknown += [one.sequence for one in here if one.sequence in found.unknown]
        items += here
    return CommandsShown(position, device, day, standing_w, tuple(unknown), tuple(items))


def lease(connection: Connection, position: int, device: str) -> LeaseShown:
    """Raises:
    Refused: `unknown_device`; `unknown_lease` where nobody ever held it."""
    _check_registered(connection, position, device)
    day = _last_day(connection, position, device)
    found = None if day is None else _state(connection, position, lease_aggregate(device, day), Lease)
    if found is None:
        raise Refused("unknown_lease", f"nobody ever held the lease of {device}", place="device")
    return LeaseShown(position, device, found, found.free_at)


def undriven(connection: Connection, position: int, at: datetime) -> UndrivenShown:
    """The registered storages that no driver holds the lease of at `at`: it died, was never started, or its
    fleet file does not name them. A driver that lives renews each lease long before it ends."""
    devices = registered.load(connection, "device", Device, position)
    held = [devices.at(name, at) for name in devices.versions]
    storages = {one.id: one.document for one in held if one is not None and one.document.type in STORAGES}
    today = at.astimezone(UTC).date()
    leases = folded.states(connection, [lease_aggregate(name, today) for name in storages], position)
    items = []
    for name, device in storages.items():
        found = leases.get(lease_aggregate(name, today))
        if found is None:
            day = _last_day(connection, position, name)
            found = None if day is None else _state(connection, position, lease_aggregate(name, day), Lease)
        assert found is None or isinstance(found, Lease), f"{name}'s leases are leases"
        if found is None:
            items.append(Undriven(name, device.site, None, None))
        elif found.until <= at:
            items.append(Undriven(name, device.site, found.holder, found.until))
    return UndrivenShown(position, at, len(storages), tuple(items))


def fallback(connection: Connection, position: int, device: str) -> FallbackShown:
    """Raises:
    Refused: `unknown_device`; `unknown_fallback` where none was stored."""
    _check_registered(connection, position, device)
    found = _state(connection, position, fallback_aggregate(device), Fallback)
    if found is None:
        raise Refused("unknown_fallback", f"no fallback of {device!r} is stored", place="device")
    kept = found.kept == found.stored
    return FallbackShown(
        position, device, found.stored, found.stored.digest, found.acknowledged, found.agreed, kept
    )


def _last_day(connection: Connection, position: int, device: str) -> date | None:
    """The last UTC day on which somebody took the device's lease."""
    first, last = (lease_aggregate(device, day) for day in (date.min, date.max))
    row = connection.execute(
        "SELECT max(aggregate) FROM ledger.envelope WHERE book = current_setting('app.book')"
        ' AND aggregate COLLATE "C" BETWEEN %s AND %s AND length(aggregate) = %s AND sequence <= %s',
        [first, last, len(first), position],
    ).fetchone()
    return None if row is None or row[0] is None else date.fromisoformat(row[0][-len("0001-01-01") :])


def _check_registered(connection: Connection, position: int, device: str) -> None:
    if _state(connection, position, f"device.{device}", History) is None:
        raise Refused("unknown_device", f"no device {device!r} is registered", place="device")


def _state(connection: Connection, position: int, aggregate: str, kind: type[T]) -> T | None:
    found = folded.states(connection, [aggregate], position).get(aggregate)
    assert found is None or isinstance(found, kind), f"{aggregate} is one"
    return found
