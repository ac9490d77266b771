"""What markets told, for contracts that cut a month, with late corrections and rules that change."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import msgspec
import numpy as np
import pytest

from adapters.queries.site_markets import uncovered
from ledger.demand import ActualDemand
from ledger.effective import Period
from ledger.grid_account import Account
from ledger.interval import Interval
from ledger.market_fact import PublishMarketRule, RecordMarketFact
from ledger.refusal import Refused
from ledger.settlement.result import Result
from ledger.site import MarketPoint, RegisterSite, Site
from ledger.streams.demand_response import DemandResponseCapacity, DemandResponseInvitation
from ledger.streams.demand_response.rule import PerKwMonth
from ledger.streams.regulation import RegulationAward
from ledger.streams.service_income import ServiceOrdered
from ledger.streams.spot import SpotClearing
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.test_market_settling import (
    MONTH,
    OWN_ACCOUNT,
    does,
    hours,
    instruction,
    invitation,
    lines,
    policy,
    rule,
    told,
)
from tests.adapters.test_settling import CONTRACT, START, TARIFF, filled, record, settle

CUT = date(2026, 8, 11)
FIRST = msgspec.structs.replace(CONTRACT, effective_to=CUT)
SECOND = msgspec.structs.replace(CONTRACT, id="second", effective_from=CUT)


def standing() -> PublishMarketRule:
    """The storage's own account, which also pays 1 yuan per contracted kW and month."""
    found = rule(OWN_ACCOUNT)
    payments = (*found.rule.payments, PerKwMonth(price="1", when="always"))
    return msgspec.structs.replace(found, rule=msgspec.structs.replace(found.rule, payments=payments))


def contracted(watts: int = 98_765) -> DemandResponseCapacity:
    return DemandResponseCapacity(
        id="k1", site="S1", rule=OWN_ACCOUNT, run="r", interval=MONTH, contracted_w=watts
    )


def discharging(bench: Bench, *windows: Interval) -> None:
    """50 kWh every quarter-hour of the windows, and nothing else."""
    values = np.zeros(2976, dtype=np.int64)
    for window in windows:
        first = int((window.start - START) / timedelta(minutes=15))
        values[first : first + window.seconds // 900] = 50_000
    name = f"again-{bench.recorder.max_notification_id()}"
    record(bench, "S1-STORAGE", "discharge", values, f"discharge-{name}")
    record(bench, "S1-STORAGE", "charge", np.zeros_like(values), f"charge-{name}")


def results(bench: Bench) -> dict[str, Result]:
    return {one.result.contract: one.result for one in settle(bench)}


def responses(result: Result) -> list[str]:
    return [str(line.amount) for line in lines(result, "demand_response")]


def call(name: str, window: Interval) -> list[RecordMarketFact]:
    event = invitation(name, window, 200_000, "2")
    return told(event, instruction(event))


def test_contracts_that_cut_a_month_are_each_paid_for_their_own(bench: Bench) -> None:
    """An event of each, settled together, and ten and 21 of 31 days of what is paid for the month; then the
    first event is moved into the second contract's time."""
    filled(bench, FIRST, SECOND)
    third, twentieth, last = (
        hours(3, 10, 11),
        hours(20, 10, 11),
        Interval(MONTH.end - timedelta(minutes=15), MONTH.end),
    )
    discharging(bench, third, twentieth, last)
    does(
        bench,
        policy(),
        standing(),
        *told(contracted()),
        *call("e1", third),
        *call("e2", twentieth),
        *call("e3", last),
    )
    found = results(bench)
    assert responses(found["eaas-s1"]) == ["400.00", "31.86"]
    assert responses(found["second"]) == ["400.00", "100.00", "66.91"], "e3 is the last quarter-hour: 50 kWh"
    assert Fraction("31.86") + Fraction("66.91") == Fraction("98.77"), "98.765, rounded once"
    assert "uncovered_days" not in [one.code for result in found.values() for one in result.warnings]
    event = msgspec.structs.replace(invitation("e1", hours(21, 10, 11), 200_000, "2"), run="corrected")
    does(bench, *told(event, msgspec.structs.replace(instruction(event), run="corrected")))
    moved = results(bench)
    assert responses(moved["eaas-s1"]) == ["31.86"]
    assert sorted(responses(moved["second"])) == ["0.00", "100.00", "400.00", "66.91"], "none discharged then"


def test_days_under_no_contract_are_told_and_their_part_falls_to_nobody(bench: Bench) -> None:
    filled(bench, SECOND)
    third, twentieth = hours(3, 10, 11), hours(20, 10, 11)
    discharging(bench, third, twentieth)
    does(bench, policy(), standing(), *told(contracted()), *call("e1", third), *call("e2", twentieth))
    result = results(bench)["second"]
    assert responses(result) == ["400.00", "66.91"]
    (notice,) = [one for one in result.warnings if one.code == "uncovered_days"]
    assert "2026-08-01 to 2026-08-10" in notice.message
    assert "e1, e1-go, k1" in notice.message


def spot_in_july(bench: Bench) -> None:
    """A site at a price point that was cleared in July, under a rule that ended with July."""
    account = Account(
        id="A-S1", zone="Asia/Shanghai", parts="two_part", demand=ActualDemand(), power_factor=None,
        export_price=None,
    )  # fmt: skip
    site = Site(
        "S1", "Plant", "Asia/Shanghai", 500_000, 250_000, TARIFF.id, account,
        market_point=MarketPoint("shandong", "n1"),
    )  # fmt: skip
    july = Interval(START - timedelta(days=31), START)
    clearing = SpotClearing(
        id="s1", site="S1", rule="spot_shandong_hourly", run="d1", interval=july,
        injected_wh=(0,) * 744, withdrawn_wh=(0,) * 744,
    )  # fmt: skip
    shandong = rule("spot_shandong_hourly", charging_bears="nothing")
    ended = msgspec.structs.replace(shandong, period=Period(sample.FROM_2026.start, START))
    does(bench, policy(), RegisterSite(sample.FROM_2026, site), ended, *told(clearing))


def test_an_earlier_spot_month_asks_no_prices_of_a_later_one(bench: Bench) -> None:
    """Facts of 60 days before are read for baselines: July's clearing demanded August's spot prices, and
    that July's rule still held."""
    filled(bench)
    spot_in_july(bench)
    third = hours(3, 10, 11)
    discharging(bench, third)
    does(bench, rule(OWN_ACCOUNT), *call("e1", third))
    result = results(bench)["eaas-s1"]
    assert responses(result) == ["400.00"]
    assert lines(result, "spot") == []
    assert not [one for one in result.sources if one.aggregate.startswith("prices.")]


def test_a_line_rests_on_facts_of_its_own_month_alone(bench: Bench) -> None:
    """What was cleared in July is no source of August's lines; a call of July is, whose day the baseline
    leaves out."""
    filled(bench)
    spot_in_july(bench)
    third, july = hours(3, 10, 11), hours(-3, 10, 11)
    discharging(bench, third)
    does(bench, rule(OWN_ACCOUNT), *call("e0", july), *call("e1", third))
    result = results(bench)["eaas-s1"]
    (line,) = lines(result, "demand_response")
    rests_on = {result.sources[at].aggregate for at in line.sources}
    told_of = {one for one in rests_on if one.startswith("market_fact.")}
    assert told_of == {f"market_fact.{name}" for name in ("e0", "e0-go", "e1", "e1-go")}


def test_a_rule_that_changes_between_two_events_is_refused(bench: Bench) -> None:
    """Both were settled by the version of the month's end."""
    filled(bench)
    third, twentieth = hours(3, 10, 11), hours(20, 10, 11)
    discharging(bench, third, twentieth)
    does(bench, policy(), rule(OWN_ACCOUNT), *call("e1", third))
    changed = rule(OWN_ACCOUNT, title="another")
    later = msgspec.structs.replace(changed, period=Period(START + timedelta(days=10)))
    does(bench, later)
    assert responses(results(bench)["eaas-s1"]) == ["400.00"], "the version of its own time"
    does(bench, *call("e2", twentieth))
    with pytest.raises(Refused) as caught:
        settle(bench)
    assert caught.value.code == "market_rule_change"


def test_a_fact_under_a_rule_of_another_kind_is_refused(bench: Bench) -> None:
    """Nobody looked at it: an award told under a response's rule was passed over."""
    filled(bench)
    award = RegulationAward(
        id="a1", site="S1", rule=OWN_ACCOUNT, run="m", interval=MONTH, product="regulation",
        capacity_w=(1000,) * 744,
    )  # fmt: skip
    does(bench, policy(), rule(OWN_ACCOUNT))
    with pytest.raises(Refused) as caught:
        does(bench, *told(award))
    assert (caught.value.code, caught.value.place) == ("fact_kind", "a1")


def test_a_stream_in_another_currency_is_refused(bench: Bench) -> None:
    filled(bench)
    service = rule("service_throughput", zone="Asia/Shanghai", currency="EUR")
    order = ServiceOrdered(
        id="o1", site="S1", rule=service.rule.id, run="o1", interval=MONTH, customer="host-s1",
        ordered_w=250_000,
    )  # fmt: skip
    does(bench, policy(), service, *told(order))
    with pytest.raises(Refused, match="service of site S1 is paid in EUR, the contract is in CNY") as caught:
        settle(bench)
    assert caught.value.code == "currency"


def test_an_event_belongs_to_the_month_in_which_it_was_called(bench: Bench) -> None:
    """Awarded from 23:00 of July's last day, and called from midnight."""
    filled(bench)
    window = Interval(START - timedelta(hours=1), START + timedelta(hours=1))
    called = hours(1, 0, 1)
    discharging(bench, called)
    award: DemandResponseInvitation = invitation("e1", window, 200_000, "2")
    go = msgspec.structs.replace(instruction(award), interval=called)
    does(bench, policy(), rule(OWN_ACCOUNT), *told(award, go))
    assert responses(results(bench)["eaas-s1"]) == ["400.00"]


def test_what_no_contract_covers() -> None:
    def day(first: int, end: int) -> Interval:
        return Interval(START + timedelta(days=first), START + timedelta(days=end))

    assert uncovered([], MONTH) == (MONTH,)
    assert uncovered([MONTH], MONTH) == ()
    assert uncovered([day(20, 25), day(-3, 10)], MONTH) == (day(10, 20), day(25, 31))
    assert uncovered([day(2, 31)], MONTH) == (day(0, 2),)
