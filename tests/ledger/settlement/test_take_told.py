"""A minimum take is told by what it counted: minimum, what was taken, price, and what earlier months did."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.clauses import Clause, DischargedPrice, LossSplit, RemainderSplit
from ledger.clauses.discharged_price import MinimumTake
from ledger.clauses.flow import Throughput
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.amount_tree import AmountTrees
from ledger.settlement.clause_background import Background, EarlierRun
from ledger.settlement.clause_terms import clause_terms
from ledger.settlement.explanation import AmountExplained, Branch, Leaf, check_explanation, leaves
from ledger.settlement.result import Result
from ledger.waterfall import StreamItem, distribute
from tests.ledger.settlement import test_explanation as explanation
from tests.ledger.settlement.test_clause_background import rows

Months = list[tuple[Result, Background]]


def terms(
    period: Literal["month", "year"],
    *,
    kwh: str = "1000",
    make_up: bool = False,
    payer: str = "a",
    price: str = "0.5",
) -> list[Clause]:
    minimum = MinimumTake(
        kwh=kwh,
        period=period,
        reset_month=1 if period == "year" else None,
        proration="days",
        price=price,
        make_up=make_up,
    )
    fee = DischargedPrice(
        price_basis="fixed",
        price="1.1",
        discount="10%",
        charge_cost="not_passed",
        minimum=minimum,
        payer=payer,
        payee="b",
        timing="before_split" if payer == "pool" else "after_split",
    )
    rest = RemainderSplit(shares={"a": "50%", "b": "50%"})
    loss = LossSplit(shares={"a": "50%", "b": "50%"}, carry_forward=False)
    return [fee, loss, rest] if payer == "pool" else [loss, rest, fee]


def months_of(clauses: list[Clause], taken_wh: list[int]) -> Months:
    """Months from January on in which so much was discharged; month n is run 1, event 10 n."""
    found: Months = []
    month, prior = explanation.JANUARY, None
    earlier: tuple[EarlierRun, ...] = ()
    contract = explanation.contract_of(clauses)
    for number, wh in enumerate(taken_wh, 1):
        pool = Money(100_000, "CNY")
        split = distribute(contract, month, [StreamItem("spot", pool)], Throughput(wh, wh), prior)
        line = explanation._stream_line(1, "spot", pool.minor)
        result = explanation._result(contract, split, [line], explanation.PARTIES)
        found.append((result, Background(contract, earlier)))
        prior = split.carry
        earlier = (EarlierRun(month, 1, 10 * number, prior.accounts), *earlier)
        month = month.next()
    return found


def take_of(result: Result, background: Background, party: str = "b") -> AmountExplained:
    """The second line of the clause for the party: the first is what was discharged."""
    own = [one for one in result.lines if (one.code, one.party) == ("discharged_price", party)]
    found = AmountTrees(result, None, background).line(own[1].number)
    check_explanation(found)
    return found


def test_a_month_s_take_is_its_minimum_less_what_was_taken() -> None:
    ((result, background),) = months_of(terms("month"), [640_250])
    found = take_of(result, background)
    assert str(found.amount) == "179.88"
    assert sorted(rows(found)) == [
        ("clause", "", "minimum take of the month", "1000 x 0.5", "1"),
        ("event", "", "taken in 2026-01", "640.25 x 0.5", "-1"),
        ("rounding", "", "rounding", "0.005", "1"),
    ]
    assert str(take_of(result, background, "a").amount) == "-179.88"


def test_a_year_s_take_names_what_earlier_months_took_and_paid() -> None:
    """1,000 kWh a month to date: 400 short in January, 900 in February, 600 in March, who is paid back."""
    result, background = months_of(terms("year", kwh="12000"), [600_000, 500_000, 1_300_000])[2]
    found = take_of(result, background)
    assert str(found.amount) == "-150.00"
    assert sorted(rows(found)) == [
        ("clause", "", "minimum take, 3 of 12 months", "3000 x 0.5", "1"),
        ("earlier_month", "2026-01 run 1, event 10", "due for 2026-01", "200", "-1"),
        ("earlier_month", "2026-01 run 1, event 10", "taken, at its price, in 2026-01", "300", "-1"),
        ("earlier_month", "2026-02 run 1, event 20", "due for 2026-02", "250", "-1"),
        ("earlier_month", "2026-02 run 1, event 20", "taken, at its price, in 2026-02", "250", "-1"),
        ("event", "", "taken in 2026-03", "1300 x 0.5", "-1"),
    ]


def test_what_is_made_up_is_credited_from_the_months_that_paid_for_it() -> None:
    """400 and 100 kWh were paid for and not taken; March takes 2,000 more than its minimum."""
    result, background = months_of(terms("month", make_up=True), [600_000, 900_000, 3_000_000])[2]
    found = take_of(result, background)
    assert str(found.amount) == "-250.00"
    assert sorted(rows(found)) == [
        ("earlier_month", "2026-01 run 1, event 10", "made up of 2026-01", "200", "-1"),
        ("earlier_month", "2026-02 run 1, event 20", "made up of 2026-02", "50", "-1"),
    ]


def test_what_is_made_up_in_part_is_what_was_taken_above_the_minimum() -> None:
    result, background = months_of(terms("month", make_up=True), [600_000, 1_100_000])[1]
    found = take_of(result, background)
    assert str(found.amount) == "-50.00"
    assert rows(found) == [
        ("clause", "", "minimum take of the month", "1000 x 0.5", "1"),
        ("event", "", "taken in 2026-02", "1100 x 0.5", "-1"),
    ]


@settings(deadline=None, max_examples=60)
@given(
    taken_wh=st.lists(st.integers(0, 2_500_000), min_size=1, max_size=15),
    period=st.sampled_from(["month", "year"]),
    kwh=st.sampled_from(["0", "1000", "1000.123", "12000"]),
    make_up=st.booleans(),
    payer=st.sampled_from(["pool", "a"]),
    price=st.sampled_from(["0", "0.5", "0.273715"]),
)
def test_every_take_is_told_and_no_leaf_of_it_can_be_dropped(
    taken_wh: list[int],
    period: Literal["month", "year"],
    kwh: str,
    make_up: bool,
    payer: str,
    price: str,
) -> None:
    clauses = terms(period, kwh=kwh, make_up=make_up, payer=payer, price=price)
    for result, background in months_of(clauses, taken_wh):
        own = [one for one in result.lines if one.code == "discharged_price"]
        takes = own[1:] if payer == "pool" else own[2:]
        trees = AmountTrees(result, None, background)
        for line in takes:
            found = trees.line(line.number)
            check_explanation(found)
            assert all(leaf.label != line.note for _, leaf in leaves(found.tree)), "one leaf, as recorded"
            for number in range(len(found.tree.parts)):
                with pytest.raises(Refused, match=r"parts sum to|leaves are there"):
                    check_explanation(_without(found, number))
        for party in ("a", "b"):
            clause_terms(result, background, party)


def test_a_take_that_cannot_be_made_again_is_told_as_it_was_recorded() -> None:
    """March's run without the runs before it."""
    result, background = months_of(terms("year", kwh="12000"), [600_000, 500_000, 1_300_000])[2]
    found = take_of(result, msgspec.structs.replace(background, earlier=()))
    (leaf,) = [leaf for _, leaf in leaves(found.tree)]
    assert leaf.label.startswith("minimum take 3,000 kWh, taken 2,400 kWh")


def _without(found: AmountExplained, number: int) -> AmountExplained:
    parts: list[Leaf | Branch] = list(found.tree.parts)
    del parts[number]
    return msgspec.structs.replace(found, tree=msgspec.structs.replace(found.tree, parts=tuple(parts)))
