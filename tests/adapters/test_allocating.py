"""Two sites share one unit's payment: statement in, shares recorded, both contracts settled with theirs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, TypeVar

import msgspec
import numpy as np
import pytest

from adapters import unit_statement_text
from adapters.allocating import Allocated, allocate_month, check_members
from adapters.queries.unit_statements import unit_statement
from adapters.settling import lowest_position, settle_month
from ledger import trading_unit
from ledger.allocation.record import RecordAllocation
from ledger.allocation.regulation import CapacityTerms, RegulationTerms
from ledger.allocation.spot import SpotTerms
from ledger.allocation.unit_fact import (
    MileageDone,
    PowerKept,
    UnitCapacity,
    UnitRegulation,
    UnitResponse,
    UnitSpot,
)
from ledger.clauses.flow import exact_text
from ledger.effective import Period
from ledger.grid_account import Account
from ledger.interval import Interval, Month
from ledger.market_fact import RecordMarketFact
from ledger.meter import Meter, RegisterMeter
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.result import Result
from ledger.settlement.run import Runs
from ledger.settlement.settle import check_line
from ledger.signed_contract import RegisterContract
from ledger.site import RegisterSite, Site
from ledger.streams import Fact
from ledger.trading_unit import Member, RegisterTradingUnit, TradingUnit
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.test_market_settling import (
    MONTH,
    OWN_ACCOUNT,
    does,
    instruction,
    invitation,
    lines,
    peak_window,
    policy,
    rule,
    told,
)
from tests.adapters.test_settling import AUGUST, CONTRACT, START, TARIFF, filled, record, settle
from tests.ledger.test_unit_allocation import RESPONSE

T = TypeVar("T")

OTHER = msgspec.structs.replace(CONTRACT, id="eaas-s2", title="Second", sites=("S2",))


@contextmanager
def projecting(bench: Bench) -> Iterator[None]:
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()
    try:
        yield
    finally:
        projector.stop()
        thread.join()


def allocated(bench: Bench, unit: str | None = None) -> list[Allocated]:
    with projecting(bench):
        return allocate_month(bench.door, bench.database, AUGUST, actor="finance", unit=unit)


def two_sites(bench: Bench) -> Interval:
    """S1 and S2 under a contract each; S2 discharges half of S1. The answer is an hour in which both do."""
    load, charge, discharge = filled(bench, CONTRACT)
    account = Account(
        id="A-S2", zone="Asia/Shanghai", parts="single_part", demand=None, power_factor=None,
        export_price=None,
    )  # fmt: skip
    site = Site("S2", "Second", "Asia/Shanghai", 500_000, 250_000, TARIFF.id, account)
    del load
    does(
        bench,
        RegisterSite(sample.FROM_2026, site),
        RegisterMeter(
            sample.FROM_2026,
            Meter("S2-STORAGE", "S2", "storage", ("charge", "discharge"), 900, 250_000, "Asia/Shanghai"),
        ),
        RegisterContract(OTHER),
        policy(),
        rule(OWN_ACCOUNT),
    )
    record(bench, "S2-STORAGE", "charge", charge // 2, "s2c")
    record(bench, "S2-STORAGE", "discharge", discharge // 2, "s2d")
    bench.project()
    return peak_window(discharge)


def vpp(*terms: trading_unit.Terms, name: str = "vpp", **members: dict[str, Any]) -> RegisterTradingUnit:
    both: dict[str, dict[str, Any]] = members or {"S1": {}, "S2": {}}
    unit = TradingUnit(
        id=name,
        name="Both",
        market="zhejiang",
        unit_code=f"ZJ-{name}",
        operator="operator",
        zone="Asia/Shanghai",
        members=tuple(Member(site=site, capability_w=100_000, **more) for site, more in both.items()),
        terms=terms or (RESPONSE,),
        rounding_max="0.05",
    )
    return RegisterTradingUnit(sample.FROM_2026, unit)


def event(window: Interval, **changes: Any) -> UnitResponse:
    """S1 delivers 200 kWh and S2 100; the market pays 600.01 on items of 600.00."""
    made = UnitResponse(
        id="dr1", unit="vpp", rule=OWN_ACCOUNT, run="r1", interval=window, currency="CNY", amount="600.01",
        document="2026/08-17", announced=window.start - timedelta(days=1), awarded_wh=300_000,
        payment="600.00", penalty="0", committed_wh={"S1": 200_000, "S2": 100_000},
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def shares(bench: Bench, stream: str = "demand_response") -> dict[str, Fraction]:
    """What each contract's settlement earned of the stream."""
    found: dict[str, Fraction] = {}
    for one in settle(bench):
        for line in one.result.lines:
            check_line(line)
        earned = [line.amount.exact for line in lines(one.result, stream)]
        found[one.result.contract] = sum(earned, Fraction(0))
    return found


def settle_of(bench: Bench, contract: str) -> Result:
    with projecting(bench):
        found = settle_month(bench.door, bench.database, AUGUST, actor="finance", contracts=(contract,))
    (one,) = found.runs
    return one.result


def changed(bench: Bench) -> str:
    """What the unit's statement says has changed since its only line was allocated."""
    with bench.database.reading(bench.book) as connection:
        found = unit_statement(connection, bench.book, lowest_position(connection), "vpp", AUGUST)
    (line,) = found.lines
    assert line.current is (not line.changed)
    return line.changed


def refused(work: Callable[[], T], code: str) -> Refused:
    with pytest.raises(Refused) as caught:
        work()
    assert caught.value.code == code, caught.value
    return caught.value


def test_two_contracts_share_a_units_payment_and_its_correction(bench: Bench) -> None:
    """600.00 by delivered kWh as 400 and 200, 0.01 rounding; corrected to 300.00, 200 and 100."""
    window = two_sites(bench)
    does(bench, vpp(), *told(event(window)))
    assert "dr1 of unit vpp" in str(refused(lambda: settle(bench), "allocation_missing"))

    (done,) = allocated(bench)
    assert (done.recorded, done.version) == (True, 1)
    assert not allocated(bench)[0].recorded, "the same inputs are the same allocation"
    earned = shares(bench)
    assert earned == {"eaas-s1": 400, "eaas-s2": 200}
    rounding = done.allocation.operators_rounding
    assert sum(earned.values()) + rounding.exact == Fraction("600.01"), "the market's statement"
    with bench.database.reading(bench.book) as connection:
        found = unit_statement(connection, bench.book, lowest_position(connection), "vpp", AUGUST)
    rows = [" ".join(row.split()) for row in unit_statement_text.text(found).splitlines()]
    assert [row for row in rows if row.endswith((".00", ".01", "CNY"))] == [
        "S1 400.00 payment 400.00",
        "S2 200.00 payment 200.00",
        "kept by operator, the operator 0.00",
        "operator's rounding 0.01",
        "the market's statement 600.01 CNY",
    ]

    does(bench, *told(event(window, run="r2", payment="300.00", amount="300.00")))
    refused(lambda: settle(bench), "allocation_stale")
    assert (allocated(bench)[0].version, allocated(bench)[0].recorded) == (2, False)
    assert shares(bench) == {"eaas-s1": 200, "eaas-s2": 100}
    for contract in ("eaas-s1", "eaas-s2"):
        runs = bench.door.state(f"settlement.{contract}_2026-08")
        assert isinstance(runs, Runs)
        assert [run.kind for run in runs.runs] == ["initial", "correction 1"]
        assert runs.runs[-1].causes == ("market",)


def test_a_line_rests_on_the_allocation_and_explains_its_weight(bench: Bench) -> None:
    window = two_sites(bench)
    does(bench, vpp(), *told(event(window)))
    allocated(bench)
    one = next(one for one in settle(bench) if one.result.contract == "eaas-s2")
    (line,) = lines(one.result, "demand_response")
    (term,) = line.basis
    assert term.label == "payment of 2026/08-17, run r1, of unit ZJ-vpp: 100000 of 300000 Wh delivered"
    assert (term.quantity, term.price, term.exact) == ("1/3", "600", "200")
    assert "S1" not in msgspec.json.encode(line).decode(), "another member's share is not told"
    sources = {source.aggregate for source in one.result.sources}
    assert {"market_fact.dr1", "allocation.dr1", "trading_unit.vpp"} <= sources


def test_late_readings_give_the_next_allocation(bench: Bench) -> None:
    window = two_sites(bench)
    does(bench, vpp(), *told(event(window)))
    allocated(bench)
    first = (window.start - START) // timedelta(minutes=15)
    values = np.zeros(2976, dtype=np.int64)
    values[first : first + 4] = 50_000
    record(bench, "S2-STORAGE", "discharge", values, "late")
    bench.project()
    assert "readings of members of unit vpp" in changed(bench)
    why = refused(lambda: settle_of(bench, CONTRACT.id), "allocation_stale")
    assert "readings of members of unit vpp" in str(why), "S1's share follows from what S2 delivered"
    (again,) = allocated(bench)
    assert changed(bench) == ""
    assert sum(shares(bench).values()) == 600
    assert (again.version, again.recorded) == (2, True)
    weights = {site: share.terms[0].weight for site, share in again.allocation.sites.items()}
    assert weights == {"S1": "200000", "S2": "120000"}, "200 kWh, of which 1.2 x its 100 count"


def test_readings_that_say_the_same_leave_the_allocation_current(bench: Bench) -> None:
    """The event's readings again, and others outside of the event."""
    window = two_sites(bench)
    does(bench, vpp(), *told(event(window)))
    allocated(bench)
    first = (window.start - START) // timedelta(minutes=15)
    values = np.zeros(2976, dtype=np.int64)
    values[first : first + 4] = 25_000
    record(bench, "S2-STORAGE", "discharge", values, "again")
    bench.project()
    assert changed(bench) == ""
    assert not allocated(bench)[0].recorded
    assert shares(bench) == {"eaas-s1": 400, "eaas-s2": 200}


def test_a_changed_rule_makes_the_allocation_stale(bench: Bench) -> None:
    """The rule from the event's end on is of no interest; the one that held in it is."""
    window = two_sites(bench)
    does(bench, vpp(), *told(event(window)))
    (first,) = allocated(bench)
    newer = rule(OWN_ACCOUNT, title="The newer text")
    does(bench, msgspec.structs.replace(newer, period=Period(window.end)))
    assert changed(bench) == ""
    does(bench, newer)
    assert changed(bench) == f"rule {OWN_ACCOUNT} changed after statement dr1 was allocated"
    refused(lambda: settle(bench), "allocation_stale")
    late = RecordAllocation(first.allocation)
    assert refused(lambda: does(bench, late), "allocation_stale").place == "rule"
    (again,) = allocated(bench)
    assert (again.version, again.recorded, changed(bench)) == (2, True, "")
    assert shares(bench) == {"eaas-s1": 400, "eaas-s2": 200}


def test_an_allocation_that_can_no_longer_be_made_says_why(bench: Bench) -> None:
    """A member's storage meter now stands elsewhere: nothing measures what S2 delivered."""
    window = two_sites(bench)
    does(bench, vpp(), *told(event(window)))
    allocated(bench)
    moved = Meter("S2-STORAGE", "S1", "storage", ("charge", "discharge"), 900, 250_000, "Asia/Shanghai")
    does(bench, RegisterMeter(sample.FROM_2026, moved))
    assert "dr1 cannot be shared out any more: " in changed(bench)
    assert "no storage meter is registered" in changed(bench)
    refused(lambda: allocated(bench), "meter_layout")


def test_kwh_that_another_programme_had_first_are_not_paid_twice(bench: Bench) -> None:
    """S1 was called by itself for the same hour: its share stays with the unit's operator, and is told."""
    window = two_sites(bench)
    own = invitation("e1", window, 200_000, "2")
    does(bench, vpp(), *told(own, instruction(own), event(window)))
    allocated(bench)
    settled = {one.result.contract: one.result for one in settle(bench)}
    result = settled["eaas-s1"]
    paid = {line.note: line.amount.exact for line in lines(result, "demand_response")}
    assert sum(paid.values()) == 400, "its own event, and nothing of the unit's"
    (lost,) = (note for note in paid if "stays with operator, the operator of unit vpp" in note)
    assert (lost[:9], paid[lost]) == ("200000 Wh", -400)
    span, power = result.refused
    assert (power.quantity, power.asked, power.granted) == ("up_w", 200_000, 50_000)
    assert (span.claim, span.asked, span.granted) == ("dr1", 200_000, 0)
    assert sum(line.amount.exact for line in lines(settled["eaas-s2"], "demand_response")) == 200


def hourly(value: int) -> tuple[int, ...]:
    """In one hour of August in which the storages stand still."""
    return tuple(value if number == 8 else 0 for number in range(744))


def test_regulation_and_capacity_are_allocated_and_hold_their_power(bench: Bench) -> None:
    two_sites(bench)
    qinghai = rule("capacity_qinghai", zone="Asia/Shanghai", behind_the_meter="eligible")
    pjm = rule("regulation_pjm", currency="CNY", zone="Asia/Shanghai")

    def mileage(site: str, watts: int, power: int) -> MileageDone:
        return MileageDone(
            site=site,
            power_w=power,
            availability="1",
            mileage_w=hourly(watts),
            score=hourly(1),
            score_scale=0,
        )

    common = {"unit": "vpp", "run": "r1", "interval": MONTH, "currency": "CNY", "document": "d"}
    regulation = UnitRegulation(
        id="as1", rule=pjm.rule.id, amount="90.01", mileage="30.00", capacity="60.01",
        members=(mileage("S1", 2000, 100_000), mileage("S2", 1000, 50_000)), **common,
    )  # fmt: skip
    capacity = UnitCapacity(
        id="cap1", rule=qinghai.rule.id, amount="10.00",
        members=(
            PowerKept(site="S1", power_w=100_000, availability="1"),
            PowerKept(site="S2", power_w=100_000, availability="0"),
        ), **common,
    )  # fmt: skip
    terms = (RegulationTerms(when_all_zero="refuse"), CapacityTerms(when_all_zero="refuse"))
    does(bench, pjm, qinghai, vpp(*terms), *told(regulation, capacity))
    assert [one.allocation.fact for one in allocated(bench)] == ["as1", "cap1"]
    settled = {one.result.contract: one.result for one in settle(bench)}
    ancillary = {
        name: sum(line.amount.minor for line in lines(result, "ancillary"))
        for name, result in settled.items()
    }
    assert ancillary == {"eaas-s1": 2000 + 4001, "eaas-s2": 1000 + 2000}
    assert [line.amount.minor for line in lines(settled["eaas-s1"], "capacity")] == [1000]
    assert lines(settled["eaas-s2"], "capacity") == []
    more = msgspec.structs.replace(
        regulation, run="r2", members=(mileage("S1", 2000, 300_000), regulation.members[1])
    )
    does(bench, *told(more))
    allocated(bench)
    refused(lambda: settle_of(bench, "eaas-s1"), "above_nameplate")


def test_claims_of_statements_with_long_names_are_told_apart(bench: Bench) -> None:
    """Two names that differ in their last letter, and a third that a shorter one's second part is called:
    the site stood in the unit twice, so each statement claims twice."""
    two_sites(bench)
    pjm = rule("regulation_pjm", currency="CNY", zone="Asia/Shanghai")
    unit = vpp(RegulationTerms(when_all_zero="refuse"), S1={"until": START + timedelta(days=9)})
    (first,) = unit.unit.members
    again = msgspec.structs.replace(first, since=START + timedelta(days=19), until=None)
    unit = msgspec.structs.replace(unit, unit=msgspec.structs.replace(unit.unit, members=(first, again)))
    names = ["n" * 63 + "a", "n" * 63 + "b", "short", "short-2"]
    member = MileageDone(
        site="S1", power_w=10_000, availability="1", mileage_w=hourly(1), score=hourly(1), score_scale=0
    )
    facts = [
        UnitRegulation(
            id=name, unit="vpp", rule=pjm.rule.id, run="r1", interval=MONTH, currency="CNY", document="d",
            amount="10.00", mileage="10.00", capacity="0", members=(member,),
        )
        for name in names
    ]  # fmt: skip
    does(bench, pjm, unit, *told(*facts))
    assert len(allocated(bench)) == 4
    assert [line.amount.minor for line in lines(settle_of(bench, CONTRACT.id), "ancillary")] == [1000] * 4


def test_a_site_leaves_by_a_new_version(bench: Bench) -> None:
    """From the event on S2 is out: its month has nothing of the unit, S1 has all of it. Back in by another
    version, each is to deliver 100 kWh: 200 counts as 120 and 100 as 100, 600 yuan as 120 : 100."""
    window = two_sites(bench)
    alone = vpp(S1={})
    does(bench, vpp(), msgspec.structs.replace(alone, period=Period(window.start)))
    does(bench, *told(event(window, committed_wh=None, awarded_wh=200_000)))
    allocated(bench)
    assert shares(bench) == {"eaas-s1": 600, "eaas-s2": 0}
    does(bench, msgspec.structs.replace(vpp(), period=Period(window.start)))
    refused(lambda: settle(bench), "allocation_stale")
    allocated(bench)
    assert shares(bench) == {"eaas-s1": Fraction("327.27"), "eaas-s2": Fraction("272.73")}


def current(bench: Bench) -> list[bool]:
    with bench.database.reading(bench.book) as connection:
        found = unit_statement(connection, bench.book, lowest_position(connection), "vpp", AUGUST)
    return [line.current for line in found.lines]


def test_a_changed_capability_makes_the_allocation_stale(bench: Bench) -> None:
    """200 kWh as 190 : 10: S1 delivers 200 of 190, S2 100 of 10, of which 12 count; 600 x 12/212 = 33.96."""
    window = two_sites(bench)
    does(bench, vpp(), *told(event(window, committed_wh=None, awarded_wh=200_000)))
    (first,) = allocated(bench)
    assert (shares(bench), current(bench)) == (
        {"eaas-s1": Fraction("327.27"), "eaas-s2": Fraction("272.73")},
        [True],
    )
    equal = vpp()
    members = tuple(
        msgspec.structs.replace(member, capability_w=watts)
        for member, watts in zip(equal.unit.members, (190_000, 10_000), strict=True)
    )
    other = msgspec.structs.replace(equal, unit=msgspec.structs.replace(equal.unit, members=members))
    does(bench, other)
    bench.project()
    assert current(bench) == [False]
    assert "unit vpp changed" in str(refused(lambda: settle(bench), "allocation_stale"))
    late = RecordAllocation(first.allocation)
    assert refused(lambda: does(bench, late), "allocation_stale").place == "unit"
    (again,) = allocated(bench)
    assert (again.version, again.recorded) == (2, True)
    assert (shares(bench), current(bench)) == (
        {"eaas-s1": Fraction("566.04"), "eaas-s2": Fraction("33.96")},
        [True],
    )


def test_a_site_that_joins_makes_the_others_share_stale(bench: Bench) -> None:
    """S1's contract is settled alone: its share was of all 600 yuan."""
    window = two_sites(bench)
    does(bench, vpp(S1={}), *told(event(window, committed_wh=None, awarded_wh=200_000)))
    allocated(bench)

    def alone() -> list[Fraction]:
        found = lines(settle_of(bench, CONTRACT.id), "demand_response")
        return [line.amount.exact for line in found]

    assert alone() == [600]
    does(bench, vpp())
    refused(alone, "allocation_stale")
    allocated(bench)
    assert sum(alone()) == Fraction("327.27")


def test_a_unit_that_changes_elsewhere_leaves_the_allocation_current(bench: Bench) -> None:
    """A new name, another stream's terms, and a site that leaves when the event is over."""
    window = two_sites(bench)
    does(bench, vpp(), *told(event(window)))
    allocated(bench)
    later = vpp(S1={}, S2={"until": window.end})
    terms = (*later.unit.terms, CapacityTerms(when_all_zero="refuse"))
    does(
        bench,
        msgspec.structs.replace(later, unit=msgspec.structs.replace(later.unit, name="Renamed", terms=terms)),
    )
    assert not allocated(bench)[0].recorded, "what it was shared out by is the same"
    assert current(bench) == [True]
    assert shares(bench) == {"eaas-s1": 400, "eaas-s2": 200}


def test_terms_that_change_inside_a_statement_are_told_by_allocating(bench: Bench) -> None:
    """The unit's statement can still be read; settling and allocating refuse, each for its own reason."""
    window = two_sites(bench)
    does(bench, vpp(), *told(event(window)))
    allocated(bench)
    other = vpp(msgspec.structs.replace(RESPONSE, delivered_cap="1"))
    does(bench, msgspec.structs.replace(other, period=Period(window.start + timedelta(minutes=30))))
    bench.project()
    assert current(bench) == [False]
    refused(lambda: settle(bench), "allocation_stale")
    refused(lambda: allocated(bench), "unit_terms")


def test_a_site_is_not_in_two_units_of_a_stream(bench: Bench) -> None:
    window = two_sites(bench)
    does(bench, vpp())
    second = vpp(name="second", S2={})
    refused(lambda: check_members(bench.door, bench.database, second), "unit_overlap")
    check_members(bench.door, bench.database, vpp(CapacityTerms(when_all_zero="refuse"), name="second"))
    does(bench, second, *told(event(window)))
    refused(lambda: allocated(bench), "unit_overlap")


def test_a_spot_share_leaves_no_retail_price(bench: Bench) -> None:
    """Nothing was scheduled, a deviation costs nothing: each site has its own energy at 0.4 yuan."""
    _, charge, discharge = filled(bench)
    net = {"S1": int(discharge.sum() - charge.sum())}
    shandong = rule("spot_shandong_hourly")
    fact = UnitSpot(
        id="sp1", unit="vpp", rule=shandong.rule.id, run="m1", interval=MONTH, currency="CNY",
        amount=str(Money.round(Fraction(net["S1"], 1000) * Fraction("0.4"), "CNY") + Money(1, "CNY")),
        document="d", scheduled_wh=(0,) * 744, price=(400_000,) * 744, deviation_price=(0,) * 744, scale=6,
    )  # fmt: skip
    terms = SpotTerms(netting_benefit="pool", rounding_max="0.01")
    does(bench, policy(), shandong, vpp(terms, S1={}), *told(fact))
    (done,) = allocated(bench)
    assert str(done.allocation.operators_rounding) == "0.01"
    (settled,) = settle(bench)
    (line,) = lines(settled.result, "spot")
    assert line.exact == exact_text(Fraction(net["S1"], 1000) * Fraction("0.4"))
    assert lines(settled.result, "arbitrage") == []


def test_a_spot_shares_energy_and_deviation_are_a_line_each(bench: Bench) -> None:
    """Nothing was scheduled, so all that S1 metered in an hour is deviation, at 0.1 yuan a kWh."""
    _, charge, discharge = filled(bench)
    hourly = (discharge - charge).reshape(-1, 4).sum(axis=1)
    energy = Fraction(int(hourly.sum()), 1000) * Fraction("0.4")
    deviation = -Fraction(int(np.abs(hourly).sum()), 1000) / 10
    shandong = rule("spot_shandong_hourly")
    fact = UnitSpot(
        id="sp1", unit="vpp", rule=shandong.rule.id, run="m1", interval=MONTH, currency="CNY",
        amount=str(Money.round(energy, "CNY") + Money.round(deviation, "CNY")), document="d",
        scheduled_wh=(0,) * 744, price=(400_000,) * 744, deviation_price=(-100_000,) * 744, scale=6,
    )  # fmt: skip
    terms = SpotTerms(netting_benefit="sites", rounding_max="0.01")
    does(bench, policy(), shandong, vpp(terms, S1={}), *told(fact))
    (done,) = allocated(bench)
    assert done.allocation.operators_rounding.minor == 0
    found = lines(settle(bench)[0].result, "spot")
    assert [Fraction(line.exact) for line in found] == [energy, deviation]
    assert [line.note.split(" of ")[0] for line in found] == ["energy", "deviation"]
    assert f"bears {int(np.abs(hourly).sum())} Wh of the unit's deviation" in found[1].note


def test_a_share_outside_the_contracts_days_is_not_settled_in_part(bench: Bench) -> None:
    """The contract begins on the 10th, and so must the site's time in the unit."""
    filled(bench, msgspec.structs.replace(CONTRACT, effective_from=date(2026, 8, 10)))
    qinghai = rule("capacity_qinghai", zone="Asia/Shanghai", behind_the_meter="eligible")
    fact = UnitCapacity(
        id="cap1", unit="vpp", rule=qinghai.rule.id, run="r1", interval=MONTH, currency="CNY",
        amount="10.00", document="d", members=(PowerKept(site="S1", power_w=1, availability="1"),),
    )  # fmt: skip
    terms = CapacityTerms(when_all_zero="refuse")
    does(bench, policy(), qinghai, vpp(terms, S1={}), *told(fact))
    allocated(bench)
    refused(lambda: settle(bench), "allocation_interval")
    does(bench, vpp(terms, S1={"since": START + timedelta(days=9)}))
    assert allocated(bench)[0].recorded
    assert [line.amount.minor for line in lines(settle(bench)[0].result, "capacity")] == [1000]


def test_a_statement_lies_in_one_month(bench: Bench) -> None:
    two_sites(bench)
    qinghai = rule("capacity_qinghai", zone="Asia/Shanghai", behind_the_meter="eligible")
    whole = Interval(START - timedelta(days=1), START)
    fact = UnitCapacity(
        id="cap1", unit="vpp", rule=qinghai.rule.id, run="r1", interval=Interval(whole.start, MONTH.end),
        currency="CNY", amount="10.00", document="d",
        members=(PowerKept(site="S1", power_w=1, availability="1"),),
    )  # fmt: skip
    does(bench, qinghai, vpp(CapacityTerms(when_all_zero="refuse"), S1={}), *told(fact))
    refused(lambda: settle(bench), "allocation_missing")
    assert allocated(bench) == [], "it begins in July"
    with projecting(bench):
        refused(lambda: allocate_month(bench.door, bench.database, Month(2026, 7), actor="finance"), "month")


def test_facts_of_a_unit_name_a_unit_that_is_known(bench: Bench) -> None:
    window = two_sites(bench)
    command = RecordMarketFact(event(window))
    refused(lambda: does(bench, command), "unknown_trading_unit")
    does(bench, vpp(), vpp(CapacityTerms(when_all_zero="refuse"), name="other"), command)
    moved: Fact = event(window, unit="other", run="r2")
    refused(lambda: does(bench, RecordMarketFact(moved)), "correction")
