"""How much of a limit is used, and by whom."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.nats.wire import aggregate_name
from ledger.refusal import Refused
from tests.adapters.desk.desk_book import DAY, OPEN, bid, market
from trading.award import aggregate_of as award_aggregate
from trading.bid_commands import limit_values
from trading.clearing import clearing_id
from trading.commitment import aggregate_of as day_aggregate
from trading.risk import Each, Limit, Measure, Span
from trading.usage import FreeLimit, KeepUse, Usage, Used, UseLimit, aggregate_of

LIMIT = Limit(id="volume", measure="volume_wh", each="user", span="day", most="100")
UNTIL = OPEN + timedelta(days=31)
ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True)
close_ids = st.from_regex(r"[ab][_-]{0,3}[ab]?", fullmatch=True)


def use(name: str, amount: str, *, asked: str | None = None, overridden: bool = False) -> UseLimit:
    return UseLimit(LIMIT, "anna", DAY, Used(name, amount, UNTIL), overridden, asked or amount)


def after(state: Usage | None, command: UseLimit | KeepUse | FreeLimit) -> Usage:
    if isinstance(command, FreeLimit):
        (freed,) = command.decide(state, {})
        return freed.apply(state)
    (event,) = command.decide_at(OPEN, state, {})
    return event.apply(state)


def test_bids_add_up_to_the_limit() -> None:
    state = after(after(None, use("a", "60")), use("b", "40"))
    assert state.sum_at(OPEN, "") == 100
    with pytest.raises(Refused, match="limit volume of user anna: 100 used and 1 asked for") as refused:
        after(state, use("c", "1"))
    assert refused.value.code == "limit_volume"


def test_a_revision_replaces_its_own_part() -> None:
    state = after(after(after(None, use("a", "60")), use("b", "40")), use("a", "60"))
    assert state.sum_at(OPEN, "") == 100
    assert state.sum_at(OPEN, "a") == 40


def test_a_smaller_revision_keeps_the_larger_part_until_the_market_has_it() -> None:
    """It is asked for 10 and 60 stay used: the revision of 60 may still be awarded."""
    state = after(after(None, use("a", "60")), use("b", "40"))
    state = after(state, use("a", "60", asked="10"))
    assert state.sum_at(OPEN, "") == 100
    state = after(state, KeepUse(LIMIT, "anna", DAY, Used("a", "10", UNTIL)))
    assert state.sum_at(OPEN, "") == 50


def test_an_override_goes_beyond_and_the_next_one_needs_its_own() -> None:
    state = after(None, use("a", "500", overridden=True))
    assert state.sum_at(OPEN, "") == 500
    with pytest.raises(Refused):
        after(state, use("b", "1"))


def test_a_part_ends_by_itself() -> None:
    state = after(None, use("a", "100"))
    assert state.sum_at(UNTIL - timedelta(seconds=1), "") == 100
    assert state.sum_at(UNTIL, "") == 0
    (event,) = use("b", "100").decide_at(UNTIL, state, {})
    assert [one.bid for one in event.apply(state).parts] == ["b"]


def test_what_is_freed_is_free() -> None:
    assert after(after(None, use("a", "100")), FreeLimit(LIMIT, "anna", DAY, "a")) == Usage()


@pytest.mark.parametrize("each", get_args(Each))
@pytest.mark.parametrize("span", get_args(Span))
@pytest.mark.parametrize("measure", get_args(Measure))
def test_each_kind_of_limit_counts_for_its_own(each: Each, span: Span, measure: Measure) -> None:
    value = {
        "user": "anna",
        "unit": "vpp",
        "product": "shandong-day_ahead",
        "market": "shandong",
        "counterparty": "operator",
    }[each]
    currency = None if measure == "volume_wh" else "CNY"
    limit = Limit(id="x", measure=measure, each=each, span=span, most="1", currency=currency)
    assert limit_values((limit,), bid(), market(), "anna") == {("x", value): limit}
    other_day = DAY + timedelta(days=1)
    same = aggregate_of(limit, value, DAY) == aggregate_of(limit, value, other_day)
    assert same == (span == "open")
    only = Limit(id="x", measure=measure, each=each, span=span, most="1", currency=currency, only=("q",))
    assert limit_values((only,), bid(), market(), "anna") == {}
    if currency:
        euros = Limit(id="x", measure=measure, each=each, span=span, most="1", currency="EUR")
        assert limit_values((euros,), bid(), market(), "anna") == {}


@settings(derandomize=True, max_examples=300)
@given(st.tuples(close_ids, close_ids), st.tuples(close_ids, close_ids), st.dates(), st.dates())
def test_two_results_have_two_names(
    one: tuple[str, str], other: tuple[str, str], day: date, other_day: date
) -> None:
    """Market and product cannot be mistaken for another market's product."""
    same = (one, day) == (other, other_day)
    assert (clearing_id(*one, day) == clearing_id(*other, other_day)) == same
    assert clearing_id("a_b", "c", day) != clearing_id("a", "b_c", day)


@settings(derandomize=True, max_examples=200)
@given(st.tuples(close_ids, st.dates()), st.tuples(close_ids, st.dates()), st.integers(1, 99))
def test_two_days_and_two_parts_have_two_names(
    one: tuple[str, date], other: tuple[str, date], part: int
) -> None:
    assert (day_aggregate(*one) == day_aggregate(*other)) == (one == other)
    name = f"{one[0]}_{part}"
    assert (award_aggregate(name, 1) == award_aggregate(one[0], part)) is False
    assert (aggregate_of(LIMIT, one[0], DAY) == aggregate_of(LIMIT, other[0], DAY)) == (one[0] == other[0])


@settings(derandomize=True, max_examples=200)
@given(ids, ids, st.dates(date(2000, 1, 1), date(2199, 12, 31)))
def test_the_longest_ids_make_names_that_the_store_takes(first: str, second: str, day: date) -> None:
    for long in (first.ljust(64, "_"), second.ljust(64, "x")):
        aggregate_name(f"clearing.{clearing_id(long, second.ljust(64, '-'), day)}")
        aggregate_name(day_aggregate(long, day))
        aggregate_name(award_aggregate(long, 10**6))
        aggregate_name(f"bid.{long}")
    limit = Limit(id="x" * 24, measure="volume_wh", each="unit", span="open", most="1")
    aggregate_name(aggregate_of(limit, first * 3, day))


def test_amounts_are_exact() -> None:
    state = after(None, use("a", str(Fraction(1, 3))))
    assert state.sum_at(OPEN, "") == Fraction(1, 3)
