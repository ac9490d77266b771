"""A book of its own for each test, on the shared servers."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import nats.errors
import pytest

from adapters import continuity
from adapters.front_door import FrontDoor
from adapters.nats import access_stream, stream, telemetry_stream
from adapters.nats.client import NatsClient
from adapters.nats.log import Log
from adapters.nats.recorder import JetStreamApplicationRecorder
from adapters.postgres.database import Database
from adapters.projector import Projector
from tests.databases import databases_of
from tests.stack import NatsServer, PostgresServer

_BOOKS = itertools.count()


class Bench:
    """One test's book: stream, database, front door and projector."""

    def __init__(self, nats: NatsServer, postgres: PostgresServer) -> None:
        self.nats, self.postgres = nats, postgres
        self.book = f"book-{os.getpid()}-{next(_BOOKS)}"
        self.operator = nats.operator()
        stream.create(self.operator, self.book, max_bytes=64 << 20)
        access_stream.create(self.operator, self.book, max_bytes=64 << 20)
        telemetry_stream.create(self.operator, self.book, max_bytes=64 << 20)
        self.client: NatsClient = nats.app()
        self.log = Log(self.client, self.book)
        self.recorder = JetStreamApplicationRecorder(self.log)
        self._name = databases_of(postgres).take()
        self.postgres_url = postgres.url(self._name)
        self.database = Database(self.postgres_url)
        self.now = datetime(2026, 9, 1, tzinfo=UTC)
        self.door = FrontDoor(self.recorder, self.clock, lambda: continuity.guard(self.log, self.database))

    def clock(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def projector(self) -> Projector:
        return Projector(self.log, self.database)

    def project(self) -> int:
        return self.projector().catch_up()

    def query(self, sql: str, parameters: list[object] | None = None) -> list[tuple[object, ...]]:
        with self.database.owning() as connection:
            return connection.execute(sql, parameters or []).fetchall()  # type: ignore[arg-type]

    def close(self) -> None:
        """The streams go too: a server promises each its whole size, and has no more than the disk."""
        self.client.close()
        if self.operator.connected:
            for name in (
                stream.stream_name(self.book),
                access_stream.stream_name(self.book),
                telemetry_stream.stream_name(self.book),
                telemetry_stream.stream_name(self.book, "fast"),
            ):
                with suppress(stream.StreamError, TimeoutError, OSError, nats.errors.Error):
                    stream.alter(self.operator, f"STREAM.DELETE.{name}", {})
        self.operator.close()
        self.database.close()
        databases_of(self.postgres).give_back(self._name)


@pytest.fixture(scope="session")
def migrated(postgres_server: PostgresServer) -> PostgresServer:
    databases_of(postgres_server)
    return postgres_server


@pytest.fixture
def bench(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Bench]:
    made = Bench(nats_server, migrated)
    yield made
    made.close()


BenchFactory = Callable[[], Bench]
