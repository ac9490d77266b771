"""From the stream to PostgreSQL: rows and position in one transaction, so each event counts once.

The `eventsourcing` library's runner does one transaction per event, which is over 100 times too slow
for meters. This one takes what a pull brings, and halts rather than project anything doubtful.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
import psycopg
from psycopg_pool import PoolTimeout

from adapters import continuity
from adapters.continuity import Discontinuity
from adapters.events import Event
from adapters.mapper import EnvelopeMapper, UnknownEvent
from adapters.nats import wire
from adapters.nats.log import Log, StoreUnavailable
from adapters.nats.pull import Pull, Pulled
from adapters.postgres.database import Connection, Database
from adapters.projections import PROJECTIONS, Projected, Projection
from adapters.projections.bids import PREFIX
from adapters.projections.written_bid import written
from ledger.envelope import Envelope

_IDLE_S: Final = 0.25
_RETRY_S: Final = 0.5
_BEGINNING: Final = datetime(1, 1, 1, tzinfo=UTC)
_EVERY_S: Final = 0.02
_EVERY_S_MAX: Final = 0.1
_EVERY_EVENT_S: Final = 0.01
_HASHES_KEPT: Final = 50_000


class Position(msgspec.Struct, frozen=True):
    sequence: int
    hash: bytes


_PASSING: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolTimeout,
    StoreUnavailable,
    OSError,
    TimeoutError,
)
"""What a server that is away or coming back answers with: tried again."""


class _Overtaken(Exception):
    """The stored position is not where we stood: another projector, or PostgreSQL lost its last moments."""


class Projector:
    """Keeps the projections of one book level with its stream.

    `halted` says why it stopped, for readiness and for the operator; it does not start again by itself.
    """

    def __init__(self, log: Log, database: Database, projections: Sequence[Projection] = PROJECTIONS) -> None:
        self.log = log
        self.database = database
        self.projections = tuple(projections)
        self.halted: str | None = None
        self._mapper = EnvelopeMapper()
        self._hashes: OrderedDict[str, bytes] = OrderedDict()
        self._recorded_at_max = _BEGINNING
        self._stop = threading.Event()

    # ------------------------------------------------------------------ running

    def run(self) -> None:
        """Project for ever; returns after `stop` or when halted. PostgreSQL may come and go."""
        while not self._stop.is_set():
            try:
                self._follow()
            except (_Overtaken, *_PASSING):
                self._stop.wait(_RETRY_S)
            except (Discontinuity, UnknownEvent, psycopg.Error) as error:
                self.halted = str(error)
                return

    def stop(self) -> None:
        self._stop.set()

    def catch_up(self, timeout: float = 60.0, *, until: int | None = None) -> int:
        """Project up to `until`, or until level with the stream as it is now; answers how far.

        Raises:
            Discontinuity: the stream is not what was projected before.
            TimeoutError: not level in time.
        """
        target = self.log.client.run(self.log.last_sequence()) if until is None else until
        give_up = time.monotonic() + timeout
        self._follow(until=target, give_up=give_up)
        return target

    def _follow(self, until: int | None = None, give_up: float = float("inf")) -> None:
        """Bring the hindmost projections level with the next, until all are level with the stream."""
        positions = self.positions()
        while not self._stop.is_set():
            lowest = min(positions.values(), key=lambda position: position.sequence)
            group = [p for p in self.projections if positions[p.name].sequence == lowest.sequence]
            ahead = [p.sequence for p in positions.values() if p.sequence > lowest.sequence]
            limit = min(ahead) if ahead else until
            if not ahead and until is not None and lowest.sequence >= until:
                return
            reached = self._advance(group, lowest, limit, give_up)
            positions |= {projection.name: reached for projection in group}

    def _advance(
        self, group: Sequence[Projection], position: Position, limit: int | None, give_up: float
    ) -> Position:
        """Project the group from `position` up to `limit`, or for ever without one."""
        continuity.check_position(self.log, self.database, position.sequence, position.hash)
        epoch = self.log.client.epoch
        self._hashes.clear()
        self._recorded_at_max = self._running_maximum(position.sequence)
        pull = Pull(self.log.client, self.log.book, position.sequence + 1)
        due = 0.0
        try:
            while not self._stop.is_set() and (limit is None or position.sequence < limit):
                if limit is None:
                    self._stop.wait(due - time.monotonic())
                pulled = pull.batch(_IDLE_S)
                due = time.monotonic() + _shared_s(len(pulled))
                if self.log.client.epoch != epoch or not pulled:
                    continuity.check_position(self.log, self.database, position.sequence, position.hash)
                    epoch = self.log.client.epoch
                if not pulled:
                    continuity.check_goes_on(self.log, position.sequence)
                if time.monotonic() > give_up:
                    raise TimeoutError(f"projected up to {position.sequence} only")
                if pulled:
                    pulled = [item for item in pulled if limit is None or item.sequence <= limit]
                    position = self._project(group, position, pulled)
        finally:
            pull.close()
        return position

    # ------------------------------------------------------------------ one batch, one transaction

    def _project(self, group: Sequence[Projection], position: Position, pulled: Sequence[Pulled]) -> Position:
        book = self.log.book
        with self.database.projecting() as connection:
            batch = self._decoded(connection, position, pulled)
            reached = Position(batch[-1].sequence, batch[-1].hash)
            for projection in group:
                projection.project(connection, book, batch)
            self._move(connection, [projection.name for projection in group], position, reached)
        return reached

    def _move(self, connection: Connection, names: Sequence[str], old: Position, new: Position) -> None:
        book = self.log.book
        if old.sequence == 0:
            moved = connection.execute(
                "INSERT INTO ledger.position SELECT %s, name, %s, %s FROM unnest(%s::text[]) AS name"
                " ON CONFLICT DO NOTHING",
                [book, new.sequence, new.hash, names],
            )
        else:
            moved = connection.execute(
                "UPDATE ledger.position SET sequence = %s, hash = %s"
                " WHERE book = %s AND projection = ANY(%s) AND sequence = %s AND hash = %s",
                [new.sequence, new.hash, book, names, old.sequence, old.hash],
            )
        if moved.rowcount != len(names):
            raise _Overtaken

    def _decoded(
        self, connection: Connection, position: Position, pulled: Sequence[Pulled]
    ) -> list[Projected]:
        """The batch decoded, each envelope checked against its aggregate's previous one."""
        batch: list[Projected] = []
        expected = position.sequence
        for item in pulled:
            expected += 1
            if item.sequence != expected:
                raise Discontinuity(f"sequence {item.sequence} came where {expected} was due")
            try:
                header = wire.header_of(item.payload)
            except (ValueError, msgspec.MsgspecError) as error:
                raise UnknownEvent(f"sequence {item.sequence}: {error}") from error
            if header.book != self.log.book:
                raise Discontinuity(f"sequence {item.sequence} belongs to book {header.book!r}")
            envelope = self._envelope(header, wire.state_of(item.payload))
            self._recorded_at_max = max(self._recorded_at_max, envelope.recorded_at)
            batch.append(
                Projected(
                    item.sequence,
                    header.aggregate,
                    header.version,
                    hashlib.sha256(item.payload).digest(),
                    item.payload,
                    envelope,
                    self._recorded_at_max,
                )
            )
        self._check_chains(connection, batch)
        return batch

    def _envelope(self, header: wire.Header, state: bytes) -> Envelope[Event]:
        found = written(header.topic, state) if header.aggregate.startswith(PREFIX) else None
        return self._mapper.to_envelope(header.topic, state) if found is None else found

    def _check_chains(self, connection: Connection, batch: Sequence[Projected]) -> None:
        firsts = {item.aggregate: item.version for item in reversed(batch)}
        unknown = [(a, v - 1) for a, v in firsts.items() if v > 1 and a not in self._hashes]
        if unknown:
            found = connection.execute(
                "SELECT e.aggregate, e.hash FROM ledger.envelope AS e"
                " JOIN unnest(%s::text[], %s::bigint[]) AS w (aggregate, version)"
                " ON e.aggregate = w.aggregate AND e.version = w.version WHERE e.book = %s",
                [[a for a, _ in unknown], [v for _, v in unknown], self.log.book],
            )
            self._hashes |= {aggregate: bytes(digest) for aggregate, digest in found}
        for item in batch:
            before = self._hashes.get(item.aggregate, b"").hex() if item.version > 1 else ""
            if item.envelope.previous != before:
                raise Discontinuity(
                    f"sequence {item.sequence}: {item.aggregate} version {item.version}"
                    " does not follow the version archived before it"
                )
            self._hashes[item.aggregate] = item.hash
            self._hashes.move_to_end(item.aggregate)
        while len(self._hashes) > _HASHES_KEPT:
            self._hashes.popitem(last=False)

    # ------------------------------------------------------------------ positions

    def positions(self) -> dict[str, Position]:
        """How far each projection has come."""
        with self.database.reading(self.log.book) as connection:
            found = connection.execute("SELECT projection, sequence, hash FROM ledger.position").fetchall()
        stored = {name: Position(sequence, bytes(digest)) for name, sequence, digest in found}
        return {p.name: stored.get(p.name, Position(0, b"")) for p in self.projections}

    def _running_maximum(self, sequence: int) -> datetime:
        with self.database.reading(self.log.book) as connection:
            found = connection.execute(
                "SELECT recorded_at_max FROM ledger.envelope WHERE sequence = %s", [sequence]
            ).fetchone()
        return found[0] if found else _BEGINNING


def _shared_s(events: int) -> float:
    """How soon after a transaction of so many events the next one may begin: what comes meanwhile shares it,
    because a transaction costs some fifteen statements however much it holds.

    A lone event shows at once, the next one after 20 ms, and 500 a second share ten transactions.
    """
    return min(max(_EVERY_S, events * _EVERY_EVENT_S), _EVERY_S_MAX)
