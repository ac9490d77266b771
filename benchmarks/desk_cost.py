"""What a bid costs the machine: the processors' time by program, and the disk's for one sync."""

from __future__ import annotations

import os
import statistics
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

_SYNCS: Final = 200


class Sync(NamedTuple):
    """Milliseconds."""

    median: float
    p99: float


def syncs(folder: Path, size: int) -> Sync:
    """How long the disk takes to keep `size` bytes more of a file, which is what storing a bid waits for."""
    content, took = os.urandom(size), []
    with (folder / "synced").open("wb", buffering=0) as file:
        for _ in range(_SYNCS):
            began = time.perf_counter()
            file.write(content)
            os.fsync(file.fileno())
            took.append(1000 * (time.perf_counter() - began))
    (folder / "synced").unlink()
    return Sync(statistics.median(took), statistics.quantiles(took, n=100)[98])


class Used:
    """What processes use, each with those that it started."""

    def __init__(self, roots: dict[str, int]) -> None:
        self._roots = roots
        self._before: dict[str, float] = {}
        self._busy_before = self._began = 0.0

    def begin(self) -> None:
        self._before, self._busy_before, self._began = self._seconds(), _busy_s(), time.monotonic()

    def elapsed_s(self) -> float:
        """Since `begin`."""
        return time.monotonic() - self._began

    def busy_processors(self) -> float:
        """How many of the machine's were busy on average since `begin`, whoever used them."""
        return (_busy_s() - self._busy_before) / self.elapsed_s()

    def ms_a_bid(self, bids: int) -> dict[str, float]:
        """Since `begin`."""
        return {name: 1000 * (now - self._before[name]) / bids for name, now in self._seconds().items()}

    def _seconds(self) -> dict[str, float]:
        ticks: dict[int, tuple[int, int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(FileNotFoundError, ProcessLookupError):
                fields = stat.read_text().rpartition(")")[2].split()
                ticks[int(stat.parent.name)] = int(fields[1]), sum(map(int, fields[11:15]))
        found = dict.fromkeys(self._roots, 0.0)
        for name, root in self._roots.items():
            family = {root}
            while more := {pid for pid, (parent, _) in ticks.items() if parent in family} - family:
                family |= more
            found[name] = sum(ticks[pid][1] for pid in family if pid in ticks) / os.sysconf("SC_CLK_TCK")
        return found


def _busy_s() -> float:
    """Seconds that the machine's processors worked: /proc/stat without idle, waiting and stolen."""
    user, nice, system, _, _, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
