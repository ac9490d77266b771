"""An invoice of other figures than its statement's is told at once, to the fen."""

from __future__ import annotations

import msgspec
import pytest

from ledger.statement.invoice import Invoice
from ledger.statement.invoice_check import differing
from tests.ledger.statement.test_disputed_tax import ON, agency, cny, disputed, invoiced


def invoice(net: str, tax: str, **more: object) -> Invoice:
    one = Invoice(
        number="F1", direction="issued", on=ON, net=cny(net), tax=cny(tax), gross=cny(net) + cny(tax)
    )
    return msgspec.structs.replace(one, **more)


def test_what_was_asked_for_is_no_difference() -> None:
    assert differing(agency(), invoice("4807.35", "288.44")) == ""
    assert differing(disputed(agency(), 1), invoice("2667.17", "160.03")) == "", "without what is disputed"


@pytest.mark.parametrize(("net", "tax"), [("4807.35", "288.43"), ("4807.34", "288.44"), ("1000.00", "60.00")])
def test_a_fen_of_net_or_tax_is_told_with_both_figures(net: str, tax: str) -> None:
    told = (
        f"the invoice has net {cny(net):,} and tax {tax}, and the statement had net 4,807.35 and tax 288.44"
    )
    assert differing(agency(), invoice(net, tax)).startswith(told)
    assert differing(invoiced(agency(), net, tax), invoice(net, tax)).startswith(told), "recorded, the same"


def test_a_rest_is_compared_with_what_is_left() -> None:
    part = invoiced(agency(), "4000.00", "240.00")
    rest = invoice("807.35", "48.44", number="F2")
    assert differing(part, rest) == ""
    assert "had net 807.35 and tax 48.44 still" in differing(part, invoice("807.35", "48.45", number="F2"))


def test_a_part_of_the_next_invoice_is_not_one_by_itself() -> None:
    assert differing(agency(), invoice("1.00", "0.06", in_next_invoice=True)) == ""
