"""Accounts with several supply feeders: each metered and charged by itself, energy on the sum."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.bill import bill
from ledger.demand import ActualDemand, CapacityCharge, ContractDemand, DemandTerms
from ledger.grid_account import Account, Feeder, PowerFactorTerms
from ledger.interval import Month
from ledger.power_factor import Reactive
from ledger.quantity import round_half_away
from ledger.refusal import Refused
from ledger.settlement.behind_the_meter import earnings
from ledger.settlement.inputs import SiteInputs
from ledger.site import Site
from ledger.storage_saving import FeederEnergy
from ledger.tariff_file import parse_tariff
from tests.ledger.single_saving import storage_saving

FILE = Path(__file__).resolve().parents[2] / "examples/tariffs/shanghai_two_part_1-10kv.toml"
SHANGHAI = parse_tariff(FILE.read_text(encoding="utf-8"), name=FILE.name)
AUGUST = Month(2026, 8)
QUARTERS = 31 * 96
ZONE = "Asia/Shanghai"
DEMAND = Fraction("44.8")
Wh = npt.NDArray[np.int64]


def account(*terms: DemandTerms, power_factor: PowerFactorTerms | None = None) -> Account:
    feeders = tuple(Feeder(id=name, demand=one) for name, one in zip("ABC", terms, strict=False))
    return Account(id="two", zone=ZONE, parts="two_part", feeders=feeders, power_factor=power_factor)


def one_supply(terms: DemandTerms) -> Account:
    return Account(id="one", zone=ZONE, parts="two_part", demand=terms)


def flat(wh: int) -> Wh:
    return np.full(QUARTERS, wh, dtype=np.int64)


def test_the_charges_of_two_feeders_are_added() -> None:
    """A: 150 kW actual. B: contract 100 kW, measured 120 kW, rule B: 105 + 2 x 15 = 135 kW (DOMAIN.md 3.3).

    The feeders peak at different times, so the account as a whole never takes 270 kW.
    """
    a, b = flat(10_000), flat(5_000)
    a[40], b[80] = 37_500, 30_000
    who = account(ActualDemand(), ContractDemand(contract_w=100_000, floor_percent=0))
    found = bill(who, SHANGHAI, AUGUST, a + b, interval_s=900, feeders={"A": a, "B": b})
    charges = {line.part: str(line.amount) for line in found.lines if line.item == "demand"}
    assert charges == {"A": "6720.00", "B": "6048.00"}, "150 x 44.8 and 135 x 44.8"
    assert [(one.feeder, one.measured_w) for one in found.demands] == [("A", 150_000), ("B", 120_000)]
    whole = bill(one_supply(ActualDemand()), SHANGHAI, AUGUST, a + b, interval_s=900)
    assert whole.exact("energy") == found.exact("energy"), "energy is charged on the sum"
    assert whole.measured_w == 170_000
    assert found.measured_w is None, "no one demand is the account's"


def test_the_high_use_factor_is_each_feeders_own() -> None:
    """260 kWh/kVA of 100 kVA is 26 000 kWh: feeder A imports 29 760 kWh, B 14 880 kWh."""
    terms = ActualDemand(capacity_va=100_000, load_rate_kwh_per_kva=260)
    a, b = flat(10_000), flat(5_000)
    found = bill(account(terms, terms), SHANGHAI, AUGUST, a + b, interval_s=900, feeders={"A": a, "B": b})
    assert [line.rate for line in found.lines if line.item == "demand"] == [Fraction(9, 10), 1]


def test_the_power_factor_is_of_the_account() -> None:
    """cos phi of all energy and all varh, on all charges: one line, whatever the feeders."""
    terms = PowerFactorTerms(standard="0.90", fund_in_base=True)
    a, b = flat(10_000), flat(5_000)
    reactive = Reactive(15_000 * QUARTERS // 2, 0)
    who = account(ActualDemand(), ActualDemand(), power_factor=terms)
    found = bill(who, SHANGHAI, AUGUST, a + b, interval_s=900, reactive=reactive, feeders={"A": a, "B": b})
    (line,) = (line for line in found.lines if line.item == "power_factor")
    assert found.cos_phi_hundredths == 89
    assert line.quantity == found.exact("energy") + found.exact("demand")


ENERGY = st.integers(-50_000, 400_000)


@settings(max_examples=25)
@given(st.lists(st.tuples(ENERGY, ENERGY), min_size=3, max_size=9), st.integers(0, 200_000))
def test_feeders_are_billed_as_plain_sums(some: list[tuple[int, int]], kva: int) -> None:
    """Written from DOMAIN.md 3.3 alone: >= 2 supply feeders, each metered, charges added."""
    a, b = flat(1_000), flat(2_000)
    for number, (one, other) in enumerate(some):
        a[number * 300], b[number * 290 + 7] = one, other
    who = account(ActualDemand(), CapacityCharge(capacity_va=kva + 1))
    found = bill(who, SHANGHAI, AUGUST, a + b, interval_s=900, feeders={"A": a, "B": b})
    measured = max(0, *a.tolist())
    capacity_price = SHANGHAI.table_for(AUGUST).capacity
    assert capacity_price is not None
    charges = [Fraction(measured * 4, 1000) * DEMAND, Fraction(kva + 1, 1000) * capacity_price.exact]
    amounts = [line.amount.minor for line in found.lines if line.item == "demand"]
    assert amounts == [round_half_away(one * 100) for one in charges]
    assert found.imported_wh == sum(max(0, x + y) for x, y in zip(a.tolist(), b.tolist(), strict=True))


def test_storage_lowers_the_demand_of_its_own_feeder_only() -> None:
    """The storage on B cuts B's peak of 120 kW to 100 kW: 20 x 44.8; A's 150 kW are as they were."""
    a, b, charge, discharge = flat(10_000), flat(5_000), flat(0), flat(0)
    a[40], b[80], discharge[80] = 37_500, 30_000, 5_000
    charge[0] = 5_500
    who = account(ActualDemand(), ActualDemand())
    on_b = (FeederEnergy("A", a, flat(0), flat(0)), FeederEnergy("B", b, charge, discharge))
    saving = storage_saving(who, SHANGHAI, AUGUST, a + b, charge, discharge, interval_s=900, feeders=on_b)
    assert str(saving.demand_charge) == "896.00"
    on_a = (FeederEnergy("A", a, charge, discharge), FeederEnergy("B", b, flat(0), flat(0)))
    elsewhere = storage_saving(who, SHANGHAI, AUGUST, a + b, charge, discharge, interval_s=900, feeders=on_a)
    assert str(elsewhere.demand_charge) == "0.00"
    assert elsewhere.arbitrage == saving.arbitrage, "energy does not see the feeder"


def test_the_line_names_each_feeder_in_its_terms_and_its_note() -> None:
    a, b, discharge = flat(10_000), flat(5_000), flat(0)
    b[80], discharge[80] = 30_000, 5_000
    who = account(CapacityCharge(capacity_va=500_000), ActualDemand())
    site = Site("S1", "Plant", ZONE, 500_000, 250_000, SHANGHAI.id, who)
    feeders = (FeederEnergy("A", a, flat(0), flat(0)), FeederEnergy("B", b, flat(0), discharge))
    inputs = SiteInputs(site, SHANGHAI, 900, a + b, flat(0), discharge, None, (), feeders=feeders)
    (found,) = earnings([inputs], AUGUST)
    (line,) = (one for one in found.earned if one.stream == "demand_charge")
    assert [term.label for term in line.basis] == [
        "bill without storage, feeder A",
        "bill without storage, feeder B",
        "bill with storage, feeder A",
        "bill with storage, feeder B",
    ]
    assert sum(Fraction(term.exact) for term in line.basis) == line.exact == Fraction(896)
    assert line.note == (
        "feeder A: the feeder pays for its capacity, whatever the demand;"
        " feeder B: maximum demand 120.0 kW without storage, 100.0 kW with it"
    )
    assert found.bill is not None
    assert [item.part for item in found.bill.items_with if item.item == "demand"] == ["A", "B"]


def test_feeders_that_do_not_fit_are_refused() -> None:
    actual = ActualDemand()
    twice = (Feeder(id="A", demand=actual), Feeder(id="A", demand=actual))
    for fields, code in (
        ({"feeders": twice[:1]}, "feeders"),
        ({"feeders": twice}, "feeders"),
        ({"feeders": (), "demand": None}, "demand_mode"),
        ({"feeders": (twice[0], Feeder(id="B", demand=actual)), "demand": actual}, "demand_mode"),
        ({"feeders": twice, "parts": "single_part"}, "single_part_demand"),
    ):
        with pytest.raises(Refused) as caught:
            Account(**{"id": "x", "zone": ZONE, "parts": "two_part"} | fields)  # type: ignore[arg-type]
        assert caught.value.code == code
    who, whole = account(actual, actual), flat(10)
    for feeders in ({}, {"A": whole}, {"A": flat(4), "B": flat(5)}, {"A": flat(4), "C": flat(6)}):
        with pytest.raises(Refused) as caught:
            bill(who, SHANGHAI, AUGUST, whole, interval_s=900, feeders=feeders)
        assert caught.value.code == "feeder_profile"
    assert bill(who, SHANGHAI, AUGUST, whole, interval_s=900, feeders={"A": flat(4), "B": flat(6)}).demands
