"""From a bid to what was paid for it, and back, on real servers; positions and profit of the same day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import numpy as np
import pytest

from adapters.desk.desk import Desk
from adapters.desk.handing_over import HandingOver
from adapters.desk.sharing_out import SharingOut
from adapters.desk.unit_results import unit_positions, unit_profit
from adapters.links.follows_plan import plan_cause
from adapters.queries.story.bid import bid as bid_story
from adapters.queries.story.entry import Link
from dispatch.control.command_records import RecordReadBack, RecordSeen, RecordWrittenFirst
from dispatch.control.setpoint import Setpoint
from dispatch.planning.plan_record import MakePlan, PlanHead
from ledger.demand import ActualDemand
from ledger.device import Device, RegisterDevice
from ledger.effective import Period
from ledger.grid_account import Account
from ledger.interval import Interval
from ledger.market_price import PriceBlock, PriceSeries
from ledger.party import Party, RegisterParty
from ledger.recorded_price import RecordPrices, blocks_of
from ledger.refusal import Refused
from ledger.site import MarketPoint, RegisterSite, Site
from ledger.streams.spot import SpotClearing
from ledger.trading_unit import Member, RegisterTradingUnit, TradingUnit
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import DAY_AHEAD, MARKET, POLICY, bid, flat, market, submitted
from tests.adapters.desk.test_sharing_out import FROM_AUGUST
from tests.adapters.story.link_walk import WALKED, walked
from tests.adapters.test_market_settling import does, lines, policy, rule, told
from tests.adapters.test_settling import START, TARIFF, filled, settle
from tests.ledger.test_unit_allocation import RESPONSE
from trading.clearing import Award, Clearing
from trading.envelope import StateEnvelope, UnitEnvelope
from trading.market_answer import AcknowledgeBid
from trading.product import Product
from trading.published_market import PublishMarket
from trading.response_call import Call, CalledInterval, DecideCall, HearCall
from trading.risk import ApprovePolicy, PreparePolicy
from trading.settles_as import SettlesAs
from trading.sharing import SharingTerms, StateSharing

DAY = date(2026, 8, 12)
BEGINS = START + timedelta(days=11)
KW = 1000
SPOT = rule("spot_shandong_hourly", charging_bears="nothing")
ENVELOPE = UnitEnvelope(
    discharge_w=250 * KW,
    charge_w=250 * KW,
    stored_wh=100 * KW,
    floor_wh=0,
    ceiling_wh=500 * KW,
    charge_ppm=950_000,
    discharge_ppm=950_000,
)


def hourly() -> Product:
    fields = {name: getattr(DAY_AHEAD, name) for name in DAY_AHEAD.__struct_fields__}
    return Product(
        **(fields | {"interval_s": 3600, "settles_as": SettlesAs(rule=SPOT.rule.id, stream="spot")})
    )


def prices(product: str, by_hour: list[int]) -> list[RecordPrices]:
    """The same day again and again, millionths per kWh."""
    block = PriceBlock(START, np.array(by_hour * 31, dtype=np.int64), 6)
    series = PriceSeries(MARKET, "n1", product, 3600, "CNY", (block,))  # type: ignore[arg-type]
    return [RecordPrices(one) for one in blocks_of(series, "a test")]


AHEAD = [300_000] * 8 + [350_000] * 9 + [600_000] * 5 + [300_000] * 2
REAL = [280_000] * 8 + [350_000] * 9 + [650_000] * 5 + [300_000] * 2
PLAN = tuple(-100 * KW if hour in (2, 3) else 180 * KW if hour == 18 else 0 for hour in range(24))
AWARD = tuple(-100 * KW if hour in (2, 3) else 150 * KW if hour == 18 else 0 for hour in range(24))


def traded(bench: Bench) -> Desk:
    """Everything up to a cleared bid of 12 August, with the whole month's meters and prices."""
    bench.now = datetime(2026, 8, 10, tzinfo=UTC)
    filled(bench)
    account = Account(
        id="A-S1", zone="Asia/Shanghai", parts="two_part", demand=ActualDemand(), power_factor=None,
        export_price=None,
    )  # fmt: skip
    point = MarketPoint(MARKET, "n1")
    site = Site("S1", "Plant", "Asia/Shanghai", 500_000, 250_000, TARIFF.id, account, market_point=point)
    unit = TradingUnit(
        id="vpp", name="VPP", market=MARKET, unit_code="V", operator="operator", zone="Asia/Shanghai",
        members=(Member(site="S1", capability_w=250 * KW),), terms=(RESPONSE,), rounding_max="1",
    )  # fmt: skip
    does(
        bench, RegisterParty(sample.FROM_2026, Party("operator", "Operator")), policy(),
        RegisterSite(sample.FROM_2026, site), SPOT, *prices("day_ahead", AHEAD), *prices("real_time", REAL),
        PublishMarket(sample.FROM_2026, market(hourly())), RegisterTradingUnit(sample.FROM_2026, unit),
        StateEnvelope("vpp", Period(datetime(2026, 7, 1, tzinfo=UTC)), ENVELOPE),
        StateSharing("vpp", FROM_AUGUST, SharingTerms(discount="100%", confidence="100%")),
        PreparePolicy(POLICY, "anna"), ApprovePolicy(POLICY, "bert"),
    )  # fmt: skip
    bench.now = datetime(2026, 8, 11, 1, tzinfo=UTC)
    desk = Desk(bench.door, bench.database)
    curves = tuple(
        () if power == 0 else flat(min(power, 0), max(power, 0), 300_000 if power < 0 else 500_000)
        for power in PLAN
    )
    one = bid("b1", day=DAY, curves=curves, schedule_w=PLAN)
    revision = submitted(desk, one)
    desk.send("b1", revision, command_id="send", actor="gateway")
    desk.acknowledge(AcknowledgeBid("b1", revision, "SD-1"), command_id="ack", actor="gateway")
    bench.project()
    clear(bench, desk, AWARD, "1", 10)
    return desk


def clear(bench: Bench, desk: Desk, award: tuple[int, ...], run: str, hour: int) -> None:
    clearing = Clearing(
        market=MARKET,
        product="day_ahead",
        day=DAY,
        run=run,
        published=datetime(2026, 8, 11, hour, tzinfo=UTC),
        price_u=tuple(AHEAD),
        awards=(Award(bid="b1", power_w=award),),
        source=f"clearing-{run}.csv",
        source_sha256="0" * 64,
    )
    desk.record_clearing(clearing, command_id=f"clear-{run}", actor="gateway")
    bench.project()


def followed_up(bench: Bench, desk: Desk) -> list[str]:
    said = list(SharingOut(desk).follow_up(MARKET, "day_ahead", DAY, actor="gateway"))
    bench.project()
    said += HandingOver(desk).follow_up(MARKET, "day_ahead", DAY, actor="gateway")
    bench.project()
    return said


def rest_of_the_month(bench: Bench) -> None:
    """Nothing is cleared on all other days."""
    month_end = START + timedelta(days=31)
    for name, start, end in (("before", START, BEGINS), ("after", BEGINS + timedelta(days=1), month_end)):
        hours = int((end - start).total_seconds()) // 3600
        fact = SpotClearing(
            id=name, site="S1", rule=SPOT.rule.id, run="d1", interval=Interval(start, end),
            injected_wh=(0,) * hours, withdrawn_wh=(0,) * hours,
        )  # fmt: skip
        does(bench, *told(fact))


def driven(bench: Bench) -> None:
    """A call on the bid, a plan for it that a setpoint followed and the meter showed, and one in vain."""
    bench.now = at = BEGINS + timedelta(hours=20)
    called = CalledInterval(at + timedelta(hours=1), at + timedelta(hours=2), -100 * KW)
    call = Call(
        gateway="dr", market=MARKET, product="day_ahead", unit="vpp", programme="p", event="e", version=at,
        digest="0" * 64, received=at, start=called.start, end=called.end, intervals=(called,),
    )  # fmt: skip
    device = Device("a", "S1", "battery", 500_000, 250 * KW)
    does(
        bench, HearCall("dr_vpp_e", call), DecideCall("dr_vpp_e", at, "accepted", bids={DAY: "b1"}),
        RegisterDevice(Period(START), device),
    )  # fmt: skip
    planned: list[int] = []
    for portfolio in ("S1", "S1-again"):
        head = PlanHead(
            portfolio=portfolio, day=DAY, start=at, interval_s=900, count=4, trigger="asked", inputs="i",
            basis="hold", reason="r", objective="cost", objective_micro=None, bound_micro=None, gap_ppm=None,
            solver_ms=0, rests_on=("commitment.vpp_2026-08-12: b1",),
        )  # fmt: skip
        made = bench.door.execute(MakePlan(head, 1), command_id=portfolio, actor="planner")
        planned.append(made.sequence)
    cause = plan_cause("plan.S1_2026-08-12 v1", planned[0])
    setpoint = Setpoint(
        setpoint_w=-100 * KW, expires_at=at + timedelta(minutes=15), origin="plan", cause=cause
    )
    later = at + timedelta(seconds=9)
    for number, command in enumerate((
        RecordWrittenFirst("a", DAY, setpoint, "j-1", 0, at + timedelta(seconds=3), "driver-1"),
        RecordReadBack("a", DAY, 1, -100 * KW, at + timedelta(seconds=4)),
        RecordSeen("a", DAY, 1, "S1-STORAGE", -100 * KW, later, 0),
    )):  # fmt: skip
        bench.door.execute(command, command_id=f"told-{number}", actor="driver-1")
    bench.project()


def test_a_bid_is_paid_and_every_step_is_reached_from_both_ends(bench: Bench) -> None:
    desk = traded(bench)
    assert followed_up(bench, desk) == [
        "bid b1: award shared out among its sites",
        "bid b1: 1 facts handed over",
    ]
    assert followed_up(bench, desk) == [], "a run is followed up once"
    driven(bench)
    rest_of_the_month(bench)
    bench.now = datetime(2026, 9, 5, tzinfo=UTC)
    (settled,) = settle(bench)
    bench.project()
    paid = lines(settled.result, "spot")
    of_day = sum(
        Fraction(term.exact) for line in paid for term in line.basis if term.label == DAY.isoformat()
    )
    with bench.database.reading(bench.book) as connection:
        position = bench.log.client.run(bench.log.last_sequence())
        story = bid_story(connection, position, "b1")
        kinds = {kind for entry in story.entries for kind in entry.kinds}
        assert {
            "bid.drafted.v1", "bid.cleared.v1", "clearing.recorded.v1", "award.shared.v1",
            "market.fact_recorded.v1", "settlement.recorded.v1", "meter.readings_recorded.v1",
            "commitment.made.v1", "plan.made.v1", "command.written_first.v1", "command.seen.v1",
            "call.heard.v1", "call.decided.v1",
        } <= kinds  # fmt: skip
        plans = [entry.aggregate for entry in story.entries if "plan.made.v1" in entry.kinds]
        assert plans == ["plan.S1_2026-08-12"], "the plan that was followed, not one that nothing did"
        assert "awarded in shandong_day_ahead_2026-08-12: 150000 Wh toward the grid" in story.facts
        [run] = [entry for entry in story.entries if "settlement.recorded.v1" in entry.kinds]
        assert len(run.notes) == len(paid)
        assert run.postings, "what was paid is posted"
        ends = {entry.sequence: set(entry.links) for entry in story.entries}
        seen = _walked(set(ends), ends)
        assert seen == set(ends), "each event of the story is reached from each other one"
        assert walked(connection, position, set(ends)) >= WALKED["bid"]
        profit = unit_profit(connection, bench.book, position, "vpp", DAY, DAY)
    [day] = profit.days
    assert day.basis == "settled"
    assert Fraction(day.earned) == of_day, "the profit is what the ledger's lines say of the day"
    parts = (day.lost_by_price, day.lost_by_volume, day.lost_by_deviation)
    assert sum(Fraction(part or "") for part in parts) == Fraction(day.foresight or "") - of_day


def _walked(events: set[int], ends: dict[int, set[Link]]) -> set[int]:
    """What is reached from the first event over links in either direction, versions included."""
    reached, waiting = set[int](), [min(events)]
    while waiting:
        at = waiting.pop()
        if at in reached:
            continue
        reached.add(at)
        waiting += [link.sequence for link in ends[at] if link.sequence in events]
    return reached


def test_positions_and_profit_before_settlement(bench: Bench) -> None:
    """By hand. Awarded 150 kW at 18:00 local for an hour; metered is what `filled` reads.

    Planned -200 kWh at 0.30 and 180 at 0.60: 48. Awarded -200 and 150: 30.
    """
    desk = traded(bench)
    followed_up(bench, desk)
    with bench.database.reading(bench.book) as connection:
        position = bench.log.client.run(bench.log.last_sequence())
        [day] = unit_positions(connection, bench.book, position, "vpp", DAY, DAY)
        profit = unit_profit(connection, bench.book, position, "vpp", DAY, DAY)
        early = unit_profit(
            connection, bench.book, position, "vpp", DAY + timedelta(days=1), DAY + timedelta(days=1)
        )
        with pytest.raises(Refused) as refused:
            unit_positions(connection, bench.book, position, "none", DAY, DAY)
    assert refused.value.code == "unknown_trading_unit"
    assert early.days == ()
    rows = day.positions
    assert len(rows) == 96
    quarter = rows[72]
    assert (quarter.start, quarter.state) == (BEGINS + timedelta(hours=18), "delivered")
    assert quarter.awarded_wh == "37500"
    assert quarter.metered_wh is not None
    assert Fraction(quarter.deviation_wh or "") == quarter.metered_wh - 37_500
    assert Fraction(quarter.deviation_value or "") == Fraction(quarter.metered_wh - 37_500, 1000) * Fraction(
        "0.65"
    )
    [one] = profit.days
    hourly_of = [sum(row.metered_wh or 0 for row in rows[at : at + 4]) for at in range(0, 96, 4)]
    by_hand = sum(
        Fraction(award * AHEAD[hour] + (hourly_of[hour] - award) * REAL[hour], 10**9)
        for hour, award in enumerate(AWARD)
    )
    assert (one.basis, one.schedule) == ("metered", "48")
    assert Fraction(one.earned) == by_hand
    assert one.lost_by_volume == "18"
    assert Fraction(one.lost_by_deviation or "") == 30 - by_hand
    assert Fraction(one.foresight or "") > 48


def test_a_corrected_clearing_corrects_the_fact(bench: Bench) -> None:
    desk = traded(bench)
    followed_up(bench, desk)
    half = tuple(power // 2 for power in AWARD)
    clear(bench, desk, half, "2", 11)
    with pytest.raises(Refused) as refused:
        HandingOver(desk).hand_over(MARKET, "day_ahead", DAY, actor="gateway")
    assert refused.value.code == "not_shared_out"
    assert len(followed_up(bench, desk)) == 2
    fact = bench.door.state("market_fact.b1_S1")
    assert isinstance(fact, SpotClearing)
    assert (fact.run, sum(fact.injected_wh), sum(fact.withdrawn_wh)) == ("2", 75_000, 100_000)
    rows = bench.query(
        "SELECT document->>'run' FROM ledger.registered"
        " WHERE kind = 'market_fact' AND id = 'b1_S1' ORDER BY version"
    )
    assert rows == [("1",), ("2",)]
