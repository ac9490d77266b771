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
from adapters.integrity import known_damage
from adapters.integrity.fault import Fault
from adapters.integrity.origin import NewerEnvelope, envelope_at
from adapters.integrity.tail import follows_nothing, no_envelope
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
        self._last: OrderedDict[str, tuple[int, bytes]] = OrderedDict()
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
            except Discontinuity as lost:
                if lost.fault.code != "stream_alien":
                    self.halted = str(lost)
                    return
                if self._noted(lost.fault):
                    self.halted = str(lost.fault)
                    return
            except (UnknownEvent, psycopg.Error) as error:
                self.halted = str(error)
                return

    def _noted(self, alien: Fault) -> bool:
        """Whether it is on record, for those to see who write: only here is every message read. Other faults
        they find themselves."""
        try:
            known_damage.note_found(self.database, self.log.book, alien)
        except _PASSING:
            self._stop.wait(_RETRY_S)
            return False
        return True

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
        self._last.clear()
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
        """Project what was pulled, up to the first that is doubtful.

        Raises:
            Discontinuity, NewerEnvelope: what stands before that one is projected.
        """
        latest = self._recorded_at_max
        try:
            reached, doubt = self._written(group, position, pulled)
        except psycopg.IntegrityError:
            again = self._appended_again(pulled)
            if again is None:
                raise
            self._last.clear()
            self._recorded_at_max = latest
            sound = [item for item in pulled if item.sequence < again[0]]
            if sound:
                self._written(group, position, sound)
            raise again[1] from None
        if doubt is not None:
            raise doubt
        return reached

    def _written(
        self, group: Sequence[Projection], position: Position, pulled: Sequence[Pulled]
    ) -> tuple[Position, Discontinuity | NewerEnvelope | None]:
        book = self.log.book
        with self.database.projecting() as connection:
            self._check_stands(connection, [projection.name for projection in group], position)
            decoded, doubt = self._decoded(position, pulled)
            batch, broken = self._following(connection, decoded)
            if not batch:
                return position, broken or doubt
            reached = Position(batch[-1].sequence, batch[-1].hash)
            for projection in group:
                projection.project(connection, book, batch)
            self._move(connection, [projection.name for projection in group], position, reached)
        return reached, broken or doubt

    def _check_stands(self, connection: Connection, names: Sequence[str], position: Position) -> None:
        """What PostgreSQL forgot of its last moments is no damage: that is asked before rows are compared.

        Raises:
            _Overtaken: the rows are of another position.
        """
        found = connection.execute(
            "SELECT count(*) FROM ledger.position"
            " WHERE book = %s AND projection = ANY(%s) AND sequence = %s AND hash = %s",
            [self.log.book, names, position.sequence, position.hash],
        ).fetchone()
        if position.sequence and found != (len(names),):
            raise _Overtaken

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
        self, position: Position, pulled: Sequence[Pulled]
    ) -> tuple[list[Projected], Discontinuity | NewerEnvelope | None]:
        """The envelopes up to the first message that holds none, and what is wrong with that one."""
        batch: list[Projected] = []
        expected = position.sequence
        for item in pulled:
            expected += 1
            if item.sequence != expected:
                raise Discontinuity(f"sequence {item.sequence} came where {expected} was due")
            try:
                header, envelope = envelope_at(self.log.book, item.sequence, item.payload, self._envelope)
            except wire.Alien as alien:
                return batch, _alien(item.sequence, no_envelope(alien))
            except NewerEnvelope as newer:
                return batch, newer
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
        return batch, None

    def _envelope(self, header: wire.Header, state: bytes) -> Envelope[Event]:
        found = written(header.topic, state) if header.aggregate.startswith(PREFIX) else None
        return self._mapper.to_envelope(header.topic, state) if found is None else found

    def _following(
        self, connection: Connection, batch: list[Projected]
    ) -> tuple[list[Projected], Discontinuity | None]:
        """Those up to the first that is not the next of its aggregate, and what is wrong with that one."""
        firsts = {item.aggregate: item.version for item in reversed(batch)}
        unknown = [(a, v - 1) for a, v in firsts.items() if v > 1 and a not in self._last]
        if unknown:
            found = connection.execute(
                "SELECT e.aggregate, e.version, e.hash FROM ledger.envelope AS e"
                " JOIN unnest(%s::text[], %s::bigint[]) AS w (aggregate, version)"
                " ON e.aggregate = w.aggregate AND e.version = w.version WHERE e.book = %s",
                [[a for a, _ in unknown], [v for _, v in unknown], self.log.book],
            )
            self._last |= {aggregate: (version, bytes(digest)) for aggregate, version, digest in found}
        for at, item in enumerate(batch):
            version, digest = self._last.get(item.aggregate, (0, b""))
            if (item.version, item.envelope.previous) != (version + 1, digest.hex()):
                return batch[:at], self._broken(connection, item, version)
            self._last[item.aggregate] = item.version, item.hash
            self._last.move_to_end(item.aggregate)
        while len(self._last) > _HASHES_KEPT:
            self._last.popitem(last=False)
        return batch, None

    def _broken(self, connection: Connection, item: Projected, known: int) -> Discontinuity:
        """An archived row that is not its own hash's is what is wrong, not what follows it."""
        last = connection.execute(
            "SELECT sequence, sha256(payload) = hash FROM ledger.envelope"
            " WHERE book = %s AND aggregate = %s AND sequence < %s ORDER BY sequence DESC LIMIT 1",
            [self.log.book, item.aggregate, item.sequence],
        ).fetchone()
        if last is not None and not last[1]:
            text = "the archived payload has not the archived hash"
            return Discontinuity(text, code="archive_altered", place=f"sequence {last[0]}")
        return _alien(item.sequence, follows_nothing(item.aggregate, item.version, known))

    def _appended_again(self, pulled: Sequence[Pulled]) -> tuple[int, Discontinuity] | None:
        """The first of these that is archived as another sequence already, and that it is."""
        headers: list[tuple[int, wire.Header]] = []
        for item in pulled:
            try:
                headers.append((item.sequence, wire.checked_header(self.log.book, *item[:2])))
            except wire.Alien:
                break
        with self.database.owning() as connection:
            found = connection.execute(
                "SELECT w.sequence, w.aggregate, w.version FROM ledger.envelope AS e"
                " JOIN unnest(%s::bigint[], %s::text[], %s::bigint[]) AS w (sequence, aggregate, version)"
                " ON e.aggregate = w.aggregate AND e.version = w.version"
                " WHERE e.book = %s AND e.sequence < w.sequence ORDER BY w.sequence LIMIT 1",
                [
                    [sequence for sequence, _ in headers],
                    [header.aggregate for _, header in headers],
                    [header.version for _, header in headers],
                    self.log.book,
                ],
            ).fetchone()
        if found is None:
            return None
        sequence, aggregate, version = found
        return sequence, _alien(sequence, follows_nothing(aggregate, version, version))

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


def _alien(sequence: int, what: str) -> Discontinuity:
    return Discontinuity(what, code="stream_alien", place=f"sequence {sequence}")


def _shared_s(events: int) -> float:
    """How soon after a transaction of so many events the next one may begin: what comes meanwhile shares it,
    because a transaction costs some fifteen statements however much it holds.

    A lone event shows at once, the next one after 20 ms, and 500 a second share ten transactions.
    """
    return min(max(_EVERY_S, events * _EVERY_EVENT_S), _EVERY_S_MAX)
