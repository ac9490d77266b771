"""A return on what the capital accounts hold, to the fen."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.clauses import CapitalHurdle
from ledger.clauses.carry import HurdleUnpaid
from ledger.clauses.facts import MonthFacts
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused
from tests.ledger.clauses.months import Given, by_party, settled, with_rest
from tests.ledger.contract_samples import yuan

HURDLE = CapitalHurdle(annual_rate="8%", proration="days", carry_forward=True)
THREE = MonthFacts(capital={"a-investor": "18000000", "b-platform": "7200000", "host": "10800000"})


def test_the_accounts_are_capital_and_shares() -> None:
    """36,000,000 by 50/20/30 at 8 %: 240,000.00 a month (DOMAIN.md 2.3)."""
    (month,) = settled(with_rest(HURDLE), [Given("1666666.67", facts=THREE)])
    assert by_party(month, "capital_hurdle") == {
        "a-investor": "120000.00",
        "b-platform": "48000.00",
        "host": "72000.00",
    }


def test_unpaid_return_is_divided_by_the_shares_of_the_month_that_pays() -> None:
    alone = MonthFacts(capital={"host": "1200000", "operator": "0"})
    months = settled(with_rest(HURDLE), [Given("100000", facts=THREE), Given("200000", facts=alone)])
    assert months[0].carry.accounts == {"capital_hurdle#1": HurdleUnpaid(yuan("140000.00"))}
    assert by_party(months[1], "capital_hurdle") == {"host": "148000.00"}


def test_part_of_a_month_counts_by_days() -> None:
    terms = with_rest(HURDLE, effective_from=date(2026, 4, 16))
    (month,) = settled(terms, [Given("1000000", facts=THREE)], Month(2026, 4))
    assert by_party(month, "capital_hurdle")["host"] == "36000.00"


def test_no_capital_is_not_the_same_as_unknown() -> None:
    nothing = MonthFacts(capital={"host": "0"})
    (month,) = settled(with_rest(HURDLE), [Given("100", facts=nothing)])
    assert by_party(month, "capital_hurdle") == {}
    with pytest.raises(Refused) as refused:
        settled(with_rest(HURDLE), [Given("100")])
    assert (refused.value.code, refused.value.place) == ("capital_missing", "facts.capital")


def test_capital_of_a_stranger_or_below_zero_is_refused() -> None:
    with pytest.raises(Refused) as stranger:
        settled(with_rest(HURDLE), [Given("100", facts=MonthFacts(capital={"bank": "1"}))])
    assert (stranger.value.code, stranger.value.place) == ("party_unknown", "facts.capital.bank")
    for text in ("-1", "-1/3", "1/0"):
        with pytest.raises(Refused) as below:
            MonthFacts(capital={"host": text})
        assert below.value.code == "capital_balance"


@settings(max_examples=60)
@given(
    pool=st.integers(-(10**8), 10**8),
    balances=st.lists(st.fractions(0, 10**7, max_denominator=31), min_size=1, max_size=4),
)
def test_parts_and_rest_are_the_pool(pool: int, balances: list[Fraction]) -> None:
    parties = ("a-investor", "b-platform", "host", "operator")
    facts = MonthFacts(capital={party: str(text) for party, text in zip(parties, balances, strict=False)})
    (month,) = settled(with_rest(HURDLE), [Given(str(Money(pool, "CNY")), facts=facts)])
    assert sum(line.amount.minor for line in month.lines) == pool
    paid = sum(line.amount.minor for line in month.lines if line.type == "capital_hurdle")
    due = Money.round(sum(balances, Fraction(0)) * Fraction(8, 1200), "CNY").minor
    assert paid == min(max(pool, 0), due)
