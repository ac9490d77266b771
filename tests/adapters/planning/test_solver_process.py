"""The solver's process: a plan, or what it had by then and why; always another process after."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest

from adapters.planning import solver_process
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


def test_it_starts_before_it_is_asked_and_is_replaced_where_it_ends_meanwhile() -> None:
    with SolverProcess() as solver:
        pid = solver.pid
        assert pid is not None
        solver.start().ready()
        assert solver.pid == pid
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert solver.start().pid != pid
        assert solver.solve(portfolio(1, 1, "", count=24), 30.0).outcome == "found"
    assert solver.pid is None


def test_a_process_that_has_grown_makes_way_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = portfolio(1, 1, "", count=24)
    with SolverProcess() as solver:
        solver.solve(asked, 30.0)
        pid = solver.pid
        solver.renew()
        assert solver.pid == pid
        monkeypatch.setattr(solver_process, "_KEPT_MIB", 10)
        solver.renew()
        assert solver.pid not in (None, pid)
        assert solver.solve(asked, 30.0).outcome == "found"


def test_an_answer_that_nobody_waited_for_is_not_the_next_ones() -> None:
    first, second = portfolio(1, 1, "", count=24), portfolio(3, 2, "", count=24)
    with SolverProcess() as solver:
        solver.start().ready()
        with pytest.raises(TypeError):
            solver.solve(first, "no number")  # type: ignore[arg-type]
        answer = solver.solve(second, 30.0)
    assert answer.plan is not None
    assert answer.plan.objective_micro == optimise(second).objective_micro


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


def kill_as_they_start(solver: SolverProcess, times: int) -> None:
    """Each process as soon as it has a pid."""
    killed: set[int] = set()
    until = time.monotonic() + 60
    while len(killed) < times and time.monotonic() < until:
        pid = solver.pid
        if pid is not None and pid not in killed:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        time.sleep(0.002)


@pytest.mark.parametrize(("times", "outcome"), [(1, "found"), (2, "died")])
def test_a_solver_that_is_killed_as_it_starts_is_replaced_once(times: int, outcome: str) -> None:
    with SolverProcess() as solver:
        killing = threading.Thread(target=kill_as_they_start, args=(solver, times))
        killing.start()
        answer = solver.solve(portfolio(1, 1, "", count=24), 30.0)
        killing.join()
        assert answer.outcome == outcome
        assert (answer.plan is None) == (outcome == "died")
        assert answer.reason.count("ended with -9") == (2 if times == 2 else 0)
        assert solver.solve(portfolio(1, 1, "", count=24), 30.0).outcome == "found"


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
