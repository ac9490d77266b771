"""Writes the sunspec_*.toml of this folder from the models that pysunspec2 ships.

`.venv/bin/python examples/devices/sunspec.py FOLDER`; without a folder, into its own.
"""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import msgspec

from dispatch.devices.control import Control, Limits, Watchdog, WriteStep
from dispatch.devices.point import Point
from dispatch.devices.profile import Block, Period, Profile
from dispatch.devices.profile_text import profile_text
from dispatch.devices.sunspec import BASE, END, MARKER, blocks_of, model_points

PERIODS: Final[dict[int, Period]] = {
    1: "slow",
    103: "fast",
    124: "normal",
    701: "fast",
    702: "slow",
    703: "slow",
    704: "normal",
    713: "fast",
    714: "normal",
    715: "fast",
    802: "normal",
    803: "normal",
}
"""The models that are written, and how often each is read."""
BESS: Final = (1, 701, 702, 703, 704, 713, 715)
"""Models of the storage that is read and written as one device."""
POWER_W: Final = 100_000
ENERGY_WH: Final = 200_000
_GENERATED: Final = "Written by examples/devices/sunspec.py from the models of pysunspec2: do not edit."


def definition(number: int) -> dict[str, Any]:
    """A model as the SunSpec Alliance defines it."""
    folder = files("sunspec2").joinpath("models", "json")
    read: dict[str, Any] = json.loads(folder.joinpath(f"model_{number}.json").read_text(encoding="utf-8"))
    return read


def model(number: int) -> Profile:
    """One model, as though its number stood in register 0."""
    given = definition(number)
    points = model_points(given, 0)
    return Profile(
        id=f"sunspec_{number}",
        vendor="SunSpec",
        title=given["group"].get("label", given["group"]["name"]),
        kind="model",
        source=f"github.com/sunspec/models, model_{number}.json [R]",
        points=points,
        blocks=blocks_of(points, PERIODS[number]),
    )


def bess() -> Profile:
    """A storage of 100 kW and 200 kWh that is controlled by models 704 and 715."""
    points: list[Point] = [
        Point(name="SunS", address=BASE, count=2, type="uint32", fixed=MARKER),
    ]
    blocks: list[Block] = []
    address = BASE + 2
    for number in BESS:
        found = model_points(definition(number), address)
        blocks += blocks_of(found, PERIODS[number])
        points += found
        length = next(point.fixed for point in found if point.name == f"{number}.L")
        assert length is not None
        address += length + 2
    points += [
        Point(name="End.ID", address=address, count=1, type="uint16", fixed=END, not_available=()),
        Point(name="End.L", address=address + 1, count=1, type="uint16", fixed=0),
    ]
    blocks[0] = msgspec.structs.replace(blocks[0], address=BASE, count=blocks[0].count + 2)
    blocks.append(Block(address=address, count=2, period="slow"))
    return Profile(
        id="sunspec_bess",
        vendor="SunSpec",
        title="Storage by IEEE 1547 models, 100 kW and 200 kWh",
        kind="bess",
        source="github.com/sunspec/models [R]; ratings, ramp, budget and watchdog [D]",
        points=tuple(_bounded(point) for point in points),
        blocks=tuple(blocks),
        roles={
            "active_power": "701.W",
            "setpoint": "704.WSet",
            "enable": "704.WSetEna",
            "revert_timer": "704.WSetRvrtTms",
            "revert_remaining": "704.WSetRvrtRem",
            "soc": "713.SoC",
            "state": "701.InvSt",
            "control_mode": "715.LocRemCtl",
            "alarm": "701.Alrm",
            "heartbeat": "715.ControllerHb",
            "device_heartbeat": "715.DERHb",
            "capacity_wh": "713.WHRtg",
            "stored_wh": "713.WHAvail",
            "charge_w_max": "702.WChaRteMax",
            "discharge_w_max": "702.WDisChaRteMax",
            "temperature": "701.TmpCab",
            "grid_frequency": "701.Hz",
            "grid_voltage": "701.LLV",
        },
        states={
            "0": "off",
            "1": "standby",
            "2": "starting",
            "3": "running",
            "4": "running",
            "5": "stopping",
            "6": "fault",
            "7": "standby",
        },
        limits=Limits(
            charge_w_max=POWER_W, discharge_w_max=POWER_W, ramp_w_per_s=20_000, energy_wh=ENERGY_WH
        ),
        control=Control(
            functions=(6, 16),
            writes_per_day=20_000,
            steps=(
                WriteStep(point="704.WSetMod", gives="constant", constant=1),
                WriteStep(point="704.WSetRvrt", gives="constant", constant=0),
                WriteStep(point="704.WSetEnaRvrt", gives="constant", constant=1),
                WriteStep(point="704.WSet", gives="setpoint"),
                WriteStep(point="704.WSetRvrtTms", gives="revert_timer"),
                WriteStep(point="704.WSetEna", gives="constant", constant=1),
            ),
            release=(WriteStep(point="704.WSetEna", gives="constant", constant=0),),
            watchdog=Watchdog(point="715.ControllerHb", period_s=10, timeout_s=30),
        ),
    )


def _bounded(point: Point) -> Point:
    """What the storage can hold: a state of charge of 0 to 100 %, 1.2 times its power."""
    if point.name == "713.SoC":
        return msgspec.structs.replace(point, minimum=0, maximum=100_000)
    if point.name in ("701.W", "704.WSet"):
        most = POWER_W * 12 // 10
        return msgspec.structs.replace(point, minimum=-most, maximum=most)
    return point


def texts() -> dict[str, str]:
    """Each file's name and content."""
    profiles = [*map(model, PERIODS), bess()]
    return {f"{profile.id}.toml": profile_text(profile, _GENERATED) for profile in profiles}


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, text in texts().items():
        (target / name).write_text(text, encoding="utf-8")
