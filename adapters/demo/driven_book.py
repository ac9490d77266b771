"""The book of the driven day: six storages at three sites, their terms, the load of a week before, a plan."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from adapters import meters, portfolio_file
from adapters.demo.four_sites import shanghai_tariffs
from adapters.demo.lapsing_clock import LapsingClock
from adapters.demo.portfolio_book import EXAMPLES
from adapters.driving.fleet_file import FleetDevice, ModbusTcp
from adapters.embedded.child import Child
from adapters.importing import import_file
from adapters.planning.planner import Made, Planner
from adapters.planning.solver_process import SolverProcess
from adapters.postgres.database import Connection
from adapters.queries.recorded_plans import RecordedPlan, plan_at, plan_of_day
from adapters.stack import Stack, running
from dispatch.devices.profile_file import parse as parse_profile
from dispatch.planning.plan_record import Trigger
from dispatch.planning.storage_terms import StateStorage, StorageTerms
from ledger import contract_file
from ledger.allocation.response import ResponseTerms
from ledger.effective import Period
from ledger.interval import midnight, zone_of
from ledger.published_tariff import PublishTariff
from ledger.signed_contract import RegisterContract
from ledger.trading_unit import Member, RegisterTradingUnit, TradingUnit

FOLDER: Final = EXAMPLES / "demo/drive"
PROFILE: Final = EXAMPLES / "devices/bess_swapped.toml"
METER: Final = EXAMPLES / "devices/meter_import_export.toml"
ZONE: Final = zone_of("Asia/Shanghai")
ACTOR: Final = "ada"
UNIT: Final = "driven-unit"
CONTRACT: Final = "driven-storages"
DAY: Final = date(2026, 8, 1)
START: Final = midnight(DAY, ZONE).astimezone(UTC)
QUARTER: Final = timedelta(minutes=15)
QUARTERS: Final = 96
END: Final = START + QUARTERS * QUARTER
BEGIN: Final = START - timedelta(seconds=90)
"""When the storages and their driver are there."""
SITES: Final = ("H1", "H2", "H3")
STORAGES: Final = {f"B{number}": SITES[(number - 1) // 2] for number in range(1, 7)}
"""Each storage's site."""
SOC: Final = 15_000
"""What they hold as the day begins, in thousandths of a percent."""
_EVENING: Final = datetime.combine(DAY - timedelta(days=1), time(18), tzinfo=ZONE).astimezone(UTC)
SINCE: Final = Period(midnight(date(2026, 7, 1), ZONE).astimezone(UTC))
_WEEK: Final = timedelta(weeks=1)
TERMS: Final = StorageTerms(
    charge_w=400_000, discharge_w=400_000, floor_wh=100_000, ceiling_wh=900_000, end_wh=150_000,
    charge_ppm=960_000, discharge_ppm=950_000, import_w=1_900_000, export_w=0, wear_micro=30_000,
)  # fmt: skip
_KW_BY_HOUR: Final = {
    "H1": (260, 250, 250, 250, 260, 280, 340, 460, 620, 700, 740, 760, 720, 740, 760, 750, 720, 660, 600, 560,
           480, 400, 320, 280),
    "H2": (640, 640, 630, 630, 640, 650, 660, 680, 700, 700, 700, 700, 690, 700, 700, 700, 690, 680, 680, 670,
           660, 660, 650, 640),
    "H3": (240, 230, 230, 230, 230, 240, 260, 320, 460, 640, 780, 840, 860, 860, 850, 840, 840, 860, 880, 860,
           780, 640, 400, 280),
}  # fmt: skip
"""What a site takes in the hours of a Saturday, kW."""


class DrivenBook:
    """What the chapter's parts share; `children` are the servers of this process, none where it joined."""

    def __init__(
        self, stack: Stack, console: Console, clock: LapsingClock, children: tuple[Child, ...]
    ) -> None:
        self.stack = stack
        self.console = console
        self.clock = clock
        self.children = children

    @property
    def folder(self) -> Path:
        """Where the driver and the storages keep what they need."""
        return self.stack.settings.state / "driven"

    def say(self, text: str) -> None:
        """A line of the story, with the time that it is there."""
        self.console.print(f"  {self.clock().astimezone(ZONE):%d.%m. %H:%M:%S}  {text}")

    @contextmanager
    def reading(self) -> Iterator[tuple[Connection, int]]:
        """The projections, level with the stream."""
        position = self.stack.caught_up()
        with self.stack.database.reading(self.stack.settings.book) as connection:
            yield connection, position

    def plan(self) -> RecordedPlan | None:
        """The plan that was made last."""
        with self.reading() as (connection, position):
            return plan_of_day(connection, position, UNIT, DAY)

    def plans(self) -> tuple[RecordedPlan, ...]:
        """For each quarter-hour of the day the plan that was followed: the last one made that covers it."""
        with self.reading() as (connection, position):
            found = [plan_at(connection, position, UNIT, START + n * QUARTER) for n in range(QUARTERS)]
        assert all(found), "the first plan is of the whole day"
        return tuple(one for one in found if one is not None)


@contextmanager
def driven_book(stack: Stack, console: Console) -> Iterator[DrivenBook]:
    """The book with its projections moving, founded beside the one that `stack` has."""
    settings = msgspec.structs.replace(stack.settings, book=f"{stack.settings.book}-driven")
    clock = LapsingClock(_EVENING)
    with running(settings, clock) as beside:
        projector = beside.projector()
        thread = threading.Thread(target=projector.run, name="driven day's projector")
        thread.start()
        try:
            yield DrivenBook(beside, console, clock, stack.children)
        finally:
            projector.stop()
            thread.join()


def load_w(storage: str, hour: int, *, percent: int = 100) -> int:
    """What the feeder of a storage takes in an hour of the day."""
    return _KW_BY_HOUR[STORAGES[storage]][hour] * 1000 * percent // 200


def found(book: DrivenBook) -> None:
    """Register everything, and import the load of a week before; what is known is not repeated.

    Raises:
        Refused: what one of the files is refused for.
    """
    door = book.stack.door
    described = portfolio_file.parse((FOLDER / "portfolio.toml").read_bytes())
    portfolio_file.register(door, described, actor=ACTOR)
    for tariff in shanghai_tariffs().values():
        door.record(PublishTariff(tariff), actor=ACTOR)
    door.record(RegisterContract(contract_file.parse((FOLDER / "contract.toml").read_bytes())), actor=ACTOR)
    for site in SITES:
        door.record(StateStorage(site, SINCE, TERMS), actor=ACTOR)
    door.record(RegisterTradingUnit(SINCE, _unit()), actor=ACTOR)
    import_file(
        door,
        "\n".join(["meter,register,start,wh", *_week_before()]).encode() + b"\n",
        file_name=f"load-{DAY - _WEEK}.csv",
        profile=meters.profile_of((EXAMPLES / "demo/storage.toml").read_bytes()),
        actor=ACTOR,
    )


def plan_day(book: DrivenBook, trigger: Trigger) -> Made:
    """The planner's plan of the day, or of what is left of it.

    Raises:
        Refused: as `Planner.plan`.
    """
    with SolverProcess() as solver:
        planner = Planner(book.stack.door, book.stack.database, solver, book.clock)
        return planner.plan(UNIT, DAY, trigger=trigger)


def fleet(ports: tuple[int, ...]) -> tuple[FleetDevice, ...]:
    """The storages and their meters at the ports of the running peers."""
    profile, meter = parse_profile(PROFILE.read_bytes()), parse_profile(METER.read_bytes())
    found: list[FleetDevice] = []
    for name, port in zip(STORAGES, ports, strict=True):
        at = ModbusTcp(host="127.0.0.1", port=port)
        grid, own = (msgspec.structs.replace(at, unit=meter.unit_id + n) for n in (0, 1))
        found += (
            FleetDevice(id=name, profile=profile, address=at),
            FleetDevice(id=f"G-{name}", profile=meter, address=grid, meter=f"GRID-{name}"),
            FleetDevice(id=f"M-{name}", profile=meter, address=own, meter=f"STORAGE-{name}", measures=name),
        )
    return tuple(found)


def _unit() -> TradingUnit:
    terms = ResponseTerms(
        delivered_cap="1.2", eligibility="80%", under_performer="paid", when_nobody_delivered="operator",
        when_nobody_fell_short="operator",
    )  # fmt: skip
    return TradingUnit(
        id=UNIT, name="Six storages in Shanghai", market="shanghai", unit_code="SH-STORAGE-06",
        operator="operator", zone="Asia/Shanghai", rounding_max="1", terms=(terms,),
        members=tuple(Member(site=site, capability_w=TERMS.discharge_w) for site in SITES),
    )  # fmt: skip


def _week_before() -> Iterator[str]:
    """The same day of the week before: 4 % less load, the storages at rest."""
    for storage in STORAGES:
        for number in range(QUARTERS):
            at = f"{START - _WEEK + number * QUARTER:%Y-%m-%dT%H:%M:%SZ}"
            yield f"GRID-{storage},import,{at},{load_w(storage, number // 4, percent=96) // 4}"
            for meter, register in (("GRID", "export"), ("STORAGE", "charge"), ("STORAGE", "discharge")):
                yield f"{meter}-{storage},{register},{at},0"
