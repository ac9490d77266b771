"""DOMAIN.md 3.3: actual, contract and capacity modes; the 105 % band; the floor; 260 kWh per kVA."""

from __future__ import annotations

from fractions import Fraction

import pytest

from ledger.demand import (
    ActualDemand,
    CapacityCharge,
    ContractDemand,
    DemandTerms,
    OverBandRule,
    demand_charge,
    demand_w,
)
from ledger.quantity import Price
from ledger.refusal import Refused

DEMAND = Price.parse("48", "CNY", "kW.month")
CAPACITY = Price.parse("30", "CNY", "kVA.month")


def charge(terms: DemandTerms, measured_kw: int | Fraction, import_wh: int = 0) -> Fraction:
    found = demand_charge(
        terms,
        measured_w=Fraction(measured_kw) * 1000,
        import_wh=import_wh,
        demand_price=DEMAND,
        capacity_price=CAPACITY,
    )
    return found.exact


def contract(rule: OverBandRule = "B", **more: int) -> ContractDemand:
    return ContractDemand(contract_w=1_000_000, over_band_rule=rule, **{"floor_percent": 0, **more})


def test_demand_is_the_mean_power_of_an_interval() -> None:
    assert demand_w(250_001, 900) == 1_000_004
    assert demand_w(250_001, 3600) == 250_001
    assert demand_w(1, 7200) == Fraction(1, 2)


def test_the_two_readings_of_the_excess_differ_by_five_percent_of_the_contract() -> None:
    assert charge(contract("A"), 1100) == 52_800
    assert charge(contract("B"), 1100) == 55_200


@pytest.mark.parametrize(
    ("rule", "measured_kw", "expected"),
    [
        ("A", 1050, 48_000),
        ("B", 1050, 48_000),
        ("B", 10, 48_000),
        ("A", Fraction("1050.001"), Fraction("48000.096")),
        ("B", Fraction("1050.001"), Fraction("50400.096")),
    ],
)
def test_within_the_band_the_contract_is_charged_and_reading_b_jumps_above_it(
    rule: OverBandRule, measured_kw: int | Fraction, expected: int | Fraction
) -> None:
    assert charge(contract(rule), measured_kw) == expected


def test_a_contract_below_forty_percent_of_the_capacity_is_lifted() -> None:
    lifted = contract(floor_percent=40, capacity_va=3_000_000)
    assert lifted.charged_contract_w == 1_200_000
    assert charge(lifted, 1250) == 1200 * 48
    assert charge(contract(floor_percent=40, capacity_va=2_500_000), 900) == 1000 * 48


def test_actual_mode_charges_the_maximum_and_capacity_mode_never_looks_at_it() -> None:
    assert charge(ActualDemand(), Fraction("812.5")) == 39_000
    assert charge(CapacityCharge(capacity_va=1_250_000), 9999) == 37_500


@pytest.mark.parametrize(("import_kwh", "factor"), [(259_999, 1), (260_000, Fraction(9, 10))])
def test_a_month_that_reaches_260_kwh_per_kva_pays_nine_tenths(import_kwh: int, factor: Fraction) -> None:
    actual = ActualDemand(capacity_va=1_000_000, load_rate_kwh_per_kva=260)
    assert charge(actual, 1000, import_kwh * 1000) == 48_000 * factor
    declared = contract(capacity_va=1_000_000, load_rate_kwh_per_kva=260)
    assert charge(declared, 1100, import_kwh * 1000) == 55_200 * factor


def test_a_mode_without_its_price_or_its_measurement_is_refused() -> None:
    with pytest.raises(Refused) as no_price:
        demand_charge(
            CapacityCharge(capacity_va=1),
            measured_w=None,
            import_wh=0,
            demand_price=DEMAND,
            capacity_price=None,
        )
    assert no_price.value.code == "price_missing"
    with pytest.raises(Refused) as no_demand:
        demand_charge(ActualDemand(), measured_w=None, import_wh=0, demand_price=DEMAND, capacity_price=None)
    assert no_demand.value.code == "demand_missing"


@pytest.mark.parametrize(
    ("make", "place"),
    [
        (lambda: ContractDemand(contract_w=1_000_000), "capacity_va"),
        (lambda: ContractDemand(contract_w=0, floor_percent=0), "contract_w"),
        (lambda: contract("C"), "over_band_rule"),  # type: ignore[arg-type]
        (lambda: contract(floor_percent=101), "floor_percent"),
        (lambda: ActualDemand(load_rate_kwh_per_kva=260), "capacity_va"),
        (lambda: ActualDemand(interval_s=7), "interval_s"),
        (lambda: CapacityCharge(capacity_va=0), "capacity_va"),
    ],
)
def test_terms_that_do_not_hold_together_are_refused(make: object, place: str) -> None:
    assert callable(make)
    with pytest.raises(Refused) as caught:
        make()
    assert caught.value.place == place
