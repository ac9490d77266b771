"""Devices: storage units, converters and controllers at a site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from ledger.command import known
from ledger.effective import History, Period, extended
from ledger.identity import checked_id
from ledger.refusal import Refused

DeviceType = Literal["battery", "pcs", "ems", "pv_inverter"]


class Device(msgspec.Struct, frozen=True):
    """A device with its nameplate; power in W, energy in Wh (0 where it stores none)."""

    id: str
    site: str
    type: DeviceType
    power_w: int
    energy_wh: int

    def __post_init__(self) -> None:
        checked_id(self.id, "device.id")
        if self.type not in get_args(DeviceType):
            allowed = ", ".join(get_args(DeviceType))
            raise Refused("device_type", f"{self.type!r} is not one of {allowed}", place="device.type")
        if self.power_w < 0 or self.energy_wh < 0:
            raise Refused("negative", "power and energy are at least zero", place="device")


class DeviceRegistered(msgspec.Struct, frozen=True, tag_field="kind", tag="device.registered.v1"):
    period: Period
    device: Device

    def apply(self, state: History[Device] | None) -> History[Device]:
        return extended(state, self.period, self.device)


class RegisterDevice(msgspec.Struct, frozen=True):
    """Register a device of a known site, or a new version of one."""

    period: Period
    device: Device

    @property
    def aggregate(self) -> str:
        return f"device.{self.device.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"site.{self.device.site}",)

    def decide(self, _: object, others: Mapping[str, object]) -> tuple[DeviceRegistered]:
        known(others, f"site.{self.device.site}", History)
        return (DeviceRegistered(self.period, self.device),)
