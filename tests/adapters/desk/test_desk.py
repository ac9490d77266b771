"""A bid's life on real servers, and what it binds."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from adapters.desk.desk import Desk
from ledger.refusal import Refused
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import (
    CLOSES,
    DAY,
    MARKET,
    MW,
    OPEN,
    UNIT,
    after,
    approved,
    bid,
    flat,
    furnish,
    submitted,
    unit,
)
from trading.clearing import Award, Clearing
from trading.commitment import UnitDay, aggregate_of
from trading.market_answer import AcknowledgeBid
from trading.risk import ResumeTrading


def day_of(desk: Desk, name: str = UNIT) -> UnitDay:
    state = desk.door.state(aggregate_of(name, DAY))
    assert isinstance(state, UnitDay)
    return state


def cleared(*awards: Award, run: str = "1", hour: int = 10) -> Clearing:
    return Clearing(
        market=MARKET,
        product="day_ahead",
        day=DAY,
        run=run,
        published=datetime(2026, 9, 2, hour, tzinfo=UTC),
        price_u=(400_000,) * 96,
        awards=awards,
        source=f"clearing-{run}.csv",
        source_sha256="0" * 64,
    )


def test_a_bid_goes_from_draft_to_award(bench: Bench) -> None:
    desk = furnish(bench)
    one = bid()
    revision = submitted(desk, one)
    assert desk.state("b1").status == "submitted"
    desk.send("b1", revision, command_id="send", actor="gateway")
    desk.acknowledge(AcknowledgeBid("b1", revision, "SD-77"), command_id="ack", actor="gateway")
    held = day_of(desk).of("b1")
    assert held is not None
    assert (max(held.up_w), max(held.down_w), held.awarded) == (MW, MW, False)
    bench.project()
    power = tuple(power // 2 for power in one.schedule_w or ())
    desk.record_clearing(cleared(Award(bid="b1", power_w=power)), command_id="clear", actor="gateway")
    standing = desk.state("b1").standing
    assert standing is not None
    assert (standing.status, standing.clearing, standing.awarded_w) == (
        "cleared",
        f"{MARKET}_day_ahead_{DAY}",
        power,
    )
    held = day_of(desk).of("b1")
    assert held is not None
    assert (max(held.up_w), max(held.down_w), held.awarded) == (MW // 2, MW // 2, True)


def test_a_repeat_makes_one_bid(bench: Bench) -> None:
    desk = furnish(bench)
    one = bid()
    first = desk.draft(one, revision=0, command_id="k", actor="anna")
    assert desk.draft(one, revision=0, command_id="k", actor="anna").sequence == first.sequence
    with pytest.raises(Refused, match="already with this content, as revision 1"):
        desk.draft(one, revision=0, command_id="k1", actor="anna")
    with pytest.raises(Refused, match="other content") as refused:
        desk.draft(bid(note="another"), revision=0, command_id="k2", actor="anna")
    assert refused.value.code == "bid_exists"


def test_who_writes_a_bid_does_not_approve_it(bench: Bench) -> None:
    desk = furnish(bench)
    one = bid()
    desk.draft(one, revision=0, command_id="k", actor="anna")
    with pytest.raises(Refused) as refused:
        desk.approve("b1", 1, one.digest, command_id="a", actor="anna")
    assert refused.value.code == "four_eyes"
    with pytest.raises(Refused) as refused:
        desk.submit("b1", 1, command_id="s", actor="anna")
    assert refused.value.code == "approval_missing"


def test_a_bid_is_late_within_the_clock_margin(bench: Bench) -> None:
    desk = furnish(bench)
    revision = approved(desk, bid())
    bench.now = CLOSES - after(3)
    with pytest.raises(Refused) as refused:
        desk.submit("b1", revision, command_id="s1", actor="anna")
    assert refused.value.code == "gate_closed"


def test_a_bid_before_the_clock_margin_is_in_time(bench: Bench) -> None:
    desk = furnish(bench)
    revision = approved(desk, bid())
    bench.now = CLOSES - after(3.5)
    desk.submit("b1", revision, command_id="s1", actor="anna")
    standing = desk.state("b1").standing
    assert standing is not None
    assert (standing.at, standing.gate_closes) == (CLOSES - after(2.5), CLOSES)


def test_the_gate_is_checked_again_before_sending(bench: Bench) -> None:
    desk = furnish(bench)
    revision = submitted(desk, bid())
    bench.now = CLOSES
    with pytest.raises(Refused) as refused:
        desk.send("b1", revision, command_id="send", actor="gateway")
    assert refused.value.code == "gate_closed"
    desk.expire("b1", revision, "not sent in time", command_id="x", actor="gateway")
    assert desk.state("b1").status == "expired"
    assert day_of(desk).commitments == ()


def test_a_clock_set_back_does_not_open_a_gate_again(bench: Bench) -> None:
    desk = furnish(bench)
    revision = approved(desk, bid())
    bench.now = CLOSES
    desk.stop("see the time", command_id="stop", actor="anna")
    bench.now = OPEN
    with pytest.raises(Refused) as refused:
        desk.submit("b1", revision, command_id="s", actor="anna")
    assert refused.value.code == "kill_switch"
    bench.door.execute(ResumeTrading("bert", "go on"), command_id="resume", actor="bert")
    with pytest.raises(Refused) as refused:
        desk.submit("b1", revision, command_id="s2", actor="anna")
    assert refused.value.code == "gate_closed"


def test_the_same_power_is_not_sold_twice(bench: Bench) -> None:
    desk = furnish(bench)
    submitted(desk, bid())
    call = bid(
        "b2",
        product="response",
        curves=tuple(flat(0, 2 * MW, 3_000_000) if quarter in (72, 73) else () for quarter in range(96)),
        schedule_w=None,
    )
    revision = approved(desk, call)
    with pytest.raises(Refused) as refused:
        desk.submit("b2", revision, command_id="s2", actor="anna")
    assert refused.value.code == "exclusive_stream"
    assert "b1" in str(refused.value)
    assert [one.bid for one in day_of(desk).commitments] == ["b1"]


def test_two_bids_that_race_for_the_same_power_have_one_winner(bench: Bench) -> None:
    desk = furnish(bench, unit("vpp"), unit("drp"))
    for number in range(4):
        product = "day_ahead" if number % 2 == 0 else "response"
        one = bid(
            f"r{number}",
            unit="vpp" if number < 2 else "drp",
            product=product,
            curves=tuple(flat(0, 2 * MW, 500_000) if quarter == 73 else () for quarter in range(96)),
            schedule_w=None,
        )
        approved(desk, one)
    outcomes: dict[int, str] = {}

    def race(number: int) -> None:
        mine = Desk(bench.door, bench.database)
        try:
            mine.submit(f"r{number}", 1, command_id=f"race-{number}", actor="anna")
            outcomes[number] = "won"
        except Refused as refused:
            outcomes[number] = refused.code

    threads = [threading.Thread(target=race, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(outcomes.values()).count("won") == 1, outcomes
    for name in ("vpp", "drp"):
        held = day_of(desk, name).commitments
        assert len(held) == 1
        assert max(held[0].up_w) == 2 * MW


def test_an_award_beyond_the_bid_stores_nothing(bench: Bench) -> None:
    desk = furnish(bench)
    revision = submitted(desk, bid())
    desk.send("b1", revision, command_id="send", actor="gateway")
    bench.project()
    power = tuple(2 * MW if quarter == 72 else 0 for quarter in range(96))
    with pytest.raises(Refused) as refused:
        desk.record_clearing(cleared(Award(bid="b1", power_w=power)), command_id="c", actor="gateway")
    assert refused.value.code == "award_beyond_bid"
    with pytest.raises(Refused) as refused:
        desk.record_clearing(cleared(Award(bid="bx", power_w=power)), command_id="c", actor="gateway")
    assert refused.value.code == "award_without_bid"
    assert desk.door.state(f"clearing.{MARKET}_day_ahead_{DAY}") is None


def test_a_replacement_binds_both_until_the_market_has_it(bench: Bench) -> None:
    desk = furnish(bench)
    first = submitted(desk, bid())
    desk.send("b1", first, command_id="send", actor="gateway")
    desk.acknowledge(AcknowledgeBid("b1", first, "SD-1"), command_id="ack", actor="gateway")
    second = submitted(desk, bid(schedule={73: 0, 74: 2 * MW}), revision=first)
    held = day_of(desk).of("b1")
    assert held is not None
    assert (held.up_w[73], held.up_w[74]) == (MW, 2 * MW)
    desk.send("b1", second, command_id="send-2", actor="gateway")
    desk.refuse("b1", second, "closed for maintenance", command_id="no", actor="gateway")
    held = day_of(desk).of("b1")
    assert held is not None
    assert (held.up_w[73], held.up_w[74]) == (MW, MW)
    standing = desk.state("b1").standing
    assert standing is not None
    assert (standing.draft.revision, standing.status) == (first, "acknowledged")
