"""The desk's messages read out of the archive, in the book's order and as often as wanted.

What is told was projected before, by every projection: whoever hears of a bid can read it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final, NamedTuple

import psycopg
from psycopg_pool import PoolTimeout

from adapters.integrity.published import ARCHIVED, Archived
from adapters.live.message import DayNotCovered, LiveMessage
from adapters.live.told import AGGREGATES, BidPlace, KnownBids, bids_named, days_unchecked, messages_of
from adapters.mapper import EnvelopeMapper
from adapters.nats import wire
from adapters.postgres.database import Connection, Database
from adapters.projections.projection import Projected
from adapters.queries.registered import Register, load
from adapters.queries.unit_day import unit_day
from adapters.settling import Behind, lowest_position
from trading.envelope import SLOT_S, EnvelopeStated
from trading.product import Market

ENVELOPES_MAX: Final = 500
"""The most that one page tells of."""
WINDOW: Final = 20_000
"""How much of the book one page looks through: most of it is meters'."""
PASSING: Final = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, Behind)
"""What PostgreSQL or the projector that is away or coming back answers with: asked again."""

_OURS: Final = f"^({'|'.join(AGGREGATES)})\\."


class Page(NamedTuple):
    """What is told after some sequence, up to and with `reached`; `level` when there is no more yet."""

    messages: list[LiveMessage]
    reached: int
    level: bool


class LiveArchive:
    """One book's messages."""

    def __init__(self, database: Database, book: str) -> None:
        self.database = database
        self.book = book
        self._mapper = EnvelopeMapper()

    def position(self) -> int:
        """Up to which sequence anything can be told by now.

        Raises:
            Behind, psycopg.OperationalError: not to be known now.
        """
        with self.database.reading(self.book) as connection:
            return lowest_position(connection)

    def after(self, sequence: int) -> Page:
        """The messages that follow `sequence`.

        Raises:
            Discontinuity: the archive is not what was recorded.
            Behind, psycopg.OperationalError: not to be known now.
        """
        with self.database.reading(self.book) as connection:
            last = lowest_position(connection)
            if sequence >= last:
                return Page([], sequence, level=True)
            until = min(sequence + WINDOW, last)
            rows = connection.execute(
                f"{ARCHIVED} WHERE e.book = %s AND e.sequence > %s AND e.sequence <= %s AND e.aggregate ~ %s"
                " ORDER BY e.sequence LIMIT %s",
                [self.book, sequence, until, _OURS, ENVELOPES_MAX],
            ).fetchall()
            items = [self._decoded(Archived(*row)) for row in rows]
            bids = _known(connection, items)
        if len(items) == ENVELOPES_MAX:
            until = items[-1].sequence
        found = [message for item in items for message in messages_of(self.book, item, bids)]
        return Page(found, until, level=until == last)

    def markets(self) -> Register[Market]:
        """Every version of every market."""
        with self.database.reading(self.book) as connection:
            return load(connection, "market", Market, lowest_position(connection))

    def _decoded(self, row: Archived) -> Projected:
        payload = row.checked()
        header = wire.header_of(payload)
        envelope = self._mapper.to_envelope(header.topic, wire.state_of(payload))
        at = envelope.recorded_at
        return Projected(row.sequence, row.aggregate, header.version, row.hash, payload, envelope, at)


def _known(connection: Connection, items: list[Projected]) -> KnownBids:
    rows = connection.execute(
        "SELECT id, from_seq, unit, market, product, day, status FROM ledger.bid WHERE id = ANY(%s)",
        [sorted(bids_named(items))],
    )
    places: dict[str, BidPlace] = {}
    statuses: dict[tuple[str, int], str] = {}
    for name, sequence, unit, market, product, day, status in rows:
        places[name] = BidPlace(unit, market, product, day)
        statuses[name, sequence] = status
    not_covered: dict[int, tuple[str, ...]] = {}
    for sequence, unit, day in days_unchecked(items):
        short = unit_day(connection, sequence, unit, day).short
        if short is not None:
            not_covered[sequence] = short.beside
    days = {item.sequence: found for item in items if (found := tuple(_days_not_covered(connection, item)))}
    return KnownBids(places, statuses, not_covered, days)


def _days_not_covered(connection: Connection, item: Projected) -> Iterator[DayNotCovered]:
    """Days for which a standing envelope was stated, not over when it was, that it does not cover."""
    for event in item.envelope.events:
        if not isinstance(event, EnvelopeStated):
            continue
        now = item.envelope.recorded_at
        days = connection.execute(
            "SELECT DISTINCT day FROM ledger.bid WHERE day >= %s AND from_seq <= %s ORDER BY day",
            [now.date() - timedelta(days=1), item.sequence],
        ).fetchall()
        for (day,) in days:
            found = unit_day(connection, item.sequence, item.aggregate.partition(".")[2], day)
            over = found.starts + timedelta(seconds=found.slots * SLOT_S) <= now
            if found.short is None or found.stated != "standing" or over:
                continue
            if event.period.contains(found.starts):
                yield DayNotCovered(day, found.short.beside)
