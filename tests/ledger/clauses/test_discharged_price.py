"""A price per discharged kWh, the cost of charging and take or pay, to the fen."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.clauses.carry import TakeToDate
from ledger.clauses.discharged_price import DischargedPrice, MinimumTake
from ledger.clauses.facts import Exclusion, MonthFacts
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.waterfall import distribute
from tests.ledger.clauses.months import Given, by_party, settled, with_rest
from tests.ledger.contract_samples import JANUARY

FIELDS: dict[str, Any] = {
    "price_basis": "fixed",
    "price": "1.10",
    "discount": "10%",
    "charge_cost": "not_passed",
    "payer": "host",
    "payee": "operator",
    "timing": "after_split",
}
MONTHLY: dict[str, Any] = {
    "kwh": "100000",
    "period": "month",
    "proration": "days",
    "price": "0.5",
    "make_up": True,
}
YEARLY: dict[str, Any] = MONTHLY | {"kwh": "480000", "period": "year", "reset_month": 1}
FREE: dict[str, Any] = {"price": "0"}
"""The energy costs nothing, so that only the minimum take is seen."""


def price(**changes: Any) -> DischargedPrice:
    return DischargedPrice(**FIELDS | changes)


def takes(minimum: dict[str, Any], kwh: list[int], first: Month = JANUARY) -> list[str]:
    """What the operator gets for energy that is free: the minimum take alone."""
    terms = with_rest(price(**FREE, minimum=MinimumTake(**minimum)))
    months = settled(terms, [Given(discharge_kwh=taken) for taken in kwh], first)
    return [by_party(month, "discharged_price").get("operator", "0.00") for month in months]


@pytest.mark.parametrize(
    ("changes", "operator"),
    [
        ({}, "98366.40"),
        ({"charge_cost": "deducted"}, "68805.18"),
        ({"charge_cost": "added"}, "127927.62"),
        ({"price_basis": "tariff", "price": None}, "90000.00"),
    ],
)
def test_april_s_energy_at_a_discount(changes: dict[str, Any], operator: str) -> None:
    """99,360 kWh x 0.99 CNY; charging 108,000 kWh cost 0.273715 CNY each (DOMAIN.md 3.5)."""
    april = Given("0", 99_360, 108_000, charge_cost="29561.22", discharge_value="100000.004")
    (month,) = settled(with_rest(price(**changes)), [april], Month(2026, 4))
    assert by_party(month, "discharged_price") == {"host": f"-{operator}", "operator": operator}


def test_the_pool_may_pay_and_a_dear_charge_makes_the_price_negative() -> None:
    terms = with_rest(price(payer="pool", timing="before_split", charge_cost="deducted"))
    (month,) = settled(terms, [Given("1000", 100, 120, charge_cost="150.5")])
    assert by_party(month, "discharged_price") == {"operator": "-51.50"}
    assert by_party(month, "remainder_split") == {"host": "525.75", "operator": "525.75"}


@pytest.mark.parametrize(
    ("make_up", "expected"), [(True, ["-2000.00", "-3000.00"]), (False, ["0.00", "0.00"])]
)
def test_a_month_s_take_is_paid_for_and_made_up_later(make_up: bool, expected: list[str]) -> None:
    """10,000 kWh short, then 4,000 and 20,000 above: 4,000 and the last 6,000 are credited."""
    paid = takes(MONTHLY | {"make_up": make_up}, [90_000, 104_000, 120_000])
    assert paid == ["5000.00", *expected]


def test_a_year_s_take_trues_itself_up() -> None:
    """40,000 kWh a month to date: 10,000 short, none short, 20,000 short."""
    assert takes(YEARLY, [30_000, 60_000, 10_000]) == ["5000.00", "-5000.00", "10000.00"]


def test_what_a_year_paid_and_did_not_take_is_made_up_in_the_next() -> None:
    """The year ends 10,000 kWh short; in the next, 20,000 above its minimum, 10,000 are credited."""
    again = YEARLY | {"reset_month": 3}
    assert takes(again, [30_000, 40_000, 60_000, 0]) == ["5000.00", "0.00", "-5000.00", "15000.00"]
    assert takes(again | {"make_up": False}, [30_000, 40_000, 60_000]) == ["5000.00", "0.00", "0.00"]


def test_an_amendment_inside_a_month_goes_on_counting() -> None:
    """16 of 31 days fall short by 16/31 of 100,000 kWh; the rest of January takes all of them back."""
    clause = price(**FREE, minimum=MinimumTake(**MONTHLY | {"make_up": False}))
    (first,) = settled(with_rest(clause, effective_to=date(2026, 1, 17)), [Given()])
    second = with_rest(clause, effective_from=date(2026, 1, 17))
    (rest,) = settled(second, [Given(discharge_kwh=100_000)], prior=first.carry)
    assert by_party(first, "discharged_price")["operator"] == "25806.45"
    assert by_party(rest, "discharged_price")["operator"] == "-25806.45"


def test_excluded_days_and_part_months_lower_the_minimum() -> None:
    storm = Exclusion(cause="force_majeure", first=date(2026, 4, 10), end=date(2026, 4, 13), evidence="n 1")
    minimum = MinimumTake(**MONTHLY, carve_outs=("force_majeure",))
    terms = with_rest(price(**FREE, minimum=minimum), effective_from=date(2026, 4, 4))
    (month,) = settled(terms, [Given(facts=MonthFacts(exclusions=(storm,)))], Month(2026, 4))
    assert by_party(month, "discharged_price")["operator"] == "40000.00"


def test_a_minimum_that_no_decimal_can_write_is_explained_in_full() -> None:
    minimum = MinimumTake(**YEARLY | {"kwh": "100000"})
    (month,) = settled(with_rest(price(**FREE, minimum=minimum)), [Given()])
    assert by_party(month, "discharged_price")["operator"] == "4166.67"
    assert month.lines[-1].basis.startswith("minimum take 25000/3 kWh, taken 0 kWh")


def test_a_count_goes_on_only_when_months_are_settled_in_order() -> None:
    with pytest.raises(Refused) as refused:
        takes(YEARLY | {"make_up": False}, [1], Month(2026, 2))
    assert refused.value.code == "prior_missing"
    assert takes(MONTHLY | {"make_up": False}, [100_000], Month(2026, 2)) == ["0.00"]


@pytest.mark.parametrize(
    ("changes", "given_month", "code"),
    [
        ({"charge_cost": "added"}, Given(), "charge_cost_missing"),
        ({"price_basis": "tariff", "price": None}, Given(), "discharge_value_missing"),
    ],
)
def test_unknown_is_not_zero(changes: dict[str, Any], given_month: Given, code: str) -> None:
    with pytest.raises(Refused) as refused:
        settled(with_rest(price(**changes)), [given_month])
    assert refused.value.code == code


def test_unmetered_is_not_zero() -> None:
    with pytest.raises(Refused) as refused:
        distribute(with_rest(price()), Month(2026, 1), (), None, None)
    assert refused.value.code == "throughput_missing"


@pytest.mark.parametrize(
    ("kind", "fields", "code", "place"),
    [
        (DischargedPrice, FIELDS | {"price": None}, "price", "price"),
        (DischargedPrice, FIELDS | {"price_basis": "tariff"}, "price", "price"),
        (DischargedPrice, FIELDS | {"discount": "110%"}, "portion", "discount"),
        (DischargedPrice, FIELDS | {"charge_cost": "shared"}, "not_allowed", "charge_cost"),
        (DischargedPrice, FIELDS | {"price_basis": "spot"}, "not_allowed", "price_basis"),
        (DischargedPrice, FIELDS | {"payee": "host"}, "fee_parties", "payee"),
        (MinimumTake, MONTHLY | {"kwh": "x"}, "amount", "kwh"),
        (MinimumTake, MONTHLY | {"period": "day"}, "not_allowed", "period"),
        (MinimumTake, MONTHLY | {"reset_month": 1}, "reset_month", "reset_month"),
        (MinimumTake, YEARLY | {"reset_month": None}, "reset_month", "reset_month"),
        (MinimumTake, MONTHLY | {"carve_outs": ("rain",)}, "not_allowed", "carve_outs[0]"),
    ],
)
def test_a_price_that_cannot_be_meant_is_refused(
    kind: type[Any], fields: dict[str, Any], code: str, place: str
) -> None:
    with pytest.raises(Refused) as refused:
        kind(**fields)
    assert (refused.value.code, refused.value.place) == (code, place)


@settings(max_examples=80)
@given(kwh=st.lists(st.integers(0, 90_000), min_size=1, max_size=14))
def test_a_year_pays_for_its_shortfall_in_any_order_of_months(kwh: list[int]) -> None:
    """Every year's lines sum to its shortfall, less what it makes up of the years before."""
    paid = [Fraction(text) for text in takes(YEARLY, kwh)]
    to_make_up = Fraction(0)
    for start in range(0, len(kwh), 12):
        year = kwh[start : start + 12]
        minimum = 40_000 * len(year)
        above = Fraction(max(sum(year) - minimum, 0))
        unpaid = max(minimum - sum(year), 0) - min(above, to_make_up)
        assert sum(paid[start : start + 12]) == unpaid / 2
        to_make_up += unpaid


@settings(max_examples=40)
@given(kwh=st.integers(0, 10**6), cost=st.integers(-(10**6), 10**6), added=st.booleans())
def test_payer_and_payee_mirror_each_other(kwh: int, cost: int, added: bool) -> None:
    terms = with_rest(price(charge_cost="added" if added else "deducted"))
    (month,) = settled(terms, [Given("12.34", kwh, charge_cost=str(Fraction(cost, 1000)))])
    lines = [line for line in month.lines if line.type == "discharged_price"]
    sums = {
        party: sum(ln.amount.minor for ln in lines if ln.party == party) for party in ("host", "operator")
    }
    assert sums["host"] == -sums["operator"]
    assert sum(line.amount.minor for line in month.lines) == 1234


def test_what_is_carried_is_energy_and_has_no_currency() -> None:
    terms = with_rest(price(minimum=MinimumTake(**YEARLY)), currency="JPY")
    january, february = settled(terms, [Given(discharge_kwh=30_000), Given(discharge_kwh=50_000)])
    assert january.carry.accounts == {"discharged_price#1": TakeToDate(Month(2026, 1), "1", 30_000_000, "0")}
    assert by_party(february, "discharged_price") == {"host": "-44500", "operator": "44500"}
