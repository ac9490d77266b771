"""Bids through the desk for days on which the clocks change: 92, 96 and 100 quarter-hours, 23 to 25 hours."""

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
from trading.market_answer import AcknowledgeBid
from trading.product import Market, Product
from trading.risk import Desk as DeskState

SINCE: Final = Period(datetime(2026, 1, 1, tzinfo=UTC))
DAYS: Final = [
    ("germany_day_ahead", "da", date(2026, 3, 29), 92),
    ("germany_day_ahead", "da", date(2026, 3, 30), 96),
    ("germany_day_ahead", "da", date(2026, 10, 25), 100),
    ("caiso_day_ahead", "energy", date(2026, 3, 8), 23),
    ("caiso_day_ahead", "energy", date(2026, 11, 1), 25),
    ("nyiso_day_ahead", "energy", date(2026, 11, 1), 25),
]


def floor(market: Market, product: Product, day: date) -> PureDesk:
    """An hour before the gate closes."""
    desk = furnished(market.moment(product.gate_closes, product, day) - timedelta(hours=1))
    states = desk.pure.states
    states[f"market.{market.id}"] = extended(None, SINCE, market)
    for name in ("vpp", "drp"):
        unit = states[f"trading_unit.{name}"].latest.document  # type: ignore[attr-defined]
        here = msgspec.structs.replace(unit, market=market.id, zone=market.zone)
        states[f"trading_unit.{name}"] = extended(None, SINCE, here)
    states["risk.desk"] = DeskState(policy=msgspec.structs.replace(POLICY, limits=()))
    return desk


def offer(market: Market, product: Product, day: date, count: int) -> Bid:
    """1 MW in the day's last interval alone."""
    curves = tuple(flat(0, MW, 50_000) if at == count - 1 else () for at in range(count))
    return bid("b1", market=market.id, product=product.id, day=day, curves=curves, schedule_w=None)


def clearing(market: Market, product: Product, day: date, count: int) -> Clearing:
    return Clearing(
        market=market.id, product=product.id, day=day, run="1",
        published=market.moment(product.published, product, day), price_u=(60_000,) * count,
        awards=(Award(bid="b1", power_w=(*(0,) * (count - 1), MW)),), source="c.csv", source_sha256="0" * 64,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "product_id", "day", "count"), DAYS)
def test_a_day_of_the_clock_change_goes_from_bid_to_award(
    name: str, product_id: str, day: date, count: int
) -> None:
    market = example(name)
    product = market.product(product_id)
    desk = floor(market, product, day)
    revision = submitted(desk, offer(market, product, day, count))
    desk.send("b1", revision, command_id="send", actor="gateway")
    desk.acknowledge(AcknowledgeBid("b1", revision, "R"), command_id="ack", actor="gateway")
    state = desk.door.state(aggregate_of("vpp", day))
    assert isinstance(state, UnitDay)
    slots = count * product.interval_s // 900
    bound = state.commitments[0].up_w
    assert (len(bound), bound[-1], sum(map(bool, bound))) == (slots, MW, product.interval_s // 900)
    for wrong in (count - 1, count + 1):
        with pytest.raises(Refused) as refused:
            desk.record_clearing(clearing(market, product, day, wrong), command_id=f"c{wrong}", actor="g")
        assert refused.value.code in ("clearing_intervals", "award_beyond_bid")
    desk.record_clearing(clearing(market, product, day, count), command_id="c", actor="gateway")
    standing = desk.state("b1").standing
    assert isinstance(standing, Standing)
    assert (standing.status, standing.awarded_w[-1]) == ("cleared", MW)


@pytest.mark.parametrize(("name", "product_id", "day", "count"), DAYS)
def test_a_bid_of_another_days_length_is_refused(name: str, product_id: str, day: date, count: int) -> None:
    market = example(name)
    product = market.product(product_id)
    desk = floor(market, product, day)
    for wrong in {23, 24, 25, 92, 96, 100} - {count}:
        with pytest.raises(Refused) as refused:
            desk.draft(offer(market, product, day, wrong), revision=0, command_id=f"d{wrong}", actor="anna")
        assert (refused.value.code, refused.value.place) == ("bid_intervals", "curves")
        assert ("clocks change" in str(refused.value)) == (count not in (24, 96))
    assert desk.door.state("bid.b1") is None


def test_units_with_sites_in_common_have_the_same_days() -> None:
    market = example("germany_day_ahead")
    product, day = market.product("da"), date(2026, 3, 29)
    desk = floor(market, product, day)
    other = desk.pure.states["trading_unit.drp"].latest.document  # type: ignore[attr-defined]
    desk.pure.states["trading_unit.drp"] = extended(
        None, SINCE, msgspec.structs.replace(other, zone="Asia/Shanghai")
    )
    with pytest.raises(Refused) as refused:
        submitted(desk, offer(market, product, day, 92))
    assert (refused.value.code, refused.value.place) == ("zone", "unit")
