"""`python -m benchmarks [NAME ...]`: measure, print the table, and keep it in RESULTS.md when it is all."""

from __future__ import annotations

import argparse
import os
import platform
import resource
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
from benchmarks.rig import Rig, rig

_MEMORY_MIB_MAX = 1024
_RESULTS = Path(__file__).with_name("RESULTS.md")
_METHOD = """\
Each ratio is the median of several rounds in which both sides ran in turn; it varies by some ten percent
between runs."""
_JUDGED = """\
Of the two ways to drive 64 writers the asynchronous one is judged, because the bare publisher is 64 tasks
on one event loop too; threads pay for crossing into that loop. One writer is judged through the blocking
recorder, as the program uses it. Each settled site is checked against the peer's own sums."""


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

    Only a whole run that is not quick is kept.
    """
    known = (*_ON_SERVERS, *_ALONE, *_WORTH)
    parser = argparse.ArgumentParser(description="Ratios against limits and peers, taken in one run.")
    parser.add_argument("--quick", action="store_true", help="small amounts, no results kept")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(known):
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(known)}")
    wanted = frozenset(asked.names or known)
    figures: list[Figure] = []

    def take(measure: Callable[..., list[Figure]]) -> None:
        found = measure(quick=asked.quick)
        figures.extend(found)
        for figure in found:
            print(row(figure), flush=True)

    with rig() as servers:
        where = machine(servers)
        print(where)
        for name, on_servers in _ON_SERVERS.items():
            if name in wanted:
                take(partial(on_servers, servers))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    memory = Figure(
        "peak memory of this process, settling 1,000 sites among others",
        peak,
        _MEMORY_MIB_MAX,
        "limit",
        "MiB",
        _MEMORY_MIB_MAX / peak,
        1.0,
    )
    figures.append(memory)
    print(row(memory))
    for name, alone in _ALONE.items():
        if name in wanted:
            take(alone)
    for name, worth in _WORTH.items():
        if name in wanted and worth.DATA.exists():
            take(worth.measure)
        elif name in wanted:
            print(f"{name} is left out: its data is not there: {worth.DATA}", flush=True)
    if not (asked.quick or asked.names):
        _RESULTS.write_text(page(where, figures), encoding="utf-8")


def row(figure: Figure) -> str:
    """A Markdown row."""
    peer = "" if figure.peer is None else _amount(figure.peer)
    value = f"{figure.value:.2f}" if figure.peer is not None else _amount(figure.value)
    wanted = "" if figure.wanted is None else f"{figure.wanted:,}"
    return (
        f"| {figure.what} | {_amount(figure.ours)} | {peer} | {figure.peer_name} | {figure.unit}"
        f" | {value} | {wanted} | {figure.met} |"
    )


def _amount(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 100 or figure == int(figure) else f"{figure:.2f}"


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


def page(where: str, figures: list[Figure]) -> str:
    """The table with the machine that it was taken on."""
    return "\n".join(
        [
            "# Results of the last `make bench`",
            "",
            where,
            _METHOD,
            "",
            "| what | ours | peer or limit | which | unit | ratio or figure | wanted | met |",
            "|---|---|---|---|---|---|---|---|",
            *(row(figure) for figure in figures),
            "",
            _JUDGED,
            "",
        ]
    )


if __name__ == "__main__":
    main()
