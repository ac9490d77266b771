"""Work orders: their life in order, and what they say of a month."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.device import Device
from ledger.effective import History, Period
from ledger.interval import Interval
from ledger.party import Party
from ledger.refusal import Refused
from ledger.site import Site
from ledger.site_milestone import Milestone, StateMilestone
from ledger.work_figures import (
    Satisfaction,
    evidence_of,
    satisfaction,
    service_score,
    unavailable_s,
)
from ledger.work_order import (
    AssignWork,
    CancelWork,
    FinishWork,
    OpenWork,
    Outage,
    RateWork,
    WorkOrder,
)
from tests.adapters.sample import register_site

AUGUST = datetime(2026, 8, 1, tzinfo=UTC)
MONTH = Interval(AUGUST, AUGUST + timedelta(days=31))
NOW = AUGUST + timedelta(days=10)
PERIOD = Period(AUGUST)
OTHERS = {
    "site.S1": History[Site]().with_version(PERIOD, register_site("S1").site),
    "device.B1": History[Device]().with_version(PERIOD, Device("B1", "S1", "battery", 250_000, 500_000)),
    "device.B9": History[Device]().with_version(PERIOD, Device("B9", "S9", "battery", 250_000, 500_000)),
    "party.om": History[Party]().with_version(PERIOD, Party("om", "O&M")),
}
OPEN = OpenWork("W1", "ada", site="S1", kind="repair", planned=False, title="fan", device="B1")
ASSIGN = AssignWork("W1", "ada", party="om", due=NOW + timedelta(days=1))
DONE = FinishWork(
    "W1", "bob", done_at=NOW - timedelta(hours=1), evidence="report 7",
    outages=(Outage(NOW - timedelta(hours=3), NOW - timedelta(hours=1)),),
)  # fmt: skip
RATE = RateWork("W1", "ada", rating=4)


def after(*commands: OpenWork | AssignWork | FinishWork | RateWork | CancelWork) -> WorkOrder | None:
    state: WorkOrder | None = None
    for command in commands:
        for event in command.decide_at(NOW, state, OTHERS):
            state = event.apply(state)  # type: ignore[arg-type]
    return state


def code(work: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        work()
    return refused.value.code


def test_an_order_goes_from_opened_to_rated() -> None:
    order = after(OPEN, ASSIGN, DONE, RATE)
    assert order is not None
    assert (order.status, order.party, order.rating, order.on_time) == ("rated", "om", 4, True)
    assert (order.opened_by, order.done_by, order.rated_by) == ("ada", "bob", "ada")


@pytest.mark.parametrize(
    ("before", "command"),
    [
        ((OPEN,), DONE),
        ((OPEN,), RATE),
        ((OPEN, ASSIGN), RATE),
        ((OPEN, ASSIGN, DONE), ASSIGN),
        ((OPEN, ASSIGN, DONE), DONE),
        ((OPEN, ASSIGN, DONE, RATE), RATE),
        ((OPEN, ASSIGN, DONE), CancelWork("W1", "ada", reason="not needed")),
        ((OPEN, CancelWork("W1", "ada", reason="not needed")), ASSIGN),
    ],
)
def test_what_comes_out_of_order_is_refused(before: tuple[OpenWork, ...], command: OpenWork) -> None:
    assert code(lambda: after(*before, command)) == "work_status"


def test_what_cannot_be_is_refused() -> None:
    wrong = msgspec.structs.replace
    assert code(lambda: after(ASSIGN)) == "unknown_work"
    assert code(lambda: after(OPEN, OPEN)) == "exists"
    assert code(lambda: after(wrong(OPEN, device="B9"))) == "device_elsewhere"
    assert code(lambda: after(wrong(OPEN, site="S2"))) == "unknown_site"
    assert code(lambda: after(OPEN, wrong(ASSIGN, due=NOW))) == "work_due"
    assert code(lambda: after(OPEN, wrong(ASSIGN, party="x"))) == "unknown_party"
    assert code(lambda: after(OPEN, ASSIGN, wrong(DONE, done_at=NOW + timedelta(hours=1)))) == "time_ahead"
    assert code(lambda: after(OPEN, ASSIGN, wrong(DONE, done_at=NOW - timedelta(hours=2)))) == "work_outage"
    assert code(lambda: after(OPEN, ASSIGN, DONE, wrong(RATE, by="bob"))) == "own_rating"
    assert code(lambda: after(OPEN, ASSIGN, DONE, wrong(RATE, rating=6))) == "work_rating"


def order(
    name: str, *spans: tuple[int, int], device: str = "", planned: bool = False, **more: object
) -> WorkOrder:
    """Out of service over spans of minutes from August's beginning on."""
    outages = tuple(
        Outage(AUGUST + timedelta(minutes=start), AUGUST + timedelta(minutes=end)) for start, end in spans
    )
    return WorkOrder(
        id=name, site="S1", device=device, kind="repair", planned=planned, title="x", alarm="",
        opened_by="ada", opened_at=AUGUST, outages=outages, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def out(*orders: WorkOrder, planned: str = "counts", devices: dict[str, int] | None = None) -> int:
    energies = {"B1": 250, "B2": 250, "B3": 500} if devices is None else devices
    return unavailable_s(orders, "S1", 1000, energies, MONTH, planned)  # type: ignore[arg-type]


def test_an_hour_counts_by_the_energy_that_stood_still() -> None:
    """A quarter of the energy for an hour is a quarter of an hour; what two orders tell counts once."""
    assert out(order("a", (0, 60), device="B1")) == 900
    assert out(order("a", (0, 60), device="B1"), order("b", (30, 90), device="B1")) == 1350
    assert out(order("a", (0, 60), device="B1"), order("b", (0, 60), device="B3")) == 2700
    assert out(order("a", (0, 60), device="B1"), order("b", (0, 30))) == 1800 + 450
    assert out(order("a", (-60, 60))) == 3600, "cut to the month"
    assert out(order("a", (0, 60), device="B1"), devices={"B1": 4000}) == 3600, "never more than the site"


def test_planned_work_counts_as_it_is_stated() -> None:
    orders = (order("a", (0, 60), planned=True), order("b", (120, 130)))
    assert (out(*orders), out(*orders, planned="excluded")) == (4200, 600)
    assert evidence_of(orders, "S1", MONTH, "counts") == "work orders a, b; planned work counts"
    assert evidence_of(orders, "S1", MONTH, "excluded") == "work orders b; planned work excluded"


def test_what_has_no_energy_cannot_be_weighted() -> None:
    assert code(lambda: out(order("a", (0, 60), device="B7"))) == "usable_energy"
    assert code(lambda: unavailable_s((), "S1", 0, {}, MONTH, "counts")) == "usable_energy"


SPANS = st.lists(
    st.tuples(st.integers(0, 200), st.integers(1, 100), st.sampled_from(["", "B1", "B2", "B3"])), max_size=8
)


@settings(derandomize=True, max_examples=60)
@given(SPANS)
def test_the_sum_is_that_of_the_minutes(spans: list[tuple[int, int, str]]) -> None:
    """Against a plain table of minutes."""
    orders = [
        order(f"o{n}", (start, start + long), device=name) for n, (start, long, name) in enumerate(spans)
    ]
    energies = {"B1": 250, "B2": 250, "B3": 500}
    lost = 0
    for minute in range(300):
        names = {name for start, long, name in spans if start <= minute < start + long}
        lost += 60 * (1000 if "" in names else min(1000, sum(energies[name] for name in names)))
    assert out(*orders) == lost // 1000, "quarters of minutes are whole seconds"


def test_a_party_is_scored_by_what_was_done_in_the_month() -> None:
    at = AUGUST + timedelta(days=3)
    orders = [
        order("a", party="om", done_at=at, due=at, rating=5),
        order("b", party="om", done_at=at, due=at - timedelta(hours=1), rating=2),
        order("c", party="om", done_at=MONTH.end, due=MONTH.end, rating=1),
        order("d", party="other", done_at=at, due=at, rating=1),
        order("e", party="om", due=at),
    ]
    found = [service_score(orders, "om", MONTH, measure) for measure in ("done", "on_time", "ratings")]  # type: ignore[arg-type]
    assert found == [2, 1, 7]
    assert satisfaction(orders, MONTH) == Satisfaction(Fraction(8, 3), 3)
    assert satisfaction([], MONTH) == Satisfaction(None, 0)


def test_a_milestone_is_due_or_reached_with_its_proof() -> None:
    due = Milestone(kind="grid_code_test", due=NOW.date())
    (event,) = StateMilestone("S1", due, "ada").decide_at(NOW, None, OTHERS)
    state = event.apply(None)
    done = Milestone(kind="grid_code_test", done=NOW.date(), evidence="letter 7")
    (event,) = StateMilestone("S1", done, "ada").decide_at(NOW, state, OTHERS)
    assert event.apply(state) == {"grid_code_test": done}
    ahead = Milestone(kind="installed", done=NOW.date() + timedelta(days=1), evidence="x")
    assert code(lambda: StateMilestone("S1", ahead, "ada").decide_at(NOW, None, OTHERS)) == "time_ahead"
    assert code(lambda: Milestone(kind="installed", done=NOW.date())) == "evidence"
    assert code(lambda: Milestone(kind="installed")) == "milestone"
