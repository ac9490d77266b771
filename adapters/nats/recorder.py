"""The `eventsourcing` library's recorder interfaces over a book's stream.

Its conformance suites run against these classes unmodified: one stored event is one message, and a
notification id is the stream sequence.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    Notification,
    StoredEvent,
    Subscription,
)

from adapters.nats import wire
from adapters.nats.log import Log
from adapters.nats.pull import Pull

_WAIT_SECONDS: Final = 0.5


class JetStreamAggregateRecorder(AggregateRecorder):
    """Events by aggregate."""

    def __init__(self, log: Log) -> None:
        self.log = log

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """Store all or none; see `Log.append` for what it raises."""
        self._insert(stored_events)
        return None

    def _insert(self, stored_events: Sequence[StoredEvent]) -> list[int]:
        if not stored_events:
            return []
        return self.log.client.run(self.log.append(stored_events))

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The aggregate's events with gt < version <= lte, ascending unless `desc`."""
        events: list[StoredEvent] = [
            StoredEvent(n.originator_id, n.originator_version, n.topic, n.state)
            for n in self.select_aggregate(originator_id, gt=gt, lte=lte)
        ]
        if desc:
            events.reverse()
        return events[:limit]

    def select_aggregate(
        self, originator_id: UUID | str, *, gt: int | None = None, lte: int | None = None
    ) -> list[Notification]:
        """As `select_events`, with each event's stream sequence as its id."""
        aggregate = wire.aggregate_name(originator_id)
        return self.log.client.run(self.log.read_aggregate(aggregate, gt=gt, lte=lte))

    def select_aggregates(self, positions: Mapping[str, int]) -> dict[str, list[Notification]]:
        """For each aggregate, its events from the given stream sequence on; read side by side."""
        return self.log.client.run(self.log.read_aggregates(positions))

    async def unarchived(self, aggregates: Collection[str]) -> frozenset[str]:
        """Which of these an archive is asked about and does not know; none where there is no archive."""
        del aggregates
        return frozenset()


class JetStreamApplicationRecorder(JetStreamAggregateRecorder, ApplicationRecorder):
    """Events by aggregate, and all events of the book in one order."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int]:
        """Store all or none; the answer is each one's sequence."""
        return self._insert(stored_events)

    async def insert_each(self, saves: Sequence[Sequence[StoredEvent]]) -> list[list[int] | BaseException]:
        """Store several saves side by side, each all or none; for each its sequences or why it was not.

        Once `look_due` said that nothing is to be looked at first.
        """
        return await self.log.append_each(saves)

    def look_due(self) -> bool:
        """Whether `look` comes before the next `insert_each`; never where nothing is checked."""
        return False

    def look(self) -> None:
        """Check what is written to; it blocks."""

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """At most `limit` events from `start` to `stop`, of the `topics` if any are named."""
        position = (start or 0) + (0 if inclusive_of_start else 1)
        found: list[Notification] = []
        while len(found) < limit:
            want = limit if not topics else max(limit, 1000)
            page = self.log.client.run(self.log.read(position, want))
            found.extend(
                n for n in page if (stop is None or n.id <= stop) and (not topics or n.topic in topics)
            )
            if len(page) < want or (stop is not None and page[-1].id >= stop):
                break
            position = page[-1].id + 1
        return found[:limit]

    def max_notification_id(self) -> int | None:
        """The book's last sequence, or None while it is empty."""
        return self.log.client.run(self.log.last_sequence()) or None

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        """All events after sequence `gt`, then new ones as they are stored."""
        return JetStreamSubscription(self, gt=gt, topics=topics)


class JetStreamSubscription(Subscription[JetStreamApplicationRecorder]):
    """Iterates over the book by raw pull; blocks at its end until more is stored or `stop` is called."""

    def __init__(
        self, recorder: JetStreamApplicationRecorder, gt: int | None = None, topics: Sequence[str] = ()
    ) -> None:
        super().__init__(recorder, gt, topics)
        self._pull = Pull(recorder.log.client, recorder.log.book, (gt or 0) + 1)
        self._waiting: deque[Notification] = deque()

    def __exit__(self, *args: object, **kwargs: Any) -> None:
        super().__exit__(*args, **kwargs)
        self._pull.close()

    def __next__(self) -> Notification:
        """The next event of the topics asked for.

        Raises:
            StopIteration: the subscription was stopped.
        """
        while not self._has_been_stopped:
            if self._waiting:
                return self._waiting.popleft()
            for pulled in self._pull.batch(_WAIT_SECONDS):
                event = wire.unpack(pulled.payload)
                if not self._topics or event.topic in self._topics:
                    self._waiting.append(
                        Notification(
                            event.originator_id,
                            event.originator_version,
                            event.topic,
                            event.state,
                            id=pulled.sequence,
                        )
                    )
        raise StopIteration
