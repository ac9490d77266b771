"""Books with a log of their own, and many small envelopes in them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from adapters.front_door import FrontDoor, Wish
from adapters.nats import stream
from adapters.nats.log import Log
from adapters.nats.recorder import JetStreamApplicationRecorder
from adapters.postgres.database import Database
from adapters.projector import Projector
from adapters.transparency.checkpoint_folder import CheckpointFolder
from adapters.transparency.published_log import PublishedLog
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.databases import databases_of
from tests.stack import NatsServer


def published_log(bench: Bench, folder: Path, *, makes_key: bool = True) -> PublishedLog:
    """The log of a test's book; books below one folder share its key."""
    return PublishedLog(
        bench.database,
        bench.book,
        f"ledger.example/{bench.book}",
        CheckpointFolder(folder / "checkpoints" / bench.book),
        folder / "log.key",
        makes_key=makes_key,
    )


def append_parties(bench: Bench, names: range) -> None:
    """One envelope a party."""
    bench.door.execute_all(parties(names), actor="ada")


def parties(names: range) -> list[Wish]:
    return [Wish(sample.register_party(f"p{name}"), f"party-{name}") for name in names]


def forked(bench: Bench, nats: NatsServer, names: range) -> Database:
    """What a projector makes of another stream that has the same book's name: these parties only."""
    operator, client = nats.operator(), nats.app()
    stream.create(operator, bench.book, max_bytes=8 << 20)
    log = Log(client, bench.book)
    door = FrontDoor(
        JetStreamApplicationRecorder(log), lambda: datetime(2026, 9, 1, tzinfo=UTC), lambda: None
    )
    door.execute_all(parties(names), actor="eve")
    database = Database(bench.postgres.url(databases_of(bench.postgres).take()))
    Projector(log, database).catch_up()
    operator.close()
    client.close()
    return database
