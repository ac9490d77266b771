"""VAT of clause lines: each line's net, tax and gross, adding up to the invoice to the fen."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.accounting.vat import VatRate
from ledger.clauses import BaseFee, CappedTier, LossSplit, RemainderSplit
from ledger.contract import Contract
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.line import Line
from ledger.settlement.line_vat import VatSum, vat_sums, with_vat
from ledger.vat_terms import LineVat, VatTerms
from tests.ledger.contract_samples import contract, yuan

APRIL_30 = date(2026, 4, 30)
HALVES = {"host": "70%", "operator": "30%"}
FEE = BaseFee(
    rate="200",
    unit="kWh.year",
    quantity="2000",
    quantity_basis="nameplate",
    proration="days",
    payer="host",
    payee="operator",
    timing="after_split",
)


def rate(category: str, percent: str, taxpayer: Any = "general") -> VatRate:
    return VatRate(
        category=category,
        taxpayer=taxpayer,
        rate=percent,
        effective_from=date(2019, 4, 1),
        source="a test",
    )


TERMS = VatTerms(
    taxpayers={
        "host": "general",
        "operator": "general",
        "a-investor": "small_scale",
        "b-platform": "general",
    },
    categories={
        "arbitrage": "electricity",
        "loss_split": "electricity",
        "capped_tier": "electricity",
        "remainder_split": "electricity",
        "base_fee": "service",
    },
    rates=(
        rate("electricity", "13%"),
        rate("electricity", "3%", "small_scale"),
        rate("service", "6%"),
    ),
)


def taxed(**changes: Any) -> Contract:
    clauses = (
        LossSplit(shares=HALVES, carry_forward=False),
        CappedTier(cap="100", proration="months", shares=HALVES),
        RemainderSplit(shares=HALVES),
        FEE,
    )
    return contract(clauses, **{"vat": TERMS} | changes)


def line(number: int, code: str, party: str, amount: str) -> Line:
    return Line(
        number, "clause", code, code, None, party, "", "", "", amount, yuan(amount), "0", (), (), pooled=True
    )


CODES = ("loss_split", "capped_tier", "remainder_split", "base_fee")


def computed(lines: list[Line], terms: Contract | None = None) -> list[LineVat | None]:
    return [one.vat for one in with_vat("operator", terms or taxed(), lines, APRIL_30).lines]


def sums(lines: list[Line]) -> tuple[VatSum, ...]:
    return vat_sums(one for one in computed(lines) if one is not None)


def texts(one: LineVat | VatSum | None) -> tuple[str, ...]:
    assert one is not None
    return one.supplier, one.rate, str(one.net), str(one.tax), str(one.gross)


def test_a_share_and_a_fee_each_at_its_own_rate() -> None:
    """31,975.24 gross at 13 % is 28,296.67 net (DOMAIN.md 3.8); the operator invoices the host its fee."""
    lines = [line(1, "remainder_split", "host", "31975.24"), line(2, "base_fee", "host", "-33333.33")]
    share, fee = computed(lines)
    assert texts(share) == ("host", "0.13", "28296.67", "3678.57", "31975.24")
    assert texts(fee) == ("operator", "0.06", "-31446.54", "-1886.79", "-33333.33")
    both = [*lines, line(3, "base_fee", "operator", "33333.33")]
    assert texts(computed(both)[2]) == ("operator", "0.06", "31446.54", "1886.79", "33333.33")


def test_on_an_exclusive_basis_the_amount_is_net() -> None:
    (one,) = computed([line(1, "base_fee", "host", "-9936.00")], taxed(split_basis="tax_exclusive"))
    assert texts(one) == ("operator", "0.06", "-9936.00", "-596.16", "-10532.16")


def test_lines_of_one_invoice_add_up_to_its_rounded_total() -> None:
    """33.35 / 1.13 is 29.513..; alone each is 29.51, together 88.54: the first line has the fen."""
    lines = [
        line(1, "capped_tier", "host", "33.35"),
        line(2, "remainder_split", "host", "33.35"),
        line(10, "loss_split", "host", "33.35"),
    ]
    found = computed(lines)
    assert [texts(one)[2] for one in found] == ["29.52", "29.51", "29.51"]
    (total,) = sums(lines)
    assert texts(total) == ("host", "0.13", "88.54", "11.51", "100.05")


def test_a_supplier_of_another_type_has_its_own_rate() -> None:
    (one,) = computed([line(1, "remainder_split", "a-investor", "103.00")])
    assert texts(one) == ("a-investor", "0.03", "100.00", "3.00", "103.00")


def test_without_terms_there_is_nothing_and_without_a_rate_it_is_refused() -> None:
    lines = [line(1, "remainder_split", "host", "100.00")]
    assert computed(lines, taxed(vat=None)) == [None]
    with pytest.raises(Refused) as refused:
        with_vat("operator", taxed(), lines, date(2019, 3, 31))
    assert refused.value.code == "vat_rate_missing"


def test_a_line_whose_parts_do_not_add_up_does_not_exist() -> None:
    with pytest.raises(Refused) as refused:
        LineVat(supplier="host", rate="0.13", net=yuan("1.00"), tax=yuan("0.13"), gross=yuan("1.14"))
    assert (refused.value.code, refused.value.place) == ("vat_line", "gross")


@settings(max_examples=100)
@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=6), st.booleans())
def test_every_invoice_is_rounded_once(minors: list[int], inclusive: bool) -> None:
    terms = taxed(split_basis="tax_inclusive" if inclusive else "tax_exclusive")
    lines = [
        msgspec.structs.replace(line(number, "remainder_split", "host", "0"), amount=Money(minor, "CNY"))
        for number, minor in enumerate(minors, 1)
    ]
    made = with_vat("operator", terms, lines, APRIL_30).lines
    found = {one.number: one.vat for one in made if one.vat is not None}
    if not sum(minors):
        assert found == {}, "lines that cancel each other are no invoice"
        return
    (total,) = vat_sums(found.values())
    assert total.supplier == ("host" if sum(minors) > 0 else "operator")
    whole = Fraction(sum(minors), 100)
    assert (total.gross if inclusive else total.net).exact == whole
    tax = whole * 13 / 113 if inclusive else whole * 13 / 100
    assert abs(total.tax.exact - tax) <= Fraction(1, 200)
    assert total.net + total.tax == total.gross
    assert set(found) == {one.number for one in lines if one.amount.minor}
    for one in lines:
        if one.amount.minor:
            vat = found[one.number]
            assert one.amount == (vat.gross if inclusive else vat.net)
