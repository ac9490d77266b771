"""Brackets, of a month and of a year, to the fen."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.clauses.tiered_share import Bracket, TieredShare
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused
from tests.ledger.clauses.months import Given, by_party, settled, with_rest

BRACKETS = (
    Bracket(up_to="200000", shares={"host": "70%", "operator": "30%"}),
    Bracket(up_to="300000", shares={"host": "60%", "operator": "40%"}),
    Bracket(shares={"host": "50%", "operator": "50%"}),
)


def by_year(reset_month: int = 1) -> TieredShare:
    return TieredShare(brackets=BRACKETS, period="year", reset_month=reset_month)


def by_month(proration: Any = "days") -> TieredShare:
    return TieredShare(brackets=BRACKETS, period="month", proration=proration)


def test_brackets_of_a_year_go_on_from_month_to_month() -> None:
    """270,000 after two months: 200,000 x 70 % + 70,000 x 60 %; then 30,000 x 60 % + 70,000.01 x 50 %."""
    months = settled(with_rest(by_year()), [Given("150000"), Given("120000"), Given("100000.01")])
    assert [by_party(month, "tiered_share") for month in months] == [
        {"host": "105000.00", "operator": "45000.00"},
        {"host": "77000.00", "operator": "43000.00"},
        {"host": "53000.01", "operator": "47000.00"},
    ]
    assert months[2].lines[0].basis == (
        "60% of the part above 200,000.00 CNY up to 300,000.00 CNY 30,000.00 CNY"
    )


def test_the_year_begins_anew_in_its_month() -> None:
    months = settled(with_rest(by_year(3)), [Given("400000"), Given("100"), Given("100")])
    hosts = [by_party(month, "tiered_share")["host"] for month in months]
    assert hosts == ["250000.00", "50.00", "70.00"]


def test_an_amendment_inside_the_reset_month_goes_on_counting() -> None:
    (first,) = settled(with_rest(by_year(), effective_to=date(2026, 1, 16)), [Given("200000")])
    second = with_rest(by_year(), effective_from=date(2026, 1, 16))
    (rest,) = settled(second, [Given("100")], prior=first.carry)
    assert by_party(rest, "tiered_share") == {"host": "60.00", "operator": "40.00"}


def test_a_loss_is_the_loss_split_s_and_does_not_lower_the_count() -> None:
    months = settled(with_rest(by_year()), [Given("250000"), Given("-100000"), Given("100")])
    assert by_party(months[1], "tiered_share") == {}
    assert by_party(months[1], "loss_split") == {"operator": "-100000.00"}
    assert by_party(months[2], "tiered_share") == {"host": "60.00", "operator": "40.00"}


@pytest.mark.parametrize(
    ("proration", "host", "operator"),
    [("days", "170000.01", "120000.00"), ("months", "194000.01", "96000.00")],
)
def test_brackets_of_a_month_are_prorated_as_stated(proration: str, host: str, operator: str) -> None:
    """Half of April by days: 100,000 x 70 % + 50,000 x 60 % + 140,000.01 x 50 %; whole brackets by months."""
    terms = with_rest(by_month(proration), effective_from=date(2026, 4, 16))
    (month,) = settled(terms, [Given("290000.01")], Month(2026, 4))
    assert by_party(month, "tiered_share") == {"host": host, "operator": operator}


def test_months_of_a_year_are_settled_in_order() -> None:
    with pytest.raises(Refused) as refused:
        settled(with_rest(by_year()), [Given("1")], Month(2026, 5))
    assert refused.value.code == "prior_missing"
    assert settled(with_rest(by_month()), [Given("1")], Month(2026, 5))


def bracket(up_to: str | None) -> Bracket:
    return Bracket(up_to=up_to, shares={"host": "100%"})


@pytest.mark.parametrize(
    ("fields", "code", "place"),
    [
        ({"brackets": ()}, "brackets", "brackets"),
        ({"brackets": (bracket("5"),)}, "brackets", "brackets"),
        ({"brackets": (bracket(None), bracket(None))}, "brackets", "brackets[0].up_to"),
        ({"brackets": (bracket("0"), bracket(None))}, "brackets", "brackets[0].up_to"),
        ({"brackets": (bracket("5"), bracket("5"), bracket(None))}, "brackets", "brackets[1].up_to"),
        ({"period": "quarter"}, "not_allowed", "period"),
        ({"period": "year"}, "reset_month", "reset_month"),
        ({"reset_month": 1}, "reset_month", "reset_month"),
        ({"proration": None}, "proration", "proration"),
        ({"period": "year", "reset_month": 1}, "proration", "proration"),
        ({"proration": "weeks"}, "not_allowed", "proration"),
    ],
)
def test_brackets_that_cannot_be_meant_are_refused(fields: dict[str, Any], code: str, place: str) -> None:
    usual: dict[str, Any] = {"brackets": BRACKETS, "period": "month", "proration": "days"}
    with pytest.raises(Refused) as refused:
        TieredShare(**usual | fields)
    assert (refused.value.code, refused.value.place) == (code, place)


def test_a_bracket_refuses_shares_that_do_not_total() -> None:
    with pytest.raises(Refused) as refused:
        Bracket(up_to="1", shares={"host": "99%"})
    assert refused.value.code == "share_total"


@settings(max_examples=80)
@given(pools=st.lists(st.integers(-20_000_000, 30_000_000), min_size=1, max_size=5))
def test_a_year_s_brackets_hold_what_its_gains_fill(pools: list[int]) -> None:
    """The parts of each bracket are those of the year's gains at once; all parts are the pool."""
    months = settled(with_rest(by_year()), [Given(str(Money(pool, "CNY"))) for pool in pools])
    for month, pool in zip(months, pools, strict=True):
        assert sum(line.amount.minor for line in month.lines) == pool
    gains = sum(pool for pool in pools if pool > 0)
    exact = {"host": Fraction(0), "operator": Fraction(0)}
    for low, high, host in ((0, 20_000_000, 70), (20_000_000, 30_000_000, 60), (30_000_000, 10**12, 50)):
        inside = min(max(gains - low, 0), high - low)
        exact["host"] += Fraction(inside * host, 100)
        exact["operator"] += Fraction(inside * (100 - host), 100)
    for party, wanted in exact.items():
        given_sum = sum(
            line.amount.minor
            for month in months
            for line in month.lines
            if line.party == party and line.type == "tiered_share"
        )
        assert abs(given_sum - wanted) < 3 * len(pools)
