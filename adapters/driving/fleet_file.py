"""The file of a machine that drives: which devices are reached from here, and at which addresses.

Addresses are of the place where the driver runs; no event holds one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec

from dispatch.control.reallocation import FLEET_W_MAX
from dispatch.devices.profile import UNIT_MAX, Profile
from dispatch.devices.profile_file import parse as parse_profile
from ledger.clauses.flow import one_of
from ledger.identity import checked_id
from ledger.refusal import Refused
from ledger.toml_file import TomlFile

Parity = Literal["none", "even", "odd"]
BAUDS: Final = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
PORT_MAX: Final = 65_535
ANSWER_MS: Final = (20, 5000)
TURN_MS: Final = (100, 10_000)


class ModbusTcp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="modbus_tcp"):
    """`unit`: in place of the profile's. `answer_ms`: how long one answer, or a connection, is waited for;
    `turn_ms`: how long all the answers of one reading together are.
    """

    host: str
    port: int = 502
    unit: int | None = None
    answer_ms: int = 500
    turn_ms: int = 2000

    def __post_init__(self) -> None:
        _checked_host(self.host, self.port)
        _checked_line(self.unit, self.answer_ms, self.turn_ms)


class ModbusRtu(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="modbus_rtu"):
    """A serial line (`path`, such as /dev/ttyUSB0), which devices of several units share. The rest is as in
    ModbusTcp; 125 registers take 0.3 s at 9600 baud.
    """

    path: str
    baud: int = 9600
    parity: Parity = "none"
    stop_bits: int = 1
    unit: int | None = None
    answer_ms: int = 1000
    turn_ms: int = 5000

    def __post_init__(self) -> None:
        if not self.path.startswith("/"):
            raise Refused("device_address", "the line's path, such as /dev/ttyUSB0", place="path")
        if self.baud not in BAUDS:
            raise Refused("device_address", ", ".join(map(str, BAUDS)), place="baud")
        one_of(self.parity, Parity, "parity")
        if self.stop_bits not in (1, 2):
            raise Refused("device_address", "1 or 2", place="stop_bits")
        _checked_line(self.unit, self.answer_ms, self.turn_ms)


class Mqtt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="mqtt"):
    """A broker, and the topic below which the device's own topics are."""

    host: str
    port: int = 1883
    topic: str

    def __post_init__(self) -> None:
        _checked_host(self.host, self.port)
        if not self.topic.strip("/") or set("+#") & set(self.topic):
            raise Refused("device_address", "a topic without + and #", place="topic")


Address = ModbusTcp | ModbusRtu | Mqtt


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """What devices together may be told at most, W: behind one feeder or transformer, of one industry."""

    id: str
    charge_w: int
    discharge_w: int

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        for place in ("charge_w", "discharge_w"):
            if not 0 <= getattr(self, place) <= FLEET_W_MAX:
                raise Refused("group_limit", f"0 to {FLEET_W_MAX} W", place=place)


class FleetDevice(msgspec.Struct, frozen=True, kw_only=True):
    """`id`: as registered. `meter`: the ledger's meter whose readings this device gives, being its revenue
    meter; empty: none. `safe_w`: the power that the device is at in its safe state, W, above 0 discharging.
    `group`: whose limit it shares with others. `measures`: of a storage's own meter the storage, where
    several stand at its site.
    """

    id: str
    profile: Profile
    address: Address
    meter: str = ""
    safe_w: int = 0
    group: Group | None = None
    measures: str = ""

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        if self.meter:
            checked_id(self.meter, "meter")
        if self.measures and self.profile.kind != "meter":
            raise Refused("fleet_meter", "only a meter measures a storage", place="measures")
        limits = self.profile.limits
        lowest, highest = (0, 0) if limits is None else (-limits.charge_w_max, limits.discharge_w_max)
        if not lowest <= self.safe_w <= highest:
            raise Refused("safe_power", f"{lowest} to {highest} W", place="safe_w")

    @property
    def unit(self) -> int:
        """The Modbus unit id that it answers under."""
        stated = None if isinstance(self.address, Mqtt) else self.address.unit
        return self.profile.unit_id if stated is None else stated


class _StatedGroup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    charge_w: int
    discharge_w: int


class _Stated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    profile: str
    address: ModbusTcp | ModbusRtu | Mqtt
    meter: str = ""
    safe_w: int = 0
    group: str = ""
    measures: str = ""


class _Fleet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    devices: tuple[_Stated, ...]
    groups: tuple[_StatedGroup, ...] = ()


def parse(text: str | bytes, folder: Path = Path()) -> tuple[FleetDevice, ...]:
    """The devices of a TOML text (examples/devices/fleet.toml); paths of profiles are from `folder`.

    Raises:
        Refused: names the line and the field; what is wrong in a profile, that file's too.
    """
    file = TomlFile(text)
    fleet = file.struct(_Fleet, file.root, ())
    if not fleet.devices:
        raise file.refusal("empty", "a fleet has devices", ("devices",))
    profiles: dict[str, Profile] = {}
    groups = _groups(file, fleet)
    found: list[FleetDevice] = []
    for number, stated in enumerate(fleet.devices):
        at = ("devices", number)
        if stated.profile not in profiles:
            try:
                profiles[stated.profile] = parse_profile((folder / stated.profile).read_bytes())
            except OSError as error:
                raise file.refusal("profile_file", f"{error.strerror}", (*at, "profile")) from None
            except Refused as refused:
                wrong = f"{stated.profile}: {refused}"
                raise file.refusal(refused.code, wrong, (*at, "profile")) from None
        if stated.group and stated.group not in groups:
            allowed = ", ".join(sorted(groups)) or "none is stated"
            raise file.refusal("group_unknown", allowed, (*at, "group"))
        try:
            device = FleetDevice(
                id=stated.id,
                profile=profiles[stated.profile],
                address=stated.address,
                meter=stated.meter,
                safe_w=stated.safe_w,
                group=groups.get(stated.group),
                measures=stated.measures,
            )
            _check_against(device, found)
        except Refused as refused:
            raise file.refusal(refused.code, refused.reason, (*at, refused.place)) from None
        found.append(device)
    storages = {device.id for device in found if device.profile.kind == "bess"}
    for number, device in enumerate(found):
        if device.measures and device.measures not in storages:
            raise file.refusal("unknown_device", "a storage of this file", ("devices", number, "measures"))
    return tuple(found)


def _groups(file: TomlFile, fleet: _Fleet) -> dict[str, Group]:
    found: dict[str, Group] = {}
    for number, one in enumerate(fleet.groups):
        at = ("groups", number)
        if one.id in found:
            raise file.refusal("fleet_duplicate", f"{one.id} is there twice", (*at, "id"))
        try:
            found[one.id] = Group(id=one.id, charge_w=one.charge_w, discharge_w=one.discharge_w)
        except Refused as refused:
            raise file.refusal(refused.code, refused.reason, (*at, refused.place)) from None
    return found


def load(path: Path) -> tuple[FleetDevice, ...]:
    """The devices of a file; paths of profiles are from the file's folder.

    Raises:
        Refused: as `parse`; OSError: the file cannot be read.
    """
    return parse(path.read_bytes(), path.parent)


def _check_against(device: FleetDevice, others: list[FleetDevice]) -> None:
    """No two devices are one, and all on one line speak alike."""
    for other in others:
        if other.id == device.id:
            raise Refused("fleet_duplicate", f"{device.id} is there twice", place="id")
        if device.meter and other.meter == device.meter:
            raise Refused("fleet_duplicate", f"{other.id} is the meter {device.meter}", place="meter")
        if _reached(other) == _reached(device):
            raise Refused("fleet_duplicate", f"it is {other.id}'s address", place="address")
        one, two = device.address, other.address
        if not (isinstance(one, ModbusRtu) and isinstance(two, ModbusRtu) and one.path == two.path):
            continue
        if (one.baud, one.parity, one.stop_bits) != (two.baud, two.parity, two.stop_bits):
            wrong = f"the line has {two.baud} baud, parity {two.parity}, {two.stop_bits} stop bits"
            raise Refused("device_address", f"{wrong} at {other.id}", place="address")


def _reached(device: FleetDevice) -> tuple[str, str, int | str]:
    """What tells two devices apart."""
    match device.address:
        case ModbusTcp(host=host, port=port):
            return "tcp", f"{host.lower()}:{port}", device.unit
        case ModbusRtu(path=path):
            return "rtu", path, device.unit
        case Mqtt(host=host, port=port, topic=topic):
            return "mqtt", f"{host.lower()}:{port}", topic.strip("/")


def _checked_host(host: str, port: int) -> None:
    if not host or any(character.isspace() for character in host):
        raise Refused("device_address", "a host's name or address", place="host")
    if not 1 <= port <= PORT_MAX:
        raise Refused("device_address", f"1 to {PORT_MAX}", place="port")


def _checked_line(unit: int | None, answer_ms: int, turn_ms: int) -> None:
    if unit is not None and not 0 <= unit <= UNIT_MAX:
        raise Refused("unit_id", f"0 to {UNIT_MAX}", place="unit")
    if not ANSWER_MS[0] <= answer_ms <= ANSWER_MS[1]:
        raise Refused("device_address", f"{ANSWER_MS[0]} to {ANSWER_MS[1]} ms", place="answer_ms")
    if not TURN_MS[0] <= turn_ms <= TURN_MS[1] or turn_ms < answer_ms:
        wrong = f"{TURN_MS[0]} to {TURN_MS[1]} ms, and not below answer_ms"
        raise Refused("device_address", wrong, place="turn_ms")
