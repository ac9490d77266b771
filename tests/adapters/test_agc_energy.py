"""Energy under AGC, from facts, readings and prices to lines: real-time money, and no arbitrage."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from ledger.allocation.regulation import RegulationTerms
from ledger.allocation.unit_fact import MileageDone, UnitRegulation
from ledger.demand import ActualDemand
from ledger.grid_account import Account
from ledger.refusal import Refused
from ledger.site import MarketPoint, RegisterSite, Site
from ledger.streams.regulation import RegulationAward, RegulationPerformance, RegulationPrices
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.test_allocating import allocated, vpp
from tests.adapters.test_market_settling import does, hours, lines, policy, rule, spot_prices, told
from tests.adapters.test_settling import TARIFF, filled, record, settle

AGC = hours(3, 14, 16)
PJM = "pjm-regulation"


def regulated() -> list[object]:
    """Two hours of the third, awarded 100 kW and instructed."""
    performance = RegulationPerformance(
        id="p1", site="S1", rule=PJM, run="m1", interval=AGC, product="regulation", instructions=(1, 1),
        mileage_w=(0, 0), score=(9, 9), score_scale=1,
    )  # fmt: skip
    award = RegulationAward(
        id="a1", site="S1", rule=PJM, run="m1", interval=AGC, product="regulation", capacity_w=(100_000,) * 2
    )
    prices = [
        RegulationPrices(
            id=f"x-{kind}", rule=PJM, run="m1", interval=AGC, product="regulation", kind=kind, currency="CNY",
            scale=2, mantissas=(0, 0),
        )
        for kind in ("capacity", "mileage", "mileage_ratio")
    ]  # fmt: skip
    pjm = rule("regulation_pjm", currency="CNY", zone="Asia/Shanghai")
    return [policy(), pjm, *told(performance, award, *prices)]


def point() -> RegisterSite:
    account = Account(id="A-S1", zone="Asia/Shanghai", parts="two_part", demand=ActualDemand())
    site = Site(
        "S1", "Plant", "Asia/Shanghai", 500_000, 250_000, TARIFF.id, account,
        market_point=MarketPoint("shandong", "n1"),
    )  # fmt: skip
    return RegisterSite(sample.FROM_2026, site)


def under_agc(bench: Bench) -> None:
    """40 kWh in and 30 kWh out in those hours, and a cycle of the storage's own on the first."""
    charge, discharge = np.zeros(2976, dtype=np.int64), np.zeros(2976, dtype=np.int64)
    first = (2 * 24 + 14) * 4
    charge[first : first + 4], discharge[first + 4 : first + 8] = 10_000, 7_500
    charge[8], discharge[80] = 44_000, 40_000
    record(bench, "S1-STORAGE", "charge", charge, "agc-charge")
    record(bench, "S1-STORAGE", "discharge", discharge, "agc-discharge")


def test_energy_under_agc_settles_in_real_time_and_is_not_arbitrage(bench: Bench) -> None:
    """(30 - 40) kWh x 0.30 = -3.00; the bill effect is what it was without a market."""
    filled(bench)
    under_agc(bench)
    (before,) = settle(bench)
    does(bench, *regulated())
    with pytest.raises(Refused) as caught:
        settle(bench)
    assert (caught.value.code, caught.value.place) == ("price_missing", AGC.start.isoformat())
    does(bench, point())
    with pytest.raises(Refused) as caught:
        settle(bench)
    assert caught.value.code == "price_missing"
    does(bench, *spot_prices("real_time", 300_000))
    (after,) = settle(bench)
    energy = [line for line in lines(after.result, "ancillary") if "under AGC" in line.note and line.basis]
    (paid,) = [line for line in energy if line.basis[0].unit == "Wh"]
    assert (str(paid.amount), paid.basis[0].quantity) == ("-3.00", "-10000")
    bill = ("arbitrage", "demand_charge", "power_factor", "interaction")
    sums = [
        sum(line.amount.exact for code in bill for line in lines(one.result, code)) for one in (before, after)
    ]
    assert sums[0] == sums[1]
    (arbitrage,), (rest,) = lines(after.result, "arbitrage"), lines(after.result, "interaction")
    assert "30000 Wh discharged and 40000 Wh charged are ancillary's" in arbitrage.note
    tagged = [term for term in rest.basis if "ancillary, not counted as arbitrage" in term.label]
    assert sum(Fraction(term.exact) for term in tagged) != 0
    (were,) = lines(before.result, "arbitrage")
    assert Fraction(were.exact) == Fraction(arbitrage.exact) + sum(Fraction(term.exact) for term in tagged)


def of_the_unit(
    run: str, called: tuple[int, int], moved: tuple[tuple[int, int], tuple[int, int]] | None = None
) -> list[object]:
    """What regulation paid a unit of S1 alone, with its mileage in each of the two hours."""
    charged, discharged = moved or (None, None)
    member = MileageDone(
        site="S1", power_w=100_000, availability="1", mileage_w=called, score=(9, 9), score_scale=1,
        charged_wh=charged, discharged_wh=discharged,
    )  # fmt: skip
    statement = UnitRegulation(
        id="as1", unit="vpp", rule=PJM, run=run, interval=AGC, currency="CNY", amount="10.00", document="d",
        mileage="0", capacity="10.00", members=(member,),
    )  # fmt: skip
    return told(statement)


@pytest.mark.parametrize(
    ("called", "moved", "paid", "discharged"),
    [
        ((1_000, 1_000), None, "-3.00", 30_000),
        ((0, 1_000), None, "9.00", 30_000),
        ((1_000, 0), None, "-12.00", 0),
        ((1_000, 1_000), ((10_000, 0), (0, 7_500)), "-0.75", 7_500),
    ],
)
def test_a_units_members_settle_their_own_energy_under_agc(
    bench: Bench,
    called: tuple[int, int],
    moved: tuple[tuple[int, int], tuple[int, int]] | None,
    paid: str,
    discharged: int,
) -> None:
    """40 kWh in by the first hour and 30 kWh out by the second at 0.30, as of a site by itself; the unit's
    statement pays for power alone."""
    filled(bench)
    under_agc(bench)
    pjm = rule("regulation_pjm", currency="CNY", zone="Asia/Shanghai")
    regulation = RegulationTerms(when_all_zero="operator")
    does(bench, policy(), pjm, vpp(regulation, S1={}), *of_the_unit("m1", called, moved))
    allocated(bench)
    with pytest.raises(Refused) as caught:
        settle(bench)
    assert caught.value.code == "price_missing"
    does(bench, point(), *spot_prices("real_time", 300_000))
    (settled,) = settle(bench)
    ancillary = lines(settled.result, "ancillary")
    energy = [str(line.amount) for line in ancillary if line.basis and line.basis[0].unit == "Wh"]
    assert energy == [paid]
    assert sum(line.amount.minor for line in ancillary) == 1_000 + round(100 * Fraction(paid))
    (arbitrage,) = lines(settled.result, "arbitrage")
    told_of = f"{discharged} Wh discharged" if discharged else "40000 Wh charged"
    assert told_of in arbitrage.note
    assert "ancillary's" in arbitrage.note
    assert f"market_rule.{PJM}" in {one.aggregate for one in settled.result.sources}
    assert "market_rule" in settled.result.inputs
