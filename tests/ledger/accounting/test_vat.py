"""VAT of DOMAIN.md 3.8 to the fen, and invoices whose lines are the invoice."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.accounting.account import Account, Role
from ledger.accounting.invoice import invoice_entry, pending_vat_entry
from ledger.accounting.journal import JournalEntry
from ledger.accounting.vat import (
    VatLine,
    VatRates,
    line_from_gross,
    line_from_net,
    lines_from_gross,
    lines_from_net,
)
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.split import largest_remainder
from ledger.statement.invoice import Billed, BilledAccount, Billing, Direction, Invoice
from ledger.statement.life import StatementKey
from ledger.toml_file import TomlFile
from ledger.vat_terms import SplitBasis
from tests.ledger.contract_samples import yuan

THIRTEEN = Fraction(13, 100)
RATES_TEXT = (Path(__file__).parents[3] / "examples" / "accounts" / "vat.toml").read_text(encoding="utf-8")


def parse_rates(text: str) -> VatRates:
    file = TomlFile(text)
    return file.struct(VatRates, file.root, ())


RATES = parse_rates(RATES_TEXT)
PROPERTY = settings(max_examples=80)
SHARE = Account("saving_share_income", ("host",))
FEE = Account("clause_income", ("service_fee",))


def test_from_gross_as_the_domain_says() -> None:
    """45 678.91 gross at 13 %: 70 % is 31 975.24 gross, 28 296.67 net."""
    parts = largest_remainder(4567891, {"host": Fraction(70), "operator": Fraction(30)})
    assert parts["host"] == 3197524
    line = line_from_gross("host", Money(parts["host"], "CNY"), THIRTEEN)
    assert (str(line.net), str(line.tax), str(line.gross)) == ("28296.67", "3678.57", "31975.24")


def test_from_net() -> None:
    line = line_from_net("fee", yuan("33333.33"), Fraction(6, 100))
    assert (str(line.net), str(line.tax), str(line.gross)) == ("33333.33", "2000.00", "35333.33")


def test_a_total_rounded_once_is_what_its_lines_add_up_to() -> None:
    """Three lines of 33.35 are 88.54 net together (88.5398...), but 3 x 29.51 = 88.53 each alone."""
    lines = lines_from_gross({name: yuan("33.35") for name in "cab"}, THIRTEEN)
    assert {line.item: str(line.net) for line in lines} == {"c": "29.51", "a": "29.52", "b": "29.51"}


def test_a_discount_line_divides_too() -> None:
    lines = lines_from_net({"share": yuan("100.05"), "discount": yuan("-0.03")}, THIRTEEN)
    assert sum(line.tax.minor for line in lines) == Money.round(Fraction("100.02") * THIRTEEN, "CNY").minor


@PROPERTY
@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(-(10**9), 10**9), min_size=1),
    st.sampled_from([Fraction(0), Fraction(3, 100), Fraction(6, 100), THIRTEEN]),
)
def test_lines_add_up_and_are_a_fen_from_exact(minors: dict[str, int], rate: Fraction) -> None:
    amounts = {name: Money(minor, "CNY") for name, minor in minors.items()}
    total = Fraction(sum(minors.values()), 100)
    from_gross = lines_from_gross(amounts, rate)
    assert sum(line.net.minor for line in from_gross) == Money.round(total / (1 + rate), "CNY").minor
    from_net = lines_from_net(amounts, rate)
    assert sum(line.tax.minor for line in from_net) == Money.round(total * rate, "CNY").minor
    for line in from_gross:
        assert abs(line.net.exact - line.gross.exact / (1 + rate)) < Fraction(2, 100)
        assert line.gross == amounts[line.item]
    for line in from_net:
        assert abs(line.tax.exact - line.net.exact * rate) < Fraction(2, 100)


@PROPERTY
@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 10**9), min_size=1))
def test_the_same_as_the_largest_remainder_of_the_total(minors: dict[str, int]) -> None:
    """For lines of one sign, wherever the rounded total is not below the parts cut off (it never is)."""
    lines = lines_from_net({name: Money(minor, "CNY") for name, minor in minors.items()}, THIRTEEN)
    mirrored = lines_from_net({name: Money(-minor, "CNY") for name, minor in minors.items()}, THIRTEEN)
    assert [-line.tax.minor for line in mirrored] == [line.tax.minor for line in lines]
    total = sum(line.tax.minor for line in lines)
    weights = {name: Fraction(minor) for name, minor in minors.items()}
    whole = largest_remainder(total, weights)
    assert all(abs(whole[line.item] - line.tax.minor) <= 1 for line in lines)


def test_rates_are_dated() -> None:
    assert RATES.rate_at("electricity_sale", "general", date(2026, 4, 30)) == THIRTEEN
    with pytest.raises(Refused) as refused:
        RATES.rate_at("electricity_sale", "general", date(2019, 3, 31))
    assert refused.value.code == "vat_rate_missing"
    with pytest.raises(Refused, match="small_scale"):
        RATES.rate_at("electricity_sale", "small_scale", date(2026, 4, 30))


def rate_table(start: str, end: str | None, percent: str) -> str:
    until = f"effective_to = {end}\n" if end else ""
    return (
        f'[[rates]]\ncategory = "x"\ntaxpayer = "general"\nrate = "{percent}"\n'
        f'effective_from = {start}\n{until}source = "a notice"\n'
    )


def test_a_rate_ends_where_the_next_begins() -> None:
    rates = parse_rates(rate_table("2019-04-01", None, "13%") + rate_table("2018-05-01", "2019-04-01", "16%"))
    assert rates.rate_at("x", "general", date(2019, 3, 31)) == Fraction(16, 100)
    assert rates.rate_at("x", "general", date(2019, 4, 1)) == THIRTEEN
    with pytest.raises(Refused) as refused:
        parse_rates(rate_table("2018-05-01", "2019-04-02", "16%") + rate_table("2019-04-01", None, "13%"))
    assert refused.value.code == "vat_rate_overlap"
    assert "rates[1]" in refused.value.place
    with pytest.raises(Refused, match="line 6"):
        parse_rates(rate_table("2018-05-01", "2018-05-01", "16%"))


def test_a_line_that_does_not_add_up_cannot_exist() -> None:
    with pytest.raises(Refused, match="are not gross"):
        VatLine("x", "0.13", yuan("1.00"), yuan("0.13"), yuan("1.14"))
    with pytest.raises(Refused, match=r"not 0\.\.1"):
        line_from_net("x", yuan("1.00"), Fraction(13))
    with pytest.raises(Refused, match="needs lines"):
        lines_from_net({}, THIRTEEN)


KEY = StatementKey("c-1", "2026-04", "host", 1)
COST = Account("partner_share", ("host",))
TENTH = date(2026, 5, 10)


def side(rate: Fraction | None, *amounts: tuple[Account, str, tuple[int, ...]]) -> Billed:
    """Accounts that all bear one rate, or none that is stated."""
    accounts = tuple(
        BilledAccount(
            account,
            yuan(text),
            None if rate is None else line_from_gross("x", yuan(text), rate).tax,
            lines,
        )
        for account, text, lines in amounts
    )
    return Billed(Money(sum(one.amount.minor for one in accounts), "CNY"), accounts)


def billing(basis: SplitBasis = "tax_inclusive", rate: Fraction | None = None) -> Billing:
    issued = side(rate, (SHARE, "13703.67", (1, 3)), (FEE, "9936.00", (6,)))
    return Billing(basis, issued, side(rate, (COST, "296.33", (3,))))


def invoice(net: str, tax: str, direction: Direction = "issued", **changes: Any) -> Invoice:
    return Invoice(
        number="24417",
        direction=direction,
        on=TENTH,
        net=yuan(net),
        tax=yuan(tax),
        gross=yuan(net) + yuan(tax),
        **changes,
    )


def amounts_of(entry: JournalEntry | None) -> dict[str, str]:
    assert entry is not None
    sums: dict[str, Money] = {}
    for posting in entry.postings:
        name = str(posting.account)
        sums[name] = sums.get(name, yuan("0.00")) + posting.amount
    return {name: str(amount) for name, amount in sums.items()}


WHOLE = invoice("20920.06", "2719.61")
"""23 639.67 gross at 13 %."""


def test_tax_comes_out_of_inclusive_income_in_proportion() -> None:
    """2 719.61 x 13 703.67 / 23 639.67 = 1 576.53; the fee's part is 1 143.08."""
    entry = invoice_entry(KEY, billing(), WHOLE, TENTH)
    assert amounts_of(entry) == {
        "saving_share_income:host": "1576.53",
        "clause_income:service_fee": "1143.08",
        "vat_output": "-2719.61",
    }
    assert entry is not None
    assert [posting.lines for posting in entry.postings] == [(1, 3), (6,), ()]
    assert entry.description.endswith("net 20920.06, tax 2719.61, gross 23639.67 CNY")
    assert (entry.kind, entry.reference.document) == ("invoice", "24417")


def test_pending_tax_is_taken_out_before_the_invoice_and_becomes_output_tax_with_it() -> None:
    known = billing(rate=THIRTEEN)
    before = pending_vat_entry(KEY, known, date(2026, 5, 4))
    assert amounts_of(before) == {
        "saving_share_income:host": "1576.53",
        "clause_income:service_fee": "1143.08",
        "vat_output_pending": "-2719.61",
    }
    half = amounts_of(invoice_entry(KEY, known, invoice("10000.00", "1300.00"), TENTH))
    assert half == {"vat_output_pending": "1300.00", "vat_output": "-1300.00"}
    assert pending_vat_entry(KEY, billing(), TENTH) is None, "no rate is stated"
    assert pending_vat_entry(KEY, billing("tax_exclusive", THIRTEEN), TENTH) is None
    assert pending_vat_entry(KEY, billing(rate=Fraction(0)), TENTH) is None


def test_tax_is_due_on_top_of_exclusive_income() -> None:
    entry = invoice_entry(KEY, billing("tax_exclusive"), invoice("23639.67", "3073.16"), TENTH)
    assert amounts_of(entry) == {"receivable:host": "3073.16", "vat_output": "-3073.16"}


def test_a_partners_invoice_gives_input_tax() -> None:
    received = invoice("262.24", "34.09", "received")
    entry = invoice_entry(KEY, billing(), received, TENTH)
    assert amounts_of(entry) == {"partner_share:host": "-34.09", "vat_input": "34.09"}
    assert entry is not None
    assert entry.kind == "supplier_invoice"
    on_top = invoice("296.33", "38.52", "received")
    entry = invoice_entry(KEY, billing("tax_exclusive"), on_top, TENTH)
    assert amounts_of(entry) == {"vat_input": "38.52", "payable:host": "-38.52"}


def test_a_red_letter_invoice_undoes_its_tax() -> None:
    red = invoice("-20920.06", "-2719.61", reverses="24416")
    sums = [amounts_of(invoice_entry(KEY, billing(), one, TENTH)) for one in (WHOLE, red)]
    assert {name: (yuan(sums[0][name]) + yuan(sums[1][name])).minor for name in sums[0]} == dict.fromkeys(
        sums[0], 0
    )


def test_exempt_invoices_post_no_tax() -> None:
    assert invoice_entry(KEY, billing(), invoice("23639.67", "0.00"), TENTH) is None


def test_tax_of_nothing_billed_is_refused() -> None:
    nothing = Billing("tax_inclusive", Billed(yuan("0.00")), Billed(yuan("0.00")))
    with pytest.raises(Refused) as refused:
        invoice_entry(KEY, nothing, invoice("1.00", "0.13", "received"), TENTH)
    assert refused.value.code == "invoice_account"


@PROPERTY
@given(
    st.lists(st.integers(-(10**8), 10**8).filter(bool), min_size=1, max_size=6),
    st.integers(-(10**8), 10**8).filter(bool),
    st.sampled_from([None, Fraction(6, 100), THIRTEEN]),
    st.sampled_from(["tax_inclusive", "tax_exclusive"]),
    st.sampled_from(["issued", "received"]),
)
def test_an_invoices_tax_is_posted_to_the_fen(
    minors: list[int], tax: int, rate: Fraction | None, basis: SplitBasis, direction: Direction
) -> None:
    """Whatever the accounts hold, also against their direction: what is posted is the invoice's tax."""
    if sum(minors) == 0:
        minors[0] *= 2
    role: Role = "stream_cost" if direction == "received" else "clause_income"
    items = ("hurdle", "guarantee", "base_fee", "service_fee", "capped_tier", "stream_tier")
    amounts = [
        (Account(role, (item,)), str(Money(m, "CNY")), (1,)) for item, m in zip(items, minors, strict=False)
    ]
    whole = side(rate, *amounts)
    none = Billed(Money(0, "CNY"))
    both = Billing(
        basis, whole if direction == "issued" else none, whole if direction == "received" else none
    )
    net = Money(tax * 10, "CNY")
    gross = net + Money(tax, "CNY")
    one = Invoice(
        number="1",
        direction=direction,
        on=TENTH,
        net=net,
        tax=gross - net,
        gross=gross,
        in_next_invoice=tax < 0,
    )
    entry = invoice_entry(KEY, both, one, TENTH)
    assert entry is not None
    vat_account = Account("vat_output" if direction == "issued" else "vat_input")
    posted = sum(one.amount.minor for one in entry.postings if one.account == vat_account)
    assert abs(posted) == abs(tax)
