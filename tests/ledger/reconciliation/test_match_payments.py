"""A booking pays a statement where there is one way to read it."""

from __future__ import annotations

from datetime import date
from itertools import combinations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.quantity import Money
from ledger.reconciliation.bank_payment import BankPayment
from ledger.reconciliation.match_payments import PaymentMatching, match_payments
from ledger.reconciliation.payment_report import reconcile_payments
from ledger.reconciliation.payment_state import PaymentPolicy
from ledger.reconciliation.receivable import Receivable, receivables
from ledger.reconciliation.report_text import payment_report_text
from ledger.refusal import Refused
from ledger.statement.life import StatementKey
from tests.ledger.reconciliation.lines import cny
from tests.ledger.reconciliation.test_bank_payment import bank, booking
from tests.ledger.statement.test_life import does, invoice, issued, paid

PARTIES = {"6222-1": "host", "示例工厂有限公司": "host", "6222-2": "owner"}


def moved(
    reference: str, amount: str, account: str = "6222-1", text: str = "", on: date = date(2026, 9, 10)
) -> BankPayment:
    one = booking(reference, amount, remittance=text)
    return msgspec.structs.replace(one, counterparty_account=account, booked_on=on)


def owed(month: str, amount: str, party: str = "host", *invoices: str) -> Receivable:
    key = StatementKey("c1", month, party, 1)
    return Receivable(key, cny(amount), date(2026, 9, 7), date(2026, 9, 21), invoices)


def matched(payments: list[BankPayment], open_: list[Receivable], **policy: int) -> PaymentMatching:
    return match_payments(payments, open_, PARTIES, PaymentPolicy(**policy))


def ways(found: PaymentMatching) -> list[tuple[list[str], list[str]]]:
    return [
        ([one.reference for one in way.payments], [one.key.month for one in way.receivables])
        for way in found.matched
    ]


def test_what_is_open_turns_its_sign_and_names_its_invoices() -> None:
    """The party of an issued statement of 100.00 is still to receive 60.00: our account is to pay them."""
    life = does(issued(), invoice(10000), paid(4000))
    (one,) = receivables([life])
    assert (one.amount, one.invoices, one.due_on) == (cny("-60.00"), ("F1",), life.due_on)
    assert not receivables([does(life, paid(6000, "b2"))])


def test_party_amount_and_days() -> None:
    found = matched([moved("1", "100.00")], [owed("2026-08", "100.00"), owed("2026-08", "100.00", "owner")])
    assert ways(found) == [(["1"], ["2026-08"])]
    assert [one.key.party for one in found.receivables_only] == ["owner"]


def test_the_name_says_who_where_the_account_is_not_known() -> None:
    one = msgspec.structs.replace(moved("1", "100.00", account=""), counterparty_name="示例工厂有限公司")
    assert ways(matched([one], [owed("2026-08", "100.00")]))


@pytest.mark.parametrize("on", [date(2026, 9, 6), date(2026, 12, 21)])
def test_outside_the_days_nothing_fits(on: date) -> None:
    found = matched([moved("1", "100.00", on=on)], [owed("2026-08", "100.00")], days_after=90)
    assert not found.matched
    assert found.payments_only


@pytest.mark.parametrize("on", [date(2026, 9, 7), date(2026, 12, 20)])
def test_the_first_and_the_last_day_fit(on: date) -> None:
    assert matched([moved("1", "100.00", on=on)], [owed("2026-08", "100.00")], days_after=90).matched


def test_money_that_leaves_pays_what_we_owe_only() -> None:
    found = matched([moved("1", "-100.00")], [owed("2026-08", "100.00")])
    assert not found.matched
    assert ways(matched([moved("1", "-100.00")], [owed("2026-08", "-100.00")]))


def test_two_open_statements_of_the_same_amount_are_listed() -> None:
    found = matched([moved("1", "100.00")], [owed("2026-07", "100.00"), owed("2026-08", "100.00")])
    assert not found.matched
    assert [way.receivables[0].key.month for way in found.doubtful] == ["2026-07", "2026-08"]
    assert not found.payments_only


def test_two_bookings_of_the_same_amount_for_one_statement_are_listed() -> None:
    found = matched([moved("1", "100.00"), moved("2", "100.00")], [owed("2026-08", "100.00")])
    assert not found.matched
    assert len(found.doubtful) == 2


def test_an_invoices_number_decides_between_equal_amounts() -> None:
    open_ = [owed("2026-07", "100.00", "host", "F7"), owed("2026-08", "100.00", "host", "F8")]
    found = matched([moved("1", "100.00", account="", text="电费 发票F8号")], open_)
    assert ways(found) == [(["1"], ["2026-08"])]


def test_an_invoices_number_inside_a_longer_one_is_another() -> None:
    open_ = [owed("2026-08", "100.00", "host", "2631")]
    found = matched([moved("1", "90.00", account="", text="发票26310001")], open_)
    assert not found.matched
    assert found.payments_only


def test_several_invoices_that_sum_to_the_booking() -> None:
    open_ = [owed("2026-07", "60.00", "host", "F7"), owed("2026-08", "40.00", "host", "F8")]
    assert ways(matched([moved("1", "100.00", text="F7,F8")], open_)) == [(["1"], ["2026-07", "2026-08"])]


def test_a_part_of_an_invoice_is_said_to_be_one() -> None:
    found = matched([moved("1", "40.00", text="F8")], [owed("2026-08", "100.00", "host", "F8")])
    assert [way.part for way in found.matched] == [True]


@pytest.mark.parametrize(("amount", "text"), [("100.01", "F8"), ("99.00", "F7 F8"), ("-40.00", "F8")])
def test_invoices_that_do_not_fit_the_amount_are_listed(amount: str, text: str) -> None:
    open_ = [owed("2026-07", "60.00", "host", "F7"), owed("2026-08", "100.00", "host", "F8")]
    found = matched([moved("1", amount, text=text)], open_)
    assert not found.matched
    assert len(found.doubtful) == 1


def test_one_booking_pays_several_statements() -> None:
    open_ = [owed("2026-06", "10.00"), owed("2026-07", "60.00"), owed("2026-08", "40.00")]
    found = matched([moved("1", "100.00")], open_)
    assert ways(found) == [(["1"], ["2026-07", "2026-08"])]
    assert "sum of 2" in found.matched[0].reason


def test_two_sums_that_fit_are_listed() -> None:
    open_ = [owed(f"2026-0{n}", amount) for n, amount in enumerate(("10.00", "20.00", "30.00", "40.00"), 1)]
    found = matched([moved("1", "50.00")], open_)
    assert not found.matched
    assert len(found.doubtful) == 2


SIX = ("20000.00", "21556.37", "20000.00", "500.00", "1500.00", "-2000.00")
"""61 556.37 is the net of all six, and the sum of the first three."""


def test_all_that_is_open_comes_before_a_choice_of_it() -> None:
    open_ = [owed(f"2026-0{n}", amount) for n, amount in enumerate(SIX, 1)]
    found = matched([moved("1", "61556.37")], open_)
    assert [(len(way.receivables), way.reason) for way in found.matched] == [
        (6, "the net of 6 open statements of both sides, all that is open")
    ]
    assert not found.receivables_only


def test_one_statement_and_all_that_is_open_are_both_listed() -> None:
    open_ = [owed("2026-06", "100.00"), owed("2026-07", "30.00"), owed("2026-08", "-30.00")]
    found = matched([moved("1", "100.00")], open_)
    assert not found.matched
    assert [len(way.receivables) for way in found.doubtful] == [1, 3]


def test_a_sum_and_a_net_that_both_fit_are_both_listed() -> None:
    """100.00 is 60.00 and 40.00, or 130.00 less 30.00; 7.00 more is open."""
    amounts = ("60.00", "40.00", "130.00", "-30.00", "7.00")
    open_ = [owed(f"2026-0{n}", amount) for n, amount in enumerate(amounts, 1)]
    found = matched([moved("1", "100.00")], open_)
    assert not found.matched
    assert [way.reason for way in found.doubtful] == [
        "the sum of 2 open statements",
        "the net of 2 open statements of both sides",
    ]


minor = st.integers(-6, 6).filter(bool)


@settings(max_examples=200)
@given(st.lists(minor, min_size=1, max_size=6), st.integers(-12, 12).filter(bool))
def test_what_is_called_certain_has_no_second_reading(amounts: list[int], paid: int) -> None:
    """The certain choice of what is open fits alone, is all that is open where no single statement fits too,
    or is the only single statement that fits."""
    open_ = [owed(f"2026-0{n}", str(Money(each, "CNY"))) for n, each in enumerate(amounts, 1)]
    found = matched([moved("1", str(Money(paid, "CNY")))], open_, parts_max=8)
    fitting = [
        {f"2026-0{at + 1}" for at in chosen}
        for size in range(1, len(amounts) + 1)
        for chosen in combinations(range(len(amounts)), size)
        if sum(amounts[at] for at in chosen) == paid
    ]
    for way in found.matched:
        named = {one.key.month for one in way.receivables}
        assert sum(one.amount.minor for one in way.receivables) == paid
        assert named in fitting
        every, single = len(named) == len(amounts), len(named) == 1
        alone = [one for one in fitting if len(one) == 1]
        assert len(fitting) == 1 or (every and not alone) or (single and len(alone) == 1)
    assert bool(found.payments_only) + bool(found.matched) + bool(found.doubtful) == 1


def test_several_bookings_pay_one_statement() -> None:
    found = matched([moved("1", "60.00"), moved("2", "40.00")], [owed("2026-08", "100.00")])
    assert ways(found) == [(["1", "2"], ["2026-08"])]


def test_sums_are_bounded_in_size_and_number() -> None:
    open_ = [*(owed(f"2026-0{n}", "10.00") for n in range(1, 4)), owed("2026-08", "99.00")]
    assert matched([moved("1", "30.00")], open_, parts_max=3).matched
    assert not matched([moved("1", "30.00")], open_, parts_max=2).matched
    many = [owed(f"20{n:02d}-01", f"{n}.01") for n in range(10, 60)]
    found = matched([moved("1", "77.00")], many)
    assert ["too many sums to try" in way.reason for way in found.doubtful] == [True]


def test_an_amount_alone_never_says_who_paid() -> None:
    found = matched([moved("1", "100.00", account="9999")], [owed("2026-08", "100.00")])
    assert not found.matched
    assert "payer is not known" in found.doubtful[0].reason


def test_the_limits_of_the_policy() -> None:
    for code, change in (("parts_max", {"parts_max": 9}), ("days_window", {"days_after": -1})):
        with pytest.raises(Refused) as caught:
            PaymentPolicy(**change)
        assert caught.value.code == code


def test_currencies_do_not_mix() -> None:
    euro = msgspec.structs.replace(owed("2026-08", "100.00"), amount=Money(10000, "EUR"))
    with pytest.raises(Refused) as caught:
        matched([moved("1", "100.00")], [euro])
    assert caught.value.code == "currency"


def test_the_report_accounts_for_every_booking_once() -> None:
    day = date(2026, 9, 10)
    payments = (
        moved("1", "100.00", on=day),
        moved("2", "50.00", on=day),
        moved("3", "-2.00", "none", on=day),
    )
    open_ = [
        owed("2026-08", "100.00"),
        owed("2026-06", "50.00"),
        owed("2026-07", "50.00"),
        owed("2026-08", "5.00", "owner"),
    ]
    report = reconcile_payments(bank(*payments), payments, open_, PARTIES)
    assert report.total == cny("148.00")
    assert [len(one.bookings) for one in report.matched] == [1]
    assert [one.reference for one in report.payments_only] == ["3"]
    assert [one.amount for one in report.statements_only] == [cny("5.00")]
    assert not report.settled
    text = payment_report_text(report)
    assert "2026-09-10 100.00 (1) -> statement.c1_2026-08_host_1 100.00: the party, the amount" in text
    assert "6222" not in text
    with pytest.raises(Refused) as caught:
        msgspec.structs.replace(report, total=cny("149.00"))
    assert caught.value.code == "report_total"
