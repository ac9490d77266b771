"""A corrected clearing gives back power that was sold elsewhere since: on record, counted, never refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.desk.unit_results import unit_positions
from adapters.live.archive import LiveArchive
from adapters.settling import lowest_position
from ledger.effective import Period, extended
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import (
    DAY,
    DAY_AHEAD,
    MARKET,
    MW,
    RESPONSE_CALL,
    UNIT,
    bid,
    flat,
    furnish,
    market,
    submitted,
)
from tests.adapters.desk.pure_desk import AMPLE, PureDesk, furnished
from trading.bid import Bid
from trading.bid_life import Standing
from trading.clearing import Award, Clearing
from trading.commitment import UnitDay, aggregate_of
from trading.feasibility import Commitment
from trading.market_answer import AcknowledgeBid
from trading.published_market import PublishMarket
from trading.risk import ApprovalRule, Limit, RiskPolicy
from trading.risk import Desk as DeskState
from trading.usage import Usage
from trading.usage import aggregate_of as usage_of

REGULATION: Final = msgspec.structs.replace(
    DAY_AHEAD, id="regulation", kind="regulation_capacity", price_unit="MW.h", energy_check="none"
)
SLOT: Final = 40
UNIT_W: Final = 2 * MW
IMBALANCE: Final = Limit(
    id="imbalance", measure="imbalance", each="unit", span="day", most="100000", currency="CNY"
)
POLICY: Final = RiskPolicy(
    exclusivity="rule_based",
    limits=(IMBALANCE,),
    approvals=(ApprovalRule(kinds=("energy",), persons=1),),
)


def one_slot(name: str, product: str, power_w: int, unit: str = UNIT) -> Bid:
    curves = tuple(flat(0, power_w, 500_000) if slot == SLOT else () for slot in range(96))
    return bid(name, product=product, unit=unit, curves=curves, schedule_w=None)


def cleared(run: int, product: str, **awards: int) -> Clearing:
    """Awards by bid, in W of the one slot."""
    return Clearing(
        market=MARKET,
        product=product,
        day=DAY,
        run=str(run),
        published=datetime(2026, 9, 2, 10, tzinfo=UTC) + timedelta(hours=run),
        price_u=(400_000,) * 96,
        awards=tuple(
            Award(bid=name, power_w=tuple(power if slot == SLOT else 0 for slot in range(96)))
            for name, power in awards.items()
        ),
        source="c.csv",
        source_sha256="0" * 64,
    )


def floor() -> PureDesk:
    desk = furnished()
    since = Period(datetime(2026, 1, 1, tzinfo=UTC))
    desk.pure.states[f"market.{MARKET}"] = extended(None, since, market(DAY_AHEAD, RESPONSE_CALL, REGULATION))
    desk.pure.states["risk.desk"] = DeskState(policy=POLICY)
    return desk


def sold(desk: PureDesk, one: Bid) -> None:
    """At the market."""
    revision = submitted(desk, one)
    desk.send(one.id, revision, command_id=f"send-{one.id}", actor="gateway")
    command = AcknowledgeBid(one.id, revision, "R")
    desk.acknowledge(command, command_id=f"ack-{one.id}", actor="gateway")


def record(desk: PureDesk, clearing: Clearing) -> None:
    desk.record_clearing(clearing, command_id=f"{clearing.product}-{clearing.run}", actor="gateway")


def standing(desk: PureDesk, name: str) -> Standing:
    found = desk.state(name).standing
    assert found is not None
    return found


def bound(desk: PureDesk, unit: str = UNIT) -> tuple[Commitment, ...]:
    state = desk.door.state(aggregate_of(unit, DAY))
    assert isinstance(state, UnitDay)
    return state.commitments


def used(desk: PureDesk, unit: str = UNIT) -> Fraction:
    state = desk.door.state(usage_of(IMBALANCE, unit, DAY))
    assert isinstance(state, Usage)
    return sum((one.exact for one in state.parts), Fraction(0))


HALVES = st.integers(0, 4).map(lambda half: half * MW // 2)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(HALVES, min_size=1, max_size=4), HALVES)
def test_what_is_bound_is_what_the_unit_has_or_a_conflict_on_record(
    awards: list[int], elsewhere: int
) -> None:
    """Whatever runs award, and whatever is sold of what the first one freed: bound - short <= 2 MW, and the
    short kW count at 1.50 yuan/kWh for their quarter-hour."""
    desk = floor()
    sold(desk, one_slot("b1", "day_ahead", UNIT_W))
    record(desk, cleared(1, "day_ahead", b1=awards[0]))
    other = min(elsewhere, UNIT_W - awards[0])
    if other:
        sold(desk, one_slot("b2", "regulation", other))
    for run, award in enumerate(awards[1:], 2):
        record(desk, cleared(run, "day_ahead", b1=award))
        conflict = standing(desk, "b1").conflict
        over = max(award + other - UNIT_W, 0)
        assert sum(one.up_w[SLOT] for one in bound(desk)) == award + other, "the award is a fact"
        if not over:
            assert conflict is None
        else:
            assert conflict is not None
            assert (conflict.up_w[SLOT], sum(conflict.up_w), conflict.beside) == (over, over, ("b2",))
            assert (max(conflict.down_w), conflict.energy_wh) == (0, 0)
        assert used(desk) == Fraction(over, 4000) * Fraction(3, 2)


def test_power_sold_through_another_unit_of_the_same_sites_is_missed_too() -> None:
    """vpp and drp share S1: drp's day has b1's part of it, and 1 MW of drp's own two is S1's."""
    desk = floor()
    sold(desk, one_slot("b1", "day_ahead", UNIT_W))
    record(desk, cleared(1, "day_ahead", b1=0))
    sold(desk, one_slot("d1", "regulation", UNIT_W, unit="drp"))
    record(desk, cleared(2, "day_ahead", b1=UNIT_W))
    conflict = standing(desk, "b1").conflict
    assert conflict is not None
    assert (conflict.up_w[SLOT], conflict.beside) == (MW, ("d1",))


def test_stored_energy_that_was_sold_in_another_hour_is_missed() -> None:
    """0.8 MWh above the floor, sold in one quarter-hour after they were freed of another: all of it lacks.

    0.5 MWh to the grid are 526 316 Wh of the storage: two of them lack 252 632 Wh.
    """
    desk = floor()
    small = msgspec.structs.replace(AMPLE, stored_wh=MW, floor_wh=200_000, discharge_ppm=950_000)
    since = Period(datetime(2026, 1, 1, tzinfo=UTC))
    desk.pure.states[f"envelope.{UNIT}"] = extended(None, since, small)
    sold(desk, one_slot("b1", "day_ahead", UNIT_W))
    record(desk, cleared(1, "day_ahead", b1=0))
    held = msgspec.structs.replace(REGULATION, id="held", sustain_min=15)
    desk.pure.states[f"market.{MARKET}"] = extended(None, since, market(DAY_AHEAD, RESPONSE_CALL, held))
    later = tuple(flat(0, UNIT_W, 500_000) if slot == SLOT + 8 else () for slot in range(96))
    sold(desk, bid("b2", product="held", curves=later, schedule_w=None))
    record(desk, cleared(2, "day_ahead", b1=UNIT_W))
    conflict = standing(desk, "b1").conflict
    assert conflict is not None
    assert (max(conflict.up_w), conflict.energy_wh, conflict.beside) == (0, 252_632, ("b2",))
    assert used(desk) == Fraction(252_632 * 3, 2000)


def test_a_repeat_of_the_correction_answers_the_first_result() -> None:
    desk = floor()
    sold(desk, one_slot("b1", "day_ahead", UNIT_W))
    record(desk, cleared(1, "day_ahead", b1=0))
    sold(desk, one_slot("b2", "regulation", UNIT_W))
    run = cleared(2, "day_ahead", b1=MW)
    first = desk.record_clearing(run, command_id="c2", actor="gateway")
    saves = len(desk.pure.saves)
    again = desk.record_clearing(run, command_id="c2", actor="gateway")
    assert (again.sequence, again.repeated) == (first.sequence, True)
    assert len(desk.pure.saves) == saves


def test_a_conflict_is_shown_with_the_position_and_told_live(bench: Bench) -> None:
    desk = furnish(bench)
    since = Period(datetime(2026, 1, 1, tzinfo=UTC))
    wider = market(DAY_AHEAD, RESPONSE_CALL, REGULATION)
    bench.door.execute(PublishMarket(since, wider), command_id="wider", actor="anna")
    bench.project()

    def trade(one: Bid) -> None:
        revision = submitted(desk, one)
        desk.send(one.id, revision, command_id=f"send-{one.id}", actor="gateway")
        command = AcknowledgeBid(one.id, revision, "R")
        desk.acknowledge(command, command_id=f"ack-{one.id}", actor="gateway")
        bench.project()

    trade(one_slot("b1", "day_ahead", MW))
    desk.record_clearing(cleared(1, "day_ahead", b1=0), command_id="c1", actor="gateway")
    bench.project()
    trade(one_slot("b2", "regulation", UNIT_W))
    desk.record_clearing(cleared(2, "day_ahead", b1=MW), command_id="c2", actor="gateway")
    bench.project()
    with bench.database.reading(bench.book) as connection:
        [day] = unit_positions(connection, bench.book, lowest_position(connection), UNIT, DAY, DAY)
    [short] = day.conflicts
    assert (short.bid, short.beside, short.imbalance) == ("b1", ("b2",), "375")
    offered = {one.bid: one for one in day.positions[SLOT].offered}
    assert (offered["b1"].short_w, offered["b2"].short_w) == (MW, 0)
    told = LiveArchive(bench.database, bench.book).after(0).messages
    conflicts = [getattr(one.data, "conflict", None) for one in told if one.type == "bid.cleared.v1"]
    assert conflicts == [None, ("b2",)]
