"""Receipts, payments, interest, write-offs and netting, to the fen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from ledger.accounting import cash, netting
from ledger.accounting.journal import JournalEntry
from ledger.accounting.statement_payment import credit_entry, payment_entries
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.life import Payment, PaymentKind
from ledger.statement.open_item import OpenItem
from tests.ledger.contract_samples import yuan

DAY = date(2026, 6, 1)
DOC = "B-17"


def amounts(entry: JournalEntry | None) -> dict[str, str]:
    assert entry is not None
    return {str(posting.account): str(posting.amount) for posting in entry.postings}


def open_item(due: str, settled: str = "0.00") -> OpenItem:
    return OpenItem(yuan(due), yuan(settled))


def posted(kind: PaymentKind, amount: str, before: OpenItem) -> list[dict[str, str]]:
    one = Payment(id=DOC, on=DAY, amount=yuan(amount), kind=kind)
    entries = payment_entries("host", one, before)
    assert {entry.reference.document for entry in entries} <= {DOC}
    return [amounts(entry) for entry in entries]


def test_a_bank_charge_is_ours() -> None:
    assert amounts(cash.bank_charge(yuan("3.00"), DAY, DOC)) == {"bank_charges": "3.00", "bank": "-3.00"}


def test_a_market_that_rounds_otherwise_than_its_sites() -> None:
    """The operator's statement is one fen above the sum of the sites."""
    entry = cash.market_receipt("spot", yuan("100.01"), DAY, DOC, rounding=yuan("0.01"))
    assert amounts(entry) == {
        "bank": "100.01",
        "market_receivable:spot": "-100.00",
        "allocation_rounding:spot": "-0.01",
    }
    assert amounts(cash.market_receipt("spot", yuan("5.00"), DAY, DOC)) == {
        "bank": "5.00",
        "market_receivable:spot": "-5.00",
    }
    assert amounts(cash.supplier_payment("insurance", yuan("5.00"), DAY, DOC)) == {
        "supplier_payable:insurance": "5.00",
        "bank": "-5.00",
    }


def test_a_market_takes_back_and_a_supplier_gives_back() -> None:
    taken = cash.market_receipt("spot", yuan("-7.00"), DAY, DOC, rounding=yuan("-0.01"))
    assert amounts(taken) == {
        "bank": "-7.00",
        "market_receivable:spot": "6.99",
        "allocation_rounding:spot": "0.01",
    }
    assert taken.description == f"Paid back to the market for spot, {DOC}"
    given = cash.supplier_payment("insurance", yuan("-7.00"), DAY, DOC)
    assert amounts(given) == {"supplier_payable:insurance": "-7.00", "bank": "7.00"}
    over = cash.handed_over("host", yuan("3.00"), DAY, DOC)
    assert amounts(over) == {"collected_for:host": "3.00", "bank": "-3.00"}
    for nothing in (
        lambda: cash.market_receipt("spot", yuan("0.00"), DAY, DOC),
        lambda: cash.supplier_payment("insurance", yuan("0.00"), DAY, DOC),
        lambda: cash.handed_over("host", yuan("0.00"), DAY, DOC),
    ):
        with pytest.raises(Refused) as refused:
            nothing()
        assert refused.value.code == "payment_amount"


def test_late_interest() -> None:
    interest = yuan("32.03")
    assert amounts(cash.late_interest_charged("host", interest, DAY, DOC)) == {
        "receivable:host": "32.03",
        "late_interest_income": "-32.03",
    }
    assert amounts(cash.late_interest_owed("host", interest, DAY, DOC)) == {
        "late_interest_cost": "32.03",
        "payable:host": "-32.03",
    }


@pytest.mark.parametrize(
    ("kind", "amount", "before", "expected"),
    [
        ("payment", "-50.00", ("-70.00",), {"bank": "50.00", "receivable:host": "-50.00"}),
        (
            "payment", "-100.00", ("-70.00",),
            {"bank": "100.00", "receivable:host": "-70.00", "advance_received:host": "-30.00"},
        ),
        ("payment", "-10.00", ("-70.00", "-75.00"), {"bank": "10.00", "advance_received:host": "-10.00"}),
        (
            "payment", "100.00", ("60.00",),
            {"payable:host": "60.00", "advance_paid:host": "40.00", "bank": "-100.00"},
        ),
        ("payment", "15.00", ("-70.00", "-90.00"), {"advance_received:host": "15.00", "bank": "-15.00"}),
        (
            "payment", "30.00", ("-70.00", "-90.00"),
            {"advance_received:host": "20.00", "receivable:host": "10.00", "bank": "-30.00"},
        ),
        (
            "payment", "-9.00", ("60.00", "67.00"),
            {"bank": "9.00", "advance_paid:host": "-7.00", "payable:host": "-2.00"},
        ),
        ("payment", "-1.00", ("0.00",), {"bank": "1.00", "advance_received:host": "-1.00"}),
        ("write_off", "-70.00", ("-70.00",), {"bad_debt": "70.00", "receivable:host": "-70.00"}),
        ("write_off", "60.00", ("60.00",), {"payable:host": "60.00", "write_back_income": "-60.00"}),
        (
            "write_off", "20.00", ("-70.00", "-90.00"),
            {"advance_received:host": "20.00", "write_back_income": "-20.00"},
        ),
        ("write_off", "-7.00", ("60.00", "67.00"), {"bad_debt": "7.00", "advance_paid:host": "-7.00"}),
        ("bank_charge", "2.00", ("60.00",), {"bank_charges": "2.00", "bank": "-2.00"}),
    ],
)  # fmt: skip
def test_what_a_statements_life_records_is_posted(
    kind: PaymentKind, amount: str, before: tuple[str, ...], expected: dict[str, str]
) -> None:
    """What the statement asks for is receivable or payable, what was paid beyond it an advance; what moves
    against it takes from the advance, and reopens what was paid beyond that."""
    assert posted(kind, amount, open_item(*before)) == [expected]


def test_late_interest_is_charged_and_paid_at_once() -> None:
    assert posted("late_interest", "-3.00", open_item("-70.00")) == [
        {"receivable:host": "3.00", "late_interest_income": "-3.00"},
        {"bank": "3.00", "receivable:host": "-3.00"},
    ]
    assert posted("late_interest", "3.00", open_item("60.00")) == [
        {"late_interest_cost": "3.00", "payable:host": "-3.00"},
        {"payable:host": "3.00", "bank": "-3.00"},
    ]


def test_a_credit_moves_between_two_statements_and_their_accounts() -> None:
    """20.00 too much on one pay a part of another's 70.00; what was not beyond is asked for again."""
    one = Payment(id=DOC, on=DAY, amount=yuan("-20.00"), kind="credit_used")
    to = (open_item("-70.00"), open_item("-70.00", "-20.00"))
    entry = credit_entry("host", one, (open_item("-50.00", "-70.00"), open_item("-50.00", "-50.00")), to)
    assert amounts(entry) == {"advance_received:host": "20.00", "receivable:host": "-20.00"}
    assert (
        credit_entry("host", one, (open_item("-50.00", "-50.00"), open_item("-50.00", "-30.00")), to) is None
    )
    assert posted("credit_given", "20.00", open_item("-50.00", "-70.00")) == []


@pytest.mark.parametrize(
    "move",
    [
        lambda nothing: cash.receipt("host", nothing, DAY, DOC),
        lambda nothing: cash.payment("host", nothing, DAY, DOC),
        lambda nothing: cash.bank_charge(nothing, DAY, DOC),
        lambda nothing: cash.late_interest_charged("host", nothing, DAY, DOC),
        lambda nothing: cash.late_interest_owed("host", nothing, DAY, DOC),
    ],
)
@pytest.mark.parametrize("minor", [0, -1])
def test_only_amounts_above_zero_move(move: Callable[[Money], JournalEntry], minor: int) -> None:
    with pytest.raises(Refused) as refused:
        move(Money(minor, "CNY"))
    assert refused.value.code == "payment_amount"


def item(due: str, settled: str = "0.00") -> OpenItem:
    return OpenItem(yuan(due), yuan(settled))


@pytest.mark.parametrize(
    ("parts", "posted"),
    [
        (
            [(item("-43269.33"), "-31975.24"), (item("31975.24"), "31975.24")],
            {"receivable:host": "-31975.24", "payable:host": "31975.24"},
        ),
        (
            [(item("-100.00", "-130.00"), "30.00"), (item("-50.00"), "-30.00")],
            {"receivable:host": "-30.00", "advance_received:host": "30.00"},
        ),
        (
            [(item("80.00", "90.00"), "-10.00"), (item("40.00"), "10.00")],
            {"payable:host": "10.00", "advance_paid:host": "-10.00"},
        ),
        (
            [(item("-100.00", "-130.00"), "30.00"), (item("80.00", "110.00"), "-30.00")],
            {"advance_received:host": "30.00", "advance_paid:host": "-30.00"},
        ),
    ],
)
def test_a_netting_moves_what_each_statement_has_open_and_no_bank(
    parts: list[tuple[OpenItem, str]], posted: dict[str, str]
) -> None:
    """A receivable against a payable, and each against what was paid beyond another statement."""
    entry = netting.netting_entry("host", [(one, yuan(amount)) for one, amount in parts], DAY, DOC)
    assert amounts(entry) == posted


def test_netting_nothing_posts_nothing() -> None:
    assert netting.netting_entry("host", [], DAY, DOC) is None
