"""Many devices beside the solver, and beside the ledger: `python -m benchmarks beside-ledger`.

2,000 storages that are read every 5 s and 500 every second, served by two programs of their own and read by
the driver's reading side in another: pollers, outbox and forwarding. The ledger works meanwhile without a
pause on the same servers and cores: a month's readings anew, projected, and settled. Before that the quick
devices are read alone, and while 50 sites are planned over and over as the planning role does it.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from adapters.nats import telemetry_stream
from adapters.planning.solver_process import SolverProcess
from adapters.settling import settle_month
from adapters.telemetry.history import History
from benchmarks.devices import bench_profile
from benchmarks.figure import Figure
from benchmarks.polling import Measured, Polled, Told
from benchmarks.rig import MONTH, Book, Rig, local_month_blocks, utc_month_blocks
from benchmarks.settling import found
from dispatch.devices.profile import Period
from dispatch.devices.profile_text import profile_text
from dispatch.telemetry.sample import Sample
from tests.dispatch.optimiser.synthetic import portfolio

_ALONE: Final = "bench-polled"
_PLANNED: Final = "bench-planned"
_BESIDE: Final = "bench-beside"
_SITES: Final = 50
_SOLVE_S: Final = 30.0
_LATE_MS: Final = 50.0
_ACKNOWLEDGED_MS: Final = 100.0
_CORE_PERCENT: Final = 25.0
"""Of 500 turns a second; of more in proportion."""
_TICK: Final = 100
"""Of /proc's processor times, a second (Linux, USER_HZ)."""
_ROOT: Final = Path(__file__).parents[1]


def measure(rig: Rig, *, quick: bool) -> list[Figure]:
    """The reading side's share of a core, how late turns are, what is lost, and how long until it is kept:
    of the quick devices alone, then beside the solver, then of all of them beside the ledger.
    """
    slow, fast, seconds, sites = (100, 25, 1.0, 4) if quick else (2000, 500, 20.0, 200)
    _allow_files(2 * (slow + fast) + 256)
    operator = rig.nats.operator()
    for name in (_ALONE, _PLANNED, _BESIDE):
        telemetry_stream.create(operator, name, max_bytes=16 << 30)
    operator.close()
    book = rig.book()
    try:
        found(book, sites)
        for save in local_month_blocks(sites):
            book.execute_all(save)
        book.projector().catch_up()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            a, peer_a = stack.enter_context(_peer(folder, "normal", slow))
            b, peer_b = stack.enter_context(_peer(folder, "fast", fast))
            told = Told(
                nats=rig.nats.url,
                seed=str(rig.nats.app_seed),
                book=_ALONE,
                folder=str(folder / "alone"),
                groups=[Polled(prefix="B", profile=str(folder / "fast.toml"), ports=b)],
                seconds=seconds,
            )
            alone = _polled(rig, told, lambda: time.sleep(seconds))
            told = msgspec.structs.replace(told, book=_PLANNED, folder=str(folder / "planned"))
            solver = _Solver(stack.enter_context(SolverProcess()))
            planned = _polled(rig, told, lambda: solver.work(seconds))
            more = Polled(prefix="A", profile=str(folder / "normal.toml"), ports=a)
            told = msgspec.structs.replace(
                told, book=_BESIDE, folder=str(folder / "beside"), groups=[more, *told.groups]
            )
            whole = {
                "their peers": (peer_a, peer_b),
                "the ledger's process": (None,),
                "NATS": (rig.nats.child.process.pid,),
                "PostgreSQL": _with_children(rig.postgres.child.process.pid),
            }
            ledger = _Ledger(book, sites)
            used: dict[str, float] = {}

            def beside() -> None:
                before, began = _used(whole), time.monotonic()
                ledger.work(seconds)
                wall = time.monotonic() - began
                used.update({name: 100 * (now - before[name]) / wall for name, now in _used(whole).items()})

            measured = _polled(rig, told, beside)
    finally:
        book.close()
    due = (slow / 5 + fast) * seconds
    what = f"{fast} devices, 1 Hz, 2 blocks of 100 registers, with events"
    solved = f"{fast} devices at 1 Hz while a process of its own plans {_SITES} sites over and over"
    both = f"{slow:,} devices at 5 s and {fast} at 1 s beside the ledger"
    return [
        *_rows(what, alone, fast * seconds, _CORE_PERCENT),
        _at_most(f"{solved}: lateness p99", planned.late_p99, _LATE_MS, "ms"),
        _beside(f"{solved}: lateness p50", planned.late_p50, "ms"),
        _beside(f"{solved}: its threads waited for a core", planned.waited, "%"),
        _beside(f"{solved}: plans", 60 * solver.rate, "1/min"),
        Figure(f"{solved}: turns without an answer", planned.lost, 0, "limit", "turns", -planned.lost, 0),
        *_rows(both, measured, due, _CORE_PERCENT * due / (fast * seconds)),
        *(_beside(f"meanwhile, of a core: {name}", percent, "%") for name, percent in used.items()),
        _beside("meanwhile: site-months read anew, projected and settled", 60 * ledger.rate, "1/min"),
    ]


def _rows(what: str, one: Measured, due: float, core: float) -> list[Figure]:
    acknowledged = f"{what}: from read to acknowledged"
    return [
        _at_most(f"{what}: of a core", one.core, core, "%"),
        _at_most(f"{what}: lateness p99", one.late_p99, _LATE_MS, "ms"),
        _beside(f"{what}: lateness p50", one.late_p50, "ms"),
        _beside(f"{what}: its threads waited for a core", one.waited, "%"),
        _at_most(f"{acknowledged}, p99", one.acknowledged_p99, _ACKNOWLEDGED_MS, "ms"),
        _beside(f"{acknowledged}, p50", one.acknowledged_p50, "ms"),
        Figure(f"{what}: turns", one.turns, due, "due", "turns", one.turns / due, 0.98),
        Figure(f"{what}: turns without an answer", one.lost, 0, "limit", "turns", -one.lost, 0),
    ]


def _polled(rig: Rig, told: Told, meanwhile: Callable[[], None]) -> Measured:
    """What the reading side measured while `meanwhile` ran, all of it kept."""
    with _program("benchmarks.polling") as poller:
        _line(poller, msgspec.json.encode(told).decode())
        _heard(poller)
        _line(poller, "measure")
        meanwhile()
        measured = msgspec.json.decode(_heard(poller), type=Measured)
    _check_kept(rig, told.book, measured)
    return measured


class _Solver:
    """Plans the same sites from nothing, over and over, in the planner's process."""

    def __init__(self, process: SolverProcess) -> None:
        self._process = process
        self._asked = portfolio(1, _SITES, "")
        self._plans = 0
        self._took = 0.0
        self._solve()

    @property
    def rate(self) -> float:
        """Plans a second."""
        return self._plans / self._took

    def work(self, seconds: float) -> None:
        """At least so long."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            self._solve()
            self._plans += 1
        self._took = time.monotonic() - began

    def _solve(self) -> None:
        answer = self._process.solve(self._asked, _SOLVE_S)
        assert answer.outcome == "found", answer.reason


class _Ledger:
    """Corrects, projects and settles a month of all sites, over and over."""

    def __init__(self, book: Book, sites: int) -> None:
        self._book, self._sites = book, sites
        self._months = 0
        self._took = 0.0

    @property
    def rate(self) -> float:
        """Site-months a second."""
        return self._months / self._took

    def work(self, seconds: float) -> None:
        """At least so long."""
        book, began = self._book, time.monotonic()
        while time.monotonic() - began < seconds:
            book.execute_all(utc_month_blocks(self._sites, 100 + self._months))
            book.projector().catch_up()
            settled = settle_month(book.door, book.database, MONTH, actor="bench").runs
            assert all(one.recorded for one in settled)
            self._months += len(settled)
        self._took = time.monotonic() - began


def _check_kept(rig: Rig, book: str, measured: Measured) -> None:
    """All that was read is in the book's telemetry, in order, each once."""
    assert measured.acknowledged == measured.put, "every sample is acknowledged"
    client = rig.nats.app("bench-history")
    try:
        history = History(client, book)
        for prefix, last in measured.last.items():
            numbers = [one.number for one in history.items(f"{prefix}0") if isinstance(one, Sample)]
            assert numbers == list(range(1, last + 1)), (prefix, last, len(numbers))
    finally:
        client.close()


@contextmanager
def _peer(folder: Path, period: Period, count: int) -> Iterator[tuple[list[int], int]]:
    """Storages whose blocks are read in that period: their ports, and the program's process."""
    path = folder / f"{period}.toml"
    path.write_text(profile_text(bench_profile(period), "What the benchmark reads."), encoding="utf-8")
    served = ("--profile", str(path), "--count", str(count), "--port", "0", "--control", "0")
    with _program("adapters.bess_peer", *served) as process:
        yield json.loads(_heard(process))["ports"], process.pid


@contextmanager
def _program(name: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", name, *arguments],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _line(process: subprocess.Popen[Any], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(text + "\n")
    process.stdin.flush()


def _heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the program ended"
    return line


def _used(whole: Mapping[str, tuple[int | None, ...]]) -> dict[str, float]:
    """Processor seconds so far, of each group of processes; None is this one."""
    return {name: sum(map(_used_by, pids)) for name, pids in whole.items()}


def _used_by(pid: int | None) -> float:
    try:
        fields = Path(f"/proc/{pid or 'self'}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICK


def _with_children(pid: int) -> tuple[int, ...]:
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return (pid, *map(int, told))


def _at_most(what: str, ours: float, most: float, unit: str) -> Figure:
    return Figure(what, ours, most, "limit", unit, most / ours, 1.0)


def _beside(what: str, ours: float, unit: str) -> Figure:
    return Figure(what, ours, None, "", unit, ours, None)


def _allow_files(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard), hard))
