"""An account's price of exported energy in a portfolio file: plain, as prices are in every other file."""

from __future__ import annotations

import pytest

from adapters import portfolio_file
from ledger.quantity import Price
from ledger.refusal import Refused

PORTFOLIO = """
effective_from = 2026-01-01
[book]
name = "Files"
owner = "operator"
currency = "CNY"
zone = "Asia/Shanghai"
approvals = "one_person"
[[sites]]
id = "S1"
name = "S1"
zone = "Asia/Shanghai"
storage_energy_wh = 500000
storage_power_w = 250000
tariff = "shanghai-two-part-1-10kv"
account = { id = "A", zone = "Asia/Shanghai", parts = "single_part", export_price = PRICE }
"""


@pytest.mark.parametrize("written", ['"0.4155"', "0.4155"])
def test_a_price_is_a_plain_number_in_the_books_currency(written: str) -> None:
    (site,) = portfolio_file.parse(PORTFOLIO.replace("PRICE", written)).sites
    assert site.account.export_price == Price.parse("0.4155", "CNY", "kWh")


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ('"0.12 EUR"', "number"),
        ('"nan"', "number"),
        ('"0.1234567891"', "price_scale"),
        ("true", "field_type"),
        ("[1]", "field_type"),
    ],
)
def test_another_form_is_refused_by_line(written: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        portfolio_file.parse(PORTFOLIO.replace("PRICE", written))
    assert refused.value.code == code
    assert refused.value.place == "line 16, sites[0].account.export_price"


def test_a_book_of_no_currency_is_refused_as_that() -> None:
    with pytest.raises(Refused) as refused:
        portfolio_file.parse(PORTFOLIO.replace("PRICE", '"0.1"').replace('"CNY"', '"XYZ"'))
    assert refused.value.code == "currency"
