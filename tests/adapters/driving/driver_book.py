"""A book whose site is planned and driven now: real servers, the clock of the wall, storages on loopback."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from adapters.driving.driver_folder import DriverFolder
from adapters.driving.fleet_file import FleetDevice, ModbusTcp
from adapters.driving.role import DrivingRole
from adapters.front_door import Wish
from adapters.settings import Settings
from adapters.stack import Stack, running
from dispatch.commissioning.report import (
    BeginCommissioning,
    CommissioningReport,
    RecordCommissioning,
    address_sha256,
    profile_sha256,
)
from dispatch.commissioning.step_plan import step_plan
from dispatch.commissioning.step_result import STEPS, StepResult
from dispatch.devices.profile_file import parse
from dispatch.plan_check import PlannedSite
from dispatch.planning.plan_record import NumberedPlan, PlanHead, commands_of, plan_aggregate
from dispatch.planning.storage_terms import StateStorage, StorageTerms
from ledger.device import Device, RegisterDevice
from ledger.effective import Period
from ledger.meter import Meter, RegisterMeter
from ledger.trading_unit import Member, RegisterTradingUnit, TradingUnit
from tests.adapters import sample
from tests.adapters.bess_peer.running_peer import EXAMPLES
from tests.adapters.conftest import Bench
from tests.ledger.test_unit_allocation import RESPONSE

KW = 1000
SINCE = Period(datetime(2026, 1, 1, tzinfo=UTC))
TERMS = StorageTerms(
    charge_w=250 * KW, discharge_w=250 * KW, floor_wh=0, ceiling_wh=400 * KW, end_wh=100 * KW,
    charge_ppm=950_000, discharge_ppm=950_000, import_w=900 * KW, export_w=900 * KW,
)  # fmt: skip


def now() -> datetime:
    return datetime.now(UTC)


def storage(name: str, port: int, profile: str = "bess_swapped") -> FleetDevice:
    own = parse((EXAMPLES / f"{profile}.toml").read_bytes())
    return FleetDevice(id=name, profile=own, address=ModbusTcp(host="127.0.0.1", port=port, answer_ms=500))


def grid_meter(port: int, number: str = "") -> FleetDevice:
    """Of the connection of S1, or of S2."""
    own = parse((EXAMPLES / "meter_import_export.toml").read_bytes())
    address = ModbusTcp(host="127.0.0.1", port=port, unit=2)
    return FleetDevice(id=f"G{number or 1}", profile=own, address=address, meter=f"GRID{number}")


class DriverBook:
    """Everything registered, commissioned and stated; plans as they are made."""

    def __init__(self, bench: Bench, stack: Stack, folder: Path) -> None:
        self.bench = bench
        self.stack = stack
        self.folder = DriverFolder(folder / "driving")
        self.said: list[str] = []
        self._count = 0

    def do(self, command: Any, actor: str = "anna") -> int:
        self._count += 1
        return self.stack.door.execute(command, command_id=f"c{self._count}", actor=actor).sequence

    def furnish(self, storages: tuple[FleetDevice, ...], *, commissioned: bool = True) -> None:
        for command in (sample.found_book(), sample.register_party(), sample.register_site()):
            self.do(command)
        meter = Meter("GRID", "S1", "grid", ("import", "export"), 900, 2_000 * KW, "Asia/Shanghai")
        self.do(RegisterMeter(SINCE, meter))
        self.do(StateStorage("S1", SINCE, TERMS))
        for one in storages:
            self.do(RegisterDevice(SINCE, Device(one.id, "S1", "battery", 250 * KW, 500 * KW)))
            if commissioned:
                self.commission(one)

    def commission(self, one: FleetDevice) -> None:
        digest, at = profile_sha256(one.profile), self.stack.clock() - timedelta(seconds=1)
        plan = step_plan(one.profile)
        self.do(BeginCommissioning(one.id, "ada", digest, plan))
        report = CommissioningReport(
            device=one.id, profile=one.profile.id, profile_sha256=digest,
            address_sha256=address_sha256(one.address), meter="", started_at=at, ended_at=at, plan=plan,
            results=tuple(StepResult(step=step, verdict="passed") for step in STEPS),
        )  # fmt: skip
        self.do(RecordCommissioning(report, "ada"))

    def plan(self, *setpoint_w: int, regulation_w: tuple[int, ...] = (), site: str = "S1") -> int:
        """A plan of the site from the quarter-hour that it is now on."""
        second = int(now().timestamp()) // 900 * 900
        start = datetime.fromtimestamp(second, UTC)
        whole = np.array(setpoint_w, dtype=np.int64)
        band = np.array(regulation_w, dtype=np.int64)
        day = (start + timedelta(hours=8)).date()
        head = PlanHead(
            portfolio=site, day=day, start=start, interval_s=900, count=len(whole), trigger="asked",
            inputs=f"{self._count}", basis="hold", reason="", objective="cost", objective_micro=None,
            bound_micro=None, gap_ppm=None, solver_ms=0,
        )  # fmt: skip
        planned = PlannedSite(
            id=site, setpoint_w=whole, stored_wh=whole * 0 + 1, curtailed_w=whole * 0, spot_w=whole * 0,
            regulation_w=band, response_w=band[:0],
        )  # fmt: skip
        held = self.stack.door.state(plan_aggregate(site, day))
        number = held.number + 1 if isinstance(held, NumberedPlan) else 1
        self._count += 1
        wishes = [Wish(command, f"plan-{self._count}") for command in commands_of(head, number, (planned,))]
        return self.stack.door.execute_all(wishes, actor="planner")[0].sequence

    def second_site(self, *storages: str) -> None:
        """S2, its terms, its meter GRID2 and its storages; it and S1 are the members of the unit `vpp`."""
        meter = Meter("GRID2", "S2", "grid", ("import", "export"), 900, 2_000 * KW, "Asia/Shanghai")
        unit = TradingUnit(
            id="vpp", name="VPP", market="shandong", unit_code="C", operator="operator", zone="Asia/Shanghai",
            members=tuple(Member(site=site, capability_w=250 * KW) for site in ("S1", "S2")),
            terms=(RESPONSE,), rounding_max="1",
        )  # fmt: skip
        for command in (
            sample.register_site("S2"),
            StateStorage("S2", SINCE, TERMS),
            *(RegisterDevice(SINCE, Device(one, "S2", "battery", 250 * KW, 500 * KW)) for one in storages),
            RegisterMeter(SINCE, meter),
            RegisterTradingUnit(SINCE, unit),
        ):
            self.do(command)

    def plan_unit(self, regulation_w: int, **setpoint_w: int) -> None:
        """Of `vpp`, two quarter-hours from the one that it is now on; each site offers that regulation."""
        start = datetime.fromtimestamp(int(now().timestamp()) // 900 * 900, UTC)
        head = PlanHead(
            portfolio="vpp", day=(start + timedelta(hours=8)).date(), start=start, interval_s=900, count=2,
            trigger="asked", inputs="1", basis="hold", reason="", objective="cost", objective_micro=None,
            bound_micro=None, gap_ppm=None, solver_ms=0,
        )  # fmt: skip
        none, one = np.zeros(2, dtype=np.int64), np.ones(2, dtype=np.int64)
        parts = tuple(
            PlannedSite(
                id=site, setpoint_w=one * power_w, stored_wh=one, curtailed_w=none, spot_w=none,
                regulation_w=one * regulation_w, response_w=none[:0],
            )
            for site, power_w in setpoint_w.items()
        )  # fmt: skip
        wishes = [Wish(each, f"plan-{n}") for n, each in enumerate(commands_of(head, 1, parts))]
        self.stack.door.execute_all(wishes, actor="planner")

    @asynccontextmanager
    async def driving(self, *devices: FleetDevice, **given: Any) -> AsyncIterator[DrivingRole]:
        """The role on this loop; what it raises is raised here."""
        role = DrivingRole(self.stack, devices, self.folder, self.said.append, **given)
        stopping = asyncio.Event()
        with self.folder.held():
            task = asyncio.create_task(role.drive(stopping))
            try:
                yield role
            finally:
                stopping.set()
                with suppress(asyncio.CancelledError):
                    await task

    async def until(self, what: Callable[[], bool], seconds: float = 12.0) -> float:
        """After how many seconds it was so."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while not what():
            assert loop.time() - begun < seconds, self.said
            await asyncio.sleep(0.01)
        return loop.time() - begun


@contextmanager
def driver_book(bench: Bench, folder: Path) -> Iterator[DriverBook]:
    settings = Settings(
        book=bench.book,
        state=folder / "state",
        nats_url=bench.nats.url,
        nats_monitor_url=bench.nats.monitor_url,
        nats_seed=bench.nats.app_seed,
        nats_operator_seed=bench.nats.operator_seed,
        postgres_url=bench.postgres_url,
        personal_keys=bench.nats.folder / "personal",
        log_key=bench.nats.folder / "log.key",
    )
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()
    try:
        with running(settings, now) as stack:
            yield DriverBook(bench, stack, folder)
    finally:
        projector.stop()
        thread.join()
