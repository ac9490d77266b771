"""A party's minimum, paid by others or carried, to the fen."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.clauses import LossSplit
from ledger.clauses.carry import MinimumUnpaid
from ledger.clauses.floored_split import FlooredSplit
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused
from tests.ledger.clauses.months import Given, by_party, settled, with_rest
from tests.ledger.contract_samples import contract, entitlements, yuan

FIELDS: dict[str, Any] = {
    "shares": {"a-investor": "40%", "operator": "40%", "host": "20%"},
    "party": "a-investor",
    "minimum": "12000",
    "proration": "days",
    "funded_by": {"operator": "75%", "host": "25%"},
    "shortfall": "carried",
}


def split(**changes: Any) -> FlooredSplit:
    return FlooredSplit(**FIELDS | changes)


@pytest.mark.parametrize("shortfall", ["paid", "carried"])
def test_the_others_give_up_what_the_party_lacks(shortfall: str) -> None:
    (month,) = settled(with_rest(split(shortfall=shortfall)), [Given("20000")])
    assert by_party(month, "floored_split") == {
        "a-investor": "12000.00",
        "host": "3000.00",
        "operator": "5000.00",
    }


def test_a_share_above_the_minimum_is_left_alone() -> None:
    (month,) = settled(with_rest(split()), [Given("30000.03")])
    assert by_party(month, "floored_split") == {
        "a-investor": "12000.01",
        "host": "6000.01",
        "operator": "12000.01",
    }


def test_what_is_paid_has_no_limit() -> None:
    """4,000.01 of its own; of the 7,999.99 lacking the operator pays 5,999.99 and the host 2,000.00."""
    (month,) = settled(with_rest(split(shortfall="paid")), [Given("10000.01")])
    assert entitlements(month) == {"a-investor": "12000.00", "operator": "-1999.99"}
    assert month.carry.accounts == {}


def test_a_loss_does_not_end_the_minimum() -> None:
    (month,) = settled(with_rest(split(shortfall="paid")), [Given("-100")])
    assert entitlements(month) == {"a-investor": "12000.00", "host": "-3000.00", "operator": "-9100.00"}


def test_what_is_carried_is_due_next_month() -> None:
    months = settled(with_rest(split()), [Given("10000.01"), Given("20000"), Given("50000")])
    assert entitlements(months[0]) == {"a-investor": "10000.01"}
    assert months[0].carry.accounts == {"floored_split#1": MinimumUnpaid(yuan("1999.99"))}
    assert entitlements(months[1]) == {"a-investor": "13999.99", "host": "2500.00", "operator": "3500.01"}
    assert months[1].carry.accounts == {"floored_split#1": MinimumUnpaid(yuan("0.00"))}
    assert entitlements(months[2]) == {"a-investor": "20000.00", "host": "10000.00", "operator": "20000.00"}


def test_one_funder_gives_what_another_cannot() -> None:
    funded = {"host": "90%", "operator": "10%"}
    (month,) = settled(with_rest(split(funded_by=funded)), [Given("20000")])
    assert entitlements(month) == {"a-investor": "12000.00", "operator": "7600.00", "host": "400.00"}
    (tight,) = settled(with_rest(split(funded_by=funded)), [Given("14000")])
    assert entitlements(tight) == {"a-investor": "12000.00", "operator": "2000.00"}


def test_the_minimum_of_half_a_month_is_half() -> None:
    terms = with_rest(split(), effective_from=date(2026, 4, 16))
    (month,) = settled(terms, [Given("10000")], Month(2026, 4))
    assert entitlements(month)["a-investor"] == "6000.00"


@pytest.mark.parametrize(
    ("changes", "code", "place"),
    [
        ({"minimum": "-1"}, "amount", "minimum"),
        ({"funded_by": {"a-investor": "1"}}, "floor_parties", "funded_by"),
        ({"funded_by": {"operator": "99%"}}, "share_total", "funded_by"),
        ({"shortfall": "lost"}, "not_allowed", "shortfall"),
        ({"proration": "weeks"}, "not_allowed", "proration"),
    ],
)
def test_a_minimum_that_cannot_be_meant_is_refused(changes: dict[str, Any], code: str, place: str) -> None:
    with pytest.raises(Refused) as refused:
        split(**changes)
    assert (refused.value.code, refused.value.place) == (code, place)


def test_a_stranger_cannot_fund() -> None:
    with pytest.raises(Refused) as refused:
        with_rest(split(funded_by={"bank": "1"}))
    assert (refused.value.code, refused.value.place) == ("party_unknown", "clauses[1].funded_by.bank")


@settings(max_examples=80)
@given(
    pools=st.lists(st.integers(-2_000_000, 5_000_000), min_size=1, max_size=4),
    operator=st.integers(0, 100),
    paid=st.booleans(),
)
def test_parts_are_the_pool_and_the_minimum_is_kept(pools: list[int], operator: int, paid: bool) -> None:
    """Paid: never below the minimum. Carried: a funder gives no more than its part, and nothing is lost."""
    terms = with_rest(
        split(
            shortfall="paid" if paid else "carried",
            funded_by={"operator": f"{operator}%", "host": f"{100 - operator}%"},
        )
    )
    due = 0
    for pool, month in zip(pools, settled(terms, [Given(str(Money(p, "CNY"))) for p in pools]), strict=True):
        assert sum(line.amount.minor for line in month.lines) == pool
        got = {party: yuan(text).minor for party, text in by_party(month, "floored_split").items()}
        if paid:
            assert got["a-investor"] >= 1_200_000
            continue
        assert min(got.values(), default=0) >= 0
        due += 1_200_000
        account = month.carry.accounts["floored_split#1"]
        assert isinstance(account, MinimumUnpaid)
        assert account.amount.minor == max(due - got.get("a-investor", 0), 0)
        due = account.amount.minor


@settings(max_examples=60)
@given(minor=st.integers(1, 10**10))
def test_without_a_minimum_a_loss_mirrors_a_gain(minor: int) -> None:
    """`negative pools mirrored` (DOMAIN.md 2.3)."""
    loss = LossSplit(shares=FIELDS["shares"], carry_forward=False)
    terms = contract((loss, split(minimum="0")))
    gain, mirrored = (settled(terms, [Given(str(Money(sign * minor, "CNY")))])[0] for sign in (1, -1))
    assert {party: -money for party, money in gain.entitlement.items()} == mirrored.entitlement
