"""`python -m benchmarks [NAME ...]`: measure, print the table, and keep it in RESULTS.md."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from benchmarks import (
    all_streams,
    append,
    as_of,
    behind_the_meter,
    beside_ledger,
    bidding,
    cluster,
    csv_import,
    desk,
    devices,
    documents,
    driving,
    explaining,
    forecasting,
    one_correction,
    optimising,
    planning,
    readings,
    reallocating,
    settling,
    telemetry,
    transparency,
)
from benchmarks.figure import Figure
from benchmarks.results import page_of, row, section, sections
from benchmarks.rig import Rig, rig

_RESULTS = Path(__file__).with_name("RESULTS.md")

_ON_SERVERS: Final[Mapping[str, Callable[..., list[Figure]]]] = MappingProxyType(
    {
        "append": append.measure,
        "readings": readings.measure,
        "csv-import": csv_import.measure,
        "settling": settling.measure,
        "all-streams": all_streams.measure,
        "one-correction": one_correction.measure,
        "explaining": explaining.measure,
        "as-of": as_of.measure,
        "documents": documents.measure,
        "transparency": transparency.measure,
        "desk": desk.measure,
        "cluster": cluster.measure,
        "planning": planning.measure,
        "telemetry": telemetry.measure,
        "driving": driving.measure,
        "reallocating": reallocating.measure,
        "beside-ledger": beside_ledger.measure,
    }
)
_ALONE: Final[Mapping[str, Callable[..., list[Figure]]]] = MappingProxyType(
    {"devices": devices.measure, "optimising": optimising.measure}
)
_WORTH: Final = MappingProxyType(
    {"forecasting": forecasting, "bidding": bidding, "behind-the-meter": behind_the_meter}
)
"""These need the data beside the checkout."""


def main() -> None:
    """Measure what is named, else everything; `--quick` is a smoke test on small amounts.

    Each benchmark that was not quick is kept at once, so that a long run may be ended or taken in parts.
    """
    known = (*_ON_SERVERS, *_ALONE, *_WORTH)
    parser = argparse.ArgumentParser(description="Ratios against limits and peers, taken in one run.")
    parser.add_argument("--quick", action="store_true", help="small amounts, no results kept")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(known):
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(known)}")
    wanted = frozenset(asked.names or known)
    where = ""

    def take(name: str, measure: Callable[..., list[Figure]]) -> None:
        found = measure(quick=asked.quick)
        for figure in found:
            print(row(figure), flush=True)
        if not asked.quick:
            kept = sections(_RESULTS.read_text(encoding="utf-8")) | {name: section(where, found)}
            _RESULTS.write_text(page_of(kept, known), encoding="utf-8")

    with rig() as servers:
        where = machine(servers)
        print(where)
        for name, on_servers in _ON_SERVERS.items():
            if name in wanted:
                take(name, partial(on_servers, servers))
    for name, alone in _ALONE.items():
        if name in wanted:
            take(name, alone)
    for name, worth in _WORTH.items():
        if name in wanted and worth.DATA.exists():
            take(name, worth.measure)
        elif name in wanted:
            print(f"{name} is left out: its data is not there: {worth.DATA}", flush=True)


def machine(servers: Rig) -> str:
    """What the figures were taken on, and how busy it was with other things."""
    about = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.partition(":")[2].strip() for line in about if "model name" in line), platform.machine())
    cores = sum(line.startswith("processor") for line in about)
    memory = Path("/proc/meminfo").read_text().split()[1]
    sync_us = 1e6 / append.fdatasync(servers, 500)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}: {cores} cores of {cpu}, {int(memory) / 2**20:.0f} GiB, Linux"
        f" {platform.release()}, Python {platform.python_version()}, local disk with {sync_us:.0f} us a sync,"
        f" load average {os.getloadavg()[0]:.1f} at the start."
    )


if __name__ == "__main__":
    main()
