"""Scores from work orders: by hand, with the orders as evidence, and none where nothing was measured."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ledger.interval import Interval
from ledger.refusal import Refused
from ledger.work_figures import Measure, Planned
from ledger.work_order import WorkOrder
from ledger.work_score import Served, work_score
from tests.adapters.sample import AUGUST
from tests.ledger.test_work_order import order

MONTH = Interval(AUGUST, AUGUST + timedelta(days=31))
SERVED = Served({"S1": 1000, "S2": 3000, "S3": 0}, {"B1": 250})


def rated(name: str, rating: int | None, *, party: str = "om", days: int = 1) -> WorkOrder:
    at = AUGUST + timedelta(days=days)
    return order(name, party=party, done_at=at, due=at, rating=rating, status="rated" if rating else "done")


def score(*orders: WorkOrder, measure: Measure, planned: Planned | None = None) -> tuple[str, str]:
    found = work_score(orders, "om", MONTH, measure, served=SERVED, planned=planned)
    assert found.party == "om"
    return found.score, found.evidence


def test_satisfaction_is_the_mean_of_what_was_rated_in_the_month() -> None:
    """5, 4 and 4 of the party's own: 4.333333; another party's, and one of September, are not in it."""
    orders = (
        rated("a", 5), rated("b", 4), rated("c", 4), rated("d", None), rated("e", 1, party="x"),
        rated("f", 1, days=31),
    )  # fmt: skip
    evidence = "satisfaction of om's work orders that were done: a, b, c, d; 3 rated"
    assert score(*orders, measure="satisfaction") == ("4.333333", evidence)
    assert score(*orders, measure="ratings")[0] == "13"
    assert score(*orders, measure="done")[0] == "4"
    with pytest.raises(Refused) as refused:
        score(rated("d", None), measure="satisfaction")
    assert refused.value.code == "not_rated"


def test_availability_is_the_months_hours_less_what_the_partys_work_took() -> None:
    """744 h; S1 is a quarter of the energy, B1 a quarter of S1: 16 h of B1 are one hour of all. Planned work
    of 8 h at S1 is two more, where it counts."""
    orders = (
        order("a", (0, 16 * 60), device="B1", party="om"),
        order("b", (2000, 2000 + 8 * 60), planned=True, party="om"),
        order("c", (0, 9999), party="x"),
    )
    counts = score(*orders, measure="availability", planned="counts")
    assert counts == (
        "741.000000", "available hours of S1, S2 less om's work orders a, b; planned work counts",
    )  # fmt: skip
    excluded = score(*orders, measure="availability", planned="excluded")
    assert excluded[0] == "743.000000"
    assert excluded[1].endswith("work orders a; planned work excluded")
    assert score(measure="availability", planned="counts")[0] == "744.000000"


@pytest.mark.parametrize(("measure", "planned"), [("availability", None), ("done", "counts")])
def test_planned_work_is_said_of_availability_and_nothing_else(measure: Measure, planned: Planned) -> None:
    with pytest.raises(Refused) as refused:
        score(measure=measure, planned=planned)
    assert refused.value.code == "planned_work"


def test_sites_without_energy_cannot_be_weighted() -> None:
    with pytest.raises(Refused) as refused:
        work_score((), "om", MONTH, "availability", served=Served({"S3": 0}, {}), planned="counts")
    assert refused.value.code == "usable_energy"
