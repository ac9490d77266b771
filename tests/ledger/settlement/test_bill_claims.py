"""What other streams have is not counted as the bill's too, and the bill effect stays whole (DOMAIN.md 4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import tariff_file
from ledger.demand import ActualDemand
from ledger.exclusivity import policy_file
from ledger.exclusivity.conflict import Conflicts
from ledger.exclusivity.grant import Granted
from ledger.grid_account import Account
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.settlement.inputs import Inputs, MonthEnergy, SiteInputs
from ledger.settlement.line import Line, Source
from ledger.settlement.markets import decided
from ledger.settlement.markets.bill import BILL, demand_window
from ledger.settlement.markets.case import Case, MeteredDemand, OnBill
from ledger.settlement.markets.commitment import kept_wh
from ledger.settlement.markets.month import MarketMonth, SpotPricesOf
from ledger.settlement.result import Result
from ledger.settlement.settle import check_line, settle
from ledger.site import Site
from ledger.streams import Fact, Rule
from ledger.streams.baseline import Profile
from tests.ledger.settlement.test_commitment import (
    CONFLICTS,
    PLATE_W,
    awarded,
    called,
    case,
    discharged,
    earned,
    market_prices,
    paid,
    window,
)
from tests.ledger.settlement.test_market_bad_input import (
    AUGUST,
    DR,
    EXAMPLES,
    MONTH,
    POLICY,
    START,
    available,
    certified,
    clearing,
    pjm,
    prices,
    qinghai,
    rule,
    spot,
)
from tests.scenarios.market_inputs import contract_of

STRICT = policy_file.parse((EXAMPLES / "exclusivity/strict.toml").read_bytes())
WITHOUT_SAVING = msgspec.structs.replace(POLICY, switches_on={"response_without_saving": "a contract"})
FILE = Path(EXAMPLES) / "tariffs/shanghai_two_part_1-10kv.toml"
TWO_PART = tariff_file.parse_tariff(FILE.read_text(encoding="utf-8"), name=FILE.name)
ZONE = "Asia/Shanghai"
QUARTERS = 2976
ACCOUNT = Account(id="A", zone=ZONE, parts="two_part", demand=ActualDemand())
SITE = Site("S", "Plant", ZONE, 1_000_000, 500_000, TWO_PART.id, ACCOUNT)
TERMS = {
    "model": "split",
    "share": {"host": 70, "operator": 30},
    "cash_holder": {
        "arbitrage": "host",
        "pv_time_shift": "host",
        "demand_charge": "host",
        "interaction": "host",
        "demand_response": "operator",
        "ancillary": "operator",
    },
}
Wh = Any


def of_site(facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """The same facts, told of the site S."""
    return tuple(msgspec.structs.replace(one, site="S") if hasattr(one, "site") else one for one in facts)


def month(load: Wh, charge: Wh, discharge: Wh, rules: Sequence[Rule], facts: Sequence[Fact]) -> MarketMonth:
    present = np.zeros(QUARTERS, dtype=np.bool_)
    grid, own = (
        Profile(START, 900, ZONE, wh, present) for wh in (load + charge - discharge, charge - discharge)
    )
    spot_of = SpotPricesOf(None, prices("real_time"), None)
    return MarketMonth(MONTH, {one.id: one for one in rules}, of_site(facts), spot_of, grid, own, ())


def settled(
    load: Wh,
    charge: Wh,
    discharge: Wh,
    rules: Sequence[Rule] = (),
    facts: Sequence[Fact] = (),
    *,
    policy: Any = POLICY,
    site: Site = SITE,
) -> Result:
    market = month(load, charge, discharge, rules, facts) if facts else None
    inputs = SiteInputs(site, TWO_PART, 900, load, charge, discharge, None, (), market)
    source = Source("contract.C", ((1, 1),))
    return settle(Inputs(contract_of(TERMS), AUGUST, 1, (inputs,), None, source, policy))


def flat(wh: int) -> Wh:
    return np.full(QUARTERS, wh, dtype=np.int64)


def of(result: Result, code: str) -> list[Line]:
    for line in result.lines:
        check_line(line)
    return [line for line in result.lines if line.code == code]


def amount(result: Result, *codes: str) -> Fraction:
    return sum((line.amount.exact for code in codes for line in of(result, code)), Fraction(0))


def effect(result: Result) -> Fraction:
    (bill,) = result.bills
    return bill.without_storage.exact - bill.with_storage.exact


ATTRIBUTED = ("arbitrage", "pv_time_shift", "demand_charge", "power_factor", "interaction")


# --- regulation -------------------------------------------------------------------------------------


def up_only(name: str, hours: int, watts: int) -> list[Fact]:
    award, done = awarded(name, 0, hours, watts)
    return [msgspec.structs.replace(award, direction="up"), done]


def test_an_award_of_one_direction_leaves_the_other() -> None:
    """Power is held down too by a symmetric award: 300 of 500 kW; an upward one leaves all of them."""
    increase = rule(DR, direction="increase")
    filling = discharged((window(1, 10), 100_000))
    for award, granted_w in (
        (awarded("a1", 0, 744, 300_000), 200_000),
        (up_only("a1", 744, 300_000), 400_000),
    ):
        facts = [*called("e1", 34, 400_000), *award, *market_prices()]
        granted = decided(case([increase, pjm()], facts, charge=filling), CONFLICTS).of("e1")
        assert granted.down_w is not None
        assert set(granted.down_w.tolist()) == {granted_w}
    with pytest.raises(Refused, match="direction"):
        msgspec.structs.replace(awarded("a1", 0, 1, 1)[0], direction="sideways")


def test_energy_that_the_market_does_not_settle_is_no_arbitrage_either() -> None:
    power_only = msgspec.structs.replace(pjm(), energy="not_settled")
    facts = [*awarded("a1", 34, 1, 100_000), *market_prices()]
    out = discharged((window(1, 10), 10_000), (window(2, 10), 10_000))
    for of_rule, pays in ((pjm(), 12), (power_only, 0)):
        found = earned([of_rule], facts, discharge=out)
        energy = [one for one in found.earned if one.basis and one.basis[0].unit == "Wh"]
        assert sum(one.exact for one in energy) == pays, "40 kWh at 0.30"
        (taken,) = found.left.taken
        assert (taken.taker, taken.discharge_wh.sum(), taken.pooled) == ("ancillary", 40_000, True)


def test_in_a_spot_month_energy_under_agc_is_settled_once() -> None:
    """SP x AS: it is part of the metered energy, which settles at the real-time price."""
    facts = [clearing(), *awarded("a1", 34, 1, 100_000), *market_prices()]
    found = earned([spot(), pjm()], facts, discharge=discharged((window(1, 10), 10_000)))
    assert not [
        one for one in found.earned if one.stream == "ancillary" and "real-time, by" in str(one.basis)
    ]
    assert paid(found, "spot") == 12
    assert not found.retail


# --- capacity ---------------------------------------------------------------------------------------


def test_capacity_behind_the_meter_is_flagged() -> None:
    """DOMAIN.md 3.7: a line of 0.00 and a notice, and no kW that anybody else could not have."""
    ineligible = msgspec.structs.replace(qinghai(), behind_the_meter="ineligible")
    found = earned([ineligible], [certified()])
    assert [(one.stream, str(one.amount)) for one in found.earned] == [("capacity", "0.00")]
    assert [one.code for one in found.notices] == ["behind_the_meter"]
    assert f"{certified().id} earns 0.00" in found.notices[0].message
    assert not decided(case([ineligible], [certified()]), CONFLICTS).totals("up_w")
    with_award = [certified(), *awarded("a1", 0, 744, PLATE_W), *market_prices()]
    assert not earned([ineligible, pjm()], with_award).refused


# --- what a refusal says ----------------------------------------------------------------------------


def test_a_spot_conflict_names_the_interval_and_the_other_claim() -> None:
    cleared = msgspec.structs.replace(clearing(), injected_wh=(300_000,) * 744)
    facts = [cleared, *awarded("a1", 5, 1, 200_001), *market_prices()]
    with pytest.raises(Refused) as caught:
        earned([spot(), pjm()], facts)
    text = str(caught.value)
    assert caught.value.code == "spot_conflict"
    assert (START + timedelta(hours=5)).isoformat() in text
    assert "pjm-regulation-regulation (ancillary) has 200001 W (same_power, DOMAIN.md 4, SP x AS)" in text


# --- inside a baseline ------------------------------------------------------------------------------


def grid_events(load: Wh, out: Wh, policy: Any = POLICY) -> Granted:
    """One call on the 20th at 10:00 of a programme that measures the grid connection."""
    generic = rule("dr_generic_80_120", id="one")
    facts = [
        msgspec.structs.replace(fact, **{when: START + timedelta(days=19)})
        for fact in called("e1", 490, 240_000, "one")
        for when in ("announced", "issued")
        if hasattr(fact, when)
    ]
    return decided(case([generic], facts, discharge=out, grid=load - out), Conflicts(policy))


def test_what_a_baseline_already_holds_is_arbitrage_s_and_the_rest_may_be_a_response() -> None:
    """A load of 100 kWh and 40 out of the storage every morning: a baseline of 60. All 100 out are a response
    of 60 kWh; 40 are inside the baseline (DOMAIN.md 3.4, 5)."""
    morning = np.tile(discharged((slice(40, 44), 40_000))[:96], 31)
    out = morning.copy()
    out[20 * 96 + 40 : 20 * 96 + 44] = 100_000
    granted = grid_events(flat(100_000), out)
    at = slice(20 * 96 + 40, 20 * 96 + 44)
    inside, whole = granted.of("bill-baseline"), granted.of(BILL)
    assert inside.discharge_wh is not None
    assert whole.discharge_wh is not None
    assert inside.discharge_wh[at].tolist() == [40_000] * 4
    assert inside.discharge_wh.sum() == 160_000, "no other day has an event"
    assert np.array_equal(inside.discharge_wh + whole.discharge_wh, out), "rule_based: A keeps all of it"
    response = granted.of("e1")
    assert response.discharge_wh is not None
    assert response.discharge_wh.tolist() == [60_000] * 4
    apart = grid_events(flat(100_000), out, WITHOUT_SAVING).of(BILL)
    assert apart.discharge_wh is not None
    assert apart.discharge_wh[at].tolist() == [0] * 4, "without the saving A has only what is inside"


def test_a_response_cannot_have_what_is_inside_its_baseline() -> None:
    """Two claims on one kWh: whoever asks more than the increment is refused the rest."""
    morning = np.tile(discharged((slice(40, 44), 40_000))[:96], 31)
    made = grid_events(flat(100_000), morning)
    assert made.of("bill-baseline").discharge_wh is not None
    assert "e1" not in [grant.claim.id for grant in made.grants], "nothing was beyond the habit"


# --- rebound and the demand charge's window ---------------------------------------------------------


def test_the_window_is_where_the_demand_charge_depends_on_the_storage() -> None:
    load, nothing = np.array([50, 90, 60, 40]), np.zeros(4, dtype=np.int64)
    no_rebound = np.zeros(4, dtype=np.bool_)
    shaved = MeteredDemand(load, nothing, np.array([0, 25, 0, 0]), 900)
    assert demand_window([shaved], no_rebound, 900).tolist() == [False, True, False, False]
    raised = MeteredDemand(load, np.array([0, 0, 0, 60]), nothing, 900)
    assert demand_window([raised], no_rebound, 900).tolist() == [False, False, False, True]
    again = MeteredDemand(load, np.array([0, 0, 10, 30]), np.array([0, 25, 0, 0]), 900)
    made_up = np.array([False, False, True, True])
    assert demand_window([again], made_up, 900).tolist() == [False, True, True, True], "65 held, 70 and 70"
    half_hour = MeteredDemand(load, nothing, np.array([0, 25, 0, 0]), 1800)
    assert demand_window([half_hour], no_rebound, 900).tolist() == [True, True, False, False]


def rebounding(charge_at: int) -> Result:
    """40 kWh a quarter out for a response at 10:00 of the 2nd; 44 in at `charge_at` of it."""
    charge, discharge = flat(0), discharged((window(1, 10), 40_000))
    charge[96 + charge_at : 96 + charge_at + 4] = 44_000
    load = flat(60_000)
    load[96 + 72 : 96 + 80] = 90_000
    return settled(load, charge, discharge, [rule(DR)], called("e1", 34, 160_000))


def test_charging_that_makes_up_for_a_response_inside_the_peak_is_blocked_and_told() -> None:
    """At 18:00 the load is 360 kW, and 176 kW of rebound raise the month's maximum: 536 - 360 kW."""
    evening, night = rebounding(72), rebounding(88)
    assert {(one.claim, one.quantity) for one in evening.refused} == {("e1-rebound", "charge_wh")}
    (notice,) = [one for one in evening.warnings if one.code == "rebound_in_peak"]
    assert "160000 Wh of e1-rebound" in notice.message, "as much as came out, not all 176"
    assert night.refused, "416 kW at 22:00 are above the evening's 360 too"
    (cost,) = of(evening, "demand_charge")
    assert cost.amount.exact == -176 * Fraction("44.8")
    assert amount(evening, "demand_response") == amount(night, "demand_response") == 320, "160 kWh at 2"
    assert effect(evening) == amount(evening, *ATTRIBUTED)


def test_a_rebound_below_the_peak_is_nobody_s_business() -> None:
    charge, discharge = flat(0), discharged((window(1, 10), 40_000))
    charge[96 + 88 : 96 + 92] = 20_000
    load = flat(60_000)
    load[96 + 72 : 96 + 80] = 90_000
    found = settled(load, charge, discharge, [rule(DR)], called("e1", 34, 160_000))
    assert not found.refused
    assert "rebound_in_peak" not in [one.code for one in found.warnings]
    granted = decided(
        Case(
            SITE, TWO_PART, AUGUST, 900, charge, discharge,
            month(load, charge, discharge, [rule(DR)], called("e1", 34, 160_000)), {},
            OnBill(flat(0), flat(0), (MeteredDemand(load, charge, discharge, 900),), slice(0, QUARTERS)),
        ),
        CONFLICTS,
    ).of("e1-rebound")  # fmt: skip
    assert granted.whole
    assert granted.claim.purpose == "rebound"
    assert granted.claim.charge_wh is not None
    assert granted.claim.charge_wh.sum() == 80_000


# --- strict -----------------------------------------------------------------------------------------


def test_under_strict_what_holds_the_peak_is_no_arbitrage_and_a_response_there_takes_the_peak() -> None:
    """The storage shaves the 2nd's 10:00 hour from 360 kW to 200, and raises the night's to 216: 144 x 44.8 =
    6451.20 of demand charge. With a response in that hour the hour is the response's, neither A nor M, and
    the money stays with the host."""
    charge, discharge = flat(0), discharged((window(1, 10), 40_000))
    charge[8:12] = 44_000
    load = flat(10_000)
    load[window(1, 10)] = 90_000
    plain = settled(load, charge, discharge)
    shaving = settled(load, charge, discharge, policy=STRICT)
    called_too = settled(load, charge, discharge, [rule(DR)], called("e1", 34, 160_000), policy=STRICT)
    assert amount(plain, "demand_charge") == amount(shaving, "demand_charge") == Fraction("6451.20")
    assert amount(called_too, "demand_charge") == 0
    assert amount(shaving, "arbitrage") < amount(plain, "arbitrage"), "its 160 kWh held the peak"
    assert amount(called_too, "arbitrage") == amount(shaving, "arbitrage")
    assert "demand_response had" in of(called_too, "demand_charge")[0].note
    for found in (plain, shaving, called_too):
        assert amount(found, *ATTRIBUTED) == effect(found)
    assert not of(called_too, "interaction")[0].pooled
    pooled = [line for line in called_too.lines if line.kind == "stream" and line.pooled]
    assert called_too.pool.exact == sum(line.amount.exact for line in pooled)


def test_a_bill_of_other_days_cannot_be_told_apart() -> None:
    """The account's cycle began in July: what of it was under AGC in August is not the cycle's."""
    site = msgspec.structs.replace(SITE, account=msgspec.structs.replace(ACCOUNT, anchor_day=15))
    table = msgspec.structs.replace(TWO_PART.tables[-1], start=Month(2026, 7), until=Month(2026, 9))
    summer = msgspec.structs.replace(TWO_PART, tables=(table,))
    out = discharged((window(1, 10), 10_000))
    told = [*awarded("a1", 34, 1, 100_000), *market_prices()]
    market = month(flat(60_000), flat(0), out, [pjm()], told)
    inputs = SiteInputs(
        site, summer, 900, flat(60_000), flat(0), flat(0), None, (), market,
        month_energy=MonthEnergy(flat(0), out),
    )  # fmt: skip
    source = Source("contract.C", ((1, 1),))
    with pytest.raises(Refused) as caught:
        settle(Inputs(contract_of(TERMS), AUGUST, 1, (inputs,), None, source, POLICY))
    assert caught.value.code == "tagged_cycle"
    assert "40000 Wh" in str(caught.value)


# --- every prefix -----------------------------------------------------------------------------------

HOURS = (30, 34, 54, 58)
POOL: tuple[tuple[Fact, ...], ...] = (
    *(tuple(called(f"e{hour}", hour, 300_000)) for hour in HOURS[:3]),
    *(tuple(awarded(f"a{hour}", hour, 2, kw * 1000)) for hour, kw in ((30, 100), (33, 200), (53, 400))),
    (certified(), available()),
)
POLICIES = (POLICY, WITHOUT_SAVING, STRICT)
MOVED = st.sampled_from([0, 7, 40_000, 75_000, 125_000])


@settings(max_examples=40, deadline=None)
@given(
    groups=st.lists(st.sampled_from(POOL), min_size=1, max_size=5, unique_by=lambda group: group[0].id),
    moved=st.lists(st.tuples(MOVED, MOVED), min_size=4, max_size=4),
    policy=st.sampled_from(POLICIES),
    sun=st.sampled_from([0, 30_000, 200_000]),
)
def test_on_every_prefix_no_kwh_is_paid_twice_and_the_bill_effect_is_whole(
    groups: Sequence[Sequence[Fact]], moved: Sequence[tuple[int, int]], policy: Any, sun: int
) -> None:
    """Each kWh that a market pays for carries one primary stream; A, T, M and interaction sum to the bill."""
    charge, discharge, load = flat(0), flat(0), flat(60_000)
    for hour, (into, out) in zip(HOURS, moved, strict=True):
        charge[hour * 4], discharge[hour * 4 : hour * 4 + 4] = into, out
        load[hour * 4] -= sun
    rules = [rule(DR), pjm(), qinghai()]
    told = [fact for group in groups for fact in group]
    for count in range(1, len(told) + 1):
        facts = [*market_prices(), *told[:count]]
        market = month(load, charge, discharge, rules, facts)
        try:
            found = settled(load, charge, discharge, rules, facts, policy=policy)
        except Refused:
            continue  # such as an award without its performance yet: nothing is paid
        assert amount(found, *ATTRIBUTED) == effect(found)
        whole = Case(SITE, TWO_PART, AUGUST, 900, charge, discharge, market, {})
        _check(whole, decided(whole, Conflicts(policy)), policy)


def _check(of_case: Case, granted: Granted, policy: Any) -> None:
    market = {name: _paid(of_case, granted, name) for name in ("ancillary", "demand_response")}
    for number, metered in enumerate((of_case.charge_wh, of_case.discharge_wh)):
        agc, response = (market[name][number] for name in ("ancillary", "demand_response"))
        assert (agc + response <= metered).all(), "no kWh is paid by two markets"
        bill = granted.of(BILL).granted(("charge_wh", "discharge_wh")[number])  # type: ignore[arg-type]
        assert bill is not None
        assert (bill + agc <= metered).all(), "no kWh under AGC is arbitrage"
        if policy is WITHOUT_SAVING:
            assert (bill + agc + response <= metered).all(), "nor one that a response was paid for"
        if policy is STRICT:
            assert not ((bill > 0) & ((agc > 0) | (response > 0))).any(), "nor any of the same interval"


def _paid(of_case: Case, granted: Granted, stream: str) -> tuple[Wh, Wh]:
    found = (flat(0), flat(0))
    for grant in granted.grants:
        if grant.claim.stream != stream or grant.claim.purpose != "market":
            continue
        span = granted.storage.span(grant.claim)
        for total, quantity in zip(found, ("charge_wh", "discharge_wh"), strict=True):
            wh = grant.granted(quantity)  # type: ignore[arg-type]
            if wh is not None:
                powered = grant.claim.up_w is not None
                total[span] += kept_wh(of_case, grant, quantity) if powered else wh  # type: ignore[arg-type]
    return found
