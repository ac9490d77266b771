"""Bank bookings against what markets owe, and against what is recorded already."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from ledger.accounting import cash
from ledger.accounting.account import Account
from ledger.accounting.journal import JournalEntry, Reference
from ledger.accounting.posting import Posting
from ledger.interval import Month
from ledger.reconciliation.bank_payment import BankPayment
from ledger.reconciliation.market_receivable import market_receivables
from ledger.reconciliation.match_payments import PaymentMatching, match_payments
from ledger.reconciliation.payment_report import reconcile_payments
from ledger.reconciliation.payment_state import PaymentPolicy
from ledger.reconciliation.receivable import checked_payer
from ledger.reconciliation.recorded_cash import recorded_cash
from ledger.reconciliation.report_text import payment_report_text
from ledger.refusal import Refused
from tests.ledger.reconciliation.lines import cny
from tests.ledger.reconciliation.test_bank_payment import bank, booking

PARTIES = {"6222-9": "market:*", "6222-8": "market:spot", "6222-1": "host"}
JULY, AUGUST = Month(2026, 7), Month(2026, 8)


def run(stream: str, month: Month, amount: str, document: str | None = None) -> JournalEntry:
    """What a run, or a unit's statement of that number, makes receivable from the market."""
    money = cny(amount)
    postings = (
        Posting(Account("market_receivable", (stream,)), money),
        Posting(Account("stream_income", (stream,)), -money),
    )
    return JournalEntry(
        date(2026, 8, 31), "recognition", "a run", Reference(month=month, document=document), postings
    )


def receipt(amount: str, document: str, on: date = date(2026, 9, 10), stream: str = "spot") -> JournalEntry:
    return cash.market_receipt(stream, cny(amount), on, document)


def moved(
    reference: str, amount: str, account: str = "6222-9", text: str = "", on: date = date(2026, 9, 10)
) -> BankPayment:
    one = booking(reference, amount, remittance=text)
    return msgspec.structs.replace(one, counterparty_account=account, booked_on=on)


def matching(payments: list[BankPayment], *entries: JournalEntry) -> PaymentMatching:
    return match_payments(
        payments,
        market_receivables(entries, "CNY"),
        PARTIES,
        PaymentPolicy(),
        recorded_cash(entries, "CNY"),
    )


def pays(found: PaymentMatching) -> list[tuple[str, list[str], list[str]]]:
    return [
        (
            way.payments[0].reference,
            [one.name for one in way.receivables],
            [one.document for one in way.recorded],
        )
        for way in found.matched
    ]


def test_what_is_open_of_markets_is_by_stream_and_month_oldest_paid_first() -> None:
    entries = (
        run("spot", AUGUST, "100.00"), run("spot", JULY, "40.00"), run("capacity", JULY, "7.00"),
        receipt("50.00", "m1"), run("spot", AUGUST, "-10.00"),
    )  # fmt: skip
    found = {one.name: str(one.amount) for one in market_receivables(entries, "CNY")}
    assert found == {"market:spot 2026-08": "80.00", "market:capacity 2026-07": "7.00"}
    assert market_receivables(entries, "EUR") == ()
    assert market_receivables((run("spot", JULY, "5.00"), receipt("9.00", "m1")), "CNY") == ()


def test_a_markets_money_is_matched_by_who_pays_the_amount_and_the_days() -> None:
    entries = (run("spot", AUGUST, "100.00"), run("capacity", AUGUST, "7.00"))
    found = matching([moved("1", "100.00"), moved("2", "7.00")], *entries)
    assert [names for _, names, _ in pays(found)] == [["market:spot 2026-08"], ["market:capacity 2026-08"]]
    for account, on in (
        ("6222-8", date(2026, 9, 10)),
        ("6222-9", date(2026, 7, 31)),
        ("6222-1", date(2026, 9, 1)),
    ):
        other = matching([moved("2", "7.00", account, on=on)], *entries)
        assert not other.matched, "another payer, or too early"
    both = matching([moved("3", "107.00")], *entries)
    assert pays(both) == [("3", ["market:capacity 2026-08", "market:spot 2026-08"], [])]


def test_the_markets_statement_that_the_text_names_is_certain() -> None:
    entries = (run("spot", AUGUST, "100.00", "fact-7"), run("spot", JULY, "100.00"))
    named = matching([moved("1", "100.00", "unknown", "settlement fact-7")], *entries)
    assert pays(named) == [("1", ["market:spot 2026-08"], [])]
    unnamed = matching([moved("1", "100.00")], *entries)
    assert not unnamed.matched
    assert len(unnamed.doubtful) == 2, "either month could be meant"


def test_what_is_recorded_already_is_found_by_its_number_or_its_day() -> None:
    entries = (
        run("spot", AUGUST, "100.00"),
        receipt("100.00", "B1"),
        receipt("3.00", "S-9", stream="capacity"),
    )
    found = matching([moved("B1", "100.00", "unknown"), moved("77", "3.00")], *entries)
    assert pays(found) == [("B1", [], ["B1"]), ("77", [], ["S-9"])]
    text = matching([moved("78", "3.00", "unknown", "advice S-9")], *entries)
    assert pays(text) == [("78", [], ["S-9"])]
    later = matching([moved("77", "3.00", on=date(2026, 9, 15))], *entries)
    assert pays(later) == [("77", [], ["S-9"])], "five days later, and nothing is open"
    too_late = matching([moved("77", "3.00", on=date(2026, 9, 16))], *entries)
    assert [one.reference for one in too_late.payments_only] == ["77"]
    assert [one.document for one in too_late.recorded_only] == ["B1", "S-9"]


def test_another_amount_under_the_banks_reference_is_for_a_person() -> None:
    found = matching([moved("B1", "90.00")], receipt("100.00", "B1"))
    assert not found.matched
    assert not found.doubtful
    assert [way.reason for way in found.differing] == [
        "recorded as B1 with 100.00, and not with 90.00: the bank has -10.00 more"
    ]
    fee = moved("B1", "-2.00", text="charge")
    both = matching([moved("B1", "100.00"), fee], receipt("100.00", "B1"))
    assert pays(both) == [("B1", [], ["B1"])], "a payment and its charge have one number"
    assert both.payments_only == [fee]
    assert not both.differing


def test_a_payer_is_a_party_or_a_market() -> None:
    for payer in ("host", "market:*", "market:spot"):
        assert checked_payer(payer) == payer
    for payer, code in (("market:arbitrage", "market_stream"), ("grid:spot", "market_stream"), ("a b", "id")):
        with pytest.raises(Refused) as refused:
            checked_payer(payer)
        assert (refused.value.code, refused.value.place) == (code, "party")


def test_the_parts_of_one_payment_are_one_booking() -> None:
    parts = [
        JournalEntry(
            date(2026, 9, 10), "receipt", "Receipt from host, P1", Reference(party="host", document="P1"),
            (Posting(Account("bank"), cny(amount)), Posting(Account("receivable", ("host",)), -cny(amount))),
        )
        for amount in ("60.00", "40.00")
    ]  # fmt: skip
    assert pays(matching([moved("P1", "100.00", "6222-1")], *parts)) == [("P1", [], ["P1"])]
    assert not matching([moved("P1", "60.00", "6222-1")], *parts).matched


@pytest.mark.parametrize("amount", ["100.00", "55.00"])
def test_the_report_shows_markets(amount: str) -> None:
    entries = (
        run("spot", AUGUST, "100.00"),
        receipt("20.00", "m0", date(2026, 9, 1)),
        run("spot", AUGUST, "20.00"),
    )
    given = bank(moved("1", amount))
    report = reconcile_payments(
        given,
        given.payments,
        market_receivables(entries, "CNY"),
        PARTIES,
        recorded=recorded_cash(entries, "CNY"),
    )
    text = payment_report_text(report)
    if amount == "100.00":
        assert not report.settled, "it is still to be recorded"
        assert [each.statements for each in report.to_record] == [()]
        assert "-> the market of spot for 2026-08 100.00: the party, the amount and the days fit" in text
        assert report.markets_only == ()
    else:
        (one,) = report.doubtful
        assert [(each.stream, each.month, str(each.amount)) for each in one.markets] == [
            ("spot", "2026-08", "100.00")
        ]
        assert "part payment of the market of spot: 55.00 of the 100.00 that it has to pay, 45.00" in text
        report = reconcile_payments(given, (), market_receivables(entries, "CNY"), PARTIES)
        still = "Still open, before what is not recorded yet\n  the market of spot for 2026-08 100.00"
        assert still in payment_report_text(report)


def test_every_booking_stands_under_its_class_and_the_classes_add_up() -> None:
    """Of five bookings of 297.00 in all one was matched before, one is recorded, one is recorded with another
    amount, one pays what is open and is not recorded, one pays nothing."""
    entries = (
        run("spot", AUGUST, "100.00"),
        receipt("9.00", "B2"),
        receipt("80.00", "B3", stream="capacity"),
    )
    given = bank(
        moved("B1", "20.00"),
        moved("B2", "9.00"),
        moved("B3", "90.00"),
        moved("B4", "91.00"),
        moved("B5", "87.00", "unknown"),
    )
    report = reconcile_payments(
        given,
        given.payments[1:],
        market_receivables(entries, "CNY"),
        PARTIES,
        recorded=recorded_cash(entries, "CNY"),
    )
    assert {name: (one.count, str(one.amount)) for name, one in report.by_class.items()} == {
        "known_before": (1, "20.00"),
        "recorded": (1, "9.00"),
        "to_record": (1, "91.00"),
        "amount_differs": (1, "90.00"),
        "pays_nothing": (1, "87.00"),
    }
    assert (str(report.total), str(report.file_total)) == ("277.00", "297.00")
    (differs,) = report.amount_differs
    assert (differs.document, str(differs.recorded), str(differs.difference)) == ("B3", "80.00", "10.00")
    text = payment_report_text(report)
    assert text.startswith("account main, CNY: 297.00 moved by 5 bookings\n")
    assert "\nRecorded\n  2026-09-10 9.00 (B2) -> B2: recorded as B2\n" in text
    assert "\nPays what is open, not recorded yet\n  2026-09-10 91.00 (B4) -> the market of spot" in text
    assert (
        "\nRecorded with another amount\n  2026-09-10 90.00 (B3): amount_differs: the bank has 90.00, B3 is"
        " recorded with 80.00, difference 10.00\n"
    ) in text
    assert "\nPays nothing that is open\n  2026-09-10 87.00 (B5)\n" in text
    assert "Paid" not in text
    with pytest.raises(Refused) as refused:
        msgspec.structs.replace(report, amount_differs=())
    assert refused.value.code == "report_total"
