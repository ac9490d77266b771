"""Real servers and books for the benchmarks, in a temporary folder."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from adapters import continuity
from adapters.embedded.nats_server import NatsServer
from adapters.embedded.postgres_server import PostgresServer
from adapters.front_door import FrontDoor, Wish
from adapters.nats import stream
from adapters.nats.log import Log
from adapters.nats.recorder import JetStreamApplicationRecorder
from adapters.postgres.database import Database
from adapters.projector import Projector
from ledger.effective import Period
from ledger.grid_account import Account
from ledger.interval import Month, zone_of
from ledger.meter import Meter, RegisterMeter
from ledger.meter_import import RecordReadings
from ledger.readings import Register, run_of
from ledger.site import RegisterSite, Site

ZONE = "Asia/Shanghai"
MONTH = Month(2026, 8)
FROM = Period(datetime(2025, 12, 31, 16, tzinfo=UTC))
REGISTERS: tuple[Register, ...] = ("charge", "discharge")
PROJECTED_WITHIN_S = 600.0
"""Before the clock runs; on a machine that does other things too it takes minutes."""
_BOOKS = itertools.count()


class Rig:
    """The servers; `book()` gives a fresh book with its own stream and database."""

    def __init__(self, folder: Path) -> None:
        self.nats = NatsServer(folder / "nats")
        self.postgres = PostgresServer(folder / "postgres")
        self.folder = folder

    def book(self) -> Book:
        return Book(self, f"bench-{next(_BOOKS)}")

    def close(self) -> None:
        self.nats.stop()
        self.postgres.stop()


class Book:
    """A book under measurement."""

    def __init__(self, rig: Rig, name: str) -> None:
        self.operator = rig.nats.operator()
        stream.create(self.operator, name, max_bytes=1 << 30)
        self.client = rig.nats.app()
        self.log = Log(self.client, name)
        self.recorder = JetStreamApplicationRecorder(self.log)
        database = name.replace("-", "_")
        rig.postgres.ensure_database(database)
        self.database = Database(rig.postgres.url(database))
        self.database.migrate()
        self.door = FrontDoor(
            self.recorder, lambda: datetime.now(UTC), lambda: continuity.guard(self.log, self.database)
        )

    def projector(self) -> Projector:
        return Projector(self.log, self.database)

    def execute_all(self, wishes: list[Wish], chunk: int = 250) -> None:
        for start in range(0, len(wishes), chunk):
            self.door.execute_all(wishes[start : start + chunk], actor="bench")

    def register_sites(self, count: int, tariff: str) -> None:
        """Single-part sites with one storage meter each."""
        account = Account(id="A", zone=ZONE, parts="single_part")
        self.execute_all(
            [
                Wish(
                    RegisterSite(FROM, Site(f"S{i}", f"Site {i}", ZONE, 1_000_000, 500_000, tariff, account)),
                    f"s{i}",
                )
                for i in range(count)
            ]
        )
        self.execute_all(
            [
                Wish(
                    RegisterMeter(FROM, Meter(f"M{i}", f"S{i}", "storage", REGISTERS, 900, 500_000, ZONE)),
                    f"m{i}",
                )
                for i in range(count)
            ]
        )

    def close(self) -> None:
        self.client.close()
        self.operator.close()
        self.database.close()


def utc_month_blocks(count: int, seed: int) -> list[Wish]:
    """A UTC month of both registers for each meter, as one block a meter."""
    random = np.random.default_rng(seed)
    start = datetime(2026, 8, 1, tzinfo=UTC)
    return [
        Wish(
            RecordReadings(
                f"M{i}",
                "2026-08",
                "bench",
                tuple(
                    run_of(f"M{i}", r, start, 900, random.integers(0, 60_000, 2976), "A") for r in REGISTERS
                ),
            ),
            f"month-{seed}:{i}",
        )
        for i in range(count)
    ]


def utc_day_blocks(meters: int, days: int, seed: int) -> Iterator[list[Wish]]:
    """Day by day, one block a meter."""
    random = np.random.default_rng(seed)
    for day in range(days):
        start = datetime(2026, 8, 1, tzinfo=UTC) + timedelta(days=day)
        yield [
            Wish(
                RecordReadings(
                    f"M{i}",
                    "2026-08",
                    "bench",
                    tuple(
                        run_of(f"M{i}", r, start, 900, random.integers(0, 60_000, 96), "A") for r in REGISTERS
                    ),
                ),
                f"day-{seed}:{day}:{i}",
            )
            for i in range(meters)
        ]


def local_month_blocks(count: int) -> list[list[Wish]]:
    """The local month of both registers for each meter: a save for each UTC month it touches."""
    interval = MONTH.interval(zone_of(ZONE))
    head = 32
    saves: list[list[Wish]] = []
    for name, start, length in (
        ("2026-07", interval.start, head),
        ("2026-08", interval.start + timedelta(seconds=900 * head), 2976 - head),
    ):
        random = np.random.default_rng(length)
        saves.append(
            [
                Wish(
                    RecordReadings(
                        f"M{i}",
                        name,
                        "bench",
                        tuple(
                            run_of(f"M{i}", r, start, 900, random.integers(0, 60_000, length), "A")
                            for r in REGISTERS
                        ),
                    ),
                    f"local-{name}:{i}",
                )
                for i in range(count)
            ]
        )
    return saves


@contextmanager
def rig() -> Iterator[Rig]:
    with tempfile.TemporaryDirectory(prefix="wattledger-bench-") as folder:
        made = Rig(Path(folder))
        try:
            yield made
        finally:
            made.close()
