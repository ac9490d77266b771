"""Net, tax and gross of each line by the contract's own dated rates."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.accounting.vat import VatRate
from ledger.contract import Contract
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.vat_terms import VatTerms, vat
from tests.ledger.contract_samples import contract, plain_split, yuan

APRIL_30 = date(2026, 4, 30)


def rate(
    category: str, percent: str, since: date, until: date | None = None, taxpayer: Any = "general"
) -> VatRate:
    return VatRate(
        category=category,
        taxpayer=taxpayer,
        rate=percent,
        effective_from=since,
        effective_to=until,
        source="x",
    )


RATES = (
    rate("electricity", "16%", date(2018, 5, 1), date(2019, 4, 1)),
    rate("electricity", "13%", date(2019, 4, 1)),
    rate("service", "6%", date(2016, 5, 1)),
    rate("service", "3%", date(2016, 5, 1), taxpayer="small_scale"),
)
FIELDS: dict[str, Any] = {
    "taxpayers": {
        "host": "general",
        "operator": "small_scale",
        "a-investor": "general",
        "b-platform": "general",
    },
    "categories": {"arbitrage": "electricity", "loss_split": "service", "remainder_split": "electricity"},
    "rates": RATES,
}
TERMS = VatTerms(**FIELDS)


def test_the_share_of_45678_91_at_13_percent() -> None:
    """70 % is 31 975.24 gross, 28 296.67 net (DOMAIN.md 3.8)."""
    line = vat("remainder_split", yuan("31975.24"), TERMS, "tax_inclusive", "host", APRIL_30)
    assert (str(line.net), str(line.tax), str(line.gross)) == ("28296.67", "3678.57", "31975.24")
    same = vat("remainder_split", yuan("28296.67"), TERMS, "tax_exclusive", "host", APRIL_30)
    assert (str(same.net), str(same.tax), str(same.gross)) == ("28296.67", "3678.57", "31975.24")


@pytest.mark.parametrize(
    ("item", "supplier", "on", "tax"),
    [
        ("arbitrage", "host", date(2019, 3, 31), "16.00"),
        ("arbitrage", "host", date(2019, 4, 1), "13.00"),
        ("loss_split", "host", APRIL_30, "6.00"),
        ("loss_split", "operator", APRIL_30, "3.00"),
    ],
)
def test_the_rate_is_of_the_day_the_item_and_the_supplier(
    item: str, supplier: str, on: date, tax: str
) -> None:
    assert str(vat(item, yuan("100.00"), TERMS, "tax_exclusive", supplier, on).tax) == tax


@pytest.mark.parametrize(
    ("item", "supplier", "on", "code"),
    [
        ("arbitrage", "host", date(2018, 4, 30), "vat_rate_missing"),
        ("arbitrage", "operator", APRIL_30, "vat_rate_missing"),
        ("spot", "host", APRIL_30, "vat_category"),
        ("arbitrage", "bank", APRIL_30, "vat_party"),
    ],
)
def test_a_rate_that_is_not_stated_is_refused(item: str, supplier: str, on: date, code: str) -> None:
    with pytest.raises(Refused) as refused:
        vat(item, yuan("1.00"), TERMS, "tax_inclusive", supplier, on)
    assert refused.value.code == code


def signed(**changes: Any) -> Contract:
    return contract(plain_split().clauses, vat=VatTerms(**FIELDS | changes))


@pytest.mark.parametrize(
    ("changes", "code", "place"),
    [
        ({"taxpayers": {"host": "general"}}, "vat_party", "vat.taxpayers"),
        (
            {"taxpayers": FIELDS["taxpayers"] | {"bank": "general"}},
            "vat_party",
            "vat.taxpayers.bank",
        ),
        ({"taxpayers": {"host": "large"}}, "not_allowed", "taxpayers.host"),
        ({"categories": {"arbitrage": "electricity"}}, "vat_category", "vat.categories"),
        (
            {"categories": FIELDS["categories"] | {"spot": "service"}},
            "vat_category",
            "vat.categories.spot",
        ),
        ({"categories": {"arbitrage": "heat"}}, "vat_category", "categories.arbitrage"),
        ({"rates": (*RATES, RATES[1])}, "vat_rate_overlap", "rates[4]"),
    ],
)
def test_terms_name_every_party_and_item_of_the_contract(
    changes: dict[str, Any], code: str, place: str
) -> None:
    with pytest.raises(Refused) as refused:
        signed(**changes)
    assert (refused.value.code, refused.value.place) == (code, place)


def test_terms_round_trip_with_the_contract() -> None:
    terms = signed()
    assert msgspec.json.decode(msgspec.json.encode(terms), type=Contract) == terms


@settings(max_examples=100)
@given(minor=st.integers(-(10**12), 10**12), inclusive=st.booleans())
def test_gross_is_net_and_tax(minor: int, inclusive: bool) -> None:
    basis: Any = "tax_inclusive" if inclusive else "tax_exclusive"
    line = vat("arbitrage", Money(minor, "CNY"), TERMS, basis, "host", APRIL_30)
    assert line.net + line.tax == line.gross
    assert (line.gross if inclusive else line.net).minor == minor
    mirrored = vat("arbitrage", Money(-minor, "CNY"), TERMS, basis, "host", APRIL_30)
    assert (mirrored.net, mirrored.tax) == (-line.net, -line.tax)
