"""What people state of a plan's aims is what the optimiser is asked for, and what the plan says."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from dispatch.planning.aims import MONEY, aims_of, aims_stated
from ledger.refusal import Refused

DAY = [datetime(2026, 8, 20) + timedelta(hours=number) for number in range(24)]


def test_weights_and_orders_reach_the_optimiser() -> None:
    weighted = aims_of("cost=1, grid_support=0.05", "22:00-02:00").over(DAY)
    assert weighted.weights == {"cost": 1.0, "grid_support": 0.05}
    assert weighted.support is not None
    assert [at for at, asked in enumerate(weighted.support) if asked] == [0, 1, 22, 23]
    ordered = aims_of("grid_support>cost", "17:00-21:00").over(DAY)
    assert (ordered.order, ordered.stages()) == (
        ("grid_support", "cost"),
        ({"grid_support": -1.0}, {"cost": 1.0}),
    )


def test_the_plan_says_what_was_asked() -> None:
    assert (MONEY.text(trades=True), MONEY.text(trades=False)) == ("cost less revenue", "cost")
    assert aims_of("cost=1,revenue=1") == MONEY


def test_a_day_ends_at_24_00() -> None:
    evening = aims_of("grid_support>cost", "22:00-24:00")
    asked = evening.over(DAY).support
    assert asked is not None
    assert [at for at, one in enumerate(asked) if one] == [22, 23]
    assert evening.text(trades=False) == "grid_support, then cost (grid support from 22:00 to 24:00)"
    whole = aims_of("grid_support>cost", "00:00-24:00").over(DAY).support
    assert whole is not None
    assert whole.all()


@pytest.mark.parametrize(
    ("objective", "support", "line"),
    [
        ("cost=1,revenue=1", None, "cost=1,revenue=1"),
        (" grid_support > cost", "00:00-24:00", "grid_support>cost 00:00-24:00"),
        ("grid_support=0.000001, cost=0", "22:00-02:00", "cost=0,grid_support=0.000001 22:00-02:00"),
    ],
)
def test_aims_are_stated_on_a_line(objective: str, support: str | None, line: str) -> None:
    aims = aims_of(objective, support)
    assert aims.stated() == line
    assert aims_stated(line) == aims


@pytest.mark.parametrize(
    ("objective", "support", "place"),
    [
        ("profit", None, "objective"),
        ("cost=0", None, "objective"),
        ("cost=1,cost=2", None, "objective"),
        ("cost=-1", None, "objective"),
        ("cost>cost", None, "objective"),
        ("", None, "objective"),
        ("grid_support>cost", None, "support"),
        ("cost>revenue", "17:00-21:00", "support"),
        ("grid_support>cost", "17-21", "support"),
        ("grid_support>cost", "17:00-17:00", "support"),
        ("grid_support>cost", "24:00-02:00", "support"),
        ("grid_support>cost", "17:00-24:15", "support"),
    ],
)
def test_another_form_is_refused(objective: str, support: str | None, place: str) -> None:
    with pytest.raises(Refused) as refused:
        aims_of(objective, support)
    assert (refused.value.code, refused.value.place) == ("objective", place)


@pytest.mark.parametrize("weight", ["1000000", "-1", "0.0000001", "much", ""])
def test_a_weight_beyond_its_limits_is_refused_with_them(weight: str) -> None:
    with pytest.raises(Refused) as refused:
        aims_of(f"cost=1,grid_support={weight}", "17:00-21:00")
    assert refused.value.reason == (
        f"grid_support={weight}: a weight is 0 to 999999.999999, with at most six decimals"
    )


def test_the_largest_weight_is_taken() -> None:
    assert aims_of("cost=999999.999999").stated() == "cost=999999.999999"
