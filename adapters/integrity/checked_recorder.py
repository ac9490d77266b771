"""A recorder that believes no aggregate before the archive agrees, and looks at the stream while it writes.

The archive is asked once an aggregate, when it is first read; after that its fold is in memory. A message
that a damaged block lost, or that somebody replaced, is so found before anything is decided on what is left.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import nats.errors
from eventsourcing.persistence import IntegrityError, Notification, StoredEvent
from psycopg import sql

from adapters import continuity
from adapters.continuity import Discontinuity
from adapters.integrity import known_damage, position_rows
from adapters.nats import wire
from adapters.nats.log import Log
from adapters.nats.recorder import JetStreamApplicationRecorder
from adapters.postgres.database import Database

_LOOK_S: Final = 5.0
"""How old the last look at the stream's configuration and account of itself may be when a write begins."""
_LOST_TIMES: Final = 3
"""After how many refused appends of one version the stream is looked at."""


class CheckedRecorder(JetStreamApplicationRecorder):
    """As its parent, with both checks."""

    def __init__(self, log: Log, database: Database) -> None:
        super().__init__(log)
        self._database = database
        self._looked = 0.0
        self._lost: dict[str, tuple[int, int]] = {}
        """Of each aggregate that appends were refused for since the look: at which version, how often."""
        self._doubted = False

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int]:
        """Store all or none; the answer is each one's sequence.

        Raises:
            WeakStream: the stream's configuration was weakened meanwhile.
            Discontinuity: messages were deleted from it, a projection does not stand where it says, or
            damage is known that was not repaired.
        """
        if self.look_due():
            self.look()
        return super().insert_events(stored_events)

    def look_due(self) -> bool:
        """See `JetStreamApplicationRecorder.look_due`."""
        return self._doubted or time.monotonic() - self._looked > _LOOK_S

    async def insert_each(self, saves: Sequence[Sequence[StoredEvent]]) -> list[list[int] | BaseException]:
        """See `JetStreamApplicationRecorder.insert_each`.

        Who loses a race finds a new version to decide on. Where one is refused at the same version again and
        again nobody races: the stream is looked at.
        """
        outcomes = await super().insert_each(saves)
        for save, outcome in zip(saves, outcomes, strict=True):
            for event in save:
                name, version = str(event.originator_id), event.originator_version
                if isinstance(outcome, IntegrityError):
                    before, times = self._lost.get(name, (version, 0))
                    times = times + 1 if version == before else 1
                    self._lost[name] = (version, times)
                    self._doubted = self._doubted or times >= _LOST_TIMES
                elif self._lost:
                    self._lost.pop(name, None)
        return outcomes

    def look(self) -> None:
        """See `JetStreamApplicationRecorder.look`.

        Raises:
            WeakStream, Discontinuity: as `insert_events`.
        """
        with self._database.reading(self.log.book) as connection:
            known_damage.check(connection)
            position_rows.check(connection)
        try:
            standing = continuity.standing_of(self.log)
        except (nats.errors.Error, OSError, TimeoutError):
            # The append itself waits for NATS, and the guard looks again on the next connection.
            return
        continuity.check_strong(standing, self.log.book)
        continuity.check_whole(self.log, standing)
        self._looked = time.monotonic()
        self._lost.clear()
        self._doubted = False

    def select_aggregates(self, positions: Mapping[str, int]) -> dict[str, list[Notification]]:
        """As its parent's; those that are read from their beginning are compared with the archive.

        Raises:
            Discontinuity: the archive knows more of an aggregate, or another last envelope.
        """
        found = super().select_aggregates(positions)
        fresh = [name for name, start in positions.items() if start <= 1]
        if fresh:
            self._compare({name: found[name] for name in fresh})
        return found

    async def unarchived(self, aggregates: Collection[str]) -> frozenset[str]:
        """Those of which the archive has nothing: what the stream lost it still has."""
        if not aggregates:
            return frozenset()
        known = await self._database.ask(
            self.log.book,
            sql.SQL(
                "SELECT DISTINCT aggregate FROM ledger.envelope WHERE book = {} AND aggregate = ANY({})"
            ).format(self.log.book, list(aggregates)),
        )
        return frozenset(aggregates) - {name for (name,) in known}

    def _compare(self, found: Mapping[str, Sequence[Notification]]) -> None:
        book = self.log.book
        with self._database.reading(book) as connection:
            known = connection.execute(
                "SELECT DISTINCT ON (aggregate) aggregate, version, sequence, hash FROM ledger.envelope"
                " WHERE book = %s AND aggregate = ANY(%s) ORDER BY aggregate, version DESC",
                [book, list(found)],
            ).fetchall()
        for aggregate, version, sequence, digest in known:
            event = next((one for one in found[aggregate] if one.originator_version == version), None)
            place = f"sequence {sequence}"
            if event is None or event.id != sequence or len(found[aggregate]) < version:
                self._check_placed(aggregate)
                raise Discontinuity(
                    f"the stream holds no version {version} of {aggregate}, which was archived as {sequence}",
                    code="stream_hole",
                    place=place,
                )
            if wire.digest(wire.pack(book, event)) != bytes(digest).hex():
                raise Discontinuity(
                    f"version {version} of {aggregate} is not the one that was archived as {sequence}",
                    place=place,
                )

    def _check_placed(self, aggregate: str) -> None:
        """That none of its versions lies in the stream under another subject.

        Raises:
            Discontinuity: `stream_subject`.
        """
        book = self.log.book
        with self._database.reading(book) as connection:
            known = connection.execute(
                "SELECT version, sequence, hash FROM ledger.envelope WHERE book = %s AND aggregate = %s"
                " ORDER BY version",
                [book, aggregate],
            ).fetchall()
        there = {one.id for one in self.log.client.run(self.log.read_aggregate(aggregate))}
        for version, sequence, digest in known:
            payload = None if sequence in there else self.log.client.run(self.log.payload_at(sequence))
            if payload is not None and hashlib.sha256(payload).digest() == bytes(digest):
                text = f"the stream keeps version {version} of {aggregate} under another subject than its own"
                raise Discontinuity(text, code="stream_subject", place=f"sequence {sequence}")
