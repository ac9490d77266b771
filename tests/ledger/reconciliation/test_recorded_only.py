"""What is recorded as moved in a statement's days, and the bank does not have."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import pytest

from ledger.accounting import cash
from ledger.accounting.journal import JournalEntry
from ledger.reconciliation.bank_payment import BankPayment, Days
from ledger.reconciliation.difference import CLASSES
from ledger.reconciliation.payment_report import BOOKING_CLASSES, PaymentReport, reconcile_payments
from ledger.reconciliation.receivable import Receivable
from ledger.reconciliation.recorded_cash import recorded_cash
from ledger.reconciliation.report_text import payment_report_text
from tests.ledger.reconciliation.lines import cny
from tests.ledger.reconciliation.test_bank_payment import bank
from tests.ledger.reconciliation.test_match_payments import PARTIES, moved, owed

TENTH = date(2026, 9, 10)


def report(
    payments: list[BankPayment],
    *entries: JournalEntry,
    open_: tuple[Receivable, ...] = (),
    stated: Days | None = None,
    elsewhere: tuple[str, ...] = (),
) -> PaymentReport:
    statement = msgspec.structs.replace(bank(*payments), stated=stated)
    recorded = recorded_cash(entries, "CNY")
    return reconcile_payments(statement, payments, open_, PARTIES, recorded=recorded, elsewhere=elsewhere)


def received(amount: str, document: str, on: date = TENTH, party: str = "host") -> JournalEntry:
    return cash.receipt(party, cny(amount), on, document)


def listed(found: PaymentReport) -> list[tuple[str, str, str]]:
    return [(one.document, str(one.amount), one.kind) for one in found.recorded_not_at_bank]


def test_what_no_booking_answers_is_listed_with_its_amount_and_id() -> None:
    """The bank has one receipt; a charge, another receipt and what was paid out are only ours."""
    found = report(
        [moved("B1", "100.00")],
        received("100.00", "B1"),
        received("1.00", "R1"),
        cash.bank_charge(cny("61.64"), TENTH, "C1"),
        cash.payment("owner", cny("7.00"), TENTH, "P1"),
    )
    assert listed(found) == [
        ("C1", "-61.64", "bank_charge"),
        ("P1", "-7.00", "payment"),
        ("R1", "1.00", "receipt"),
    ]
    assert (found.not_at_bank.count, str(found.not_at_bank.amount)) == (3, "-67.64")
    assert found.file_total == cny("100.00"), "no part of what the bank moved"
    assert not found.settled
    text = payment_report_text(found)
    assert "\nbeside them, recorded and not at the bank: 3, -67.64\n" in text
    assert "\nRecorded, not at the bank (2026-09-10 to 2026-09-10)\n" in text
    assert (
        "  2026-09-10 1.00 (R1, receipt, host): recorded_not_at_bank: no booking of 2026-09-10 to 2026-09-10"
        " is this: a wrong amount or day, money on its way, or another account\n"
    ) in text


def test_a_file_is_of_the_days_from_its_first_to_its_last_booking_and_those_it_states() -> None:
    entries = [received(f"{day}.00", f"R{day}", date(2026, 9, day)) for day in range(8, 14)]
    bookings = [moved("B1", "555.00", on=date(2026, 9, 9)), moved("B2", "777.00", on=date(2026, 9, 11))]
    assert [name for name, _, _ in listed(report(bookings, *entries))] == ["R9", "R10", "R11"]
    stated = Days(date(2026, 9, 8), date(2026, 9, 10))
    assert [name for name, _, _ in listed(report(bookings, *entries, stated=stated))] == [
        "R8", "R9", "R10", "R11",
    ]  # fmt: skip
    assert [name for name, _, _ in listed(report([], *entries, stated=stated))] == ["R8", "R9", "R10"]
    assert not listed(report([], *entries)), "a file without bookings or days says nothing"


def test_what_another_file_answers_is_not_listed() -> None:
    found = report([moved("B1", "100.00")], received("1.00", "R1"), received("2.00", "R2"), elsewhere=("R1",))
    assert [name for name, _, _ in listed(found)] == ["R2"]
    assert not found.without({"R2"}).recorded_not_at_bank


def test_a_mistyped_amount_is_named_and_pays_nothing_else() -> None:
    """January is recorded with 0.72 too much; the real receipt is no part payment of the other months."""
    months = (owed("2026-02", "300000.00"), owed("2026-03", "310000.00"))
    found = report(
        [moved("B1", "455468.08", on=date(2026, 9, 12))], received("455468.80", "GHOST"), open_=months
    )
    (one,) = found.amount_differs
    assert (one.document, str(one.difference)) == ("GHOST", "-0.72")
    assert one.reason == "differs by 0.72 from GHOST of 2026-09-10: the payer and the days fit"
    assert not found.doubtful
    assert not found.recorded_not_at_bank, "the booking answers it"
    assert (
        "amount_differs: the bank has 455,468.08, GHOST is recorded with 455,468.80, difference -0.72;"
        " differs by 0.72 from GHOST of 2026-09-10: the payer and the days fit\n"
    ) in payment_report_text(found)


@pytest.mark.parametrize(
    ("amount", "party", "on"),
    [("300.00", "host", TENTH), ("455468.80", "owner", TENTH), ("455468.80", "host", date(2026, 9, 6))],
)
def test_another_amount_payer_or_time_is_no_slip(amount: str, party: str, on: date) -> None:
    """Six days before, of another party, or much less: the booking pays a part of what is open."""
    found = report(
        [moved("B1", "455468.08", on=date(2026, 9, 12))],
        received(amount, "GHOST", on, party),
        open_=(owed("2026-02", "500000.00"),),
        stated=Days(date(2026, 9, 1), date(2026, 9, 30)),
    )
    assert [one.reason.partition(":")[0] for one in found.doubtful] == ["part payment of host"]
    assert [one.document for one in found.recorded_not_at_bank] == ["GHOST"]


def test_what_is_open_by_just_the_amount_stands_beside_a_near_one() -> None:
    found = report([moved("B1", "100.00")], received("100.01", "GHOST"), open_=(owed("2026-02", "100.00"),))
    assert [(one.recorded, len(one.statements)) for one in found.doubtful] == [(("GHOST",), 0), ((), 1)]
    named = report(
        [moved("B1", "100.00", text="F1")],
        received("100.01", "GHOST"),
        open_=(owed("2026-02", "100.00", "host", "F1"),),
    )
    assert [one.statements[0].key.month for one in named.to_record] == ["2026-02"], "its invoice is named"
    assert [one.document for one in named.recorded_not_at_bank] == ["GHOST"]


def test_a_slip_is_said_before_an_invoice_that_does_not_add_up() -> None:
    """72 fen more are left open of the invoice that the payer names than it pays."""
    found = report(
        [moved("B1", "455468.80", text="F1")],
        received("455468.08", "GHOST"),
        open_=(owed("2026-01", "0.72", "host", "F1"),),
    )
    assert [one.document for one in found.amount_differs] == ["GHOST"]


def test_a_mistake_that_was_corrected_is_not_listed() -> None:
    """The receipt that never was is taken back by a payment of the file's days; the second one is not. One
    that is taken back in other days says so."""
    entries = [
        received("7.00", "GHOST"),
        cash.payment("host", cny("7.00"), TENTH, "GHOST-back"),
        received("8.00", "R8"),
        cash.payment("owner", cny("8.00"), TENTH, "P8"),
        received("9.00", "R9"),
        cash.payment("host", cny("9.00"), date(2026, 9, 20), "R9-back"),
    ]
    found = report([moved("B1", "555.00")], *entries)
    assert [name for name, _, _ in listed(found)] == ["P8", "R8", "R9"]
    assert found.recorded_not_at_bank[2].reason == "R9-back of 2026-09-20 takes it back"


def test_what_is_recorded_twice_is_said() -> None:
    found = report([moved("B1", "100.00")], received("100.00", "B1"), received("100.00", "B1-again"))
    (twice,) = found.recorded_not_at_bank
    assert (twice.document, twice.reason) == (
        "B1-again",
        "B1 of 2026-09-10 is as much, and the bank has it once: recorded twice?",
    )


def test_a_charge_under_another_number_is_the_bank_s_own() -> None:
    charge = cash.bank_charge(cny("61.64"), TENTH, "C1")
    found = report([moved("B9", "-61.64", account="", text="手续费")], charge)
    assert [one.recorded for one in found.matched] == [("C1",)]
    other = report([moved("B9", "-61.46", account="", text="手续费")], charge)
    assert [str(one.difference) for one in other.amount_differs] == ["0.18"]


def test_an_amount_of_nobody_known_is_a_person_s_to_decide() -> None:
    found = report([moved("B9", "1.00", account="unknown")], received("1.00", "R1"))
    (way,) = found.doubtful
    assert (way.recorded, way.reason) == (
        ("R1",),
        "the amount and the days of R1 fit, but the payer is not known",
    )
    other = report([moved("B9", "455468.08", account="unknown")], received("455468.80", "GHOST"))
    (ghost,) = other.recorded_not_at_bank
    assert ghost.reason == "differs by -0.72 from B9 of 2026-09-10, which is not known to be this"
    supplied = cash.supplier_payment("insurance", cny("5.00"), TENTH, "S1")
    (way,) = report([moved("B9", "-5.00")], supplied).doubtful
    assert way.reason == "the amount and the days of S1 fit, but it is recorded without a party"
    assert not found.recorded_not_at_bank


def test_a_report_of_before_these_rows_decodes() -> None:
    found = report([moved("B1", "100.00")])
    kept = msgspec.to_builtins(found)
    for field in ("days", "recorded_not_at_bank"):
        del kept[field]
    before = msgspec.convert(kept, PaymentReport)
    assert (before.days, before.recorded_not_at_bank) == (None, ())
    assert "Recorded, not at the bank" not in payment_report_text(before)


def test_every_class_is_in_the_documentation() -> None:
    told = (Path(__file__).parents[3] / "docs/reconciliation.md").read_text(encoding="utf-8")
    named = (*BOOKING_CLASSES, "recorded_not_at_bank", *CLASSES)
    assert [one for one in named if f"`{one}`" not in told] == []
