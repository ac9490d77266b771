"""A saving that a host hands on is invoiced by the category of the clause that divides the rest."""

from __future__ import annotations

import msgspec
import pytest

from ledger.settlement.line import Line
from ledger.settlement.line_vat import with_vat
from tests.ledger.contract_samples import yuan
from tests.ledger.settlement.test_line_vat import APRIL_30, TERMS, line, rate, taxed


def lines() -> list[Line]:
    """The host's bill is 100.00 lower, of which the remainder gives it 70.00; it hands 30.00 on."""
    saved = msgspec.structs.replace(line(1, "arbitrage", "host", "100.00"), kind="stream")
    return [
        saved,
        line(2, "remainder_split", "host", "70.00"),
        line(3, "remainder_split", "operator", "30.00"),
    ]


@pytest.mark.parametrize(
    ("category", "expected_rate", "net", "tax"),
    [
        ("service", "0.06", "-28.30", "-1.70"),
        ("electricity", "0.13", "-26.55", "-3.45"),
        ("exempt", "0", "-30.00", "0.00"),
    ],
)
def test_the_rest_clause_s_category_decides_and_the_stream_s_does_not(
    category: str, expected_rate: str, net: str, tax: str
) -> None:
    for stream in ("electricity", "service"):
        terms = msgspec.structs.replace(
            TERMS,
            categories=TERMS.categories | {"remainder_split": category, "arbitrage": stream},
            rates=(*TERMS.rates, rate("exempt", "0%")),
        )
        found = with_vat("operator", taxed(vat=terms), lines(), APRIL_30).lines
        handed_on = found[0].vat
        assert handed_on is not None
        assert (handed_on.supplier, handed_on.rate) == ("operator", expected_rate)
        assert (handed_on.net, handed_on.tax) == (yuan(net), yuan(tax))
        assert handed_on.gross == yuan("-30.00")
        assert [one.vat for one in found[1:]] == [None, None], "what the host keeps is nobody's supply"
