"""A response that is called is power to deliver in its quarters; what may yet be called is kept ready."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from adapters.driving.fleet_file import FleetDevice
from adapters.driving.plans import Plans
from adapters.planning.planner import Planner
from adapters.planning.planning_role import PlanningRole
from adapters.planning.solver_process import SolverProcess
from adapters.queries.recorded_plans import RecordedPlan, plan_at
from adapters.settings import Settings
from adapters.settling import lowest_position
from adapters.stack import running as running_stack
from dispatch.planning.storage_terms import StateStorage
from ledger.device import Device, RegisterDevice
from ledger.interval import Interval
from ledger.market_fact import RecordMarketFact
from ledger.meter import Meter, RegisterMeter
from ledger.streams.demand_response import DemandResponseInstruction
from tests.adapters import sample
from tests.adapters.bess_peer.running_peer import EXAMPLES, RunningPeer, peer
from tests.adapters.conftest import Bench
from tests.adapters.driving.driver_book import SINCE, DriverBook, grid_meter, storage
from tests.adapters.gateway.openadr3_floor import (
    BEGINS,
    DAY,
    MARKET,
    OFFERED_W,
    PRODUCT,
    UNIT,
    CallFloor,
    event,
    on_the_call_floor,
)
from tests.adapters.planning.plan_book import TERMS
from tests.adapters.test_market_settling import OWN_ACCOUNT
from trading.clearing import Award, Clearing

METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))
GRID = Meter("GRID", "S1", "grid", ("import", "export"), 900, 2_000_000, "Asia/Shanghai")
LEFT_W = 50_000
"""Of 250 kW while 200 kW are held ready."""


@pytest.fixture
def floor(bench: Bench) -> Iterator[CallFloor]:
    with on_the_call_floor(bench) as made:
        bench.door.record(StateStorage("S1", sample.FROM_2026, TERMS), actor="ada")
        made.submitted()
        made.turns(2)
        yield made


@contextmanager
def planner(floor: CallFloor) -> Iterator[Planner]:
    with SolverProcess() as solver:
        yield Planner(floor.bench.door, floor.bench.database, solver, floor.clock)


def holding(floor: CallFloor, at: datetime) -> RecordedPlan:
    floor.projected()
    with floor.bench.database.reading(floor.bench.book) as connection:
        found = plan_at(connection, lowest_position(connection), UNIT, at)
    assert found is not None
    return found


def powers_w(floor: CallFloor, window: Interval) -> list[int]:
    """What the newest plan wants of S1 in each quarter-hour of a window."""
    plan = holding(floor, window.start)
    (site,) = plan.sites
    return list(site.setpoint_w[plan.at(window.start) : plan.at(window.end)])


def half(window: Interval) -> Interval:
    return Interval(window.start, window.start + timedelta(seconds=window.seconds // 2))


def test_what_may_be_called_is_kept_and_what_is_called_is_delivered(floor: CallFloor) -> None:
    """The product's bids need no energy (`energy_check` none): its call does."""
    with planner(floor) as one:
        one.plan(UNIT, DAY)
        assert max(map(abs, powers_w(floor, floor.peak))) <= LEFT_W, "200 kW stay free for a call"
        floor.vtn.created("event", event(floor.peak, OFFERED_W // 1000))
        floor.turns(2)
        made = one.plan(UNIT, DAY)
    assert made.head.violations == ()
    assert powers_w(floor, floor.peak) == [OFFERED_W] * 4


def test_an_award_is_kept_ready_until_it_is_instructed(floor: CallFloor) -> None:
    """A clearing that no call made, of which half an hour is called later."""
    first = int((floor.peak.start - BEGINS).total_seconds()) // 900
    power = tuple(OFFERED_W if first <= at < first + 4 else 0 for at in range(96))
    run = Clearing(
        market=MARKET, product=PRODUCT, day=DAY, run="D1", published=floor.clock.at,
        price_u=(3_000_000,) * 96, awards=(Award(bid="b1", power_w=power),), source="read off the market",
        source_sha256="0" * 64,
    )  # fmt: skip
    floor.desk.record_clearing(run, command_id="run", actor="anna")
    floor.turns(2)
    with planner(floor) as one:
        one.plan(UNIT, DAY)
        assert max(map(abs, powers_w(floor, floor.peak))) <= LEFT_W
        instruction = DemandResponseInstruction(
            id="call-1", site="S1", rule=OWN_ACCOUNT, run="D1", interval=half(floor.peak),
            invitation="b1_S1_1", issued=floor.clock.at,
        )  # fmt: skip
        other = structs.replace(instruction, id="call-2", invitation="b2_S1_1", interval=floor.peak)
        for fact in (instruction, other):
            floor.bench.door.execute(RecordMarketFact(fact), command_id=fact.id, actor="anna")
        floor.projected()
        one.plan(UNIT, DAY)
    delivered = powers_w(floor, floor.peak)
    assert delivered[:2] == [OFFERED_W] * 2
    assert max(map(abs, delivered[2:])) <= LEFT_W


def test_the_roles_plan_a_call_by_themselves_and_the_driver_has_it(floor: CallFloor) -> None:
    """From the operator's event on nobody asks for anything: trading role, planning role, driver's plans."""
    bench, said = floor.bench, list[str]()
    floor.set_clock(floor.peak.start - timedelta(minutes=50))
    drives = Plans(bench.database, bench.book, frozenset({"S1"}))
    stopping = threading.Event()
    with planner(floor) as one:
        role = PlanningRole(one, bench.database, bench.book, floor.clock, said.append, period_s=0.2)
        while role.turn():
            floor.projected()
        before = holding(floor, floor.peak.start)
        floor.vtn.created("event", event(floor.peak, OFFERED_W // 1000))
        running = [threading.Thread(target=each.run, args=(stopping,)) for each in (floor.another(), role)]
        began = time.monotonic()
        for thread in running:
            thread.start()
        try:
            while True:
                drives.refresh(floor.clock.at)
                told = drives.of("S1", floor.peak.start)
                if told is not None and told.planned_w == OFFERED_W:
                    break
                assert time.monotonic() - began < 10, (said, told)
                time.sleep(0.02)
        finally:
            took = time.monotonic() - began
            stopping.set()
            for thread in running:
                thread.join()
    plan = holding(floor, floor.peak.start)
    print(f"the driver has the called power {took:.2f} s after the event")
    assert plan.sequence > before.sequence
    assert plan.head.trigger == "response_called"
    assert plan.name in told.cause
    assert powers_w(floor, floor.peak) == [OFFERED_W] * 4


def test_what_came_while_a_plan_was_made_is_planned_after_it(floor: CallFloor) -> None:
    """A call that was cleared between a plan's reading and its saving is in nobody's plan yet."""
    bench = floor.bench
    floor.set_clock(floor.peak.start - timedelta(minutes=50))

    class Slow(SolverProcess):
        between = staticmethod(lambda: None)

        def solve(self, *asked: object, **more: object) -> object:  # type: ignore[override]
            self.between()
            return super().solve(*asked, **more)  # type: ignore[arg-type]

    def called() -> None:
        solver.between = staticmethod(lambda: None)  # type: ignore[method-assign]
        floor.vtn.created("event", event(floor.peak, OFFERED_W // 1000))
        floor.turns(2)

    with Slow() as solver:
        solver.between = staticmethod(called)  # type: ignore[method-assign]
        planner = Planner(bench.door, bench.database, solver, floor.clock)
        said: list[str] = []
        role = PlanningRole(planner, bench.database, bench.book, floor.clock, said.append)
        first = role.turn()
        floor.projected()
        role = PlanningRole(planner, bench.database, bench.book, floor.clock, said.append)
        again = role.turn()
    assert [one.head.trigger for one in first] == ["rolling", "day_ahead"]
    assert [one.head.trigger for one in again] == ["response_called"]
    assert powers_w(floor, floor.peak) == [OFFERED_W] * 4


@pytest.mark.fault
def test_a_driver_delivers_what_is_called_seconds_before(floor: CallFloor, tmp_path: Path) -> None:
    """The operator's event comes six seconds before its hour; nobody but the roles does anything."""
    bench, call_at = floor.bench, floor.peak.start - timedelta(seconds=6)
    ahead = floor.peak.start - timedelta(seconds=14) - datetime.now(UTC)
    floor.set_clock(datetime.now(UTC) + ahead)
    settings = Settings(
        book=bench.book, state=tmp_path / "state", nats_url=bench.nats.url,
        nats_monitor_url=bench.nats.monitor_url, nats_seed=bench.nats.app_seed,
        nats_operator_seed=bench.nats.operator_seed,
        postgres_url=bench.postgres_url,
        personal_keys=bench.nats.folder / "personal", log_key=bench.nats.folder / "log.key",
    )  # fmt: skip
    stopping, said = threading.Event(), list[str]()

    async def driven(book: DriverBook, device: FleetDevice, running: RunningPeer) -> None:
        async def ticking() -> None:
            while True:
                floor.set_clock(datetime.now(UTC) + ahead)
                await asyncio.sleep(0.02)

        tick = asyncio.create_task(ticking())
        async with book.driving(device, grid_meter(running.ports[0])) as role:

            def told() -> int:
                fleet = role.fleet
                standing = None if fleet is None else fleet.storages["a"].executor.standing
                return 0 if standing is None or not standing.confirmed else standing.target_w

            await book.until(lambda: floor.clock.at >= call_at, 30)
            await asyncio.to_thread(lambda: floor.vtn.created("event", event(floor.peak, OFFERED_W // 1000)))
            await book.until(lambda: floor.clock.at >= floor.peak.start, 30)
            late = await book.until(lambda: told() == OFFERED_W)
            await book.until(lambda: int(running.truth()["power_w"]) >= OFFERED_W * 99 // 100)
            print(f"the storage is told {told()} W {late:.2f} s after the hour begins")
        tick.cancel()

    with (
        planner(floor) as one,
        peer("bess_swapped", *METER, f"--ahead-ms={ahead // timedelta(milliseconds=1)}") as running,
        running_stack(settings, floor.clock) as stack,
    ):
        book, device = DriverBook(bench, stack, tmp_path), storage("a", running.ports[0])
        book.do(RegisterMeter(SINCE, GRID))
        book.do(StateStorage("S1", SINCE, structs.replace(TERMS, export_w=900_000)))
        book.do(RegisterDevice(SINCE, Device("a", "S1", "battery", 250_000, 500_000)))
        book.commission(device)
        role = PlanningRole(one, bench.database, bench.book, floor.clock, said.append, period_s=0.2)
        roles = [threading.Thread(target=each.run, args=(stopping,)) for each in (floor.another(), role)]
        for thread in roles:
            thread.start()
        try:
            asyncio.run(driven(book, device, running))
        finally:
            stopping.set()
            for thread in roles:
                thread.join()
    assert holding(floor, floor.peak.start).head.trigger == "response_called"
