"""A billing month of many meters as one exact matrix, as of a sequence number.

Rows come by binary COPY and are parsed by numpy, all rows of one length at once; only where received
runs overlap are they painted one by one in sequence order, so that the newest holds.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from psycopg import sql

from adapters.postgres.database import Connection
from ledger.interval import Interval
from ledger.readings import Register

MISSING: Final = -1
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_SIGNATURE_BYTES: Final = 19
_TRAILER_BYTES: Final = 2
_PREFIX: Final = struct.Struct(">hiiiqiqi")
"""Field count, length and number of the key, length and sequence, length and start, length of the array."""
_DAY: Final = timedelta(days=1)

_QUERY: Final = sql.SQL(
    "COPY (SELECT key.no::integer, run.sequence, run.start, run.wh"
    " FROM unnest({meters}::text[], {registers}::text[]) WITH ORDINALITY AS key (meter, register, no)"
    " JOIN ledger.meter_run AS run ON run.meter = key.meter AND run.register = key.register"
    " WHERE run.book = {book} AND run.start >= {start} AND run.start < {end}"
    " AND run.interval_s = {interval_s} AND run.sequence <= {position}) TO STDOUT (FORMAT binary)"
)

Key = tuple[str, Register]
Buffer = bytes | bytearray | memoryview


class MeterMonth(NamedTuple):
    """`wh[i]` are the intervals of `keys[i]`, MISSING where nothing was read.

    `sequences[i]` are the events that the row rests on, as ascending closed ranges.
    """

    keys: tuple[Key, ...]
    wh: npt.NDArray[np.int64]
    sequences: tuple[tuple[tuple[int, int], ...], ...]

    def row(self, key: Key) -> int:
        return self.keys.index(key)


def load(
    connection: Connection, book: str, keys: Sequence[Key], interval: Interval, interval_s: int, position: int
) -> MeterMonth:
    """The readings of `keys` in `interval`, as the ledger knew them at sequence `position`."""
    count = interval.seconds // interval_s
    wh = np.full((len(keys), count), MISSING, dtype=np.int64)
    groups: dict[int, list[Buffer]] = defaultdict(list)
    query = _QUERY.format(
        meters=[meter for meter, _ in keys],
        registers=[register for _, register in keys],
        book=book,
        start=interval.start - _DAY,
        end=interval.end,
        interval_s=interval_s,
        position=position,
    )
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        rows = iter(copy)
        groups[len(begun := next(rows)) - _SIGNATURE_BYTES].append(begun[_SIGNATURE_BYTES:])
        for row in rows:
            groups[len(row)].append(row)
        groups.pop(_TRAILER_BYTES, None)
    batches = [_parsed(rows, length, interval.start, interval_s) for length, rows in groups.items()]
    _paint(wh, batches)
    return MeterMonth(tuple(keys), wh, _sequences(len(keys), count, batches))


class _Batch(NamedTuple):
    """Rows of one length: key number, sequence, first interval's position, values as they came."""

    number: npt.NDArray[np.int64]
    sequence: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    values: npt.NDArray[Any]


def _parsed(rows: Sequence[Buffer], length: int, start: datetime, interval_s: int) -> _Batch:
    values = (length - _PREFIX.size - 20) // 8
    layout = np.dtype(
        [
            ("fields", ">i2"), ("l1", ">i4"), ("number", ">i4"), ("l2", ">i4"), ("sequence", ">i8"),
            ("l3", ">i4"), ("start", ">i8"), ("l4", ">i4"), ("head", ">i4", (5,)), ("wh", ">i4", (values, 2)),
        ]
    )  # fmt: skip
    table: npt.NDArray[Any] = np.frombuffer(b"".join(rows), dtype=layout)
    assert (table["head"][:, 3] == values).all(), "an array of another length"
    micros = (start - _EPOCH) // timedelta(microseconds=1)
    return _Batch(
        table["number"].astype(np.int64) - 1,
        table["sequence"].astype(np.int64),
        (table["start"].astype(np.int64) - micros) // (interval_s * 1_000_000),
        table["wh"][:, :, 1],
    )


def _paint(wh: npt.NDArray[np.int64], batches: Sequence[_Batch]) -> None:
    placed = 0
    for batch in batches:
        length = batch.values.shape[1]
        for offset in np.unique(batch.offset).tolist():
            rows = batch.offset == offset
            begin, end = max(offset, 0), min(offset + length, wh.shape[1])
            if begin < end:
                wh[batch.number[rows], begin:end] = batch.values[rows, begin - offset : end - offset]
                placed += int(rows.sum()) * (end - begin)
    if placed == int((wh != MISSING).sum()):
        return
    pieces = [
        (int(batch.sequence[i]), int(batch.number[i]), int(batch.offset[i]), batch.values[i])
        for batch in batches
        for i in range(len(batch.sequence))
    ]
    for _, number, offset, values in sorted(pieces, key=lambda piece: piece[:3]):
        begin = max(offset, 0)
        end = min(offset + len(values), wh.shape[1])
        if begin < end:
            wh[number, begin:end] = values[begin - offset : end - offset]


def _sequences(keys: int, count: int, batches: Sequence[_Batch]) -> tuple[tuple[tuple[int, int], ...], ...]:
    found: list[set[int]] = [set() for _ in range(keys)]
    for batch in batches:
        inside = (batch.offset < count) & (batch.offset + batch.values.shape[1] > 0)
        pairs = np.unique(np.stack([batch.number[inside], batch.sequence[inside]], axis=1), axis=0)
        for number, sequence in pairs.tolist():
            found[number].add(sequence)
    return tuple(ranges(sequences) for sequences in found)


def ranges(sequences: set[int]) -> tuple[tuple[int, int], ...]:
    """Ascending closed ranges of consecutive numbers.

    >>> ranges({7, 3, 4, 5})
    ((3, 5), (7, 7))
    """
    found: list[tuple[int, int]] = []
    for number in sorted(sequences):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return tuple(found)
