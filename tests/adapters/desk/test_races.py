"""Threads and processes that race for the same power, and front doors whose clocks are wrong."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

import msgspec
import pytest

from adapters import continuity
from adapters.desk.binding import award_of, bound_by, scaled
from adapters.desk.desk import Desk
from adapters.front_door import FrontDoor
from adapters.nats.log import Log
from adapters.nats.recorder import JetStreamApplicationRecorder
from ledger.refusal import Refused
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import (
    CLOSES,
    DAY,
    MARKET,
    MW,
    OPEN,
    POLICY,
    ROOT,
    after,
    approved,
    bid,
    flat,
    furnish,
    submitted,
    unit,
)
from tests.adapters.desk.racer import Act, Outcomes, Race, run
from tests.adapters.desk.trading_floor import Market, local, on_the_floor
from tests.faults.seeds import seeds
from trading.bid import Bid
from trading.bid_life import BidState, with_behind
from trading.clearing import Award, Clearing
from trading.commitment import UnitDay, aggregate_of
from trading.usage import Usage
from trading.usage import aggregate_of as usage_of

SLOTS: Final = (72, 73)
UNITS: Final = {"vpp": ("S1", "S2"), "drp": ("S1", "S3")}
NAMES: Final = {
    "v1": ("vpp", "day_ahead"),
    "v2": ("vpp", "day_ahead"),
    "v3": ("vpp", "response"),
    "d1": ("drp", "response"),
    "d2": ("drp", "response"),
    "d3": ("drp", "day_ahead"),
}
LOST: Final = {"committed", "exclusive_stream", "bid_second", "power", "limit_volume", "stored_energy"}
_BOUND_S: Final = 60


def offer(chance: random.Random, name: str) -> Bid:
    """Some power in one or both of two quarter-hours."""
    curves: list[tuple[tuple[int, int, int], ...]] = [()] * 96
    for slot in chance.sample(SLOTS, chance.randint(1, 2)):
        curves[slot] = flat(0, chance.randint(1, 4) * MW // 2, 500_000)
    owner, product = NAMES[name]
    schedule = (0,) * 96 if product == "day_ahead" else None
    return bid(
        name,
        unit=owner,
        product=product,
        curves=tuple(curves),
        schedule_w=schedule,
        note=f"{chance.random()}",
    )


class Racers:
    """One process beside this one; both have threads."""

    def __init__(self, bench: Bench, desk: Desk, lanes: list[tuple[Act, ...]]) -> None:
        self.desk = desk
        here, there = lanes[::2], lanes[1::2]
        self.here = tuple(here)
        race = Race(
            bench.nats.url,
            str(bench.nats.app_seed),
            bench.database.url,
            bench.book,
            bench.now,
            tuple(there),
        )
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.adapters.desk.racer"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(msgspec.json.encode(race).decode() + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ready\n"

    def race(self) -> Outcomes:
        """Everything at once; bounded in time."""
        started, go = time.monotonic(), threading.Event()
        go.set()
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        outcomes = run(self.desk, self.here, go)
        out, _ = self.process.communicate(timeout=_BOUND_S)
        assert self.process.returncode == 0
        assert time.monotonic() - started < _BOUND_S
        return outcomes | msgspec.json.decode(out, type=Outcomes)


def check_books(desk: Desk, names: list[str]) -> None:
    """Each unit's day holds what its bids say, within what it has; each limit what they use."""
    wanted: dict[str, dict[str, tuple[tuple[int, ...], tuple[int, ...]]]] = {"vpp": {}, "drp": {}}
    used: dict[str, Fraction] = {}
    for name in names:
        state = desk.door.state(f"bid.{name}")
        assert isinstance(state, BidState)
        standing = state.standing
        if standing is None:
            continue
        _, product = desk.product_of(standing.draft.bid)
        if standing.status == "cleared":
            held = award_of(standing.draft.bid, product, standing.awarded_w)
        elif state.awardable:
            held = bound_by(state.awardable, product)
        else:
            continue
        owner = NAMES[name][0]
        for day, bids in wanted.items():
            part = held if day == owner else scaled(held, owner, 1, 2)
            bids[name] = part.up_w, part.down_w
        parts = [
            Fraction(part.amount)
            for one in with_behind(standing)
            for part in one.uses
            if (part.limit, part.value) == ("volume", "anna")
        ]
        if standing.status != "cleared":
            used[name] = max(parts)
    for day, bids in wanted.items():
        state = desk.door.state(aggregate_of(day, DAY)) or UnitDay()
        assert isinstance(state, UnitDay)
        assert {one.bid: (one.up_w, one.down_w) for one in state.commitments} == bids
        for slot in SLOTS:
            there = [one for one in state.commitments if one.up_w[slot]]
            assert sum(one.up_w[slot] for one in there) <= 2 * MW
            assert len({one.stream for one in there}) <= 1, "spot and response exclude each other"
    usage = desk.door.state(usage_of(POLICY.limits[0], "anna", DAY)) or Usage()
    assert isinstance(usage, Usage)
    cleared = {name for name in names if (last := desk.state(name).standing) and last.status == "cleared"}
    assert {one.bid: one.exact for one in usage.parts if one.bid not in cleared} == used


@pytest.mark.parametrize("seed", seeds(2))
def test_exactly_what_fits_wins_a_race(bench: Bench, seed: int) -> None:
    """Whoever lost does not fit beside who won, asked again at leisure."""
    chance = random.Random(seed)
    desk = furnish(bench, *(unit(name, sites) for name, sites in UNITS.items()))
    names = [f"{name}" for name in NAMES]
    for name in names:
        approved(desk, offer(chance, name))
    chance.shuffle(names)
    lanes = [(Act(f"race-{name}", "submit", name, 1),) for name in names]
    outcomes = Racers(bench, desk, lanes).race()
    assert set(outcomes) == {f"race-{name}" for name in names}
    won = {name for name in names if outcomes[f"race-{name}"] == "done"}
    assert won, outcomes
    assert {code for code in outcomes.values() if code != "done"} <= LOST
    check_books(desk, names)
    for name in set(names) - won:
        with pytest.raises(Refused) as refused:
            desk.submit(name, 1, command_id=f"again-{name}", actor="anna")
        assert refused.value.code in LOST
    for name in won:
        repeat = desk.submit(name, 1, command_id=f"race-{name}", actor="anna")
        assert repeat.repeated, "what won once is one submission"


@pytest.mark.parametrize("seed", seeds(2))
def test_any_acts_at_once_leave_the_books_in_agreement(bench: Bench, seed: int) -> None:
    """Revisions, answers, withdrawals and a clearing in eight lanes of two processes."""
    chance = random.Random(seed)
    desk = furnish(bench, *(unit(name, sites) for name, sites in UNITS.items()))
    names = list(NAMES)
    lanes: list[tuple[Act, ...]] = []
    for name in names:
        approved(desk, offer(chance, name))
    for number in range(8):
        acts: list[Act] = []
        for turn in range(6):
            name, key = chance.choice(names), f"{number}-{turn}"
            revision = chance.randint(1, 2)
            what = chance.choice(["submit", "submit", "send", "yes", "no", "back", "given", "revise"])
            if what == "revise":
                again = offer(chance, name)
                acts.append(Act(f"{key}-d", "draft", name, 1, again))
                acts.append(Act(f"{key}-a", "approve", name, 2, again))
                acts.append(Act(f"{key}-s", "submit", name, 2))
            else:
                acts.append(Act(key, what, name, revision))
        lanes.append(tuple(acts))
    projector = bench.projector()
    projecting = threading.Thread(target=projector.run)
    projecting.start()
    try:
        racers = Racers(bench, desk, lanes)
        clearing = threading.Thread(target=clear, args=(desk, names))
        clearing.start()
        outcomes = racers.race()
        clearing.join()
    finally:
        projector.stop()
        projecting.join()
    assert "done" in outcomes.values()
    assert "conflict" not in outcomes.values()
    check_books(desk, names)
    for lane in lanes:
        for one in lane:
            accepted = desk.door.accepted(f"bid.{one.name}", one.id)
            assert (accepted is not None) == (outcomes[one.id] == "done"), "no accepted act is lost"


def clear(desk: Desk, names: list[str]) -> None:
    """A run that awards nobody anything: what stands of the product ends with it."""
    clearing = Clearing(
        market=MARKET,
        product="response",
        day=DAY,
        run="1",
        published=datetime(2026, 9, 2, 9, tzinfo=UTC),
        price_u=(0,) * 96,
        awards=(),
        source="file",
        source_sha256="0" * 64,
    )
    desk.record_clearing(clearing, command_id="clear", actor="gateway")
    assert names


# ------------------------------------------------------------------------------ clocks


class Skewed:
    """A front door of its own, as of another process, whose clock is wrong."""

    def __init__(self, bench: Bench, skew_s: float) -> None:
        self.skew_s = skew_s
        self.true = OPEN
        self.client = bench.nats.app()
        log = Log(self.client, bench.book)
        guard = bench.database
        door = FrontDoor(JetStreamApplicationRecorder(log), self.clock, lambda: continuity.guard(log, guard))
        self.desk = Desk(door, bench.database)

    def clock(self) -> datetime:
        return self.true + timedelta(seconds=self.skew_s)


@pytest.mark.parametrize("seed", seeds(2))
def test_no_clock_within_the_margin_submits_late(bench: Bench, seed: int) -> None:
    """Three front doors, wrong by less than 2 s and now and then set back, bid until after the gate."""
    chance = random.Random(seed)
    desk = furnish(bench)
    doors = [Skewed(bench, chance.uniform(-1.99, 1.99)) for _ in range(3)]
    revision, accepted, refused_codes = 0, 0, set[str]()
    true = CLOSES - after(6)
    submitted(desk, bid())
    revision = 1
    while true < CLOSES + after(3):
        true += after(chance.uniform(0.1, 0.8))
        door = chance.choice(doors)
        door.true = true
        if chance.random() < 0.2:
            door.skew_s = chance.uniform(-1.99, 1.99)
        one = bid(note=f"{true}")
        try:
            door.desk.draft(one, revision=revision, command_id=f"d{true}", actor="anna")
            revision += 1
            door.desk.approve("b1", revision, one.digest, command_id=f"a{true}", actor="bert")
            door.desk.submit("b1", revision, command_id=f"s{true}", actor="anna")
        except Refused as refused:
            refused_codes.add(refused.code)
            continue
        accepted += 1
        standing = door.desk.state("b1").standing
        assert standing is not None
        assert true < CLOSES, "submitted after the gate"
        assert standing.at < CLOSES - after(standing.margin_s)
        assert standing.draft.revision == revision
    assert accepted, "some of them were in time"
    assert refused_codes == {"gate_closed"}
    for door in doors:
        door.client.close()


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    running = Market(tmp_path_factory.mktemp("market"))
    yield running
    running.end()


@pytest.mark.parametrize(
    ("true_s", "skew_s", "outcome"),
    [
        (-4.0, 1.5, "acknowledged"),
        (-4.0, -1.5, "acknowledged"),
        (-3.0, 1.5, "expired"),
        (-0.5, -1.4, "expired"),
        (0.5, -2.6, "refused"),
        (0.0, -60.0, "refused"),
        (-30.0, 60.0, "expired"),
    ],
)
def test_the_market_never_takes_a_late_bid(
    bench: Bench, market: Market, true_s: float, skew_s: float, outcome: str
) -> None:
    """The market's clock is the true one; beyond the margin its refusal is the last guard."""
    with on_the_floor(bench, market) as floor:
        closes = local(floor.day, -1, 10, 30)
        true = closes + timedelta(seconds=true_s)
        floor.market.set_clock(true)
        floor.set_clock(true + timedelta(seconds=skew_s), market=False)
        bench.now -= timedelta(seconds=1)  # the bench's clock adds a second for each command
        found = floor.outcomes(1)
        assert [one.split()[0] for one in found] == [outcome], found
        held = floor.market.held(floor.day)
        assert (held is not None) == (outcome == "acknowledged")
        if held is not None:
            assert datetime.fromisoformat(held["recorded_at"]) < closes
        assert floor.desk.state(floor.bid.id).status == outcome


def test_an_award_of_another_desk_is_none_of_ours(bench: Bench) -> None:
    """A bid whose name begins like another's has its own award and its own day."""
    desk = furnish(bench)
    submitted(desk, bid("b1"))
    desk.send("b1", 1, command_id="send", actor="gateway")
    bench.project()
    clearing = Clearing(
        market=MARKET,
        product="day_ahead",
        day=DAY,
        run="1",
        published=CLOSES,
        price_u=(0,) * 96,
        awards=(Award(bid="b1_1", power_w=(0,) * 96),),
        source="file",
        source_sha256="0" * 64,
    )
    with pytest.raises(Refused) as refused:
        desk.record_clearing(clearing, command_id="c", actor="gateway")
    assert refused.value.code == "award_without_bid"
