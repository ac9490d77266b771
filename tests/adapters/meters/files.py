"""Profiles and files that the tests of the formats start from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from adapters.meters import Profile, profile_of, read
from adapters.meters.report import Parsed
from ledger.readings import MeterSpec
from ledger.refusal import Refused

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
DATA = ROOT.parent / "shared" / "data" / "meters"

METERS = {
    name: MeterSpec(name, ("import", "export", "pv", "reactive_lagging"), 900, 100_000, "Asia/Shanghai")
    for name in ("M1", "M2")
}

PLAIN = 'format = "csv_long"\ninterval_s = 900\nmeter_column = "meter"\nregister_column = "register"\n'
PLAIN_TIME = 'time = { column = "start", stamp = "interval_start" }\n'
PLAIN_VALUES = 'values = [{ column = "wh", unit = "Wh" }]\n'
PLAIN_HEADER = "meter,register,start,wh\n"

ONE = 'format = "csv_long"\ninterval_s = 900\nmeter = "M1"\n'
ONE_VALUES = 'values = [{ column = "kwh", unit = "kWh", register = "import" }]\n'


def one(time: str, values: str = ONE_VALUES, more: str = "") -> Profile:
    """A profile of one register of meter M1."""
    return profile_of(ONE + more + f"time = {{ {time} }}\n" + values)


def plain(more: str = "") -> Profile:
    """The profile of examples/meters/plain.toml."""
    return profile_of(PLAIN + more + PLAIN_TIME + PLAIN_VALUES)


def example(name: str) -> Profile:
    return profile_of((EXAMPLES / "meters" / f"{name}.toml").read_bytes())


def rejections(parsed: Parsed) -> list[tuple[int, str]]:
    return [(entry.row, entry.code) for entry in parsed.rejected]


def values(parsed: Parsed) -> list[tuple[str, str, str, list[int]]]:
    """Every run as (meter, register, start, values)."""
    return [
        (run.meter, run.register, run.start.strftime("%m-%dT%H:%MZ"), run.values.tolist())
        for run in parsed.runs
    ]


def refused(
    data: bytes | str, profile: Profile, meters: Mapping[str, MeterSpec] | None = None
) -> tuple[str, str]:
    """The code and the place with which the whole file is refused."""
    with pytest.raises(Refused) as caught:
        read(data.encode() if isinstance(data, str) else data, profile, meters)
    assert caught.value.reason
    return caught.value.code, caught.value.place
