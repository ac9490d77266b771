"""On a tax-exclusive basis a dispute holds back its lines' tax too, and leaves the rest its own."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.accounting.account import Account
from ledger.accounting.ageing import ageing
from ledger.accounting.invoice_register import RegisterRow, differences, invoice_register
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.held_back import held_back
from ledger.statement.invoice import Billed, BilledAccount, Billing, Invoice
from ledger.statement.life import Dispute, Life, Payment, StatementKey
from ledger.statement.money import RecordPayment
from ledger.vat_terms import SplitBasis

KEY = StatementKey("c", "2026-08", "host", 1)
ON = date(2026, 9, 1)


def cny(text: str) -> Money:
    return Money.parse(text, "CNY")


def life(
    *accounts: BilledAccount, amount: str, lines: dict[int, str], basis: SplitBasis = "tax_exclusive"
) -> Life:
    total = sum((one.amount for one in accounts), cny("0"))
    return Life(
        key=KEY,
        status="issued",
        amount=cny(amount),
        lines={number: cny(text) for number, text in lines.items()},
        billing=Billing(basis, Billed(total, accounts), Billed(cny("0"))),
        reviewed_by="ada",
        issued_on=ON,
        query_until=date(2026, 9, 20),
        due_on=date(2026, 9, 15),
    )


def agency() -> Life:
    """The agent invoices its part of the pool, which is on its own line 3; the host holds the saving of line
    1 and gets its part of the pool, and pays 2 140.18."""
    part = BilledAccount(Account("clause_income", ("remainder_split",)), cny("4807.35"), cny("288.44"), (3,))
    return life(part, amount="-2140.18", lines={1: "-9614.70", 2: "7474.52"})


def two_fees() -> Life:
    """Two fees of different rates on lines 1 and 2."""
    fee = BilledAccount(Account("clause_income", ("base_fee",)), cny("1000"), cny("60"), (1,))
    rent = BilledAccount(Account("clause_income", ("per_kwh",)), cny("4000"), cny("520"), (2,))
    return life(fee, rent, amount="-5000", lines={1: "-1000", 2: "-4000"})


def disputed(of: Life, *lines: int) -> Life:
    about = sum((of.lines[line] for line in lines), cny("0"))
    one = Dispute("d1", lines, about, "why", "host", ON, date(2026, 9, 8))
    return msgspec.structs.replace(of, disputes=(one,))


def invoiced(of: Life, net: str, tax: str) -> Life:
    gross = cny(net) + cny(tax)
    one = Invoice(number="F1", direction="issued", on=ON, net=cny(net), tax=cny(tax), gross=gross)
    return msgspec.structs.replace(of, invoices=(*of.invoices, one))


def to_issue(of: Life) -> tuple[str, str, str]:
    (row,) = [one for one in invoice_register([of]) if one.invoice is None]
    return _shown(row)


def _shown(row: RegisterRow) -> tuple[str, str, str]:
    return str(row.net), str(row.tax), str(row.gross)


def test_what_is_to_issue_has_the_tax_of_what_is_not_disputed() -> None:
    assert to_issue(agency()) == ("4807.35", "288.44", "5095.79")
    assert to_issue(disputed(agency(), 1)) == ("2667.17", "160.03", "2827.20")


def test_the_invoice_of_the_rest_leaves_nothing_to_take_back() -> None:
    found = invoiced(disputed(agency(), 1), "2667.17", "160.03")
    assert [row.status for row in invoice_register([found])] == ["issued"]
    assert found.invoiced
    assert (str(found.due), str(found.frozen), str(found.open_amount)) == ("-2300.21", "-2140.18", "-160.03")
    told = differences([found], "operator", {"c"})
    assert [(one.code, str(one.left)) for one in told] == [("payment", "-160.03")]


def test_what_is_disputed_is_told_with_its_tax() -> None:
    """2 140.18 and 128.41 of tax, whether it was invoiced before the dispute or not."""
    before = disputed(agency(), 1)
    after = disputed(invoiced(agency(), "4807.35", "288.44"), 1)
    assert {str(one.disputed) for one in (before, after)} == {"-2268.59"}
    assert {str(ageing([one], "CNY", ON, "operator", {"c"}).disputed) for one in (before, after)} == {
        "2268.59"
    }
    assert (str(before.open_amount), str(after.open_amount)) == ("0.00", "-160.03")
    assert (str(after.due), str(after.frozen)) == ("-2428.62", "-2268.59")
    assert (str(after.to_invoice("issued")), str(after.tax_to_invoice("issued"))) == ("-2140.18", "-128.41")


@pytest.mark.parametrize(
    ("line", "rest", "held"),
    [(1, ("4000.00", "520.00", "4520.00"), "-1060.00"), (2, ("1000.00", "60.00", "1060.00"), "-4520.00")],
)
def test_a_line_has_the_tax_of_its_own_rate(line: int, rest: tuple[str, str, str], held: str) -> None:
    found = disputed(two_fees(), line)
    assert to_issue(found) == rest
    assert str(found.disputed) == held
    after = disputed(invoiced(two_fees(), "5000", "580"), line)
    assert str(after.open_amount) == f"-{rest[2]}"
    assert str(after.disputed) == str(after.frozen) == held
    assert str(invoiced(found, rest[0], rest[1]).open_amount) == f"-{rest[2]}"


def test_a_tax_inclusive_line_holds_its_tax_already() -> None:
    fee = BilledAccount(Account("clause_income", ("base_fee",)), cny("1060"), cny("60"), (1,))
    rent = BilledAccount(Account("clause_income", ("per_kwh",)), cny("4520"), cny("520"), (2,))
    found = disputed(
        life(fee, rent, amount="-5580", lines={1: "-1060", 2: "-4520"}, basis="tax_inclusive"), 1
    )
    assert to_issue(found) == ("4000.00", "520.00", "4520.00")
    assert str(found.disputed) == str(found.frozen) == "-1060.00"


def test_without_rates_the_tax_of_what_was_invoiced_is_divided_by_amount() -> None:
    fee = BilledAccount(Account("clause_income", ("base_fee",)), cny("1000"), None, (1, 2))
    plain = life(fee, amount="-1000", lines={1: "-250", 2: "-750"})
    found = disputed(plain, 1)
    (row,) = invoice_register([found])
    assert (row.amount, row.tax) == (cny("750"), None)
    assert str(disputed(invoiced(plain, "1000", "60"), 1).frozen) == "-265.00"
    assert str(disputed(invoiced(plain, "750", "45"), 1).frozen) == "-250.00"


def test_a_refund_beyond_what_was_paid_is_told_what_can_be_paid_back() -> None:
    found = invoiced(agency(), "2667.17", "160.03")
    paid = Payment(id="b1", on=ON, amount=cny("-2300.21"), kind="payment")
    found = msgspec.structs.replace(found, payments=(paid,))
    back = RecordPayment(KEY, Payment(id="b2", on=ON, amount=cny("2300.22"), kind="payment"))
    with pytest.raises(
        Refused, match=r"2,300\.21 CNY that host paid can be paid back, not 2,300\.22"
    ) as caught:
        back.decide(found, {})
    assert caught.value.code == "payment_side"
    assert RecordPayment(KEY, Payment(id="b2", on=ON, amount=cny("2300.21"), kind="payment")).decide(
        found, {}
    )
    unpaid = msgspec.structs.replace(found, payments=())
    with pytest.raises(Refused, match=r"-2,300\.21 is due, .* nothing was paid that could be paid back"):
        back.decide(unpaid, {})


def test_how_the_frozen_amount_follows_from_the_line_is_told() -> None:
    """The host holds the saving of line 1 itself: all that it is to pay is held back, and no more."""
    found = disputed(agency(), 1)
    (one,) = found.disputes
    assert held_back(found, one) == (
        "the line counts -9,614.70 in the -2,140.18 CNY payable: at most what is payable and not held already"
        " is frozen, -2,140.18, with its tax -2,268.59"
    )
    (other,) = disputed(agency(), 2).disputes
    assert held_back(disputed(agency(), 2), other) == (
        "the line counts 7,474.52 in the -2,140.18 CNY payable: it lessens that, and nothing more is frozen"
    )
    of_fee = disputed(two_fees(), 1)
    assert held_back(of_fee, of_fee.disputes[0]) == (
        "the line counts -1,000.00 in the -5,000.00 CNY payable: all of it is frozen, with its tax -1,060.00"
    )
    whole = disputed(two_fees(), 1, 2)
    also = msgspec.structs.replace(whole.disputes[0], id="d2", lines=(1,), amount=cny("-1000"))
    both = msgspec.structs.replace(whole, disputes=(*whole.disputes, also))
    assert held_back(both, also).endswith(": other disputes hold all of it already")


@settings(derandomize=True, max_examples=100)
@given(
    st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)),
    st.tuples(st.integers(0, 10**5), st.integers(0, 10**5)),
    st.integers(-2 * 10**6, 2 * 10**6),
    st.sampled_from([1, 2]),
)
def test_what_is_to_issue_can_be_issued_and_moves_nothing_that_is_held(
    fen: tuple[int, int], tax: tuple[int, int], amount: int, line: int
) -> None:
    accounts = [
        BilledAccount(Account("clause_income", (name,)), Money(net, "CNY"), Money(on_top, "CNY"), (number,))
        for number, (name, net, on_top) in enumerate(zip(("base_fee", "per_kwh"), fen, tax, strict=True), 1)
    ]
    lines = {1: str(Money(amount - fen[1], "CNY")), 2: str(Money(fen[1], "CNY"))}
    found = disputed(life(*accounts, amount=str(Money(amount, "CNY")), lines=lines), line)
    left, on_top = found.to_invoice("issued"), found.tax_to_invoice("issued")
    assert on_top is not None
    assert 0 <= left.minor <= sum(fen)
    assert 0 <= on_top.minor <= sum(tax)
    if left.minor:
        after = invoiced(found, str(left), str(on_top))
        assert after.invoiced
        assert after.tax_to_invoice("issued") == cny("0")
        assert after.frozen_amount == found.frozen_amount
