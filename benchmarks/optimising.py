"""How fast plans are found: `python -m benchmarks.optimising [--quick]`, some minutes.

The optimiser alone, on portfolios drawn from a seed: 96 intervals, tariff, PV, peak, wear and cycles; with
"all streams" regulation, response and spot and their whole choices too. Single-threaded work is counted in
CPU seconds, so that a busy machine says little other; what runs in threads in seconds by the clock.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar

import highspy
import numpy as np
from msgspec import structs

from benchmarks.figure import Figure, seconds_and
from dispatch.optimiser.optimise import optimise
from dispatch.optimiser.plan import Plan, merged
from dispatch.optimiser.reference import reference_objective
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.rolling import STEP_SITES, RollingPlan
from dispatch.optimiser.solve import Model, chunks
from tests.dispatch.optimiser.synthetic import portfolio

T = TypeVar("T")

_SEED: Final = 1
_ROUNDS: Final = 5
_STEPS: Final = 6
_ALL: Final = "rds"
_FEW: Final = 50
_MANY: Final = 2000
_QUICK_MANY: Final = 100
_GAP_PPM: Final = 500
_MEMORY_MIB: Final = 4096


class _Reach(NamedTuple):
    """Limits in seconds, and of the ratios what is wanted."""

    few: float = 0.25
    few_all: float = 1.5
    many: float = 3.0
    many_all: float = 45.0
    step_few: float = 0.05
    step_many: float = 2.0
    direct: float = 1.3
    reference: float = 8.0


_REACH: Final = _Reach()


def measure(*, quick: bool) -> list[Figure]:
    """50 and 2,000 sites, cold and a step later, alone and on all streams; quick: 100 for the 2,000."""
    many = _QUICK_MANY if quick else _MANY
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [
            *_few(),
            *_all_streams(_FEW, _REACH.few_all, pool),
            *_stepping(_FEW, _REACH.step_few),
            *_cold(many, pool),
            *_stepping(many, _REACH.step_many),
            *_all_streams(many, _REACH.many_all, pool),
            _memory(),
        ]


def _few() -> list[Figure]:
    """Ours, one call of HiGHS on the same arrays, and the readable model through Pyomo, in turn."""
    asked = portfolio(_SEED, _FEW, "")
    lp = Model(asked).lp
    costs = Model(asked).costs(asked.objective.stages()[0])

    def direct() -> None:
        highs = highspy.Highs()  # type: ignore[no-untyped-call]
        highs.silent()
        highs.setOptionValue("threads", 1)
        lp.pass_to(highs, costs)
        highs.run()

    optimise(asked)
    rounds = [(_cpu(lambda: optimise(asked)), _cpu(direct)) for _ in range(_ROUNDS)]
    ours = statistics.median(mine for mine, _ in rounds)
    peer = statistics.median(other for _, other in rounds)
    slow = _cpu(lambda: reference_objective(asked))
    what = f"{_FEW} sites, tariff to cycles, cold"
    return [
        Figure(what, 1000 * ours, 1000 * _REACH.few, "limit", "CPU ms", _REACH.few / ours, 1.0),
        Figure(what, 1000 * ours, 1000 * peer, "one direct HiGHS call", "CPU ms", peer / ours,
               round(1 / _REACH.direct, 2)),
        Figure(what, 1000 * ours, 1000 * slow, "Pyomo with appsi", "CPU ms", slow / ours, _REACH.reference),
    ]  # fmt: skip


def _cold(sites: int, pool: ThreadPoolExecutor) -> list[Figure]:
    asked = portfolio(_SEED, sites, "")
    began = time.process_time()
    spent, _ = seconds_and(lambda: optimise(asked, run_all=pool.map))
    worked = time.process_time() - began
    what = f"{sites:,} sites, tariff to cycles, cold, in threads"
    return [
        Figure(what, spent, _REACH.many, "limit", "s", _REACH.many / spent, 1.0),
        Figure(f"{what}: all cores", worked, None, "", "CPU s", worked, None),
    ]


def _all_streams(sites: int, most_s: float, pool: ThreadPoolExecutor) -> list[Figure]:
    asked = portfolio(_SEED, sites, _ALL)
    began = time.process_time()
    spent, plan = seconds_and(lambda: optimise(asked, run_all=pool.map))
    worked = time.process_time() - began
    what = f"{sites:,} sites, all streams, whole choices, in threads"
    gap = plan.gap_ppm
    return [
        Figure(what, spent, most_s, "limit", "s", most_s / spent, 1.0),
        Figure(f"{what}: all cores", worked, None, "", "CPU s", worked, None),
        Figure(f"{what}: proven gap", gap, _GAP_PPM, "limit", "ppm", _GAP_PPM / max(gap, 1), 1.0),
    ]


def _stepping(sites: int, most_s: float) -> list[Figure]:
    """Each step an interval later than the last; the first, which builds the programs, is not counted."""
    asked = portfolio(_SEED, sites, "")
    programs = [RollingPlan() for _ in chunks(asked, STEP_SITES)]
    took: list[float] = []
    for step in range(_STEPS):
        parts = chunks(asked, STEP_SITES)
        began = time.process_time()
        plan = merged(tuple(one.step(part) for one, part in zip(programs, parts, strict=True)))
        took.append(time.process_time() - began)
        asked = _later(asked, plan, step)
    middle = statistics.median(took[1:])
    what = f"{sites:,} sites planned again a quarter-hour later"
    return [Figure(what, 1000 * middle, 1000 * most_s, "limit", "CPU ms", most_s / middle, 1.0)]


def _later(asked: PlanRequest, plan: Plan, seed: int) -> PlanRequest:
    """An interval on: the plan was followed, the load is a little other than was thought."""
    draw = np.random.default_rng(seed)
    sites = []
    for site, done in zip(asked.sites, plan.sites, strict=True):
        held = float(np.clip(done.stored_wh[0] / 1000, site.storage.floor_kwh, site.storage.ceiling_kwh))
        sites.append(
            structs.replace(
                site,
                storage=structs.replace(site.storage, start_kwh=held),
                load_kw=np.roll(site.load_kw, -1) * draw.normal(1, 0.02, site.count),
                pv_kw=np.roll(site.pv_kw, -1),
                buy_price=np.roll(site.buy_price, -1),
                sell_price=np.roll(site.sell_price, -1),
            )
        )
    return structs.replace(asked, sites=tuple(sites))


def _memory() -> Figure:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    what = "peak memory of the process that planned them"
    return Figure(what, peak, _MEMORY_MIB, "limit", "MiB", _MEMORY_MIB / peak, 1.0)


def _cpu(work: Callable[[], T]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Measure and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 sites instead of 2,000")
    for figure in measure(quick=parser.parse_args().quick):
        limit = "" if figure.peer is None else f" ({figure.peer_name} {figure.peer:,.1f}) {figure.met}"
        print(f"{figure.what}: {figure.ours:,.2f} {figure.unit}{limit}", flush=True)


if __name__ == "__main__":
    main()
