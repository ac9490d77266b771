"""The servers and connections that a command works with: embedded ones, or yours."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from adapters import continuity
from adapters.embedded.child import Child, private_folder
from adapters.embedded.nats_server import NatsServer
from adapters.embedded.postgres_server import PostgresServer
from adapters.front_door import FrontDoor
from adapters.nats import stream
from adapters.nats.client import NatsClient
from adapters.nats.log import Log
from adapters.nats.recorder import JetStreamApplicationRecorder
from adapters.postgres.database import Database
from adapters.projector import Projector
from adapters.settings import Settings
from adapters.settling import wait_until

_DATABASE: Final = "wattledger"


class Addresses(msgspec.Struct, frozen=True):
    """Where the running servers are; another command of the same folder finds them by this."""

    nats_url: str
    nats_monitor_url: str | None
    nats_seed: str | None
    nats_operator_seed: str | None
    postgres_url: str


class Stack:
    """One book's connections; made by `running`."""

    def __init__(
        self,
        addresses: Addresses,
        settings: Settings,
        clock: Callable[[], datetime],
        children: tuple[Child, ...],
    ) -> None:
        self.settings = settings
        self.addresses = addresses
        self.clock = clock
        self.children = children
        self.database = Database(addresses.postgres_url)
        self.database.migrate()
        self._create_stream()
        seed = Path(addresses.nats_seed) if addresses.nats_seed else None
        self.client = NatsClient(addresses.nats_url, seed_file=seed, name="ledger")
        stream.verify(self.client, settings.book, addresses.nats_monitor_url, replicas=settings.nats_replicas)
        self.log = Log(self.client, settings.book)
        self.recorder = JetStreamApplicationRecorder(self.log)
        self.door = FrontDoor(self.recorder, clock, lambda: continuity.guard(self.log, self.database))

    def _create_stream(self) -> None:
        """With the operator's identity, when this process has it."""
        if self.addresses.nats_operator_seed is None and self.addresses.nats_seed is not None:
            return
        seed = self.addresses.nats_operator_seed
        operator = NatsClient(
            self.addresses.nats_url, seed_file=Path(seed) if seed else None, name="operator"
        )
        try:
            stream.create(
                operator,
                self.settings.book,
                max_bytes=self.settings.stream_max_bytes or _max_bytes(self.settings.state),
                replicas=self.settings.nats_replicas,
            )
        finally:
            operator.close()

    def projector(self) -> Projector:
        """A projector of this book; one at a time makes progress."""
        return Projector(self.log, self.database)

    def caught_up(self, timeout: float = 600.0) -> int:
        """Wait until every projection has reached the stream's end; answers where that is.

        Raises:
            Behind: not in time; is a projector running?
        """
        last = self.client.run(self.log.last_sequence())
        if last:
            wait_until(self.database, self.settings.book, last, timeout)
        return last

    def close(self) -> None:
        self.client.close()
        self.database.close()


@contextmanager
def running(settings: Settings, clock: Callable[[], datetime]) -> Iterator[Stack]:
    """The stack, started if need be; what was started here is stopped at the end.

    Embedded servers belong to the process that started them. A command given meanwhile for the same
    folder joins them by the addresses that lie in it.

    Raises:
        ChildFailed, ConnectionError: a server does not start or answer.
        WeakStream: the stream or its server could lose facts.
    """
    with ExitStack() as cleanup:
        children: tuple[Child, ...] = ()
        if settings.embedded:
            addresses, children = _embedded(settings.state.resolve(), cleanup)
        else:
            assert settings.nats_url is not None
            assert settings.postgres_url is not None
            addresses = Addresses(
                settings.nats_url,
                settings.nats_monitor_url,
                str(settings.nats_seed) if settings.nats_seed else None,
                str(settings.nats_operator_seed) if settings.nats_operator_seed else None,
                settings.postgres_url,
            )
        stack = Stack(addresses, settings, clock, children)
        cleanup.callback(stack.close)
        yield stack


def _max_bytes(state: Path) -> int:
    state.mkdir(parents=True, exist_ok=True)
    return min(64 << 30, shutil.disk_usage(state).free // 4)


def _embedded(state: Path, cleanup: ExitStack) -> tuple[Addresses, tuple[Child, ...]]:
    private_folder(state)
    note = state / "running.json"
    lock = cleanup.enter_context((state / "lock").open("w"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return msgspec.json.decode(note.read_bytes(), type=Addresses), ()
    note.unlink(missing_ok=True)
    postgres = PostgresServer(state / "postgres")
    cleanup.callback(postgres.stop)
    nats = NatsServer(state / "nats")
    cleanup.callback(nats.stop)
    postgres.ensure_database(_DATABASE)
    addresses = Addresses(
        nats.url, nats.monitor_url, str(nats.app_seed), str(nats.operator_seed), postgres.url(_DATABASE)
    )
    partial = note.with_suffix(".new")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(addresses))
    partial.rename(note)
    cleanup.callback(note.unlink, missing_ok=True)
    return addresses, (postgres.child, nats.child)
