"""Every archived block of a meter's readings has its rows: one gone together with its seals is missed.

Of a block the archive's index tells the meter and the UTC month; none is decoded unless it has no rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
from psycopg import sql

from adapters.integrity import proven_events
from adapters.integrity.proven_events import Proven, doubt
from adapters.integrity.reading_seal import seals_of_run
from adapters.mapper import EnvelopeMapper
from adapters.postgres.database import Connection
from adapters.projections.readings import cut
from ledger.interval import YEAR_MAX, YEAR_MIN, Instant, Interval, Month
from ledger.meter_import import ReadingsRecorded
from ledger.metering.substitution import ReadingsSubstituted
from ledger.settlement.inputs import Part
from ledger.settlement.result import Result

_DAY: Final = timedelta(days=1)
_TICK: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST: Final = datetime(YEAR_MIN, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(YEAR_MAX, 12, 31, tzinfo=UTC)
_MAPPER: Final = EnvelopeMapper()
_BLOCKS: Final = sql.SQL(
    "SELECT e.aggregate, e.version, e.sequence FROM unnest({names}::text[]) AS named (aggregate)"
    " CROSS JOIN LATERAL (SELECT one.aggregate, one.version, one.sequence FROM ledger.envelope AS one"
    " WHERE one.book = {book} AND one.aggregate = named.aggregate AND one.sequence <= {position}"
    " OFFSET 0) AS e"
)
_UNKEPT: Final = sql.SQL(
    "WITH block AS MATERIALIZED ({blocks})"
    " SELECT aggregate, NULL, max(version) FROM block GROUP BY aggregate HAVING count(*) <> max(version)"
    " UNION ALL SELECT aggregate, block.sequence, version FROM block"
    " WHERE block.sequence NOT IN (SELECT seal.sequence FROM unnest({meters}::text[]) AS named (meter)"
    " CROSS JOIN LATERAL (SELECT one.sequence FROM ledger.reading_seal AS one WHERE one.book = {book}"
    " AND one.meter = named.meter AND one.sequence <= {position}"
    " AND one.start >= {start} AND one.start < {end} OFFSET 0) AS seal) ORDER BY 1, 2 NULLS FIRST"
)
"""NOT IN hashes what it looks into; OFFSET 0 keeps the key the way in (adapters/queries/meter_month.py)."""


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
    after = months[-1].next()
    named = sorted(set(meters))
    asked = {
        "names": [f"readings.{meter}_{month}" for meter in named for month in months],
        "meters": named,
        "book": book,
        "position": position,
        "start": datetime(months[0].year, months[0].month, 1, tzinfo=UTC),
        "end": datetime(after.year, after.month, 1, tzinfo=UTC),
    }
    rows = connection.execute(_UNKEPT.format(blocks=_BLOCKS.format(**asked), **asked)).fetchall()
    for aggregate, sequence, version in rows:
        if sequence is None:
            text = f"the archive has not all of its {version} versions"
            raise doubt("archive_missing", f"table envelope, {aggregate}", text)
        (event,) = proven_events.at(connection, [sequence])
        recorded = _MAPPER.to_envelope(event.header.topic, event.state).events
        if any(isinstance(one, ReadingsRecorded | ReadingsSubstituted) and one.runs for one in recorded):
            place = f"table meter_run, {aggregate}, sequence {sequence}"
            raise doubt("row_altered", place, "the rows of these readings are gone")


def check_corrected(
    connection: Connection, book: str, result: Result, then: Mapping[Part, str], position: int
) -> None:
    """Accept what a correction is about to be recorded from: where its readings are others than those of the
    run before, which had the digests `then`, all blocks of its meters' months are compared with their events.

    A row that was altered together with its seal is so never recorded as a correction.

    Raises:
        Discontinuity: `row_altered`; `archive_missing`, `archive_altered` or `tree_altered`.
    """
    if result.inputs.get("meter") == then.get("meter"):
        return
    sequences = [
        sequence
        for source in result.sources
        if source.aggregate.startswith("readings.")
        for first, last in source.sequences
        for sequence in range(first, last + 1)
    ]
    named = {one.header.aggregate for one in proven_events.at(connection, set(sequences))}
    right: set[_SealRow] = set()
    events: list[int] = []
    for event in proven_events.of_aggregates(connection, named, position):
        events.append(event.sequence)
        right.update(_seal_rows(event))
    kept = {
        _SealRow(row[0], row[1], row[2], row[3], bytes(row[4]), row[5])
        for row in connection.execute(
            "SELECT meter, register, start, interval_s, seals, sequence FROM ledger.reading_seal"
            " WHERE book = %s AND meter = ANY(%s) AND sequence = ANY(%s)",
            [book, sorted({row.meter for row in right}), sorted({*sequences, *events})],
        )
    }
    for row in sorted(right ^ kept, key=lambda one: (one.sequence, one.register, one.start))[:1]:
        place = f"table meter_run, meter {row.meter}, register {row.register}, sequence {row.sequence}"
        raise doubt("row_altered", place, "the readings are not those that their event recorded")


class _SealRow(NamedTuple):
    meter: str
    register: str
    start: Instant
    interval_s: int
    seals: bytes
    sequence: int


def _seal_rows(event: Proven) -> Iterator[_SealRow]:
    """As the projection writes them."""
    for one in _MAPPER.to_envelope(event.header.topic, event.state).events:
        if isinstance(one, ReadingsRecorded | ReadingsSubstituted):
            for run in one.runs:
                days = cut(run)
                starts = np.array([(start - _EPOCH) // _TICK for start in days.starts], dtype=np.int64)
                sealed = seals_of_run(run, event.sequence, starts, np.array(days.firsts, dtype=np.int64))
                yield _SealRow(
                    run.meter, run.register, days.starts[0], run.interval_s, sealed, event.sequence
                )


def _months(start: Instant, end: Instant) -> Iterator[Month]:
    """The UTC months that [start, end) touches, of those in which there can be readings."""
    month = Month.of(max(start, _FIRST).astimezone(UTC).date())
    last = Month.of(min(end.astimezone(UTC) - _TICK, _LAST).date())
    while month < last:
        yield month
        month = month.next()
    yield last
