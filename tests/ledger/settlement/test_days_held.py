"""A month's payment divided by days: however contracts cut the month, their parts are the whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.exclusivity.conflict import Conflicts
from ledger.interval import Interval, Month, midnight, zone_of
from ledger.refusal import Refused
from ledger.settlement.markets import MarketEarnings, market_earnings
from ledger.settlement.markets.case import Case
from ledger.settlement.markets.month import MarketMonth
from ledger.streams import Fact, Rule
from ledger.streams.baseline import Profile
from ledger.streams.capacity_compensation import AvailabilityMeasured, CapacityCertified, NodeAvailability
from ledger.streams.demand_response import DemandResponseAnnualCut, DemandResponseCapacity
from ledger.streams.demand_response.rule import PerKwMonth
from ledger.streams.earned import Earned
from ledger.streams.service_income import FixedPayment, ServiceOrdered
from tests.ledger.settlement.test_behind_the_meter import SITE, TARIFF
from tests.ledger.settlement.test_market_bad_input import DR, POLICY, rule

CONFLICTS = Conflicts(POLICY)
ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
"""Three of them change their clocks, the last by half an hour."""


def rules(zone: str, cents: int) -> list[Rule]:
    price = f"{cents // 100}.{cents % 100:02d}"
    payment = FixedPayment(title="f", rate=price, per="month", proration="days")
    return [
        rule(DR, payments=(*rule(DR).payments, PerKwMonth(price=price, when="always")), annual_cap="1000"),
        rule(
            "capacity_qinghai",
            id="capacity_qinghai",
            zone=zone,
            behind_the_meter="eligible",
            price_per_kw_year=price,
        ),
        rule("service_throughput", id="fee", zone=zone, payments=(payment,)),
    ]


def told(month: Month, zone: str, cut: str | None = None) -> list[Fact]:
    whole = month.interval(zone_of(zone))
    at = {"site": "S1", "run": "r", "interval": whole}
    node = NodeAvailability(node="n", energy_wh=1, available_min=whole.seconds // 60 - 1, unavailable_min=1)
    found: list[Fact] = [
        DemandResponseCapacity(id="k1", rule=DR, contracted_w=98_765, **at),
        CapacityCertified(
            id="c1", rule="capacity_qinghai", nameplate_w=400_000, certified_w=123_457, full_hours="3",
            behind_the_meter=True, **at,
        ),
        AvailabilityMeasured(id="v1", rule="capacity_qinghai", nodes=(node,), **at),
        ServiceOrdered(id="o1", rule="fee", customer="C1", ordered_w=1000, **at),
    ]  # fmt: skip
    if cut is not None:
        first = midnight(date(month.year, 1, 1), zone_of(zone))
        year = Interval(first, midnight(date(month.year + 1, 1, 1), zone_of(zone)))
        found.append(DemandResponseAnnualCut(id="y", rule=DR, run="r", interval=year, kept=cut))
    return found


def earned(
    of: Sequence[Rule], facts: Sequence[Fact], month: Month, zone: str, first: date, end: date, **more: Any
) -> MarketEarnings:
    """What a contract of the local days [first, end) is paid."""
    held = Interval(midnight(first, zone_of(zone)), midnight(end, zone_of(zone)))
    nothing = np.zeros(held.seconds // 900, dtype=np.int64)
    own = Profile(held.start, 900, zone, nothing, np.zeros(len(nothing), dtype=np.bool_))
    told_of = MarketMonth(held, {one.id: one for one in of}, tuple(facts), None, own, own, (), **more)
    account = msgspec.structs.replace(SITE.account, zone=zone)
    site = msgspec.structs.replace(SITE, zone=zone, account=account)
    return market_earnings(Case(site, TARIFF, month, 900, nothing, nothing, told_of, {}), CONFLICTS)


def kinds(lines: Sequence[Earned]) -> dict[tuple[str, bool], int]:
    """Minor units by stream, cuts apart: each line of the month adds up by itself."""
    found: dict[tuple[str, bool], int] = {}
    for line in lines:
        assert sum((Fraction(term.exact) for term in line.basis), Fraction(0)) == line.exact
        key = (line.stream, line.amount.minor < 0)
        found[key] = found.get(key, 0) + line.amount.minor
    return found


@settings(max_examples=60)
@given(
    cuts=st.sets(st.integers(1, 30), max_size=5),
    month=st.sampled_from([Month(2026, 3), Month(2026, 10), Month(2026, 2), Month(2028, 2)]),
    zone=st.sampled_from(ZONES),
    cents=st.integers(0, 100_000),
    kept=st.sampled_from([None, "1/3", "99.9%"]),
)
def test_any_cut_of_the_month_adds_up_to_the_whole(
    cuts: set[int], month: Month, zone: str, cents: int, kept: str | None
) -> None:
    """part = round(total x days before end / N) - round(total x days before first / N)."""
    of, facts = rules(zone, cents), told(month, zone, kept)
    end = month.next().first_day
    whole = kinds(earned(of, facts, month, zone, month.first_day, end).earned)
    days = [0, *sorted(cut for cut in cuts if cut < month.days), month.days]
    parts: dict[tuple[str, bool], int] = {}
    for first, last in pairwise(month.first_day + timedelta(days=number) for number in days):
        for key, minor in kinds(earned(of, facts, month, zone, first, last).earned).items():
            parts[key] = parts.get(key, 0) + minor
    assert {k: v for k, v in parts.items() if v} == {k: v for k, v in whole.items() if v}


AUGUST, SHANGHAI = Month(2026, 8), "Asia/Shanghai"


def test_ten_days_of_thirty_one_to_the_fen() -> None:
    """98.765 kW at 10.00 are 987.65: ten days of 31 are 318.60, the last eleven 350.45."""
    of, facts = rules(SHANGHAI, 1000)[:1], told(AUGUST, SHANGHAI)[:1]
    days = [date(2026, 8, 1), date(2026, 8, 11), date(2026, 8, 21), date(2026, 9, 1)]
    lines = [earned(of, facts, AUGUST, SHANGHAI, a, b).earned[0] for a, b in pairwise(days)]
    assert [str(line.amount) for line in lines] == ["318.60", "318.59", "350.46"]
    (term,) = lines[0].basis
    assert "10 of 31 days, 2026-08-01 to 2026-08-10" in term.label
    assert Fraction(term.quantity) * Fraction(term.price) == Fraction(term.exact) == lines[0].exact
    whole = earned(of, facts, AUGUST, SHANGHAI, days[0], days[-1]).earned[0]
    assert str(whole.amount) == "987.65"
    assert "days" not in whole.basis[0].label


def test_an_orders_days_are_what_is_divided() -> None:
    """An order of six days, of which the contract has two: a third of what the order pays in the month."""
    of = [rules(SHANGHAI, 9300)[2]]
    order = msgspec.structs.replace(
        told(AUGUST, SHANGHAI)[3],
        interval=Interval(
            midnight(date(2026, 8, 3), zone_of(SHANGHAI)), midnight(date(2026, 8, 9), zone_of(SHANGHAI))
        ),
    )
    parts = [
        earned(of, [order], AUGUST, SHANGHAI, date(2026, 8, first), date(2026, 8, end)).earned[0]
        for first, end in ((1, 9), (1, 5), (5, 31))
    ]
    assert [str(line.amount) for line in parts] == ["18.00", "6.00", "12.00"], "93.00 x 6/31"


def test_days_under_no_contract_are_told_and_fall_to_nobody() -> None:
    gap = Interval(
        midnight(date(2026, 8, 1), zone_of(SHANGHAI)), midnight(date(2026, 8, 11), zone_of(SHANGHAI))
    )
    late = {"first": date(2026, 8, 11), "end": date(2026, 9, 1)}
    found = earned(rules(SHANGHAI, 1000), told(AUGUST, SHANGHAI), AUGUST, SHANGHAI, **late, uncovered=(gap,))
    (notice,) = found.notices
    assert notice.code == "uncovered_days"
    for word in ("2026-08-01 to 2026-08-10", "c1, k1, o1, v1", "nobody"):
        assert word in notice.message
    after = msgspec.structs.replace(
        told(AUGUST, SHANGHAI)[3],
        interval=Interval(gap.end, midnight(date(2026, 9, 1), zone_of(SHANGHAI))),
    )
    assert earned(rules(SHANGHAI, 1000), [after], AUGUST, SHANGHAI, **late, uncovered=(gap,)).notices == (), (
        "nothing of it is in the gap"
    )


def test_contracted_power_of_another_time_than_the_month_is_refused() -> None:
    """Told from mid-July to mid-August it was paid in full in both months."""
    begin = midnight(date(2026, 7, 15), zone_of(SHANGHAI))
    other = msgspec.structs.replace(
        told(AUGUST, SHANGHAI)[0], interval=Interval(begin, begin + timedelta(days=31))
    )
    with pytest.raises(Refused) as caught:
        earned(rules(SHANGHAI, 1000), [other], AUGUST, SHANGHAI, date(2026, 8, 1), date(2026, 9, 1))
    assert (caught.value.code, caught.value.place) == ("month", "k1")
