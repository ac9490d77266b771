"""A book on servers of its own, whose parts can be killed one by one."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import SIGTERM
from typing import TypeVar

import nats.errors
import psycopg
import psycopg_pool

from adapters import continuity
from adapters.embedded.child import Child
from adapters.embedded.nats_server import NatsServer
from adapters.embedded.postgres_server import PostgresServer
from adapters.front_door import FrontDoor, Receipt, Wish
from adapters.nats import stream
from adapters.nats.client import NatsClient
from adapters.nats.log import Log, StoreUnavailable
from adapters.nats.pull import Pull
from adapters.nats.recorder import JetStreamApplicationRecorder
from adapters.postgres.database import Database
from adapters.projector import Projector

T = TypeVar("T")

BOOK = "faults"
AWAY = (
    StoreUnavailable,
    nats.errors.Error,
    OSError,
    TimeoutError,
    psycopg.OperationalError,
    psycopg_pool.PoolTimeout,
)
"""What a caller may see while a server is away; it asks again with the same command id."""


def patiently(ask: Callable[[], T], seconds: float = 60.0) -> T:
    """The answer, asked for until it comes."""
    give_up = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except AWAY:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.05)


class Clock:
    """One second a question, from any thread."""

    def __init__(self) -> None:
        self._now = datetime(2026, 9, 1, tzinfo=UTC)
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            self._now += timedelta(seconds=1)
            return self._now


class Writer:
    """A process's way into the book: a connection and a front door of its own."""

    def __init__(
        self, url: str, seed: Path | None, database: Database, clock: Callable[[], datetime]
    ) -> None:
        self.client = NatsClient(url, seed_file=seed, name="writer")
        self.log = Log(self.client, BOOK, deadline=3.0)
        self.recorder = JetStreamApplicationRecorder(self.log)
        self.door = FrontDoor(self.recorder, clock, lambda: continuity.guard(self.log, database))

    def insist(self, wishes: Sequence[Wish]) -> list[Receipt]:
        """Ask until there is an answer, as a caller with a command id may."""
        return patiently(lambda: self.door.execute_all(wishes, actor="writer"))

    def close(self) -> None:
        self.client.close()


class Rig:
    """NATS, PostgreSQL, and a projector in a process of its own."""

    def __init__(
        self, folder: Path, *, max_bytes: int = 128 << 20, server: type[NatsServer] = NatsServer
    ) -> None:
        self.folder = folder
        self.nats = server(folder / "nats")
        self.postgres = PostgresServer(folder / "postgres")
        self.postgres.ensure_database(BOOK)
        self.database = Database(self.postgres.url(BOOK))
        self.database.migrate()
        operator = self.nats.operator()
        stream.create(operator, BOOK, max_bytes=max_bytes)
        operator.close()
        self.clock = Clock()
        self.projector_process: Child | None = None
        self._writers: list[Writer] = []

    def writer(self, url: str | None = None) -> Writer:
        made = Writer(url or self.nats.url, self.nats.app_seed, self.database, self.clock)
        self._writers.append(made)
        return made

    def start_projector(self, *, dies_after: int | None = None) -> Child:
        """Start it as a process; from the main thread."""
        command = [
            sys.executable, "-m", "tests.faults.projector_process",
            self.nats.url, str(self.nats.app_seed), BOOK, self.postgres.url(BOOK),
            *([] if dies_after is None else [str(dies_after)]),
        ]  # fmt: skip
        self.projector_process = Child(
            "projector", command, self.folder / "projector.log", stop_signal=SIGTERM, grace=5
        )
        return self.projector_process

    def kill_projector(self) -> None:
        assert self.projector_process is not None
        self.projector_process.kill()

    def payloads(self, log: Log) -> list[bytes]:
        """Every message of the stream, in order."""
        last = log.client.run(log.last_sequence())
        pull = Pull(log.client, BOOK, 1)
        found: list[bytes] = []
        while len(found) < last:
            pulled = pull.batch(60.0)
            assert pulled, f"the stream stopped answering after {len(found)} of {last}"
            found += [item.payload for item in pulled]
        pull.close()
        return found

    def archived(self) -> list[bytes]:
        """Every archived payload, in order of sequence."""
        with self.database.owning() as connection:
            rows = connection.execute("SELECT payload FROM ledger.envelope ORDER BY sequence").fetchall()
        return [bytes(row[0]) for row in rows]

    def projector(self, writer: Writer) -> Projector:
        return Projector(writer.log, self.database)

    def close(self) -> None:
        for writer in self._writers:
            writer.close()
        self.database.close()
        if self.projector_process is not None and self.projector_process.alive:
            self.projector_process.kill()
        self.nats.stop()
        self.postgres.stop()
