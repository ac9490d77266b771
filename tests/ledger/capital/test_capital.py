"""Capital accounts: balances, shares, averages, corrections, and each party's return."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.capital.account import CapitalAccounts, CashFlow
from ledger.capital.entry import (
    CapitalEntry,
    CapitalReturn,
    CapitalTransfer,
    CashContribution,
    InKindContribution,
    StruckEntry,
)
from ledger.capital.party_return import OVER_DAYS, party_return
from ledger.capital.party_statement import party_capital
from ledger.capital.record import CapitalRecorded, RecordCapital
from ledger.clauses.facts import MonthFacts
from ledger.contract import Contract
from ledger.effective import History, Period
from ledger.quantity import Money
from ledger.refusal import Refused
from tests.ledger.contract_samples import eaas, yuan

JAN_1, JUL_1 = date(2026, 1, 1), date(2026, 7, 1)
PROOF: dict[str, Any] = {"evidence": "agreement 4"}


def cash(party: str, amount: str, on: date = JAN_1) -> CashContribution:
    return CashContribution(on=on, party=party, amount=yuan(amount), **PROOF)


def in_kind(party: str, valuation: str, on: date = JAN_1) -> InKindContribution:
    return InKindContribution(on=on, party=party, asset="roof", valuation=yuan(valuation), **PROOF)


def sold(seller: str, buyer: str, amount: str, price: str, on: date = JUL_1) -> CapitalTransfer:
    return CapitalTransfer(on=on, seller=seller, buyer=buyer, amount=yuan(amount), price=yuan(price), **PROOF)


def returned(party: str, amount: str, on: date = JUL_1) -> CapitalReturn:
    return CapitalReturn(on=on, party=party, amount=yuan(amount), **PROOF)


def struck(entry: int) -> StruckEntry:
    return StruckEntry(on=JUL_1, entry=entry, evidence="typing error, see agreement 4")


def accounts(*entries: CapitalEntry) -> CapitalAccounts:
    found = CapitalAccounts("CNY")
    for entry in entries:
        found = found.with_entry(entry)
    return found


FOUNDED = (
    cash("a-investor", "18000000.00"),
    in_kind("b-platform", "10800000.00"),
    in_kind("host", "7200000.00"),
)


def test_equipment_platform_and_site_are_50_30_20() -> None:
    """DOMAIN.md 2.1 Q08."""
    founded = accounts(*FOUNDED)
    assert founded.shares(JAN_1) == {
        "a-investor": Fraction(1, 2),
        "b-platform": Fraction(3, 10),
        "host": Fraction(1, 5),
    }
    assert founded.balance("host", JAN_1) == yuan("7200000.00")
    assert founded.balance("host", date(2025, 12, 31)) == yuan("0.00")
    with pytest.raises(Refused) as refused:
        founded.shares(date(2025, 12, 31))
    assert refused.value.code == "capital_missing"


def test_transfers_and_returns_move_balances_and_shares_from_their_day_on() -> None:
    moved = accounts(
        *FOUNDED,
        sold("a-investor", "host", "9000000.00", "9500000.00"),
        returned("b-platform", "10800000.00", date(2026, 10, 1)),
    )
    assert {p: str(m) for p, m in moved.balances(date(2026, 10, 1)).items()} == {
        "a-investor": "9000000.00",
        "b-platform": "0.00",
        "host": "16200000.00",
    }
    assert [moved.shares(day)["host"] for day in (JAN_1, JUL_1, date(2026, 10, 1))] == [
        Fraction(1, 5),
        Fraction(9, 20),
        Fraction(9, 14),
    ]
    assert moved.cash_flows("host") == (
        CashFlow(JAN_1, yuan("-7200000.00")),
        CashFlow(JUL_1, yuan("-9500000.00")),
    )
    assert moved.cash_flows("a-investor")[1] == CashFlow(JUL_1, yuan("9500000.00"))


def test_a_month_s_average_counts_days() -> None:
    """31,000 from the 11th of July: 21 of 31 days."""
    paid = accounts(cash("host", "31000.00", date(2026, 7, 11)), cash("operator", "100.00"))
    average = paid.average(JUL_1, date(2026, 8, 1))
    assert average == {"host": "21000", "operator": "100"}
    assert paid.average(date(2026, 6, 1), JUL_1) == {"operator": "100"}
    assert paid.average(date(2026, 7, 10), date(2026, 7, 13)) == {"host": "62000/3", "operator": "100"}
    assert MonthFacts(capital=paid.average(date(2026, 7, 10), date(2026, 7, 13))).capital is not None
    with pytest.raises(Refused) as refused:
        paid.average(JUL_1, JUL_1)
    assert refused.value.code == "effective"


def test_a_wrong_entry_is_struck_and_stays_on_record() -> None:
    corrected = accounts(cash("host", "1000.00"), struck(1), cash("host", "100.00"))
    assert corrected.balance("host", JAN_1) == yuan("100.00")
    assert len(corrected.entries) == 3
    assert corrected.cash_flows("host") == (CashFlow(JAN_1, yuan("-100.00")),)


def test_entries_of_one_day_count_together() -> None:
    """What is left when the first contribution is struck covers the return of the same day."""
    left = accounts(cash("host", "1.00"), returned("host", "1.00", JAN_1), cash("host", "1.00"), struck(1))
    assert left.balance("host", JAN_1) == yuan("0.00")


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ((cash("host", "1.00"), returned("host", "1.01")), "capital_overdrawn"),
        ((cash("host", "1.00", JUL_1), returned("host", "1.00", JAN_1)), "capital_overdrawn"),
        (
            (cash("host", "1.00"), sold("host", "operator", "1.00", "0.00"), returned("host", "1.00", JAN_1)),
            "capital_overdrawn",
        ),
        ((cash("host", "1.00"), returned("host", "1.00"), struck(1)), "capital_overdrawn"),
        ((struck(1),), "unknown_entry"),
        ((cash("host", "1.00"), struck(0)), "unknown_entry"),
        ((cash("host", "1.00"), struck(2)), "unknown_entry"),
        ((cash("host", "1.00"), struck(1), struck(2)), "unknown_entry"),
        ((cash("host", "1.00"), struck(1), struck(1)), "already_struck"),
    ],
)
def test_what_an_account_does_not_take(entries: tuple[CapitalEntry, ...], code: str) -> None:
    with pytest.raises(Refused) as refused:
        accounts(*entries)
    assert refused.value.code == code


def test_what_is_lacking_is_told_with_separators() -> None:
    lacking = re.escape("host would have 5,859,999.99 CNY less than nothing on 2026-")
    with pytest.raises(Refused, match=lacking):
        accounts(cash("host", "1.00"), returned("host", "5860000.99"))


@pytest.mark.parametrize(
    ("make", "code", "place"),
    [
        (lambda: cash("host", "0.00"), "capital_amount", "amount"),
        (lambda: cash("a b", "1.00"), "id", "party"),
        (lambda: cash("host", "1.00", date(1066, 1, 1)), "year", "on"),
        (lambda: in_kind("host", "-1.00"), "capital_amount", "valuation"),
        (lambda: msgspec.structs.replace(in_kind("host", "1.00"), asset=" "), "empty", "asset"),
        (lambda: msgspec.structs.replace(cash("host", "1.00"), evidence=""), "evidence", "evidence"),
        (lambda: sold("host", "host", "1.00", "1.00"), "transfer_parties", "buyer"),
        (lambda: sold("host", "operator", "1.00", "-1.00"), "capital_amount", "price"),
        (lambda: returned("host", "0.00"), "capital_amount", "amount"),
        (lambda: CapitalAccounts("USD").with_entry(cash("host", "1.00")), "currency", "entries[0]"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_refused(make: Callable[[], object], code: str, place: str) -> None:
    with pytest.raises(Refused) as refused:
        make()
    assert (refused.value.code, refused.value.place) == (code, place)


# Facts

CONTRACT = eaas()
SIGNED = History[Contract]().with_version(Period(CONTRACT.effective.start, CONTRACT.effective.end), CONTRACT)


def test_entries_are_recorded_for_parties_of_the_contract() -> None:
    others = {"contract.c-1": SIGNED}
    state: CapitalAccounts | None = None
    for entry in FOUNDED:
        command = RecordCapital("c-1", entry)
        assert (command.aggregate, command.reads) == ("capital.c-1", ("contract.c-1",))
        (event,) = command.decide(state, others)
        assert msgspec.json.decode(msgspec.json.encode(event), type=CapitalRecorded) == event
        state = event.apply(state)
    assert state == accounts(*FOUNDED)
    for wrong, code in (
        (cash("bank", "1.00"), "party_unknown"),
        (returned("host", "9000000.00"), "capital_overdrawn"),
    ):
        with pytest.raises(Refused) as refused:
            RecordCapital("c-1", wrong).decide(state, others)
        assert refused.value.code == code
    with pytest.raises(Refused) as unknown:
        RecordCapital("c-2", FOUNDED[0]).decide(None, {})
    assert unknown.value.code == "unknown_contract"


# Return


def flow(on: date, amount: str) -> CashFlow:
    return CashFlow(on, yuan(amount))


def test_a_party_s_return_is_of_its_own_flows_on_their_days() -> None:
    """100 paid in on a day and 110 received 365 days later: 10 %; the same after 730 days: its root."""
    flows = accounts(cash("host", "100.00")).cash_flows("host")
    year = party_return([flow(date(2027, 1, 1), "110.00"), *flows])
    assert (year.shown(6), year.unit) == ("0.100000", "1/year")
    two = party_return([*flows, flow(date(2028, 1, 1), "110.00")])
    assert two.shown(6) == "0.048809", "1.1 ** 0.5 - 1"
    early = party_return([*flows, flow(JUL_1, "10.00"), flow(date(2028, 1, 1), "100.00")])
    late = party_return([*flows, flow(date(2027, 12, 1), "10.00"), flow(date(2028, 1, 1), "100.00")])
    assert early.value > late.value, "money that came earlier is worth more"
    assert "d / 365" in year.formula


def test_less_than_a_year_has_the_return_of_its_days_and_no_yearly_rate() -> None:
    """17 of 100 are back after a quarter: 83 % are lost so far, which is no rate a year."""
    flows = accounts(cash("host", "100.00")).cash_flows("host")
    lost = party_return([*flows, flow(date(2026, 4, 1), "17.00")])
    assert (lost.shown(4), lost.unit) == ("-0.8300", OVER_DAYS)
    assert "over 90 days, not a year" in lost.formula
    (shown,) = party_capital(accounts(cash("host", "100.00")), {}, date(2026, 4, 1))
    assert shown.return_with_balance.days == 90
    assert shown.return_with_balance.answer is not None
    assert shown.return_with_balance.answer.value == 0


@pytest.mark.parametrize(
    ("flows", "code"),
    [
        ([], "cash_flows"),
        ([CashFlow(JAN_1, yuan("-100.00")), CashFlow(JUL_1, Money(1, "USD"))], "currency"),
        ([CashFlow(JAN_1, yuan("100.00")), CashFlow(JUL_1, yuan("-1.00"))], "cash_flows"),
        ([CashFlow(JAN_1, yuan("-100.00")), CashFlow(JAN_1, yuan("1.00"))], "irr_not_unique"),
        ([CashFlow(JAN_1, yuan("-1.00")), CashFlow(JAN_1, yuan("1.00"))], "cash_flows"),
        ([CashFlow(JAN_1, yuan("-100.00")), CashFlow(JUL_1, yuan("-1.00"))], "irr_not_unique"),
        ([CashFlow(JAN_1, yuan("-0.01")), CashFlow(JUL_1, yuan("99999999.00"))], "irr_range"),
    ],
)
def test_flows_without_one_rate_say_so(flows: list[CashFlow], code: str) -> None:
    with pytest.raises(Refused) as refused:
        party_return(flows)
    assert refused.value.code == code


@settings(max_examples=80)
@given(
    paid=st.lists(
        st.tuples(st.sampled_from(["host", "operator", "bank"]), st.integers(1, 10**9), st.integers(0, 400)),
        min_size=1,
        max_size=6,
    ),
    moved=st.integers(1, 10**9),
    order=st.permutations(range(6)),
)
def test_balances_do_not_depend_on_the_order_of_recording(
    paid: list[tuple[str, int, int]], moved: int, order: list[int]
) -> None:
    """The capital is what was paid in; a transfer moves it and adds nothing; the average lies between."""
    entries: list[CapitalEntry] = [
        CashContribution(
            on=JAN_1 + timedelta(days=day), party=party, amount=Money(minor, "CNY"), evidence="x"
        )
        for party, minor, day in paid
    ]
    last = JAN_1 + timedelta(days=400)
    seller, available = next(iter(accounts(*entries).balances(last).items()))
    if moved <= available.minor:
        amount = Money(moved, "CNY")
        entries.append(
            CapitalTransfer(on=last, seller=seller, buyer="new", amount=amount, price=amount, evidence="x")
        )
    shuffled = [entries[index] for index in order if index < len(entries) - 1] + entries[-1:]
    one, other = accounts(*entries), CapitalAccounts("CNY", tuple(shuffled))
    total = sum(minor for _, minor, _ in paid)
    assert one.balances(last) == other.balances(last)
    assert sum(money.minor for money in one.balances(last).values()) == total
    assert sum(one.shares(last).values(), Fraction(0)) == 1
    average = {party: Fraction(text) for party, text in one.average(JAN_1, last).items()}
    assert sum(average.values(), Fraction(0)) <= Fraction(total, 100)
    assert average == {
        party: sum((one.balance(party, JAN_1 + timedelta(days=day)).exact for day in range(400)), Fraction(0))
        / 400
        for party in average
    }
