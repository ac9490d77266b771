"""A plan's head and its parts are one save, and the projector may bring them in two batches."""

from __future__ import annotations

from adapters.driving.plans import Plans
from adapters.planning.planner import Planner
from adapters.planning.solver_process import SolverProcess
from adapters.queries.recorded_plans import RecordedPlan, plan_of_day
from adapters.settling import lowest_position
from tests.adapters.conftest import Bench
from tests.adapters.planning.plan_book import DAY, MIDNIGHT, flat, forecast, furnished


def test_a_plan_is_not_known_before_its_last_part_is(bench: Bench) -> None:
    furnished(bench)
    forecast(bench, flat())
    plans = Plans(bench.database, bench.book, frozenset({"S1"}))
    with SolverProcess() as solver:
        made = Planner(bench.door, bench.database, solver, lambda: bench.now).plan("S1", DAY)
    assert made.head.parts > 0

    def as_of_its_head() -> RecordedPlan | None:
        with bench.database.reading(bench.book) as connection:
            assert lowest_position(connection) >= made.sequence
            return plan_of_day(connection, made.sequence, "S1", DAY)

    bench.projector().catch_up(until=made.sequence)
    assert as_of_its_head() is None
    plans.refresh(MIDNIGHT)
    assert plans.of("S1", MIDNIGHT) is None

    bench.project()
    known = as_of_its_head()
    assert known is not None
    assert (known.number, [one.site for one in known.sites]) == (1, ["S1"])
    assert plans.refresh(MIDNIGHT)
    assert plans.of("S1", MIDNIGHT) is not None
