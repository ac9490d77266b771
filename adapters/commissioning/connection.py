"""What a site's connection bears of a step test: its limits on record, and what the site draws as it is
tested."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from adapters.driving.fleet_file import FleetDevice
from adapters.driving.port import DevicePort, TellingPort, Unreachable, WrongAnswer
from adapters.postgres.database import Connection
from adapters.queries import registered
from dispatch.control.site_load import PowerRange
from dispatch.devices.profile import Profile
from dispatch.planning.storage_terms import StorageTerms
from dispatch.telemetry.sample import Sample
from ledger.device import Device
from ledger.meter import Meter
from ledger.refusal import Refused

_BESIDE_PERMILLE: Final = 30
"""How far beyond what it is told a device may go and pass (`dispatch.commissioning.step_plan`)."""
_LOOKS: Final = 3
"""A meter shows a change up to a second late: what it forbids is looked at so often, a second apart."""


_UNSTATED: Final = "no terms of its storage say what the connection of"
_UNMETERED: Final = "no meter of the fleet file measures at the connection of"
Read = Callable[[DevicePort], Awaitable[Sample]]


async def shown(port: DevicePort) -> Sample:
    """What a device shows now; of one that tells by itself, what it tells next, however seldom.

    Raises:
        Unreachable, WrongAnswer: which name the device.
    """
    try:
        if isinstance(port, TellingPort):
            await port.told()
        return await port.read(("fast", "normal"))
    except (Unreachable, WrongAnswer) as error:
        raise type(error)(f"{port.device}: {error}") from None


class OnRecord(NamedTuple):
    """`terms`: None where nobody stated what the site's storage may be used for. `meters` are those of the
    fleet file that measure at its connection, `others` the site's other devices."""

    site: str
    terms: StorageTerms | None
    meters: tuple[FleetDevice, ...]
    others: tuple[str, ...] = ()


def on_record(
    connection: Connection, position: int, device: str, fleet: Sequence[FleetDevice], now: datetime
) -> OnRecord:
    """Raises:
    Refused: `unknown_device`.
    """
    devices = registered.load(connection, "device", Device, position)
    held = devices.at(device, now)
    if held is None:
        raise Refused("unknown_device", f"no device {device!r} is registered", place=device)
    site = held.document.site
    stated = registered.load(connection, "storage", StorageTerms, position, site).at(site, now)
    meters = registered.load(connection, "meter", Meter, position)
    at_grid: list[FleetDevice] = []
    for one in fleet:
        found = meters.at(one.meter, now) if one.profile.kind == "meter" and one.meter else None
        if found is not None and (found.document.site, found.document.position) == (site, "grid"):
            at_grid.append(one)
    there = [devices.at(name, now) for name in sorted(devices.versions) if name != device]
    others = tuple(one.id for one in there if one is not None and one.document.site == site)
    return OnRecord(site, None if stated is None else stated.document, tuple(at_grid), others)


class Bearing:
    """`own` reads the device, `meters` the site's connection; W, above 0 discharging and importing."""

    def __init__(
        self, site: str, import_w: int, export_w: int, own: DevicePort, meters: Sequence[DevicePort]
    ) -> None:
        self.site, self.import_w, self.export_w = site, import_w, export_w
        self._own = own
        self.ports = tuple(meters)

    async def room(self, read: Read = shown) -> tuple[PowerRange, int]:
        """From what to what the device may go now, whatever else the site does going on; and what the site
        draws without it.

        Raises:
            Unreachable, WrongAnswer: the device or a meter does not tell its power.
        """
        before = await self._power(read)
        draws = await self._draws(read)
        after = await self._power(read)
        low_w, high_w = draws + min(before, after), draws + max(before, after)
        return PowerRange(min(high_w - self.import_w, 0), max(low_w + self.export_w, 0)), low_w

    async def refuses(self, power_w: int, wait: Callable[[float], Awaitable[None]], read: Read) -> str:
        """Why the device must not be told that, by its connection; "" where it may."""
        why = ""
        for look in range(_LOOKS):
            room, draws_w = await self.room(read)
            if room.low_w <= power_w <= room.high_w:
                return ""
            why = f"{power_w} W: {self.why(draws_w)}"
            if look + 1 < _LOOKS:
                await wait(1.0)
        return why

    async def beyond(self, read: Read) -> str:
        """Whether the site draws or gives more than it may, and what; "" where it does not."""
        draws = await self._draws(read)
        if -draws > self.export_w:
            return f"{-draws} W leave {self.site}, whose connection may give {self.export_w} W"
        if draws > self.import_w:
            return f"{self.site} draws {draws} W, of {self.import_w} W that its connection may"
        return ""

    def why(self, draws_w: int) -> str:
        """The limits, in words."""
        return (
            f"the connection of {self.site} may give {self.export_w} W and draw {self.import_w} W,"
            f" and without the device {draws_w} W are drawn"
        )

    async def _power(self, read: Read) -> int:
        power = (await read(self._own)).value("active_power")
        if power is None:
            raise WrongAnswer(f"{self._own.device} tells no power")
        return power

    async def _draws(self, read: Read) -> int:
        draws = 0
        for meter in self.ports:
            power = (await read(meter)).value("meter_power")
            if power is None:
                raise WrongAnswer(f"{meter.device} tells no power")
            # A meter's power is above 0 into the grid.
            draws -= power
        return draws


class Bounded(NamedTuple):
    """The full powers of the test, and why they are less than the device's; "" where they are not."""

    discharge_w: int | None
    charge_w: int | None
    why: str


def lacking(site: str, *, terms: bool) -> str:
    """What a driver needs at a site of which it lacks terms or meter; `terms`: they are on record."""
    if terms:
        return f"{_UNMETERED} {site}: a driver raises nothing there (grid_unknown)"
    return f"{_UNSTATED} {site} may give and draw: a driver raises nothing beyond 0 W at it"


def unmeasured(record: OnRecord, stated: Mapping[str, int | None]) -> None:
    """Raises:
    Refused: `step_connection` where nobody knows what the connection bears, and no person says it.
    """
    if all(power is not None for power in stated.values()) or (record.terms is not None and record.meters):
        return
    missing = (
        f"{_UNSTATED} {record.site} may give and draw"
        if record.terms is None
        else f"{_UNMETERED} {record.site}"
    )
    raise Refused("step_connection", f"{missing}: state --discharge-w and --charge-w", place="--discharge-w")


async def bounded(bearing: Bearing, profile: Profile, stated: Mapping[str, int | None]) -> Bounded:
    """The full powers that the connection bears now. What a person stated is kept or refused, never
    shortened.

    Raises:
        Refused: `step_connection`, which names the limit, or what does not answer.
    """
    limits = profile.limits
    assert limits is not None, "it is dispatched"
    try:
        room, draws_w = await bearing.room()
    except (Unreachable, WrongAnswer) as error:
        raise Refused("step_connection", f"nobody knows what is drawn: {error}", place=bearing.site) from None
    why = bearing.why(draws_w)
    found: dict[str, int | None] = {}
    short = False
    for place, most, bears in (
        ("discharge_w", limits.discharge_w_max, room.high_w),
        ("charge_w", limits.charge_w_max, -room.low_w),
    ):
        bears = bears * 1000 // (1000 + _BESIDE_PERMILLE)
        given, option = stated[place], f"--{place.replace('_', '-')}"
        if bears < 1 or (given is not None and given > bears):
            raise Refused("step_connection", f"up to {max(bears, 0)} W: {why}", place=option)
        found[place] = given if given is not None or bears >= most else bears
        short = short or found[place] != given
    return Bounded(found["discharge_w"], found["charge_w"], why if short else "")
