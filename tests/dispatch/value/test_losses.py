"""What is lost between two ways is the difference of their worths; the parts always add up."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.value.losses import PARTS, WAYS, Loss, apportioned, losses
from dispatch.value.report import value_rows
from dispatch.value.settled_way import Worth
from ledger.refusal import Refused

MINOR = st.integers(-(10**12), 10**12)
EXACT = st.builds(Fraction, st.integers(-(10**9), 10**9), st.integers(1, 1000))


@settings(derandomize=True, max_examples=50)
@given(st.dictionaries(st.sampled_from(WAYS), MINOR), MINOR, MINOR)
def test_the_parts_add_up_to_perfect_less_settled(worth: dict, best: int, paid: int) -> None:
    worth |= {"perfect": best, "settled": paid}
    found = losses(worth)
    assert sum(one.minor for one in found) == best - paid
    assert tuple(part for one in found for part in one.parts) == PARTS


def test_a_way_that_is_not_known_is_no_zero() -> None:
    found = losses({"perfect": 900, "award": 500, "available": 450, "delivered": 300, "settled": 280})
    assert found == (
        Loss(("forecast", "bid"), 400),
        Loss(("availability",), 50),
        Loss(("dispatch",), 150),
        Loss(("contract",), 20),
    )
    with pytest.raises(Refused) as refused:
        losses({"perfect": 900})
    assert refused.value.code == "value_ways"


@settings(derandomize=True, max_examples=50)
@given(MINOR, st.dictionaries(st.sampled_from("abcdefg"), EXACT, min_size=1))
def test_apportioned_minor_units_add_up_and_stay_near(total: int, exact: dict[str, Fraction]) -> None:
    found = apportioned(total, exact)
    assert sum(found.values()) == total
    off = abs(total - sum(exact.values())) / len(exact) + 1
    assert all(abs(found[name] - value) <= off for name, value in exact.items())


@settings(derandomize=True, max_examples=25)
@given(
    st.fixed_dictionaries(
        {
            way: st.dictionaries(st.sampled_from(("2026-08-01", "2026-08-02", "")), EXACT, min_size=1)
            for way in ("perfect", "plan", "award", "available", "delivered", "rule", "idle")
        }
    ),
    st.booleans(),
)
def test_rows_and_columns_add_up(exact: dict, pooled: bool) -> None:
    """Every column sums to the line that was rounded once, every row's parts to its own difference."""
    worth = {
        way: {("S1", "spot"): Worth(round(sum(days.values())), days, pooled=pooled)}
        for way, days in exact.items()
    }
    beside = {name: worth.pop(name) for name in ("rule", "idle")}
    rows = value_rows(worth, beside)
    for way, one in worth.items():
        assert sum(row.worth[way] for row in rows) == one["S1", "spot"].minor
    shared = worth["delivered"]["S1", "spot"].minor if pooled else 0
    assert sum(row.worth["settled"] for row in rows) == shared
    for row in rows:
        assert sum(one.minor for one in row.lost) == row.worth["perfect"] - row.worth["settled"]


def test_one_way_of_the_month_alone_puts_every_way_under_the_month() -> None:
    """Perfect arbitrage sends PV to the grid, so that it has no days: no day may seem to beat it."""
    exact = {
        "perfect": {"": Fraction(900)},
        "delivered": {"2026-08-01": Fraction(300), "2026-08-02": Fraction(200)},
    }
    none = {("S1", "arbitrage"): Worth(0, {}, pooled=True)}
    worth = {
        way: {("S1", "arbitrage"): Worth(int(sum(days.values())), days, pooled=True)}
        for way, days in exact.items()
    }
    (row,) = value_rows(worth, {"rule": none, "idle": none})
    assert (row.day, row.worth) == ("", {"perfect": 900, "delivered": 500, "settled": 500})
    worth["perfect"]["S1", "arbitrage"] = Worth(
        900, {"2026-08-01": Fraction(899), "": Fraction(1)}, pooled=True
    )
    days = [row.day for row in value_rows(worth, {"rule": none, "idle": none})]
    assert days == ["", "2026-08-01", "2026-08-02"], "what the month has beside its days leaves the days"
