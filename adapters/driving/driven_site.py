"""What the book says of the devices of a fleet file and of the sites that they stand at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from adapters.driving.fleet_file import FleetDevice
from adapters.postgres.database import Connection
from adapters.queries import registered
from dispatch.control.interlock import SOC_WHOLE, DeviceLimits
from dispatch.control.reallocation import FLEET_W_MAX
from dispatch.control.response_part import Rated
from dispatch.planning.guard import GuardLimits
from dispatch.planning.storage_terms import StorageTerms
from ledger.device import Device
from ledger.meter import Meter
from ledger.refusal import Refused
from ledger.site import Site

STORAGES: Final = ("battery", "pcs", "ems")
"""The types of device that a driver may drive."""


class DrivenDevice(NamedTuple):
    """A storage of the file, as it is registered."""

    fleet: FleetDevice
    device: Device


class MeteredSite(NamedTuple):
    """A meter of the file: `position` is where it measures (`ledger.meter`)."""

    fleet: FleetDevice
    site: str
    position: str


class DrivenSite(NamedTuple):
    """`terms` is None where nobody stated what its storage may be used for: then it may draw and give nothing
    by our doing."""

    site: Site
    terms: StorageTerms | None

    @property
    def import_w(self) -> int:
        return 0 if self.terms is None else self.terms.import_w

    @property
    def export_w(self) -> int:
        return 0 if self.terms is None else self.terms.export_w

    def guard_limits(self, peak_w: int, interval_s: int) -> GuardLimits | None:
        """What a peak is guarded by."""
        if self.terms is None:
            return None
        return GuardLimits(
            interval_s=interval_s,
            target_w=peak_w,
            charge_w_max=self.terms.charge_w,
            discharge_w_max=self.terms.discharge_w,
            floor_wh=self.terms.floor_wh + self.terms.reserve_wh,
            ceiling_wh=self.terms.ceiling_wh,
            charge_efficiency_ppm=self.terms.charge_ppm,
            discharge_efficiency_ppm=self.terms.discharge_ppm,
            export_w_max=self.terms.export_w,
        )


class FleetBook(NamedTuple):
    """`others` are the book's storages that other drivers drive (`adapters.driving.other_storages`)."""

    storages: tuple[DrivenDevice, ...]
    meters: tuple[MeteredSite, ...]
    sites: dict[str, DrivenSite]
    others: tuple[Rated, ...] = ()


def fleet_book(
    connection: Connection, position: int, fleet: Sequence[FleetDevice], now: datetime
) -> FleetBook:
    """The registered versions that hold at `now`.

    Raises:
        Refused: `fleet_power`; `unknown_device` names a storage of the file that is not registered,
            `unknown_meter` a meter;
            `device_type` for a storage that is registered as something else, `fleet_meter` for a meter of the
            file that names none of the book's.
    """
    devices = registered.load(connection, "device", Device, position)
    meters = registered.load(connection, "meter", Meter, position)
    sites = registered.load(connection, "site", Site, position)
    terms = registered.load(connection, "storage", StorageTerms, position)
    storages: list[DrivenDevice] = []
    measured: list[MeteredSite] = []
    for one in fleet:
        if one.profile.kind == "bess":
            held = devices.at(one.id, now)
            if held is None:
                wrong = f"no device {one.id!r} is registered: register it first, with its site"
                raise Refused("unknown_device", wrong, place=one.id)
            if held.document.type not in STORAGES:
                raise Refused("device_type", f"one of {', '.join(STORAGES)}", place=one.id)
            storages.append(DrivenDevice(one, held.document))
            continue
        if not one.meter:
            raise Refused("fleet_meter", "name the ledger's meter that it is", place=f"{one.id}.meter")
        meter = meters.at(one.meter, now)
        if meter is None:
            raise Refused("unknown_meter", f"no meter {one.meter!r} is registered", place=f"{one.id}.meter")
        measured.append(MeteredSite(one, meter.document.site, meter.document.position))
    names = sorted({one.device.site for one in storages} | {one.site for one in measured})
    found: dict[str, DrivenSite] = {}
    for name in names:
        site = sites.at(name, now)
        if site is None:
            raise Refused("unknown_site", f"no version of site {name} holds now", place=name)
        stated = terms.at(name, now)
        found[name] = DrivenSite(site.document, None if stated is None else stated.document)
    _check_adds_up(storages, found)
    return FleetBook(tuple(storages), tuple(measured), found)


def _check_adds_up(storages: Sequence[DrivenDevice], sites: Mapping[str, DrivenSite]) -> None:
    """What storages may do and may be told is summed in each turn (`dispatch.control.reallocation`): a fleet
    that does not add up is refused before it drives."""
    limits = [device_limits(one, sites[one.device.site]) for one in storages]
    whole = sum(max(one.charge_w, one.discharge_w) for one in limits)
    if 2 * whole > FLEET_W_MAX:
        wrong = (
            f"{whole} W of storages: at most {FLEET_W_MAX // 2} W, as a part of them or by several drivers"
        )
        raise Refused("fleet_power", wrong, place="devices")


def device_limits(one: DrivenDevice, site: DrivenSite) -> DeviceLimits:
    """What a device may do: the least of profile, nameplate and terms; a storage's floor and reserve are the
    same part of each of a site's devices. A UPS's reserve is never used."""
    limits = one.fleet.profile.limits
    assert limits is not None, "a storage has limits"
    charge, discharge = limits.charge_w_max, limits.discharge_w_max
    floor, ceiling = limits.soc_min, limits.soc_max
    if site.terms is not None:
        whole = site.site.storage_energy_wh
        charge, discharge = min(charge, site.terms.charge_w), min(discharge, site.terms.discharge_w)
        floor = max(floor, -(-(site.terms.floor_wh + site.terms.reserve_wh) * SOC_WHOLE // whole))
        ceiling = min(ceiling, site.terms.ceiling_wh * SOC_WHOLE // whole)
    if not floor < ceiling:
        wrong = f"{one.fleet.id} would have to stay from {floor} to {ceiling} thousandths of a percent"
        raise Refused("soc_limits", wrong, place=one.fleet.id)
    roles = one.fleet.profile.roles
    return DeviceLimits(
        charge_w=min(charge, one.device.power_w),
        discharge_w=min(discharge, one.device.power_w),
        soc_floor_millipercent=floor,
        soc_ceiling_millipercent=ceiling,
        import_w=site.import_w,
        export_w=site.export_w,
        has_clock="device_clock" in roles,
    )
