"""One commitment set per kW: response, award, lease and contracted power never share one (DOMAIN.md 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from fractions import Fraction
from itertools import product
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.exclusivity.conflict import Conflicts
from ledger.exclusivity.grant import Granted
from ledger.exclusivity.policy import MatrixStream
from ledger.interval import Interval
from ledger.refusal import Refused
from ledger.settlement.markets import MarketEarnings, decided, market_earnings
from ledger.settlement.markets.case import Case
from ledger.settlement.markets.month import MarketMonth, SpotPricesOf
from ledger.streams import Fact, Rule
from ledger.streams.baseline import Profile
from ledger.streams.capacity_compensation import CapacityLeased
from ledger.streams.demand_response import (
    DemandResponseCapacity,
    DemandResponseInstruction,
    DemandResponseInvitation,
)
from ledger.streams.demand_response.rule import PerKwMonth
from ledger.streams.regulation import RegulationAward, RegulationPerformance
from ledger.streams.spot import SpotClearing
from tests.ledger.settlement.test_behind_the_meter import SITE, TARIFF
from tests.ledger.settlement.test_market_bad_input import (
    AUGUST,
    DR,
    MONTH,
    POLICY,
    START,
    available,
    certified,
    clearing,
    pjm,
    prices,
    qinghai,
    regulation,
    rule,
    spot,
)

PLATE_W = SITE.storage_power_w
PLATE_WH = PLATE_W // 4
HOUR = timedelta(hours=1)
CONFLICTS = Conflicts(POLICY)
COMMITTING: tuple[MatrixStream, ...] = ("demand_response", "spot", "ancillary", "capacity_lease")


def case(
    rules: Iterable[Rule],
    facts: Iterable[Fact],
    *,
    discharge: Any = 0,
    charge: Any = 0,
    grid: Any = None,
    site: Any = SITE,
) -> Case:
    """A month; `grid` is the consumption at the grid connection, by default the storage's."""
    out, into = (np.zeros(2976, dtype=np.int64) + values for values in (discharge, charge))
    nothing_missing = np.zeros(2976, dtype=np.bool_)
    own = Profile(START, 900, SITE.zone, into - out, nothing_missing)
    at_grid = own if grid is None else Profile(START, 900, SITE.zone, grid, nothing_missing)
    spot_of = SpotPricesOf(prices("day_ahead"), prices("real_time"), None)
    month = MarketMonth(MONTH, {one.id: one for one in rules}, tuple(facts), spot_of, at_grid, own, ())
    return Case(site, TARIFF, AUGUST, 900, into, out, month, {})


def earned(*arguments: Any, **more: Any) -> MarketEarnings:
    return market_earnings(case(*arguments, **more), CONFLICTS)


def paid(found: MarketEarnings, stream: str) -> Fraction:
    return sum((one.amount.exact for one in found.earned if one.stream == stream), Fraction(0))


def called(name: str, hour: int, watts: int, by: str = DR, hours: int = 1) -> list[Fact]:
    window = Interval(START + HOUR * hour, START + HOUR * (hour + hours))
    told = {"site": "S1", "rule": by, "run": "r", "interval": window}
    award = DemandResponseInvitation(
        id=name, announced=START, awarded_w=(watts,) * (4 * hours), clearing_price="2", **told
    )
    return [award, DemandResponseInstruction(id=f"{name}-go", invitation=name, issued=START, **told)]


def awarded(name: str, first: int, hours: int, watts: int) -> list[Fact]:
    """A regulation award and its performance, for PJM's hours."""
    span = {
        "site": "S1", "rule": "pjm-regulation", "run": "m", "product": "regulation",
        "interval": Interval(START + HOUR * first, START + HOUR * (first + hours)),
    }  # fmt: skip
    done = RegulationPerformance(
        id=f"{name}-done", instructions=(1,) * hours, mileage_w=(0,) * hours, score=(9,) * hours,
        score_scale=1, **span,
    )  # fmt: skip
    return [RegulationAward(id=name, capacity_w=(watts,) * hours, **span), done]


def market_prices() -> list[Fact]:
    return [one for one in regulation() if not hasattr(one, "site")]


def window(day: int, hour: int) -> slice:
    first = (24 * day + hour) * 4
    return slice(first, first + 4)


def discharged(*times: tuple[slice, int]) -> np.ndarray[Any, Any]:
    found = np.zeros(2976, dtype=np.int64)
    for where, wh in times:
        found[where] = wh
    return found


# --- who keeps the kW -----------------------------------------------------------------------------


def test_a_response_gets_the_power_that_regulation_leaves() -> None:
    """300 of 500 kW are regulation's, so of 400 kW delivered 200 are paid: 200 kWh at 2 yuan."""
    facts = [*called("e1", 34, 400_000), *awarded("a1", 0, 744, 300_000), *market_prices()]
    found = earned([rule(DR), pjm()], facts, discharge=discharged((window(1, 10), 100_000)))
    assert paid(found, "demand_response") == 400
    refused = [(one.quantity, one.asked, one.granted) for one in found.refused]
    assert refused == [("discharge_wh", 100_000, 50_000)] * 4 + [("up_w", 400_000, 200_000)] * 4
    named = {(one.quantity, a.claim, a.rule) for one in found.refused for a in one.against}
    assert named == {
        ("discharge_wh", "pjm-regulation-agc", "one_primary_stream"),
        ("up_w", "pjm-regulation-regulation", "same_power"),
    }
    assert found.refused[0].interval.start == START + 34 * HOUR
    note = next(one for one in found.earned if "under AGC" in one.note and one.basis[0].unit == "Wh")
    assert note.exact == 60, "the other 200 kWh are AGC's: at the real-time 0.30"
    alone = earned([rule(DR)], called("e1", 34, 400_000), discharge=discharged((window(1, 10), 100_000)))
    assert (paid(alone, "demand_response"), alone.refused) == (800, ())


def test_what_fits_beside_regulation_is_paid_in_full() -> None:
    facts = [*called("e1", 34, 400_000), *awarded("a1", 0, 744, 100_000), *market_prices()]
    found = earned([rule(DR), pjm()], facts, discharge=discharged((window(1, 10), 100_000)))
    assert (paid(found, "demand_response"), found.refused) == (800, ())
    assert paid(found, "ancillary") > 0


def test_filling_a_valley_takes_power_from_regulation_too() -> None:
    """Regulation holds its power in both directions: 500 kW of 500 leave nothing to charge with."""
    increase = rule(DR, direction="increase")
    facts = [*called("e1", 34, 400_000), *awarded("a1", 0, 744, PLATE_W), *market_prices()]
    found = earned([increase, pjm()], facts, charge=discharged((window(1, 10), 100_000)))
    assert paid(found, "demand_response") == 0
    assert {one.quantity for one in found.refused} == {"charge_wh", "down_w"}


def test_an_award_that_was_not_delivered_holds_its_power_where_the_storage_alone_was_awarded() -> None:
    """By a policy that ranks the response first, the regulation award no longer fits, and is not paid."""
    ranked = ("capacity_lease", "demand_response", "ancillary", *POLICY.precedence[3:])
    first = Conflicts(msgspec.structs.replace(POLICY, precedence=ranked))
    facts = [*called("e1", 34, 400_000), *awarded("a1", 0, 744, 200_000), *market_prices()]
    little = discharged((window(1, 10), 82_000))
    with pytest.raises(Refused) as caught:
        market_earnings(case([rule(DR), pjm()], facts, discharge=little), first)
    assert caught.value.code == "above_nameplate"


def test_a_lease_takes_power_only_while_it_lasts() -> None:
    """A lease of the month's last ten days was held to be of the whole month."""
    lease = CapacityLeased(
        id="l1", site="S1", rule="capacity_qinghai", run="x", leased_w=400_000,
        interval=Interval(START + timedelta(days=21), MONTH.end + timedelta(days=99)),
    )  # fmt: skip
    rules = [pjm(), qinghai()]
    before = earned(rules, [lease, *awarded("a1", 0, 500, 200_000), *market_prices()])
    assert paid(before, "ancillary") > 0
    with pytest.raises(Refused) as caught:
        earned(rules, [lease, *awarded("a1", 0, 510, 200_000), *market_prices()])
    assert caught.value.code == "above_nameplate"


def test_cleared_energy_and_an_award_are_together_what_is_installed() -> None:
    """q_e + q_as <= P_n (DOMAIN.md 4, SP x AS); a clearing cannot be settled in part."""
    cleared = msgspec.structs.replace(clearing(), injected_wh=(300_000,) * 744)
    fits = earned([spot(), pjm()], [cleared, *awarded("a1", 0, 744, 200_000), *market_prices()])
    assert paid(fits, "ancillary") > 0
    with pytest.raises(Refused) as caught:
        earned([spot(), pjm()], [cleared, *awarded("a1", 0, 744, 200_001), *market_prices()])
    assert caught.value.code == "spot_conflict"
    agc = earned(
        [spot(), pjm()],
        [cleared, *awarded("a1", 0, 744, 200_000), *market_prices()],
        discharge=PLATE_WH,
    )
    assert paid(agc, "spot") > 0, "energy under AGC is metered beside the cleared, and settles in real time"


def test_certified_power_is_not_paid_beyond_what_is_installed() -> None:
    """The matrix refused the rest, and all of it was paid."""
    beyond = msgspec.structs.replace(certified(), nameplate_w=600_000, certified_w=PLATE_W)
    assert paid(earned([qinghai()], [beyond, available()]), "capacity") == 165 * 500 / Fraction(12)
    with pytest.raises(Refused) as caught:
        earned([qinghai()], [msgspec.structs.replace(beyond, certified_w=PLATE_W + 1), available()])
    assert caught.value.code == "capacity_conflict"
    assert "500001 W" in str(caught.value)


# --- power that stands ready ----------------------------------------------------------------------


def standing(**changes: Any) -> Any:
    return rule(DR, payments=(*rule(DR).payments, PerKwMonth(price="1", when="always")), **changes)


def contracted(watts: int, by: str = DR, name: str = "k1") -> DemandResponseCapacity:
    return DemandResponseCapacity(id=name, site="S1", rule=by, run="r", interval=MONTH, contracted_w=watts)


def test_contracted_power_is_not_paid_while_regulation_has_it() -> None:
    """400 kW at 1 yuan stand beside 300 of regulation in half of the hours: 200 of 400 kW are missing."""
    facts = [contracted(400_000), *awarded("a1", 0, 372, 300_000), *market_prices()]
    found = earned([standing(), pjm()], facts)
    assert paid(found, "demand_response") == 400 - 400 * Fraction(1, 2) * Fraction(1, 2)
    assert len(found.refused) == 372 * 4


def test_two_programmes_do_not_both_pay_for_the_same_contracted_power() -> None:
    rules = [standing(id="one"), standing(id="two")]
    found = earned(rules, [contracted(400_000, "one"), contracted(400_000, "two", "k2")])
    assert paid(found, "demand_response") == 500
    fits = earned(rules, [contracted(400_000, "one"), contracted(100_000, "two", "k2")])
    assert (paid(fits, "demand_response"), fits.refused) == (500, ())


def test_a_call_is_the_contracted_powers_own_use() -> None:
    found = earned(
        [standing()],
        [contracted(400_000), *called("e1", 34, 400_000)],
        discharge=discharged((window(1, 10), 100_000)),
    )
    assert (paid(found, "demand_response"), found.refused) == (400 + 800, ())


# --- kWh of a response, whoever gave them ----------------------------------------------------------


def test_what_the_load_gave_is_paid_once_too() -> None:
    """Two programmes at the grid meter call one hour: 40 kWh came from the storage and 60 from the load."""
    day = np.full(96, 200_000, dtype=np.int64)
    grid = np.tile(day, 31)
    called_at = window(20, 10)
    grid[called_at] = 100_000
    one, two = (rule("dr_generic_80_120", id=name) for name in ("one", "two"))
    facts = [*called("e1", 490, 400_000, "one"), *called("e2", 490, 400_000, "two")]
    facts = [msgspec.structs.replace(f, **_announced(f)) for f in facts]
    found = earned([one, two], facts, discharge=discharged((called_at, 40_000)), grid=grid)
    alone = earned([one], facts[:2], discharge=discharged((called_at, 40_000)), grid=grid)
    assert paid(alone, "demand_response") > 0
    assert paid(found, "demand_response") == paid(alone, "demand_response")


def _announced(fact: Fact) -> dict[str, Any]:
    at = START + timedelta(days=19)
    return {"announced": at} if isinstance(fact, DemandResponseInvitation) else {"issued": at}


# --- every prefix of whatever is told ---------------------------------------------------------------

HOURS = (30, 34, 54)
LEASE = CapacityLeased(
    id="l1", site="S1", rule="capacity_qinghai", run="x", leased_w=100_000,
    interval=Interval(START, START + 40 * HOUR),
)  # fmt: skip
POOL: tuple[tuple[Fact, ...], ...] = (
    *(
        tuple(called(f"e{hour}-{watts}-{by}", hour, watts * 1000, by))
        for hour, watts, by in product(HOURS, (200, 500), ("one", "two"))
    ),
    *(
        tuple(awarded(f"a{n}", 12 * n, 12, kw * 1000))
        for n, kw in enumerate((0, 100, 400, 250, 500))
    ),
    (LEASE,),
    (contracted(200_000, "one", "k1"),),
    (contracted(300_000, "two", "k2"),),
    (certified(watts=250_000), available()),
    (SpotClearing(
        id="s1", site="S1", rule="spot_shandong_hourly", run="d", injected_wh=(100_000,) * 4,
        withdrawn_wh=(0,) * 4, interval=Interval(START + 30 * HOUR, START + 34 * HOUR),
    ),),
)  # fmt: skip
ALL_RULES = [standing(id="one"), standing(id="two"), pjm(), qinghai(), spot()]


@settings(max_examples=60)
@given(
    groups=st.lists(st.sampled_from(POOL), min_size=1, max_size=8, unique_by=lambda group: group[0].id),
    wh=st.sampled_from([0, 50_000, 90_000, PLATE_WH, PLATE_WH + 3_000]),
)
def test_on_every_prefix_no_kw_is_committed_twice(groups: Sequence[Sequence[Fact]], wh: int) -> None:
    """sum of committed kW <= nameplate, in each direction and interval, whatever was told so far; and what a
    response is paid for is at most what was metered with the power that regulation left."""
    told = [fact for group in groups for fact in group]
    out = discharged(*((slice(hour * 4, hour * 4 + 4), wh) for hour in HOURS))
    for count in range(1, len(told) + 1):
        facts = [*market_prices(), *told[:count]]
        _check(decided(case(ALL_RULES, facts, discharge=out), CONFLICTS))
        _check_money(facts, out)


def _check(granted: Granted) -> None:
    for quantity in ("up_w", "down_w"):
        by_stream = granted.totals(quantity)
        together = sum((by_stream[one] for one in COMMITTING if one in by_stream), np.zeros(2976, np.int64))
        assert together.max() <= PLATE_W
    energy = granted.totals("discharge_wh")
    together = sum((energy[one] for one in COMMITTING if one in energy), np.zeros(2976, np.int64))
    assert (together <= granted.storage.discharge_wh).all()


def _check_money(facts: Sequence[Fact], out: np.ndarray[Any, Any]) -> None:
    try:
        found = earned(ALL_RULES, facts, discharge=out)
    except Refused:
        return  # such as an award without its instruction yet: nothing is paid
    left = np.full(2976, PLATE_W, dtype=np.int64)
    standing_kw = Fraction(0)
    for fact in facts:
        if isinstance(fact, RegulationAward):
            first = int((fact.interval.start - START) / HOUR) * 4
            left[first : first + 48] -= fact.capacity_w[0]
        elif isinstance(fact, CapacityLeased):
            left[: 40 * 4] -= fact.leased_w
        elif isinstance(fact, DemandResponseCapacity):
            standing_kw += Fraction(fact.contracted_w, 1000)
    assert left.min() >= 0, "an award that does not fit is not settled"
    most_wh = int(np.where(left < PLATE_W, np.minimum(out, left // 4), out).sum())
    assert paid(found, "demand_response") <= Fraction(2 * most_wh, 1000) + min(standing_kw, PLATE_W // 1000)
