"""Real servers for the tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.embedded.nats_server import NatsServer
from adapters.embedded.postgres_server import PostgresServer
from adapters.nats import stream

__all__ = ["NatsServer", "PostgresServer", "shared_nats"]


@contextmanager
def shared_nats(folder: Path) -> Iterator[NatsServer]:
    """For one test's streams after another's: one stream stays, as with the last one the server removes the
    folder that the next is made in."""
    server = NatsServer(folder)
    operator = server.operator()
    stream.ensure(operator, {"name": "STAYS", "subjects": ["stays"], "max_bytes": 1 << 16})
    operator.close()
    yield server
    server.stop()
