"""The solver's process: a plan, or what it had by then and why; always another process after."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np

from adapters.planning.solver_process import SolverProcess
from dispatch.optimiser.optimise import optimise
from tests.dispatch.optimiser.small_site import request, site
from tests.dispatch.optimiser.synthetic import portfolio


def test_it_answers_what_the_optimiser_does_and_the_process_stays() -> None:
    asked = portfolio(3, 2, "rds", count=24)
    with SolverProcess() as solver:
        first, second = solver.solve(asked, 20.0), solver.solve(asked, 20.0)
        assert first.outcome == second.outcome == "found"
        assert first.plan is not None
        assert first.plan.objective_micro == optimise(asked).objective_micro
        assert solver.pid is not None


def kill_with_an_incumbent(solver: SolverProcess, pid: int) -> None:
    """Once a first plan is there, and long before the best one is."""
    until = time.monotonic() + 30
    while solver._incumbent is None and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)


def test_a_solver_that_is_killed_leaves_its_incumbent_and_another_one_starts() -> None:
    asked = portfolio(5, 120, "rds", count=96)
    with SolverProcess() as solver:
        solver.solve(portfolio(1, 1, "rds", count=24), 20.0)
        pid = solver.pid
        assert pid is not None
        solver._incumbent = None
        killing = threading.Thread(target=kill_with_an_incumbent, args=(solver, pid))
        killing.start()
        answer = solver.solve(asked, 60.0)
        killing.join()
        assert answer.outcome == "died"
        assert "-9" in answer.reason
        assert answer.plan is not None, "the plan without markets was there by then"
        assert answer.plan.status == "stopped"
        assert not answer.plan.regulation_w.any()
        again = solver.solve(portfolio(1, 1, "rds", count=24), 20.0)
        assert again.outcome == "found"
        assert solver.pid != pid


def test_time_is_bounded() -> None:
    asked = portfolio(7, 400, "rds", count=96)
    with SolverProcess() as solver:
        solver.solve(portfolio(1, 1, "rds", count=24), 20.0)
        began = time.monotonic()
        answer = solver.solve(asked, 0.5)
        assert time.monotonic() - began < 8
        assert answer.outcome in ("found", "too_late")
        assert answer.outcome != "found" or (answer.plan is not None and answer.plan.status == "stopped")


def test_memory_is_bounded() -> None:
    asked = portfolio(7, 400, "rds", count=96)
    with SolverProcess(memory_mib=450) as solver:
        answer = solver.solve(asked, 60.0)
        assert answer.outcome in ("died", "failed")
        assert answer.reason


def test_limits_that_cannot_hold_are_named_with_their_site() -> None:
    load = np.full(8, 900.0)
    asked = request(site(load_kw=load, import_kw_max=np.full(8, 100.0)))
    with SolverProcess() as solver:
        answer = solver.solve(asked, 10.0)
    assert answer.outcome == "found"
    assert answer.plan is not None
    assert answer.plan.status == "relaxed"
    assert "import_kw_max[0] gives way" in answer.plan.reason
