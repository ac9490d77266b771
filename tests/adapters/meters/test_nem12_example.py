"""The ids and registers that the example profile's comments promise are those that a file gives."""

from __future__ import annotations

import re
from pathlib import Path

from adapters import meters

PROFILE = Path(__file__).parents[3] / "examples/meters/nem12.toml"
PROMISED = re.compile(r"200,(\w+),\w+,\d,(\w+),\.\.\. +channel \w+: meter ([\w-]+), +register (\w+)")


def test_the_meter_ids_of_the_comments_are_the_reader_s() -> None:
    promised = PROMISED.findall(PROFILE.read_text(encoding="utf-8"))
    assert len(promised) == 4
    records = ["100,NEM12,200405011135,MDA1,Ret1"]
    for nmi, suffix, _, register in promised:
        unit = "kvarh" if register.startswith("reactive") else "kWh"
        records.append(f"200,{nmi},E1B1E2,1,{suffix},N1,01009,{unit},30,20050610")
        records.append(f"300,20050301,{','.join(['1'] * 48)},A,,,20050310121004,")
    data = "\n".join([*records, "900", ""]).encode()
    parsed = meters.read(data, meters.profile_of(PROFILE.read_bytes()), None)
    assert {(run.meter, run.register) for run in parsed.runs} == {
        (meter, register) for _, _, meter, register in promised
    }
