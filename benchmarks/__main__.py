"""`python -m benchmarks`: measure, print the table, and keep it in RESULTS.md."""

from __future__ import annotations

import argparse
import platform
import resource
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import append, csv_import, readings, settling
from benchmarks.figure import Figure
from benchmarks.rig import rig

_MEMORY_MIB_MAX = 1024
_RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    """Measure everything; `--quick` is a smoke test on small amounts that keeps no results."""
    parser = argparse.ArgumentParser(description="Ratios against limits and peers, taken in one run.")
    parser.add_argument("--quick", action="store_true", help="small amounts, no results kept")
    quick = parser.parse_args().quick
    figures: list[Figure] = []
    with rig() as servers:
        for measure in (append.measure, readings.measure, csv_import.measure, settling.measure):
            found = measure(servers, quick=quick)
            figures += found
            for figure in found:
                print(row(figure), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    memory = Figure(
        "peak memory of this process", peak, _MEMORY_MIB_MAX, "limit", "MiB", _MEMORY_MIB_MAX / peak, 1.0
    )
    figures.append(memory)
    print(row(memory))
    if not quick:
        _RESULTS.write_text(page(figures), encoding="utf-8")


def row(figure: Figure) -> str:
    """A Markdown row."""
    peer = "" if figure.peer is None else f"{figure.peer:,.0f}"
    value = f"{figure.value:.2f}" if figure.peer is not None else f"{figure.value:,.0f}"
    wanted = "" if figure.wanted is None else f"{figure.wanted:,}"
    return (
        f"| {figure.what} | {figure.ours:,.0f} | {peer} | {figure.peer_name} | {figure.unit}"
        f" | {value} | {wanted} | {figure.met} |"
    )


def page(figures: list[Figure]) -> str:
    """The table with the machine that it was taken on."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    cores = sum(line.startswith("processor") for line in Path("/proc/cpuinfo").read_text().splitlines())
    machine = f"{cores} cores of {cpu}, Python {platform.python_version()}, Linux, local disk"
    return "\n".join(
        [
            "# Results of the last `make bench`",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {machine}. One run; figures vary by some ten percent.",
            "",
            "| what | ours | peer or limit | which | unit | ratio or figure | wanted | met |",
            "|---|---|---|---|---|---|---|---|",
            *(row(figure) for figure in figures),
            "",
        ]
    )


if __name__ == "__main__":
    main()
