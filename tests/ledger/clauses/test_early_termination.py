"""A contract that ends before its time, to the fen."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from ledger.clauses import Clause, Hurdle, LossSplit, RemainderSplit
from ledger.clauses.early_termination import EarlyTermination, TerminationStep
from ledger.contract import Contract
from ledger.interval import Month
from ledger.refusal import Refused
from tests.ledger.clauses.months import HALVES, Given, by_party, settled
from tests.ledger.contract_samples import contract

STEPS = (
    TerminationStep(since=date(2026, 1, 1), amount="500000"),
    TerminationStep(since=date(2026, 4, 16), amount="400000.01"),
    TerminationStep(since=date(2027, 1, 1), amount="1"),
)
FIELDS: dict[str, Any] = {
    "on": date(2026, 4, 16),
    "evidence": "notice of 2026-02-10",
    "payer": "host",
    "schedule": STEPS,
    "payment_shares": HALVES | {"a-investor": "0%"},
    "unpaid_hurdle": "due",
    "hurdle_shares": {"a-investor": "60%", "host": "40%"},
}


def ending(**changes: Any) -> EarlyTermination:
    return EarlyTermination(**FIELDS | changes)


def terms(*more: Clause, carry_forward: bool = True) -> Contract:
    hurdle = Hurdle(
        capital="1200000", annual_rate="10%", proration="days", shares=HALVES, carry_forward=carry_forward
    )
    loss = LossSplit(shares=HALVES, carry_forward=True)
    return contract((loss, hurdle, RemainderSplit(shares=HALVES), *more))


def test_the_last_month_pays_the_schedule_and_the_unpaid_return() -> None:
    """10,000 a month; 1,000 were paid; April counts 15 of 30 days: 34,000 are unpaid on the 16th."""
    months = settled(terms(ending()), [Given("1000"), Given("0"), Given("0"), Given("0")])
    assert [by_party(month, "early_termination") for month in months[:3]] == [{}, {}, {}]
    last = months[3]
    assert by_party(last, "early_termination") == {
        "a-investor": "20400.00",
        "host": "-220400.00",
        "operator": "200000.00",
    }
    assert sum(money.minor for money in last.entitlement.values()) == 0
    assert last.carry.settled_to == date(2026, 4, 16)
    assert last.carry.accounts == {}


def test_nothing_is_settled_after_the_end() -> None:
    ended = terms(ending())
    assert ended.terminated_on == date(2026, 4, 16)
    assert (ended.has_days_in(Month(2026, 4)), ended.has_days_in(Month(2026, 5))) == (True, False)
    with pytest.raises(Refused, match="holds 2026-01-01 to 2026-04-16") as refused:
        ended.days_in(Month(2026, 5))
    assert refused.value.code == "not_in_force"


def test_an_end_on_a_first_belongs_to_the_month_before() -> None:
    months = settled(
        terms(ending(on=date(2026, 3, 1), unpaid_hurdle="lapses", hurdle_shares=None)), [Given()] * 2
    )
    assert by_party(months[1], "early_termination") == {"host": "-250000.00", "operator": "250000.00"}


def test_without_a_day_nothing_happens() -> None:
    open_end = terms(ending(on=None, evidence=None))
    plain = terms()
    for with_clause, without in zip(
        settled(open_end, [Given("5")] * 3), settled(plain, [Given("5")] * 3), strict=True
    ):
        assert with_clause == without
    assert open_end.terminated_on is None


def test_an_unpaid_return_that_lapses_or_never_carried_is_not_paid() -> None:
    for clauses in (
        terms(ending(unpaid_hurdle="lapses", hurdle_shares=None, schedule=(), payment_shares=None)),
        terms(ending(schedule=(), payment_shares=None), carry_forward=False),
    ):
        assert by_party(settled(clauses, [Given()] * 4)[3], "early_termination") == {}


@pytest.mark.parametrize(
    ("changes", "code", "place"),
    [
        ({"evidence": None}, "evidence", "evidence"),
        ({"evidence": ""}, "evidence", "evidence"),
        ({"on": None}, "evidence", "evidence"),
        ({"on": date(2025, 12, 31)}, "termination_schedule", "on"),
        ({"schedule": STEPS[::-1]}, "termination_schedule", "schedule[1].since"),
        ({"payment_shares": None}, "termination_shares", "payment_shares"),
        ({"schedule": ()}, "termination_shares", "payment_shares"),
        ({"hurdle_shares": None}, "termination_shares", "hurdle_shares"),
        ({"unpaid_hurdle": "lapses"}, "termination_shares", "hurdle_shares"),
        ({"unpaid_hurdle": "kept"}, "not_allowed", "unpaid_hurdle"),
        ({"hurdle_shares": {"host": "99%"}}, "share_total", "hurdle_shares"),
        ({"payment_shares": {"host": "100%"}}, "fee_parties", "payment_shares"),
    ],
)
def test_an_end_that_cannot_be_meant_is_refused(changes: dict[str, Any], code: str, place: str) -> None:
    with pytest.raises(Refused) as refused:
        ending(**changes)
    assert (refused.value.code, refused.value.place) == (code, place)


@pytest.mark.parametrize(
    ("clauses", "code", "place"),
    [
        ((ending(on=date(2036, 1, 1)),), "termination_date", "clauses[3].on"),
        ((ending(on=date(2026, 1, 1)),), "termination_date", "clauses[3].on"),
        ((ending(), ending(on=None, evidence=None)), "duplicate", "clauses[4]"),
        ((ending(payer="bank"),), "party_unknown", "clauses[3].payer"),
        ((ending(hurdle_shares={"bank": "1"}),), "party_unknown", "clauses[3].hurdle_shares.bank"),
    ],
)
def test_a_contract_ends_once_and_inside_its_time(clauses: tuple[Clause, ...], code: str, place: str) -> None:
    with pytest.raises(Refused) as refused:
        terms(*clauses)
    assert (refused.value.code, refused.value.place) == (code, place)
