"""Receipts, payments, interest, write-offs and netting, to the fen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from ledger.accounting import cash, netting
from ledger.accounting.journal import JournalEntry
from ledger.accounting.statement_payment import payment_entries
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.life import Payment, StatementKey
from tests.ledger.contract_samples import yuan

DAY = date(2026, 6, 1)
DOC = "B-17"


def amounts(entry: JournalEntry | None) -> dict[str, str]:
    assert entry is not None
    return {str(posting.account): str(posting.amount) for posting in entry.postings}


def test_a_part_payment_leaves_the_rest_outstanding() -> None:
    entry = cash.receipt("host", yuan("20000.00"), DAY, DOC, outstanding=yuan("56973.00"))
    assert amounts(entry) == {"bank": "20000.00", "receivable:host": "-20000.00"}
    assert (entry.kind, entry.reference.party, entry.reference.document) == ("receipt", "host", DOC)


def test_an_overpayment_is_an_advance() -> None:
    entry = cash.receipt("host", yuan("60000.00"), DAY, DOC, outstanding=yuan("56973.00"))
    assert amounts(entry) == {
        "bank": "60000.00",
        "receivable:host": "-56973.00",
        "advance_received:host": "-3027.00",
    }
    entry = cash.receipt("host", yuan("10.00"), DAY, DOC, outstanding=yuan("-5.00"))
    assert amounts(entry) == {"bank": "10.00", "advance_received:host": "-10.00"}
    entry = cash.payment("host", yuan("10.00"), DAY, DOC, outstanding=yuan("7.00"))
    assert amounts(entry) == {"payable:host": "7.00", "advance_paid:host": "3.00", "bank": "-10.00"}


def test_bank_charges_withheld_settle_the_debt_and_are_a_cost() -> None:
    entry = cash.receipt("host", yuan("99.50"), DAY, DOC, outstanding=yuan("100.00"), charges=yuan("0.50"))
    assert amounts(entry) == {"bank": "99.50", "bank_charges": "0.50", "receivable:host": "-100.00"}


def test_bank_charges_on_a_payment_come_on_top() -> None:
    entry = cash.payment("host", yuan("100.00"), DAY, DOC, outstanding=yuan("100.00"), charges=yuan("0.50"))
    assert amounts(entry) == {"payable:host": "100.00", "bank_charges": "0.50", "bank": "-100.50"}
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


def test_a_write_off_of_what_was_paid_beyond_another_statement_is_an_advance_again() -> None:
    entry = cash.write_off("host", yuan("5.00"), DAY, DOC, outstanding=yuan("5.00"))
    assert amounts(entry) == {"bad_debt": "5.00", "receivable:host": "-5.00"}
    entry = cash.write_off("host", yuan("5.01"), DAY, DOC, outstanding=yuan("5.00"))
    assert amounts(entry) == {
        "bad_debt": "5.01",
        "receivable:host": "-5.00",
        "advance_received:host": "-0.01",
    }
    entry = cash.write_back("host", yuan("5.01"), DAY, DOC, outstanding=yuan("5.00"))
    assert amounts(entry) == {
        "payable:host": "5.00",
        "advance_paid:host": "0.01",
        "write_back_income": "-5.01",
    }


@pytest.mark.parametrize(
    ("kind", "amount", "posted"),
    [
        ("payment", "100.00", [{"payable:host": "60.00", "advance_paid:host": "40.00", "bank": "-100.00"}]),
        ("payment", "-50.00", [{"bank": "50.00", "receivable:host": "-50.00"}]),
        ("bank_charge", "2.00", [{"bank_charges": "2.00", "bank": "-2.00"}]),
        (
            "late_interest",
            "-3.00",
            [
                {"receivable:host": "3.00", "late_interest_income": "-3.00"},
                {"bank": "3.00", "receivable:host": "-3.00"},
            ],
        ),
        (
            "late_interest",
            "3.00",
            [
                {"late_interest_cost": "3.00", "payable:host": "-3.00"},
                {"payable:host": "3.00", "bank": "-3.00"},
            ],
        ),
        ("write_off", "-70.00", [{"bad_debt": "70.00", "receivable:host": "-70.00"}]),
        ("credit_given", "30.00", []),
        ("credit_used", "-15.00", [{"advance_received:host": "15.00", "receivable:host": "-15.00"}]),
        ("credit_used", "-30.00", [{"advance_received:host": "20.00", "receivable:host": "-20.00"}]),
        ("credit_used", "30.00", []),
        ("write_off", "60.00", [{"payable:host": "60.00", "write_back_income": "-60.00"}]),
    ],
)
def test_what_a_statements_life_records_is_posted(
    kind: str, amount: str, posted: list[dict[str, str]]
) -> None:
    """The host owes 70.00 and is owed 60.00."""
    entries = payment_entries(
        StatementKey("c-1", "2026-04", "host", 1),
        Payment(id="B-17", on=DAY, amount=yuan(amount), kind=kind),  # type: ignore[arg-type]
        receivable=yuan("70.00"),
        payable=yuan("60.00"),
        advance_received=yuan("20.00"),
        advance_paid=yuan("0.00"),
        owed_to_us=amount.startswith("-"),
    )
    assert [amounts(entry) for entry in entries] == posted
    assert {entry.reference.document for entry in entries} <= {"B-17", None}


@pytest.mark.parametrize(
    ("kind", "amount", "posted"),
    [
        ("payment", "15.00", {"advance_received:host": "15.00", "bank": "-15.00"}),
        (
            "payment",
            "30.00",
            {"advance_received:host": "20.00", "receivable:host": "10.00", "bank": "-30.00"},
        ),
        ("write_off", "20.00", {"advance_received:host": "20.00", "write_back_income": "-20.00"}),
        ("payment", "-5.00", {"bank": "5.00", "advance_paid:host": "-5.00"}),
        ("payment", "-9.00", {"bank": "9.00", "advance_paid:host": "-7.00", "payable:host": "-2.00"}),
        ("write_off", "-7.00", {"bad_debt": "7.00", "advance_paid:host": "-7.00"}),
    ],
)
def test_what_moves_against_a_statement_gives_back(kind: str, amount: str, posted: dict[str, str]) -> None:
    """20.00 were paid to us beyond a statement, 7.00 by us beyond another; more reopens what was paid."""
    (entry,) = payment_entries(
        StatementKey("c-1", "2026-04", "host", 1),
        Payment(id="B-18", on=DAY, amount=yuan(amount), kind=kind),  # type: ignore[arg-type]
        receivable=yuan("0.00"),
        payable=yuan("60.00"),
        advance_received=yuan("20.00"),
        advance_paid=yuan("7.00"),
        owed_to_us=not amount.startswith("-"),
    )
    assert amounts(entry) == posted


@pytest.mark.parametrize(
    "move",
    [
        lambda nothing: cash.receipt("host", nothing, DAY, DOC, outstanding=yuan("1.00")),
        lambda nothing: cash.payment("host", nothing, DAY, DOC, outstanding=yuan("1.00")),
        lambda nothing: cash.bank_charge(nothing, DAY, DOC),
        lambda nothing: cash.late_interest_charged("host", nothing, DAY, DOC),
        lambda nothing: cash.late_interest_owed("host", nothing, DAY, DOC),
        lambda nothing: cash.write_back("host", nothing, DAY, DOC, outstanding=yuan("1.00")),
        lambda nothing: cash.write_off("host", nothing, DAY, DOC, outstanding=yuan("1.00")),
    ],
)
@pytest.mark.parametrize("minor", [0, -1])
def test_only_amounts_above_zero_move(move: Callable[[Money], JournalEntry], minor: int) -> None:
    with pytest.raises(Refused) as refused:
        move(Money(minor, "CNY"))
    assert refused.value.code == "payment_amount"


def test_charges_are_not_negative_and_currencies_do_not_mix() -> None:
    with pytest.raises(Refused, match="below zero"):
        cash.receipt("host", yuan("1.00"), DAY, DOC, outstanding=yuan("1.00"), charges=yuan("-0.01"))
    with pytest.raises(Refused, match="do not add"):
        cash.receipt("host", yuan("1.00"), DAY, DOC, outstanding=Money(100, "EUR"))


@pytest.mark.parametrize(
    ("receivable", "payable", "after"),
    [
        ("43269.33", "31975.24", ("11294.09", "0.00")),
        ("10.00", "31975.24", ("0.00", "31965.24")),
        ("5.00", "5.00", ("0.00", "0.00")),
        ("-30.00", "-50.00", ("20.00", "0.00")),
        ("-30.00", "20.00", ("0.00", "50.00")),
        ("30.00", "-20.00", ("50.00", "0.00")),
    ],
)
def test_netting_leaves_one_side(receivable: str, payable: str, after: tuple[str, str]) -> None:
    posted = amounts(netting.netting_entry("host", yuan(receivable), yuan(payable), DAY, DOC))
    assert str(yuan(receivable) + yuan(posted["receivable:host"])) == after[0]
    assert str(yuan(payable) - yuan(posted["payable:host"])) == after[1]


def test_netting_nothing_posts_nothing() -> None:
    assert netting.netting_entry("host", yuan("5.00"), yuan("0.00"), DAY, DOC) is None
    assert netting.netting_entry("host", yuan("0.00"), yuan("5.00"), DAY, DOC) is None


def test_advances_are_used_up_to_what_is_due() -> None:
    entry = netting.advance_applied("host", yuan("3.00"), yuan("10.00"), DAY, DOC)
    assert amounts(entry) == {"advance_received:host": "3.00", "receivable:host": "-3.00"}
    entry = netting.advance_used("host", yuan("30.00"), yuan("10.00"), DAY, DOC)
    assert amounts(entry) == {"payable:host": "10.00", "advance_paid:host": "-10.00"}
    assert netting.advance_applied("host", yuan("3.00"), yuan("-1.00"), DAY, DOC) is None
    assert netting.advance_used("host", yuan("0.00"), yuan("1.00"), DAY, DOC) is None
