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

from adapters import continuity
from adapters.continuity import Discontinuity
from adapters.integrity import known_damage, position_rows
from adapters.integrity.origin import origin_at
from adapters.integrity.tail import follows_nothing, no_envelope
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
        try:
            return super().insert_events(stored_events)
        except wire.Alien as alien:
            raise _alien(alien.sequence, no_envelope(alien)) from alien

    def look_due(self) -> bool:
        """See `JetStreamApplicationRecorder.look_due`."""
        return self._doubted or time.monotonic() - self._looked > _LOOK_S

    async def insert_each(self, saves: Sequence[Sequence[StoredEvent]]) -> list[list[int] | BaseException]:
        """See `JetStreamApplicationRecorder.insert_each`.

        Who loses a race finds a new version to decide on. Where one is refused at the same version again and
        again nobody races: the stream is looked at.
        """
        outcomes: list[list[int] | BaseException] = [
            _alien(one.sequence, no_envelope(one)) if isinstance(one, wire.Alien) else one
            for one in await super().insert_each(saves)
        ]
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
            Discontinuity: the archive knows more of an aggregate, or another last envelope; or a message is
                no envelope, or does not go on from the one before it.
        """
        before = {name: self.log.known(name) for name in positions}
        try:
            found = super().select_aggregates(positions)
        except wire.Alien as alien:
            raise _alien(alien.sequence, no_envelope(alien)) from alien
        fresh = [name for name, start in positions.items() if start <= 1]
        archived = self._compare({name: found[name] for name in fresh}) if fresh else {}
        for name, events in found.items():
            known = (0, 0) if positions[name] <= 1 else before[name]
            version = known[0] if known is not None and known[1] == positions[name] - 1 else None
            self._check_goes_on(name, events, version, archived.get(name, 0))
        return found

    def _check_goes_on(
        self, name: str, events: Sequence[Notification], version: int | None, archived: int
    ) -> None:
        """That each is the next of its aggregate after `version`, None where that is not known, and each that
        is not `archived` an envelope."""
        digest = "" if version == 0 else None
        for event in events:
            at = event.originator_version
            if version is not None and at != version + 1:
                raise _alien(event.id, follows_nothing(name, at, version))
            payload = wire.pack(self.log.book, event) if at >= archived else b""
            if at > archived:
                try:
                    origin = origin_at(self.log.book, event.id, payload)
                except wire.Alien as alien:
                    raise _alien(event.id, no_envelope(alien)) from alien
                if digest is not None and origin.previous != digest:
                    raise _alien(event.id, follows_nothing(name, at, at - 1))
            version, digest = at, wire.digest(payload)

    async def unarchived(self, aggregates: Collection[str]) -> frozenset[str]:
        """Those of which the archive has nothing: what the stream lost it still has."""
        if not aggregates:
            return frozenset()
        known = await self._database.ask(
            self.log.book,
            "SELECT DISTINCT aggregate FROM ledger.envelope WHERE book = %s AND aggregate = ANY(%s)",
            [self.log.book, list(aggregates)],
        )
        return frozenset(aggregates) - {name for (name,) in known}

    def _compare(self, found: Mapping[str, Sequence[Notification]]) -> dict[str, int]:
        """Answers the last version of each that is archived."""
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
        return {aggregate: version for aggregate, version, _, _ in known}

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


def _alien(sequence: int, what: str) -> Discontinuity:
    return Discontinuity(what, code="stream_alien", place=f"sequence {sequence}")
