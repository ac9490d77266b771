"""Every archived block of a meter's readings has its rows: one that is gone together with its seals is missed.

Of a block the archive's index tells the meter and the UTC month; none is decoded unless it has no rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from psycopg import sql

from adapters.integrity import proven_events
from adapters.integrity.proven_events import doubt
from adapters.mapper import EnvelopeMapper
from adapters.postgres.database import Connection
from ledger.interval import YEAR_MAX, YEAR_MIN, Instant, Interval, Month
from ledger.meter_import import ReadingsRecorded
from ledger.metering.substitution import ReadingsSubstituted

_DAY: Final = timedelta(days=1)
_TICK: Final = timedelta(microseconds=1)
_FIRST: Final = datetime(YEAR_MIN, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(YEAR_MAX, 12, 31, tzinfo=UTC)
_MAPPER: Final = EnvelopeMapper()
_BLOCKS: Final = sql.SQL(
    "SELECT e.aggregate, e.version, e.sequence FROM unnest({names}::text[]) AS named (aggregate)"
    " CROSS JOIN LATERAL (SELECT one.aggregate, one.version, one.sequence FROM ledger.envelope AS one"
    " WHERE one.book = {book} AND one.aggregate = named.aggregate AND one.sequence <= {position} OFFSET 0) AS e"
)
_UNKEPT: Final = sql.SQL(
    "WITH block AS MATERIALIZED ({blocks})"
    " SELECT aggregate, NULL, max(version) FROM block GROUP BY aggregate HAVING count(*) <> max(version)"
    " UNION ALL SELECT aggregate, block.sequence, version FROM block"
    " WHERE block.sequence NOT IN (SELECT seal.sequence FROM unnest({meters}::text[]) AS named (meter)"
    " CROSS JOIN LATERAL (SELECT one.sequence FROM ledger.reading_seal AS one WHERE one.book = {book}"
    " AND one.meter = named.meter AND one.sequence <= {position} AND one.start >= {start} AND one.start < {end}"
    " OFFSET 0) AS seal) ORDER BY 1, 2 NULLS FIRST"
)
"""NOT IN hashes what it looks into; OFFSET 0 keeps the key the way in, as in adapters/queries/meter_month.py."""


def check_blocks_there(
    connection: Connection, book: str, meters: Collection[str], interval: Interval, position: int
) -> None:
    """Accept the rows of readings of the UTC months around `interval`: each recorded block has some.

    That a block's rows are all there their seals say.

    Raises:
        Discontinuity: `row_altered` for a block without rows; `archive_missing` for a gap between the blocks'
            versions; `archive_altered` or `tree_altered`.
    """
    months = list(_months(interval.start - _DAY, interval.end))
    named = sorted(set(meters))
    asked = {
        "names": [f"readings.{meter}_{month}" for meter in named for month in months],
        "meters": named,
        "book": book,
        "position": position,
        "start": months[0].interval(UTC).start,
        "end": months[-1].interval(UTC).end,
    }
    rows = connection.execute(_UNKEPT.format(blocks=_BLOCKS.format(**asked), **asked)).fetchall()
    for aggregate, sequence, version in rows:
        if sequence is None:
            text = f"the archive has not all of its {version} versions"
            raise doubt("archive_missing", aggregate, text)
        (event,) = proven_events.at(connection, [sequence])
        recorded = _MAPPER.to_envelope(event.header.topic, event.state).events
        if any(isinstance(one, ReadingsRecorded | ReadingsSubstituted) and one.runs for one in recorded):
            place = f"table meter_run, {aggregate}, sequence {sequence}"
            raise doubt("row_altered", place, "the rows of these readings are gone")


def _months(start: Instant, end: Instant) -> Iterator[Month]:
    """The UTC months that [start, end) touches, of those in which there can be readings."""
    month = Month.of(max(start, _FIRST).astimezone(UTC).date())
    last = Month.of(min(end.astimezone(UTC) - _TICK, _LAST).date())
    while month < last:
        yield month
        month = month.next()
    yield last
