"""Vouchers in the layouts of the example profiles, and the charts that they need."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path

import msgspec
import pytest

from ledger.accounting import cash, chart, voucher
from ledger.accounting.account import MEMO, ROLES, Account
from ledger.accounting.journal import JournalEntry
from ledger.accounting.run_entries import run_entries
from ledger.accounting.statement_payment import payment_entries
from ledger.accounting.voucher_currency import in_currency
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.life import Payment
from ledger.statement.open_item import OpenItem
from tests.ledger.accounting.runs import OWNER, may, provisional, renumbered, runs_of, with_streams
from tests.ledger.contract_samples import eaas, yuan

EXAMPLES = Path(__file__).parents[3] / "examples" / "accounts"


def text_of(name: str) -> str:
    return (EXAMPLES / name).read_text(encoding="utf-8")


YONYOU = voucher.parse_profile(text_of("voucher_yonyou.toml"))
KINGDEE = voucher.parse_profile(text_of("voucher_kingdee.toml"))
EXAMPLE = voucher.parse_mapping(text_of("voucher_mapping.toml"))
MAPPING = msgspec.structs.replace(EXAMPLE, parties={"host": voucher.MappedParty("C001", "用户一")})
TENTH = may(10)
CHART = chart.parse(text_of("chart.toml"))


def receipt(on: date = TENTH) -> JournalEntry:
    payment = Payment(id="slip 7", on=on, amount=yuan("-100.00"), kind="payment")
    (entry,) = payment_entries("host", payment, OpenItem(yuan("-80.00"), yuan("0.00")))
    return entry


def recognised() -> tuple[JournalEntry, ...]:
    terms = with_streams(eaas(), {"arbitrage": "host", "demand_response": OWNER})
    (settled,) = runs_of(terms, [{"arbitrage": "45678.91", "demand_response": "20000.00"}])
    return run_entries(OWNER, settled, may(3))


def test_a_receipt_for_yonyou() -> None:
    rows = voucher.voucher_rows([receipt()], MAPPING, YONYOU, preparer="A. Li")
    assert rows[0][:8] == [
        "制单日期", "凭证类别字", "业务号", "附单据数", "摘要", "科目编码", "金额借方", "金额贷方",
    ]  # fmt: skip
    summary = "Receipt from host, slip 7"
    assert [row[:8] for row in rows[1:]] == [
        ["2026-05-10", "记", "1", "0", summary, "1002", "100.00", "0.00"],
        ["2026-05-10", "记", "1", "0", summary, "112201", "0.00", "80.00"],
        ["2026-05-10", "记", "1", "0", summary, "2203", "0.00", "20.00"],
    ]
    customer = rows[0].index("客户编码")
    assert [row[customer] for row in rows[1:]] == ["", "C001", "C001"]
    assert rows[1][rows[0].index("制单人")] == "A. Li"


def test_a_receipt_for_kingdee() -> None:
    rows = voucher.voucher_rows([receipt()], MAPPING, KINGDEE, preparer="A. Li")
    second = dict(zip(rows[0], rows[2], strict=True))
    assert second == {
        "凭证日期": "2026/05/10",
        "会计年度": "2026",
        "会计期间": "5",
        "凭证字": "记",
        "凭证号": "1",
        "分录号": "2",
        "摘要": "Receipt from host, slip 7",
        "科目代码": "112201",
        "科目名称": "应收账款",
        "币别代码": "CNY",
        "汇率": "1",
        "原币金额": "80.00",
        "借方": "0.00",
        "贷方": "80.00",
        "核算项目": "客户---C001---用户一",
        "附件数": "0",
        "制单": "A. Li",
    }


@pytest.mark.parametrize("profile", [YONYOU, KINGDEE])
def test_every_voucher_balances_and_memo_entries_stay_out(profile: voucher.VoucherProfile) -> None:
    entries = [*recognised(), receipt(), receipt(date(2026, 6, 1))]
    rows = voucher.voucher_rows(entries, MAPPING, profile, preparer="x", first_number=12)
    fields = [column.field for column in profile.columns]
    sums: dict[tuple[str, str], int] = {}
    for row in rows[1:]:
        values = dict(zip(fields, row, strict=True))
        key = (values["date"][5:7], values["voucher_number"])
        net = yuan(values["debit"]).minor - yuan(values["credit"]).minor
        sums[key] = sums.get(key, 0) + net
    assert sums == {("05", "12"): 0, ("05", "13"): 0, ("06", "1"): 0}
    assert len(rows) - 1 == sum(len(entry.postings) for entry in entries if not entry.is_memo)


def test_items_are_sub_accounts() -> None:
    rows = voucher.voucher_rows(recognised(), MAPPING, KINGDEE, preparer="x")
    named = {(row[7], row[8]) for row in rows}
    assert ("60010106", "主营业务收入-市场收益-需求响应") in named
    assert ("60010341", "主营业务收入-合同收入-基础服务费") in named


def test_a_reversal_is_in_red_ink() -> None:
    """Red ink keeps the side and turns the sign; on the opposite side it is another debit and credit."""
    terms = with_streams(eaas(), {"arbitrage": "host"})
    early = provisional(terms, {"arbitrage": "100.00"})
    (final,) = [renumbered(run, 2, "initial") for run in runs_of(terms, [{"arbitrage": "100.00"}])]
    undone = run_entries(OWNER, final, may(3), accrued=early)[0]
    red = voucher.voucher_rows([undone], MAPPING, YONYOU, preparer="x")[1]
    assert red[5:8] == ["112202", "-43299.33", "0.00"]
    other_side = msgspec.structs.replace(YONYOU, reversals="opposite_side", empty_side="blank")
    black = voucher.voucher_rows([undone], MAPPING, other_side, preparer="x")[1]
    assert black[5:8] == ["112202", "", "43299.33"]


def without(mapping: voucher.VoucherMapping, table: str, *names: str) -> voucher.VoucherMapping:
    kept = {name: to for name, to in getattr(mapping, table).items() if name not in names}
    return msgspec.structs.replace(mapping, **{table: kept})


@pytest.mark.parametrize(
    ("table", "names", "code"),
    [
        ("accounts", ("accrued_receivable", "stream_income"), "voucher_account"),
        ("items", ("base_fee", "demand_response"), "voucher_account"),
        ("parties", ("host",), "voucher_party"),
    ],
)
def test_all_that_is_not_mapped_is_named(table: str, names: tuple[str, ...], code: str) -> None:
    with pytest.raises(Refused) as refused:
        voucher.voucher_rows(recognised(), without(MAPPING, table, *names), YONYOU, preparer="x")
    assert (refused.value.code, refused.value.place) == (code, table)
    assert refused.value.reason == f"not mapped: {', '.join(names)}"


def test_numbers_are_from_one() -> None:
    with pytest.raises(Refused, match="not from 1"):
        voucher.voucher_rows([], MAPPING, YONYOU, preparer="x", first_number=0)


def in_yen() -> JournalEntry:
    return cash.bank_charge(Money(1281, "JPY"), may(31), "fee 6")


def test_one_file_has_one_currency() -> None:
    with pytest.raises(Refused, match=r"'Bank charge.*' of 2026-05-31 is in JPY, .* in CNY: one") as refused:
        voucher.voucher_rows([receipt(), in_yen()], MAPPING, YONYOU, preparer="x")
    assert refused.value.code == "voucher_currency"


def test_what_is_in_another_currency_is_left_out_with_its_sum() -> None:
    kept, left_out = in_currency([in_yen(), *month_of_vouchers(), in_yen()], "CNY")
    assert list(kept) == [one for one in month_of_vouchers() if not one.is_memo]
    assert left_out == ((2, Money(2562, "JPY")),)
    rows = voucher.voucher_rows(kept, MAPPING, YONYOU, preparer="x")
    assert rows == voucher.voucher_rows(month_of_vouchers(), MAPPING, YONYOU, preparer="x")
    assert in_currency([receipt()], "JPY").left_out == ((1, yuan("100.00")),)


def month_of_vouchers() -> list[JournalEntry]:
    """An accrual and its reversal, the recognition, a receipt above what was owed, a bank charge."""
    terms = with_streams(eaas(), {"arbitrage": "host", "demand_response": OWNER})
    early = provisional(terms, {"arbitrage": "40000.00", "demand_response": "0.00"})
    (first,) = runs_of(terms, [{"arbitrage": "45678.91", "demand_response": "20000.00"}])
    later = renumbered(first, 2, "initial")
    return [
        *run_entries(OWNER, early, may(1)),
        *run_entries(OWNER, later, may(3), accrued=early),
        receipt(),
        cash.bank_charge(yuan("15.00"), may(31), "fee 5"),
    ]


@pytest.mark.parametrize(("name", "profile"), [("yonyou", YONYOU), ("kingdee", KINGDEE)])
def test_a_month_as_it_stands(name: str, profile: voucher.VoucherProfile) -> None:
    """The golden files are in the profile's own encoding: what the other system is given, byte for byte."""
    rows = voucher.voucher_rows(month_of_vouchers(), MAPPING, profile, preparer="A. Li", first_number=31)
    golden = Path(__file__).with_name(f"vouchers_{name}.csv").read_bytes()
    assert voucher.voucher_file(rows, profile) == golden
    assert golden.decode(profile.encoding).count("\r\n") == len(rows)


def test_a_character_that_the_encoding_lacks_is_refused() -> None:
    latin = msgspec.structs.replace(YONYOU, encoding="ascii")
    with pytest.raises(Refused) as refused:
        voucher.voucher_file([["记"]], latin)
    assert (refused.value.code, refused.value.place) == ("encoding", "encoding")


def test_a_formula_stays_text() -> None:
    tricky = msgspec.structs.replace(receipt(), description="=1+1")
    rows = voucher.voucher_rows([tricky], MAPPING, YONYOU, preparer="x")
    assert rows[1][4] == "'=1+1"


def test_csv_reads_back() -> None:
    rows = voucher.voucher_rows(recognised(), MAPPING, KINGDEE, preparer='a "b", c')
    text = voucher.voucher_csv(rows)
    assert list(csv.reader(io.StringIO(text, newline=""))) == rows
    assert text.endswith("\r\n")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (('field = "debit"', 'field = "credit"'), "voucher_column"),
        (('header = "摘要"', 'header = "制单日期"'), "duplicate"),
        (('field = "debit"', 'field = "debits"'), "not_allowed"),
        (("{ customer = ", "{ costumer = "), "not_allowed"),
        (('customer = "客户", ', ""), "voucher_column"),
    ],
)
def test_a_profile_that_cannot_be_imported_is_refused(change: tuple[str, str], code: str) -> None:
    with pytest.raises(Refused) as refused:
        voucher.parse_profile(text_of("voucher_yonyou.toml").replace(*change))
    assert refused.value.code == code
    assert refused.value.place.startswith("line ")


def test_the_examples_cover_every_account() -> None:
    assert set(EXAMPLE.accounts) == set(ROLES) - MEMO
    assert set(EXAMPLE.items) == set(chart.ITEMS)
    for role, terms in ROLES.items():
        if role not in MEMO:
            to = EXAMPLE.accounts[role]
            assert to.by_item == any(key != "party" for key in terms.keys), role
            assert (to.auxiliary != "none") == ("party" in terms.keys), role


def test_the_chart_names_accounts_in_both_languages() -> None:
    income = Account("stream_income", ("demand_response",))
    assert CHART.code(income) == "6001.01.06"
    assert CHART.name(income, "zh") == "主营业务收入（市场收益） - 需求响应"
    memo = Account("memo_saving", ("host", "arbitrage"))
    assert CHART.name(memo, "en") == "Memo: savings held by others - Arbitrage - host"
    assert CHART.code(Account("receivable", ("host",))) == "1122.01"
    with pytest.raises(Refused, match="no item other"):
        CHART.code(Account("stream_income", ("other",)))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (('bank = { code = "1002", zh = "银行存款", en = "Bank" }', ""), "chart_missing"),
        (('spot = { code = "07"', 'spots = { code = "07"'), "chart_missing"),
        (('spot = { code = "07"', 'spot = { code = "06"'), "duplicate"),
        (('code = "2203"', 'code = "1002"'), "duplicate"),
        (('en = "Bank"', 'en = " "'), "empty"),
        (("[items]", '[items]\nother = { code = "99", zh = "x", en = "x" }'), "chart_item"),
        (("bank = {", "cash = {"), "not_allowed"),
    ],
)
def test_a_chart_with_a_hole_is_refused(change: tuple[str, str], code: str) -> None:
    with pytest.raises(Refused) as refused:
        chart.parse(text_of("chart.toml").replace(*change))
    assert refused.value.code == code
    assert refused.value.place.startswith("line ")
