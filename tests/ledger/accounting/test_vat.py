"""VAT of DOMAIN.md 3.8 to the fen, and invoices whose lines are the invoice."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.accounting.account import Account
from ledger.accounting.invoice import Invoice, InvoiceLine, invoice_entry, invoice_lines, pending_vat_entry
from ledger.accounting.journal import JournalEntry
from ledger.accounting.run_effect import Effect
from ledger.accounting.vat import (
    VatLine,
    line_from_gross,
    line_from_net,
    lines_from_gross,
    lines_from_net,
    parse_rates,
)
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.split import largest_remainder
from tests.ledger.contract_samples import yuan

THIRTEEN = Fraction(13, 100)
RATES_TEXT = (Path(__file__).parents[3] / "examples" / "accounts" / "vat.toml").read_text(encoding="utf-8")
RATES = parse_rates(RATES_TEXT)
PROPERTY = settings(derandomize=True, max_examples=80, deadline=None)
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


def invoice(basis: str = "tax_inclusive", direction: str = "issued", rate: Fraction = THIRTEEN) -> Invoice:
    accounts = (SHARE, FEE) if direction == "issued" else (Account("partner_share", ("host",)),) * 2
    make = line_from_gross if basis == "tax_inclusive" else line_from_net
    lines = (
        InvoiceLine(accounts[0], make("share", yuan("13703.67"), rate), (1, 3)),
        InvoiceLine(accounts[1], make("fee", yuan("9936.00"), rate / 13 * 6), (6,)),
    )
    return Invoice(
        number="24417",
        direction=direction,  # type: ignore[arg-type]
        party="host",
        issued_on=date(2026, 5, 10),
        contract="c-1",
        month=Month(2026, 4),
        run=1,
        basis=basis,  # type: ignore[arg-type]
        lines=lines,
    )


def amounts_of(entry: JournalEntry | None) -> dict[str, str]:
    assert entry is not None
    sums: dict[str, Money] = {}
    for posting in entry.postings:
        name = str(posting.account)
        sums[name] = sums.get(name, yuan("0.00")) + posting.amount
    return {name: str(amount) for name, amount in sums.items()}


def test_tax_comes_out_of_inclusive_income() -> None:
    """13 703.67 / 1.13 = 12 127.14 net, 9 936.00 / 1.06 = 9 373.58 net."""
    one = invoice()
    assert (str(one.net), str(one.tax), str(one.gross)) == ("21500.72", "2138.95", "23639.67")
    entry = invoice_entry(one)
    assert amounts_of(entry) == {
        "saving_share_income:host": "1576.53",
        "clause_income:service_fee": "562.42",
        "vat_output": "-2138.95",
    }
    assert entry is not None
    assert [posting.lines for posting in entry.postings] == [(1, 3), (6,), (1, 3, 6)]
    assert entry.description.endswith("net 21500.72, tax 2138.95, gross 23639.67 CNY")


def test_pending_tax_is_taken_out_before_the_invoice_and_becomes_output_tax_with_it() -> None:
    before = amounts_of(pending_vat_entry(invoice(), date(2026, 4, 30)))
    assert before["vat_output_pending"] == "-2138.95"
    assert before["clause_income:service_fee"] == "562.42"
    assert amounts_of(invoice_entry(invoice(), pending=True)) == {
        "vat_output_pending": "2138.95",
        "vat_output": "-2138.95",
    }


def test_tax_is_due_on_top_of_exclusive_income() -> None:
    entry = invoice_entry(invoice("tax_exclusive"))
    assert amounts_of(entry) == {"receivable:host": "2377.64", "vat_output": "-2377.64"}


def test_a_partners_invoice_gives_input_tax() -> None:
    assert amounts_of(invoice_entry(invoice(direction="received"))) == {
        "partner_share:host": "-2138.95",
        "vat_input": "2138.95",
    }
    assert amounts_of(invoice_entry(invoice("tax_exclusive", "received"))) == {
        "vat_input": "2377.64",
        "payable:host": "-2377.64",
    }


def test_what_a_principal_bills_becomes_lines_that_add_up() -> None:
    """Base fee and service fee at 6 % are one total: 43 269.33 / 1.06 = 40 820.12 net."""
    billed = {
        Account("clause_income", ("base_fee",)): Effect(-3333333, (5,)),
        FEE: Effect(-993600, (6,)),
        SHARE: Effect(-1370367, (1, 3)),
        Account("partner_share", ("host",)): Effect(29633, (3,)),
    }
    rates = {account: THIRTEEN if account == SHARE else Fraction(6, 100) for account in billed}
    lines = invoice_lines(billed, "issued", "tax_inclusive", rates, "CNY")
    assert {str(line.account): (str(line.vat.net), line.lines) for line in lines} == {
        "clause_income:base_fee": ("31446.54", (5,)),
        "clause_income:service_fee": ("9373.58", (6,)),
        "saving_share_income:host": ("12127.14", (1, 3)),
    }
    (share,) = invoice_lines(billed, "received", "tax_exclusive", rates, "CNY")
    assert (str(share.vat.net), str(share.vat.tax)) == ("296.33", "17.78")
    with pytest.raises(Refused) as refused:
        invoice_lines(billed, "issued", "tax_inclusive", {}, "CNY")
    assert refused.value.code == "vat_rate_missing"


def test_exempt_invoices_post_no_tax() -> None:
    assert invoice_entry(invoice(rate=Fraction(0))) is None


def test_invoices_name_accounts_of_their_direction_and_wait_only_when_inclusive() -> None:
    with pytest.raises(Refused) as refused:
        Invoice(
            number="1",
            direction="received",
            party="host",
            issued_on=date(2026, 5, 10),
            contract="c-1",
            month=Month(2026, 4),
            run=1,
            basis="tax_inclusive",
            lines=invoice().lines,
        )
    assert (refused.value.code, refused.value.place) == ("invoice_account", "lines[0].account")
    for one in (invoice("tax_exclusive"), invoice(direction="received")):
        with pytest.raises(Refused, match="tax that waits"):
            pending_vat_entry(one, date(2026, 4, 30))
        with pytest.raises(Refused, match="tax that waits"):
            invoice_entry(one, pending=True)
