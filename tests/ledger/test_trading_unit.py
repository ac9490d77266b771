"""Who stands in a trading unit, and when (DOMAIN.md 3.9)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ledger.allocation.regulation import CapacityTerms, RegulationTerms
from ledger.effective import History, Period
from ledger.interval import Interval
from ledger.refusal import Refused
from ledger.trading_unit import (
    Member,
    RegisterTradingUnit,
    Terms,
    TradingUnit,
    check_one_unit,
    history_of,
    pieces,
    stands,
)

START = datetime(2026, 7, 31, 16, tzinfo=UTC)
DAY = timedelta(days=1)
ALWAYS = Period(datetime(2025, 12, 31, 16, tzinfo=UTC))
CAPACITY = CapacityTerms(when_all_zero="refuse")


def unit(*members: Member, name: str = "u1", terms: tuple[Terms, ...] = (CAPACITY,)) -> TradingUnit:
    return TradingUnit(
        id=name, name="Unit", market="zhejiang", unit_code="ZJ-1", operator="op", zone="Asia/Shanghai",
        members=members,
        terms=terms, rounding_max="0.05",
    )  # fmt: skip


def member(site: str, since: int | None = None, until: int | None = None) -> Member:
    """From and to the START of those days of August."""
    first, last = (None if day is None else START + (day - 1) * DAY for day in (since, until))
    return Member(site=site, capability_w=1000, since=first, until=last)


def august(first: int, last: int) -> Interval:
    return Interval(START + (first - 1) * DAY, START + (last - 1) * DAY)


def shown(history: History[TradingUnit], interval: Interval) -> list[tuple[int, int, str]]:
    return [
        (
            (piece.interval.start - START).days + 1,
            (piece.interval.end - START).days + 1,
            "".join(one.site for one in piece.members),
        )
        for piece in pieces(history, interval)
    ]


def test_a_month_is_cut_where_a_site_joins_or_leaves() -> None:
    history = history_of([(ALWAYS, unit(member("A"), member("B", until=20), member("C", since=10)))])
    assert shown(history, august(1, 32)) == [(1, 10, "AB"), (10, 20, "ABC"), (20, 32, "AC")]
    assert stands(history, "B", august(19, 21))
    assert not stands(history, "B", august(20, 21)), "the end does not belong to it"


def test_a_new_version_changes_the_membership_from_its_instant_on() -> None:
    after = Period(START + 14 * DAY)
    history = history_of([(ALWAYS, unit(member("A"), member("B"))), (after, unit(member("A")))])
    assert shown(history, august(1, 32)) == [(1, 15, "AB"), (15, 32, "A")]


def test_a_time_without_a_version_is_a_gap() -> None:
    history = history_of([(Period(START + DAY, START + 2 * DAY), unit(member("A")))])
    assert shown(history, august(2, 3)) == [(2, 3, "A")]
    for interval in (august(1, 3), august(2, 4), august(5, 6)):
        with pytest.raises(Refused) as caught:
            pieces(history, interval)
        assert caught.value.code == "unit_gap"


def test_terms_do_not_change_inside_a_statement() -> None:
    other = unit(member("A"), terms=(CapacityTerms(when_all_zero="operator"),))
    history = history_of([(ALWAYS, unit(member("A"))), (Period(START + 5 * DAY), other)])
    assert shown(history, august(1, 6)) == [(1, 6, "A")]
    with pytest.raises(Refused) as caught:
        pieces(history, august(1, 7))
    assert caught.value.code == "unit_terms"


def test_a_site_is_in_one_unit_of_a_stream_at_a_time() -> None:
    own = history_of([(ALWAYS, unit(member("A", until=10), member("B")))])
    later = history_of([(ALWAYS, unit(member("A", since=10), name="u2"))])
    check_one_unit("u1", {"u1": own, "u2": later})
    sooner = history_of([(ALWAYS, unit(member("A", since=9), name="u2"))])
    for name in ("u1", "u2"):
        with pytest.raises(Refused) as caught:
            check_one_unit(name, {"u1": own, "u2": sooner})
        assert (caught.value.code, caught.value.place) == ("unit_overlap", "members")
    regulation = unit(member("A", since=9), name="u2", terms=(RegulationTerms(when_all_zero="refuse"),))
    check_one_unit("u1", {"u1": own, "u2": history_of([(ALWAYS, regulation)])})


def test_bad_units_are_refused() -> None:
    for make, code in (
        (unit, "no_members"),
        (lambda: unit(member("A"), member("A")), "member_duplicate"),
        (lambda: unit(member("A", until=10), member("A", since=9)), "member_duplicate"),
        (lambda: unit(member("A", since=9), member("A", until=10)), "member_duplicate"),
        (lambda: unit(member("A"), terms=()), "unit_terms"),
        (lambda: unit(member("A"), terms=(CAPACITY, CAPACITY)), "unit_terms"),
        (lambda: member("A", since=3, until=3), "interval"),
        (lambda: Member(site="A", capability_w=0), "capability"),
        (lambda: Member(site="A", capability_w=1, until=datetime(2026, 8, 1)), "naive_time"),
    ):
        with pytest.raises(Refused) as caught:
            make()
        assert caught.value.code == code
    assert unit(member("A", until=9), member("A", since=9)).members, "left and came back"


def test_a_unit_stays_in_its_market_and_knows_its_sites() -> None:
    command = RegisterTradingUnit(ALWAYS, unit(member("A")))
    both: dict[str, object] = {"site.A": History(), "party.op": History()}
    for missing, code in (("site.A", "unknown_site"), ("party.op", "unknown_party")):
        with pytest.raises(Refused) as caught:
            command.decide(None, both | {missing: None})
        assert caught.value.code == code
    assert set(command.reads) == set(both)
    (event,) = command.decide(None, both)
    elsewhere = RegisterTradingUnit(
        ALWAYS,
        TradingUnit(
            id="u1", name="U", market="hunan", unit_code="H", operator="op", zone="Asia/Shanghai",
            members=(member("A"),),
            terms=(CAPACITY,), rounding_max="0",
        ),
    )  # fmt: skip
    with pytest.raises(Refused) as caught:
        elsewhere.decide(event.apply(None), both)
    assert caught.value.code == "unit_market"
