"""A bank's statement adds up, and its bookings are imported once."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from ledger.quantity import Money
from ledger.reconciliation.bank_payment import (
    BankPayment,
    BankStatement,
    ReferenceScope,
    not_yet_imported,
)
from ledger.refusal import Refused
from tests.ledger.reconciliation.lines import cny


def booking(
    reference: str, amount: str, balance: str | None = None, on: int = 1, remittance: str = ""
) -> BankPayment:
    return BankPayment(
        account="main",
        reference=reference,
        booked_on=date(2026, 9, on),
        amount=cny(amount),
        balance=None if balance is None else cny(balance),
        remittance=remittance,
        place=f"row {reference}",
    )


def bank(
    *payments: BankPayment,
    scope: ReferenceScope = "unique",
    opening: str | None = None,
    closing: str | None = None,
) -> BankStatement:
    return BankStatement(
        account="main",
        currency="CNY",
        file_digest="0" * 64,
        payments=payments,
        reference_scope=scope,
        opening=None if opening is None else cny(opening),
        closing=None if closing is None else cny(closing),
    )


def refused(code: str, *payments: BankPayment, **more: str) -> Refused:
    with pytest.raises(Refused) as caught:
        bank(*payments, **more)  # type: ignore[arg-type]
    assert caught.value.code == code
    return caught.value


def test_the_running_balance_is_followed() -> None:
    bank(booking("1", "10.00", "110.00"), booking("2", "-5.00", "105.00"))
    wrong = refused("balance", booking("1", "10.00", "110.00"), booking("2", "-5.00", "105.01"))
    assert wrong.place == "row 2"
    assert "105.00" in wrong.reason


def test_bookings_between_balances_count() -> None:
    bank(booking("1", "10.00", "110.00"), booking("2", "-5.00"), booking("3", "1.00", "106.00"))
    refused("balance", booking("1", "10.00", "110.00"), booking("2", "-5.00"), booking("3", "1.00", "111.00"))


def test_opening_and_closing_enclose_the_bookings() -> None:
    bank(booking("1", "10.00"), opening="5.00", closing="15.00")
    refused("balance", booking("1", "10.00"), opening="5.00", closing="15.01")
    refused("balance", booking("1", "10.00", "16.00"), opening="5.00")


def test_a_reference_stands_once() -> None:
    wrong = refused("duplicate_reference", booking("7", "10.00"), booking("7", "11.00"))
    assert "row 7" in wrong.reason


def test_a_payment_and_its_charge_may_share_a_reference() -> None:
    bank(booking("7", "10.00"), booking("7", "-1.00"), scope="shared")
    refused("duplicate_reference", booking("7", "10.00"), booking("7", "10.00"), scope="shared")


def test_without_a_reference_the_balance_tells_bookings_apart() -> None:
    bank(booking("", "-1.00", "9.00"), booking("", "-1.00", "8.00"))
    with pytest.raises(Refused) as caught:
        booking("", "-1.00")
    assert caught.value.code == "reference_missing"


def test_days_go_up() -> None:
    refused("row_order", booking("1", "1.00", on=2), booking("2", "1.00", on=1))


def test_another_currency_and_account_are_refused() -> None:
    one = booking("1", "1.00")
    refused("currency", msgspec.structs.replace(one, amount=Money(1, "EUR")))
    refused("account", msgspec.structs.replace(one, account="other"))
    with pytest.raises(Refused) as caught:
        booking("1", "0.00")
    assert caught.value.code == "payment"


def test_files_that_overlap_import_each_booking_once() -> None:
    """Idempotent by reference and digest: the row where it stands does not matter."""
    first = bank(booking("1", "10.00"), booking("2", "5.00"))
    again = msgspec.structs.replace(booking("2", "5.00"), place="row 99")
    second = bank(again, booking("3", "1.00"))
    known = [one.identity for one in not_yet_imported(first, ()).new]
    imported = not_yet_imported(second, known)
    assert [one.reference for one in imported.new] == ["3"]
    assert imported.repeated == 1
    assert not not_yet_imported(first, known).new


def test_a_known_reference_with_other_contents_is_refused() -> None:
    known = [booking("1", "10.00").identity]
    with pytest.raises(Refused) as caught:
        not_yet_imported(bank(booking("1", "10.01")), known)
    assert (caught.value.code, caught.value.place) == ("reference_reused", "row 1")
    assert not_yet_imported(bank(booking("1", "-1.00"), scope="shared"), known).new
