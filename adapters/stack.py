"""The servers and connections that a command works with: embedded ones, or yours."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from adapters import continuity
from adapters.continuity import Discontinuity
from adapters.embedded.child import Child
from adapters.embedded.nats_server import NatsServer
from adapters.embedded.postgres_server import PostgresServer
from adapters.front_door import FrontDoor
from adapters.integrity import checkpoint_files
from adapters.integrity.checked_recorder import CheckedRecorder
from adapters.nats import access_stream, stream, telemetry_stream
from adapters.nats.client import NatsClient
from adapters.nats.log import Log
from adapters.personal.keys import PersonalKeys
from adapters.personal.people import People
from adapters.postgres.database import Database
from adapters.projector import Projector
from adapters.settings import Settings
from adapters.settling import wait_until
from adapters.state_folder import Addresses, StateFolder
from adapters.transparency.checkpoint_folder import CheckpointFolder
from adapters.transparency.published_log import PublishedLog
from adapters.transparency.signing_projector import SigningProjector
from ledger.refusal import Refused

_DATABASE: Final = "wattledger"


class Stack:
    """One book's connections; made by `running`."""

    def __init__(
        self,
        addresses: Addresses,
        settings: Settings,
        clock: Callable[[], datetime],
        children: tuple[Child, ...],
        folder: StateFolder | None,
        *,
        founding: bool,
        believing: bool = True,
    ) -> None:
        self.settings = settings
        self.addresses = addresses
        self.clock = clock
        self.children = children
        self._folder = folder
        self.database = Database(addresses.postgres_url)
        self.database.migrate()
        if founding:
            self._create_stream()
        seed = Path(addresses.nats_seed) if addresses.nats_seed else None
        self.client = NatsClient(addresses.nats_url, seed_file=seed, name="ledger")
        if believing:
            self._verify_stream()
        self.log = Log(self.client, settings.book)
        self.recorder = CheckedRecorder(self.log, self.database)
        self.door = FrontDoor(self.recorder, clock, self._guard)
        self.published = published_log(settings, self.database, self.log)
        keys = PersonalKeys(settings.personal_key_folder)
        self.people = People(self.door, self.database, keys, clock)

    def _guard(self) -> None:
        """Before the first append on a connection: see `continuity.guard` and `checkpoint_files.guard`."""
        continuity.guard(self.log, self.database)
        checkpoint_files.guard(self.published, self.log)

    def _create_stream(self) -> None:
        """With the operator's identity, when this process has it."""
        if self.addresses.nats_operator_seed is None and self.addresses.nats_seed is not None:
            return
        operator = self.operator()
        try:
            self._check_not_lost(operator)
            stream.create(
                operator, self.settings.book, max_bytes=self.max_bytes, replicas=self.settings.nats_replicas
            )
            access_stream.create(
                operator,
                self.settings.book,
                max_bytes=self.max_bytes,
                replicas=self.settings.nats_replicas,
                days=self.settings.access_days,
            )
            telemetry_stream.create(
                operator,
                self.settings.book,
                max_bytes=self.max_bytes,
                replicas=self.settings.nats_replicas,
                days=self.settings.telemetry_days,
            )
            stream.once_there(
                lambda: access_stream.keep(operator, self.settings.book, days=self.settings.access_days)
            )
            stream.once_there(
                lambda: telemetry_stream.keep(operator, self.settings.book, days=self.settings.telemetry_days)
            )
            stream.once_there(lambda: stream.standing(operator, self.settings.book))
        finally:
            operator.close()

    def _check_not_lost(self, client: NatsClient) -> None:
        """No empty stream takes the place of one that the archive knows.

        Raises:
            Discontinuity: `stream_missing`.
        """
        book = self.settings.book
        try:
            stream.standing(client, book)
        except stream.StreamError as error:
            if error.code != stream.NOT_FOUND:
                raise
        else:
            return
        with self.database.reading(book) as connection:
            last, _ = continuity.archived(connection, book)
        if last:
            signed = CheckpointFolder(self.settings.checkpoint_folder).newest()
            proves = "no checkpoint is there" if signed is None else f"a checkpoint proves {signed[0]}"
            lost = f"the stream of book {book} is gone; the archive has {last} events, {proves}"
            text = f"{lost}: `wattledger repair`"
            raise Discontinuity(text, code="stream_missing")

    def operator(self) -> NatsClient:
        """A connection with the operator's identity, which creates streams; its user closes it."""
        addresses = self.addresses
        seed = Path(addresses.nats_operator_seed) if addresses.nats_operator_seed else None
        return NatsClient(
            addresses.nats_url, seed_file=seed, name="operator", monitor_url=addresses.nats_monitor_url
        )

    @property
    def max_bytes(self) -> int:
        """The size to which a new stream of the book may grow."""
        return self.settings.stream_max_bytes or _max_bytes(self.settings.state)

    def _verify_stream(self) -> None:
        """Raises:
        Refused: `no_book` when the servers have no such book.
        Discontinuity: `stream_missing` when they had it.
        WeakStream: it could lose facts.
        """
        settings, monitor = self.settings, self.addresses.nats_monitor_url
        try:
            stream.verify(self.client, settings.book, monitor, replicas=settings.nats_replicas)
        except stream.StreamError as error:
            try:
                self._check_not_lost(self.client)
            finally:
                self.close()
            if error.code != stream.NOT_FOUND:
                raise
            raise Refused(
                "no_book",
                f"these servers have no book {settings.book!r}; WATTLEDGER_BOOK names another, and wattledger"
                " demo, up, serve or restore founds one",
            ) from None

    @property
    def projects(self) -> bool:
        """Whether it is for this process to project its book: it owns the servers, or their owner projects
        another book."""
        return bool(self.children) or self.addresses.book != self.settings.book

    def projector(self) -> Projector:
        """A projector of this book, which has its log signed; one at a time makes progress."""
        return SigningProjector(self.log, self.database, self.published)

    def caught_up(self, timeout: float = 600.0) -> int:
        """Wait until every projection has reached the stream's end; answers where that is.

        Raises:
            Behind: not in time; is a projector running?
        """
        last = self.client.run(self.log.last_sequence())
        if last:
            wait_until(self.database, self.settings.book, last, timeout)
        return last

    def wait_for_joined(self) -> None:
        """Before the servers or their projector stop: until every command that joined them is done."""
        if self.children and self._folder is not None:
            self._folder.close()

    def close(self) -> None:
        self.client.close()
        self.database.close()


def published_log(settings: Settings, database: Database, log: Log) -> PublishedLog:
    """The book's log as the settings name it. With servers of yours no key is made by itself: two machines
    would make two."""
    return PublishedLog(
        database,
        settings.book,
        settings.origin,
        CheckpointFolder(settings.checkpoint_folder),
        settings.log_key_file,
        makes_key=settings.embedded,
        stream=log,
    )


@contextmanager
def running(
    settings: Settings, clock: Callable[[], datetime], *, founding: bool = True, believing: bool = True
) -> Iterator[Stack]:
    """The stack, started if need be; what was started here is stopped at the end.

    Embedded servers belong to the process that started them. A command given meanwhile for the same
    folder joins them by the addresses that lie in it.

    Without `founding` the book must be there. Without `believing` the stream may be weak or gone: a repair
    begins so.

    Raises:
        Refused: `no_book`.
        Discontinuity: `stream_missing` where the archive has a book whose stream is gone.
        ChildFailed, ConnectionError: a server does not start or answer.
        WeakStream: the stream or its server could lose facts.
    """
    with ExitStack() as cleanup:
        children: tuple[Child, ...] = ()
        folder: StateFolder | None = None
        if settings.embedded:
            folder = StateFolder(settings.state)
            others = cleanup.enter_context(folder.entered())
            addresses, children = (
                (others, ()) if others is not None else _start(folder.path, settings.book, cleanup)
            )
        else:
            assert settings.nats_url is not None
            assert settings.postgres_url is not None
            addresses = Addresses(
                settings.book,
                settings.nats_url,
                settings.nats_monitor_url,
                str(settings.nats_seed) if settings.nats_seed else None,
                str(settings.nats_operator_seed) if settings.nats_operator_seed else None,
                settings.postgres_url,
            )
        stack = Stack(addresses, settings, clock, children, folder, founding=founding, believing=believing)
        cleanup.callback(stack.close)
        cleanup.callback(stack.wait_for_joined)
        if children and folder is not None and believing:
            folder.announce(addresses)
        yield stack


def _max_bytes(state: Path) -> int:
    there = next(folder for folder in (state, *state.resolve().parents) if folder.exists())
    return min(64 << 30, shutil.disk_usage(there).free // 8)


def _start(folder: Path, book: str, cleanup: ExitStack) -> tuple[Addresses, tuple[Child, ...]]:
    postgres = PostgresServer(folder / "postgres")
    cleanup.callback(postgres.stop)
    nats = NatsServer(folder / "nats")
    cleanup.callback(nats.stop)
    postgres.ensure_database(_DATABASE)
    addresses = Addresses(
        book,
        nats.url,
        nats.monitor_url,
        str(nats.app_seed),
        str(nats.operator_seed),
        postgres.url(_DATABASE),
        os.getpid(),
    )
    return addresses, (postgres.child, nats.child)
