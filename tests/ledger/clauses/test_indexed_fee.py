"""A fee that follows an index or a fixed rise, to the fen."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.clauses.indexed_fee import IndexedFee
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused
from tests.ledger.clauses.months import Given, by_party, settled, with_rest

FIELDS: dict[str, Any] = {
    "amount": "36000",
    "period": "year",
    "base_year": 2026,
    "adjusted_in": 1,
    "index": {"2026": "100.0", "2027": "101.2"},
    "source": "consumer prices",
    "proration": "days",
    "payer": "pool",
    "payee": "operator",
    "timing": "before_split",
}
RISE: dict[str, Any] = {"index": None, "annual_rise": "3%"}


def fee(**changes: Any) -> IndexedFee:
    return IndexedFee(**FIELDS | changes)


@pytest.mark.parametrize(
    ("changes", "month", "expected"),
    [
        ({}, Month(2026, 12), "3000.00"),
        ({}, Month(2027, 1), "3036.00"),
        ({"adjusted_in": 4}, Month(2027, 3), "3000.00"),
        ({"adjusted_in": 4}, Month(2027, 4), "3036.00"),
        ({"period": "month", "amount": "3000"}, Month(2027, 1), "3036.00"),
        ({"index": {"2026": "103", "2027": "104"}}, Month(2027, 1), "3029.13"),
        (RISE, Month(2026, 1), "3000.00"),
        (RISE, Month(2028, 1), "3182.70"),
        (RISE, Month(2029, 1), "3278.18"),
    ],
)
def test_the_fee_of_each_year(changes: dict[str, Any], month: Month, expected: str) -> None:
    (one,) = settled(with_rest(fee(**changes)), [Given("50000")], month)
    assert by_party(one, "indexed_fee") == {"operator": expected}
    assert by_party(one, "remainder_split")["host"] == str(
        Money((5_000_000 - Money.parse(expected, "CNY").minor + 1) // 2, "CNY")
    )


def test_the_basis_says_how_the_fee_came_about() -> None:
    (one,) = settled(with_rest(fee()), [Given("50000")], Month(2027, 1))
    assert one.lines[0].basis == "36,000 CNY/year of 2026 x 101.2/100.0 (consumer prices, 2027) x 1/12 year"
    (rise,) = settled(with_rest(fee(**RISE)), [Given("50000")], Month(2028, 1))
    assert rise.lines[0].basis == "36,000 CNY/year of 2026 x 1.0609 (3% a year, 2 times) x 1/12 year"


def test_half_a_month_counts_by_its_days_and_a_party_may_pay() -> None:
    terms = with_rest(fee(payer="host", timing="after_split"), effective_from=date(2026, 4, 16))
    (one,) = settled(terms, [Given("0")], Month(2026, 4))
    assert by_party(one, "indexed_fee") == {"host": "-1500.00", "operator": "1500.00"}
    assert [notice.code for notice in one.warnings] == ["implausible_fee"]


@pytest.mark.parametrize(
    ("changes", "month", "code", "place"),
    [
        ({}, Month(2028, 1), "index_missing", "index.2028"),
        ({"adjusted_in": 2}, Month(2026, 1), "index_missing", "index.2025"),
        (RISE | {"adjusted_in": 2}, Month(2026, 1), "index_year", "base_year"),
    ],
)
def test_a_year_without_a_value_is_refused(
    changes: dict[str, Any], month: Month, code: str, place: str
) -> None:
    with pytest.raises(Refused) as refused:
        settled(with_rest(fee(**changes)), [Given("50000")], month)
    assert (refused.value.code, refused.value.place) == (code, place)


@pytest.mark.parametrize(
    ("changes", "code", "place"),
    [
        ({"amount": "-1"}, "amount", "amount"),
        ({"period": "week"}, "not_allowed", "period"),
        ({"adjusted_in": 13}, "adjusted_in", "adjusted_in"),
        ({"index": None}, "indexation", "index"),
        ({"annual_rise": "2%"}, "indexation", "index"),
        (RISE | {"annual_rise": "2"}, "portion", "annual_rise"),
        ({"index": {"26": "100", "2026": "1"}}, "index_year", "index.26"),
        ({"index": {"2026": "0"}}, "index_value", "index.2026"),
        ({"index": {"2027": "100"}}, "index_missing", "index"),
        ({"source": " "}, "empty", "source"),
        ({"payer": "host"}, "fee_timing", "payer"),
    ],
)
def test_a_fee_that_cannot_be_meant_is_refused(changes: dict[str, Any], code: str, place: str) -> None:
    with pytest.raises(Refused) as refused:
        fee(**changes)
    assert (refused.value.code, refused.value.place) == (code, place)


@settings(max_examples=60)
@given(
    pool=st.integers(-(10**7), 10**7),
    index=st.integers(1, 10**6),
    last=st.booleans(),
)
def test_the_fee_and_the_rest_are_the_pool(pool: int, index: int, last: bool) -> None:
    party = {"payer": "host", "timing": "after_split"} if last else {}
    terms = with_rest(fee(index={"2026": "1000", "2027": str(index)}, **party))
    (one,) = settled(terms, [Given(str(Money(pool, "CNY")))], Month(2027, 6))
    assert sum(line.amount.minor for line in one.lines) == pool
    paid = next(line for line in one.lines if line.type == "indexed_fee" and line.party == "operator")
    assert Fraction(paid.exact) == Fraction(3 * index)
