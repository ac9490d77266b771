"""Rebids where each interval has its own gate: what is past stands as it was, in every way."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec
import pytest

from ledger.effective import Period, extended
from ledger.refusal import Refused
from tests.adapters.desk.desk_book import MW, POLICY, bid, flat, submitted
from tests.adapters.desk.pure_desk import PureDesk, furnished
from tests.trading.market_samples import example
from trading.bid import Bid
from trading.bid_life import Standing
from trading.clearing import Award, Clearing
from trading.commitment import UnitDay, aggregate_of
from trading.feasibility import Commitment
from trading.market_answer import AcknowledgeBid
from trading.risk import Desk as DeskState

NEM: Final = example("aemo_nem")
DAY: Final = date(2026, 9, 3)
START: Final = NEM.start_of(DAY)
STEP: Final = timedelta(minutes=5)
SINCE: Final = Period(datetime(2026, 1, 1, tzinfo=UTC))


def floor() -> PureDesk:
    desk = furnished(START - timedelta(days=1))
    states = desk.pure.states
    states["market.aemo_nem"] = extended(None, SINCE, NEM)
    for name in ("vpp", "drp"):
        unit = states[f"trading_unit.{name}"].latest.document  # type: ignore[attr-defined]
        here = msgspec.structs.replace(unit, market="aemo_nem", zone=NEM.zone)
        states[f"trading_unit.{name}"] = extended(None, SINCE, here)
    states["risk.desk"] = DeskState(policy=msgspec.structs.replace(POLICY, limits=()))
    return desk


def offer(power_w: int, first: int) -> Bid:
    """`power_w` in every interval from `first` on."""
    curves = tuple(() if at < first else flat(0, power_w, 500_000) for at in range(288))
    schedule = tuple(0 if at < first else power_w // 100 for at in range(288))
    return bid("b1", market="aemo_nem", product="energy", day=DAY, curves=curves, schedule_w=schedule)


def at_market(desk: PureDesk, one: Bid, revision: int = 0, *, acknowledged: datetime | None = None) -> None:
    made = submitted(desk, one, revision=revision)
    desk.send(one.id, made, command_id=f"send-{made}", actor="gateway")
    if acknowledged is not None:
        desk.pure.now = acknowledged
    command = AcknowledgeBid(one.id, made, "R", acknowledged)
    desk.acknowledge(command, command_id=f"ack-{made}", actor="gateway")


def bound(desk: PureDesk) -> Commitment:
    state = desk.door.state(aggregate_of("vpp", DAY))
    assert isinstance(state, UnitDay)
    [held] = state.commitments
    return held


def standing(desk: PureDesk) -> Standing:
    found = desk.state("b1").standing
    assert found is not None
    return found


def cleared(powers: dict[int, int]) -> Clearing:
    return Clearing(
        market="aemo_nem", product="energy", day=DAY, run="1", published=START + timedelta(days=1),
        price_u=(400_000,) * 288,
        awards=(Award(bid="b1", power_w=tuple(powers.get(at, 0) for at in range(288))),),
        source="c.csv", source_sha256="0" * 64,
    )  # fmt: skip


def rebid(*, acknowledged: datetime | None = None) -> PureDesk:
    """2 MW all day; at 10:00:00 (the gate of 10:05 closes with the margin) 1 MW from 12:00 on."""
    desk = floor()
    at_market(desk, offer(2 * MW, 0))
    desk.pure.now = START + timedelta(hours=10)
    at_market(desk, offer(MW, 144), 1, acknowledged=acknowledged)
    return desk


def test_what_was_past_keeps_the_old_bids_values() -> None:
    """10:05 is interval 121: its gate is 10:00, so that 0 to 121 stand; 122 to 143 are given up."""
    desk = rebid()
    found = [curve[0][1] if curve else 0 for curve in standing(desk).bid.curves]
    assert found == [2 * MW] * 122 + [0] * 22 + [MW] * 144
    held = bound(desk)
    assert [held.up_w[slot] for slot in (0, 39, 40, 41, 47, 48, 95)] == [2 * MW] * 3 + [0, 0, MW, MW]
    assert held.path_w is not None
    assert [held.path_w[at] for at in (121, 122, 144)] == [MW // 50, 0, MW // 100]


def test_an_award_of_what_was_past_is_within_the_old_bid() -> None:
    desk = rebid()
    desk.record_clearing(cleared({100: 2 * MW, 150: MW}), command_id="c", actor="gateway")
    assert standing(desk).awarded_w[100] == 2 * MW
    for at, power in ((130, MW), (150, 2 * MW), (100, 2 * MW + 1)):
        other = rebid()
        with pytest.raises(Refused) as refused:
            other.record_clearing(cleared({at: power}), command_id="c", actor="gateway")
        assert refused.value.code == "award_beyond_bid"


def test_the_markets_time_says_what_was_past() -> None:
    """Taken at 10:30: another six intervals stood as they were."""
    desk = rebid(acknowledged=START + timedelta(hours=10, minutes=30))
    found = [curve[0][1] if curve else 0 for curve in standing(desk).bid.curves]
    assert found == [2 * MW] * 128 + [0] * 16 + [MW] * 144


def test_a_second_rebid_keeps_what_the_first_kept() -> None:
    desk = rebid()
    desk.pure.now = START + timedelta(hours=12, minutes=30)
    at_market(desk, offer(MW // 1, 200), 2)
    found = [curve[0][1] if curve else 0 for curve in standing(desk).bid.curves]
    assert found == [2 * MW] * 122 + [0] * 22 + [MW] * 8 + [0] * 48 + [MW] * 88


def test_a_repeated_acknowledgement_answers_the_first() -> None:
    desk = rebid()
    again = desk.acknowledge(AcknowledgeBid("b1", 2, "R"), command_id="ack-2", actor="gateway")
    assert again.repeated


def test_a_product_with_one_gate_keeps_nothing() -> None:
    desk = furnished()
    at_market(desk, bid())
    at_market(desk, bid(schedule={8: 0}), 1)
    assert standing(desk).kept is None
