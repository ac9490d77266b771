"""Real servers for the tests."""

from __future__ import annotations

from adapters.embedded.nats_server import NatsServer
from adapters.embedded.postgres_server import PostgresServer

__all__ = ["NatsServer", "PostgresServer"]
