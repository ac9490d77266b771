"""The profiles of examples/devices, and one that is changed a line at a time."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from dispatch.devices.profile import Profile
from dispatch.devices.profile_file import parse

EXAMPLES = Path(__file__).parents[3] / "examples" / "devices"
NAMES = sorted(file.stem for file in EXAMPLES.glob("*.toml") if file.stem != "fleet")


@cache
def example(name: str) -> Profile:
    return parse((EXAMPLES / f"{name}.toml").read_bytes())


PLAIN = """
id = "plain"
vendor = "example"
title = "Plain"
kind = "bess"
blocks = [{ address = 0, count = 10 }, { address = 20, count = 8 }]
points = [
  { name = "w", address = 0, count = 1, type = "int16", scale_point = "w_sf", unit = "W" },
  { name = "w_sf", address = 1, count = 1, type = "sunssf" },
  { name = "soc", address = 2, count = 1, type = "uint16", scale = -1, unit = "%" },
  { name = "state", address = 3, count = 1, type = "enum16" },
  { name = "wh", address = 4, count = 4, type = "uint64", unit = "Wh", change_max_per_s = 100 },
  { name = "set", address = 20, count = 2, type = "int32", unit = "W", access = "rw", RANGE },
  { name = "after", address = 22, count = 1, type = "uint16", unit = "s", access = "rw" },
  { name = "on", address = 23, count = 1, type = "uint16", access = "rw" },
  { name = "beat", address = 24, count = 1, type = "uint16", access = "rw" },
]
[roles]
active_power = "w"
setpoint = "set"
enable = "on"
revert_timer = "after"
soc = "soc"
state = "state"
[states]
1 = "running"
[limits]
charge_w_max = 1000
discharge_w_max = 2000
ramp_w_per_s = 100
energy_wh = 5000
[control]
functions = [6, 16]
writes_per_day = 9000
steps = [
  { point = "set", gives = "setpoint" },
  { point = "after", gives = "revert_timer" },
  { point = "on", gives = "constant", constant = 1 },
]
release = [{ point = "on", gives = "constant", constant = 0 }]
watchdog = { point = "beat", period_s = 10, timeout_s = 30 }
""".replace("RANGE", "minimum = -1000, maximum = 2000")
