"""A book whose August is metered and whose sites' storages have terms, for the planner's tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from adapters.planning.planner import Planner
from adapters.planning.solver_process import SolverProcess
from dispatch.forecasts.forecast import Forecast, MemberShare, Quantity, Subject
from dispatch.forecasts.issued import IssueForecast
from dispatch.planning.storage_terms import StateStorage, StorageTerms
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import filled

DAY = date(2026, 8, 20)
NOON_BEFORE = datetime(2026, 8, 19, 4, tzinfo=UTC)
MIDNIGHT = datetime(2026, 8, 19, 16, tzinfo=UTC)
"""Where 20 August begins in Shanghai."""
TERMS = StorageTerms(
    charge_w=250_000,
    discharge_w=250_000,
    floor_wh=50_000,
    ceiling_wh=480_000,
    end_wh=50_000,
    charge_ppm=950_000,
    discharge_ppm=950_000,
    import_w=3_000_000,
    export_w=0,
)


def furnished(bench: Bench, terms: StorageTerms | None = TERMS) -> None:
    """Site S1 of the settling tests, read to the end of August; the clock stands at noon of 19 August."""
    filled(bench)
    if terms is not None:
        stated(bench, terms)
    bench.now = NOON_BEFORE
    bench.project()


def stated(bench: Bench, terms: StorageTerms, site: str = "S1") -> None:
    bench.door.record(StateStorage(site, sample.FROM_2026, terms), actor="ada")


def forecast(
    bench: Bench, values: list[int], *, quantity: Quantity = "load", site: str = "S1", **given: Any
) -> None:
    """Put a forecast from `MIDNIGHT` on on record, as if trained."""
    fields: dict[str, Any] = {
        "subject": Subject(quantity, site),
        "unit": "W",
        "currency": "",
        "model": "made up",
        "members": (MemberShare("none", 1000, None),),
        "features": "",
        "trained_through": bench.recorder.max_notification_id(),
        "issued_at": NOON_BEFORE,
        "zone": "Asia/Shanghai",
        "interval_s": 900,
        "start": MIDNIGHT,
        "expected": tuple(values),
        "quantiles": (),
        "scores": None,
        "drift": None,
        "cold_start": "",
    }
    bench.door.record(IssueForecast(Forecast(**(fields | given))), actor="ada")
    bench.project()


@contextmanager
def projecting(bench: Bench) -> Iterator[None]:
    """The projector beside the test, as the project role runs it; afterwards all is projected."""
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()
    try:
        yield
    finally:
        projector.stop()
        thread.join()
    bench.project()


@contextmanager
def planner(bench: Bench) -> Iterator[tuple[Planner, SolverProcess]]:
    with projecting(bench), SolverProcess() as solver:
        yield Planner(bench.door, bench.database, solver, lambda: bench.now), solver


def flat(count: int = 96, power: int = 600_000) -> list[int]:
    return np.full(count, power).tolist()
