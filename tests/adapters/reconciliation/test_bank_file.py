"""A bank's statement is read whole, oldest first, with its running balance."""

from __future__ import annotations

from datetime import date

import pytest

from adapters.reconciliation.bank_file import read_bank_statement
from adapters.reconciliation.bank_profile import bank_profile
from adapters.reconciliation.rejected import RowsRejected
from ledger.reconciliation.bank_payment import BankStatement, not_yet_imported
from ledger.refusal import Refused
from tests.adapters.reconciliation.files import changed, sample

NAME = "bank_debit_credit.csv"
PROFILE = bank_profile(sample("bank_debit_credit.toml"))
SIGNED = bank_profile(sample("bank_signed.toml"))


def read(*changes: tuple[str, str]) -> BankStatement:
    return read_bank_statement(changed(NAME, "gb18030", *changes), PROFILE, "main")


def signed(*changes: tuple[str, str]) -> BankStatement:
    return read_bank_statement(changed("bank_signed.csv", "utf-8", *changes), SIGNED, "main")


def test_money_in_and_out() -> None:
    found = read()
    assert [str(one.amount) for one in found.payments] == ["31975.24", "-13703.67", "-5.50", "12000.00"]
    first = found.payments[0]
    assert (first.reference, first.booked_on) == ("2026090100001", date(2026, 9, 1))
    assert (first.counterparty_name, first.counterparty_account) == ("示例工厂甲有限公司", "0000000000000011")
    assert first.remittance == "电费分成 2026年8月 发票26312000000000000001"
    assert str(first.balance) == "531975.24"


def test_newest_first_is_turned_round() -> None:
    found = signed()
    assert [str(one.amount) for one in found.payments] == ["10000.00", "-1500.00", "-2.00"]
    assert [one.reference for one in found.payments] == ["T0001", "T0002", "T0002"]


def test_a_balance_that_does_not_follow_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        read(("518,266.07", "518,266.08"))
    assert (caught.value.code, caught.value.place) == ("balance", "row 6")
    with pytest.raises(Refused) as caught:
        signed(('"8,500.00"', '"8,500.10"'))
    assert caught.value.code == "balance"


def test_a_row_that_was_lost_shows_in_the_balance() -> None:
    lines = sample(NAME).splitlines(keepends=True)
    with pytest.raises(Refused) as caught:
        read_bank_statement(b"".join(lines[:4] + lines[5:]), PROFILE, "main")
    assert caught.value.code == "balance"


def test_a_reference_that_stands_twice_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        read(("2026090300008", "2026090300007"))
    assert (caught.value.code, caught.value.place) == ("duplicate_reference", "row 6")


@pytest.mark.parametrize(
    ("code", "column", "before", "after"),
    [
        ("debit_and_credit", "贷方发生额", "5.50,,", "5.50,1.00,"),
        ("debit_and_credit", "贷方发生额", "5.50,,", ",,"),
        ("debit_and_credit", "贷方发生额", "5.50,,", "0.00,0.00,"),
        ("number", "借方发生额", "5.50,,", "5.5O,,"),
        ("money", "借方发生额", "5.50,,", "5.505,,"),
        ("date", "交易日期", "20260915,", "2026-09-15,"),
        ("empty_value", "交易日期", "20260915,", ","),
    ],
)
def test_a_bad_row_is_refused_with_its_place(code: str, column: str, before: str, after: str) -> None:
    with pytest.raises(RowsRejected) as caught:
        read((before, after))
    assert (caught.value.code, caught.value.rejected[0].column) == (code, column)


def test_a_zero_beside_an_amount_is_no_second_amount() -> None:
    assert str(read(("5.50,,", "5.50,0.00,")).payments[2].amount) == "-5.50"


def test_a_word_for_the_direction_that_nobody_knows() -> None:
    with pytest.raises(RowsRejected) as caught:
        signed(("收入", "退回"))
    assert (caught.value.code, caught.value.rejected[0].column) == ("untranslated", "收支")


def test_a_booking_without_reference_and_balance_is_refused() -> None:
    with pytest.raises(RowsRejected) as caught:
        signed(('T0001,收入,"10,000.00","10,000.00"', ',收入,"10,000.00",'))
    assert (caught.value.code, caught.value.place) == ("reference_missing", "row 4")


def test_cut_empty_and_marked_files() -> None:
    for code, data in (
        ("truncated_file", sample(NAME)[:-1].rstrip(b"\r")),
        ("truncated_file", sample(NAME)[:-20]),
        ("empty_file", b"\r\n"),
        ("empty_file", b"".join(sample(NAME).splitlines(keepends=True)[:3])),
        ("encoding", b"\xef\xbb\xbf" + sample(NAME)),
        ("encoding", sample("bank_signed.csv")),
    ):
        with pytest.raises(Refused) as caught:
            profile = PROFILE
            read_bank_statement(data, profile, "main")
        assert caught.value.code == code, data[:40]
    found = read_bank_statement(b"\xef\xbb\xbf" + sample("bank_signed.csv"), SIGNED, "main")
    assert len(found.payments) == 3


def test_the_same_bookings_in_a_longer_file_are_known() -> None:
    lines = sample(NAME).splitlines(keepends=True)
    first = read_bank_statement(b"".join(lines[:5]), PROFILE, "main")
    imported = not_yet_imported(read(), [one.identity for one in first.payments])
    assert imported.repeated == 2
    assert [one.place for one in imported.new] == ["row 6", "row 7"]


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        ("amount_columns", 'debit = "借方发生额"', ""),
        ("amount_columns", 'debit = "借方发生额"', 'debit = "借方发生额"\namount = "x"'),
        ("direction", 'debit = "借方发生额"', 'debit = "借方发生额"\ndirection = "x"'),
        ("date", "%Y%m%d", "%m%d"),
        ("currency", '"CNY"', '"RMB"'),
        ("not_allowed", '"oldest_first"', '"up"'),
    ],
)
def test_a_profile_that_cannot_be_meant_is_refused(code: str, before: str, after: str) -> None:
    toml = sample("bank_debit_credit.toml").decode()
    assert before in toml
    with pytest.raises(Refused) as caught:
        bank_profile(toml.replace(before, after, 1))
    assert caught.value.code == code
