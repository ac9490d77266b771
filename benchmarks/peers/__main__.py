"""`python -m benchmarks.peers [PEER ...]`: install each peer, give it the same days, and compare the money.

Needs a package index; see README.md beside this file.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from benchmarks import forecasting
from dispatch.forecasts.day_table import Values
from dispatch.optimiser.perfect_foresight import perfect_foresight
from dispatch.optimiser.site import Storage

_HOME: Final = Path(__file__).parents[2]
_UV: Final = _HOME / ".uv/bin/uv"
_INTO: Final = _HOME / ".uv/peers"
_RUN: Final = Path(__file__).with_name("run_one.py")
_DAYS: Final = 31
_TIMEOUT_S: Final = 900
_EFFICIENCY: Final = 0.955
_TOLERANCE_KWH: Final = 1.0
PEERS: Final = {
    "energypylinear": ("energypylinear",),
    "emhass": ("emhass",),
    "pypsa": ("pypsa", "highspy"),
    "flexmeasures": ("flexmeasures", "highspy"),
}
_STORAGE: Final = Storage(
    charge_kw=1000.0, discharge_kw=1000.0, floor_kwh=0.0, ceiling_kwh=2000.0, start_kwh=0.0, end_kwh=0.0,
    charge_efficiency=_EFFICIENCY, discharge_efficiency=_EFFICIENCY, availability=np.ones(24),
    reserve_kwh=np.zeros(24),
)  # fmt: skip


def main() -> None:
    """Print a row for ours and for each peer: money of the month, seconds, or why there is none."""
    wanted = sys.argv[1:] or list(PEERS)
    unknown = [name for name in wanted if name not in PEERS]
    if unknown:
        sys.exit(f"{', '.join(unknown)}: not one of {', '.join(PEERS)}")
    if not forecasting.DATA.is_dir():
        sys.exit(f"the price files are not there: {forecasting.DATA}")
    if not _UV.is_file():
        sys.exit(f"{_UV} is not there: make setup")
    prices = forecasting.new_york().past.days.between(date(2021, 1, 1), date(2021, 1, _DAYS))
    prices = prices[~np.isnan(prices).any(axis=1)] / 1000
    began = time.perf_counter()
    ours = np.array([perfect_foresight(_STORAGE, 1.0, day).day_ahead_w / 1000 for day in prices])
    seconds = time.perf_counter() - began
    mine = _Row(_money(ours, prices), seconds)
    print(f"ours: {mine.money:,.2f} USD in {mine.seconds:.1f} s, {len(prices)} days")
    for name in wanted:
        print(f"{name}: {_of(name, prices, mine)}", flush=True)


class _Row(NamedTuple):
    money: float
    seconds: float


def _of(name: str, prices: Values, ours: _Row) -> str:
    """The peer's row with what ours is of it; what goes wrong with it is what is told."""
    home = _INTO / name
    python = home / "bin/python"
    steps = [] if python.is_file() else [[str(_UV), "venv", "--python", sys.executable, str(home)]]
    steps.append([str(_UV), "pip", "install", "--quiet", "--python", str(python), *PEERS[name]])
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        if done.returncode:
            return f"could not be installed: {_last(done.stderr)}"
    asked = json.dumps({"prices": prices.tolist(), "efficiency": _EFFICIENCY, "kw": 1000.0, "kwh": 2000.0})
    try:
        done = subprocess.run(
            [str(python), str(_RUN), name], input=asked, capture_output=True, text=True, timeout=_TIMEOUT_S,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"was not done with {len(prices)} days in {_TIMEOUT_S} s"
    if done.returncode:
        return f"could not be run: {_last(done.stderr)}"
    told = json.loads(done.stdout.strip().splitlines()[-1])
    schedule = np.array(told["kw"])
    broken = _broken(schedule)
    peer = _Row(_money(schedule, prices), told["seconds"])
    row = (
        f"{peer.money:,.2f} USD in {peer.seconds:.1f} s; ours {100 * ours.money / peer.money:.2f} % of its"
        f" money in 1/{peer.seconds / ours.seconds:.0f} of its time"
    )
    return f"{row}; it breaks limits by {broken:.1f} kWh" if broken > _TOLERANCE_KWH else row


def _money(schedule_kw: Values, prices: Values) -> float:
    return float((schedule_kw * prices).sum())


def _broken(schedule_kw: Values) -> float:
    """How far stored energy leaves 0 to 2,000 kWh, at the efficiencies that every peer was given."""
    charged = np.maximum(-schedule_kw, 0) * _EFFICIENCY
    stored = np.cumsum(charged - np.maximum(schedule_kw, 0) / _EFFICIENCY, axis=1)
    return float(max(0.0, -stored.min(), stored.max() - 2000.0))


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"


if __name__ == "__main__":
    main()
