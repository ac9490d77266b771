"""A billing month of many meters as one exact matrix, as of a sequence number.

Runs come by binary COPY, many in one row, and are parsed by numpy, all runs of one length at once; only
where received runs overlap are they painted one by one in sequence order, so that the newest holds, and
an estimate never over an actual value.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from psycopg import sql

from adapters.continuity import Discontinuity
from adapters.integrity.reading_events import check_blocks_there
from adapters.integrity.reading_seal import SEALED, key_of, seals
from adapters.postgres.database import Connection
from ledger.interval import Interval
from ledger.readings import FIRM_QUALITIES, Register

MISSING: Final = -1
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_SIGNATURE_BYTES: Final = 19
_HEAD: Final = struct.Struct(">hiiiii")
"""Field count, length and value of the number of intervals and of quality letters, length of what follows."""
_KEYS_A_ROW: Final = 50
_DAY: Final = timedelta(days=1)

_QUERY: Final = sql.SQL(
    "COPY (SELECT cardinality(run.wh), length(run.quality), string_agg("
    " int4send(key.no::integer) || int8send(run.sequence) || timestamptz_send(run.start)"
    " || array_send(run.wh) || textsend(run.quality),"
    " ''::bytea)"
    " FROM unnest({meters}::text[], {registers}::text[]) WITH ORDINALITY AS key (meter, register, no)"
    " CROSS JOIN LATERAL (SELECT one.start, one.wh, one.quality, one.sequence FROM ledger.meter_run AS one"
    " WHERE one.book = {book} AND one.meter = key.meter AND one.register = key.register"
    " AND one.start >= {start} AND one.start < {end}"
    " AND one.interval_s = {interval_s} AND one.sequence <= {position} OFFSET 0) AS run"
    " GROUP BY cardinality(run.wh), length(run.quality), key.no / {keys_a_row}) TO STDOUT (FORMAT binary)"
)
"""Thousands of runs in one field: a COPY row each would cost more than the runs themselves.

OFFSET 0 keeps the key's own part of the index the way in: right after an import PostgreSQL has no statistics
yet, and would read the whole month for one meter.
"""

_SEALS: Final = sql.SQL(
    "COPY (SELECT length(run.seals), string_agg(int4send(key.no::integer) || int8send(run.sequence)"
    " || run.seals, ''::bytea)"
    " FROM unnest({meters}::text[], {registers}::text[]) WITH ORDINALITY AS key (meter, register, no)"
    " CROSS JOIN LATERAL (SELECT one.seals, one.sequence FROM ledger.reading_seal AS one"
    " WHERE one.book = {book} AND one.meter = key.meter AND one.register = key.register"
    " AND one.start >= {start} AND one.start < {end}"
    " AND one.interval_s = {interval_s} AND one.sequence <= {position} OFFSET 0) AS run"
    " GROUP BY length(run.seals), key.no / {keys_a_row}) TO STDOUT (FORMAT binary)"
)
_SEALS_HEAD: Final = struct.Struct(">hiii")
"""Field count, length and value of the seals' length, length of what follows."""
_RUN_DAYS_MAX: Final = timedelta(days=32)
"""A run lies within a UTC month, with room for an interval at its end."""
_HASHED: Final = 2048
"""How many rows are hashed at once: their numbers stay in the processor's cache."""

_FIRM: Final = np.isin(np.arange(256), [ord(letter) for letter in FIRM_QUALITIES])
"""By a quality letter's code, whether no later estimate takes its value's place."""

Key = tuple[str, Register]


class MeterMonth(NamedTuple):
    """`wh[i]` are the intervals of `keys[i]`, MISSING where nothing was read.

    `sequences[i]` are the events that the row rests on, as ascending closed ranges. `quality[i]` are the
    ASCII codes of the quality letters (`ledger.readings.QUALITIES`), 0 where nothing was read.
    """

    keys: tuple[Key, ...]
    wh: npt.NDArray[np.int64]
    sequences: tuple[tuple[tuple[int, int], ...], ...]
    quality: npt.NDArray[np.uint8]

    def row(self, key: Key) -> int:
        return self.keys.index(key)


class Fetched(NamedTuple):
    """Rows of runs and of their seals as PostgreSQL wrote them."""

    runs: list[memoryview]
    seals: list[memoryview]


def load(
    connection: Connection, book: str, keys: Sequence[Key], interval: Interval, interval_s: int, position: int
) -> MeterMonth:
    """The readings of `keys` in `interval`, as the ledger knew them at sequence `position`: just the rows
    that were projected (docs/repair.md).

    Raises:
        Discontinuity: as `fetch` and `read`.
    """
    return read(fetch(connection, book, keys, interval, interval_s, position), keys, interval, interval_s)


def fetch(
    connection: Connection, book: str, keys: Sequence[Key], interval: Interval, interval_s: int, position: int
) -> Fetched:
    """What `read` makes readings of; to fetch it takes hardly more than PostgreSQL's time.

    Raises:
        Discontinuity: as `check_blocks_there`.
    """
    check_blocks_there(connection, book, {meter for meter, _ in keys}, interval, position)
    return _fetch(connection, book, keys, interval, interval_s, position)


def read(fetched: Fetched, keys: Sequence[Key], interval: Interval, interval_s: int) -> MeterMonth:
    """The readings that were fetched of just these keys and times.

    Raises:
        Discontinuity: `row_altered` for a row that was changed, deleted or added since it was projected.
    """
    count = interval.seconds // interval_s
    wh = np.full((len(keys), count), MISSING, dtype=np.int64)
    quality = np.zeros((len(keys), count), dtype=np.uint8)
    batches = _proven(fetched, keys, interval, interval_s)
    _paint(wh, quality, batches)
    return MeterMonth(tuple(keys), wh, _sequences(len(keys), count, batches), quality)


def check_rows(
    connection: Connection, meter: str, registers: Sequence[Register], interval: Interval, position: int
) -> None:
    """Accept the rows of a meter's registers in `interval`, whatever their intervals are: just those that
    were projected.

    Raises:
        Discontinuity: as `load`.
    """
    lengths = connection.execute(
        " UNION ".join(
            f"SELECT interval_s FROM ledger.{table}"  # noqa: S608
            " WHERE book = current_setting('app.book') AND meter = %(meter)s"
            for table in ("meter_run", "reading_seal")
        ),
        {"meter": meter},
    ).fetchall()
    keys = [(meter, register) for register in registers]
    (book,) = connection.execute("SELECT current_setting('app.book')").fetchone() or ("",)
    check_blocks_there(connection, book, [meter], interval, position)
    for (interval_s,) in lengths:
        _proven(_fetch(connection, book, keys, interval, interval_s, position), keys, interval, interval_s)


def _fetch(
    connection: Connection, book: str, keys: Sequence[Key], interval: Interval, interval_s: int, position: int
) -> Fetched:
    asked = {
        "meters": [meter for meter, _ in keys],
        "registers": [register for _, register in keys],
        "book": book,
        "end": interval.end,
        "interval_s": interval_s,
        "position": position,
        "keys_a_row": _KEYS_A_ROW,
    }
    connection.execute("SET LOCAL work_mem = '64MB'")
    runs = _copied(connection, _QUERY.format(**asked, start=interval.start - _DAY))
    seals = _copied(connection, _SEALS.format(**asked, start=interval.start - _DAY - _RUN_DAYS_MAX))
    return Fetched(runs, seals)


def _copied(connection: Connection, query: sql.Composed) -> list[memoryview]:
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        rows = [memoryview(row) for row in copy]
    rows[0] = rows[0][_SIGNATURE_BYTES:]
    return rows


def _proven(fetched: Fetched, keys: Sequence[Key], interval: Interval, interval_s: int) -> list[_Batch]:
    """The rows in `interval`, once their seals were compared."""
    groups: dict[tuple[int, int], list[memoryview]] = defaultdict(list)
    for view in fetched.runs:
        if len(view) > _HEAD.size:
            _, _, length, _, letters, _ = _HEAD.unpack_from(view)
            groups[length, letters].append(view[_HEAD.size :])
    batches = [_parsed(rows, shape, interval.start, interval_s) for shape, rows in groups.items()]
    sealed = _sealed(fetched.seals)
    first, end = (_micros(instant) for instant in (interval.start - _DAY, interval.end))
    _check_seals(keys, interval_s, batches, sealed[(sealed["start"] >= first) & (sealed["start"] < end)])
    return batches


class _Batch(NamedTuple):
    """Runs of one length: key number, sequence, first interval's position, values as they came, and
    one quality letter for all of a run or one for each interval."""

    number: npt.NDArray[np.int64]
    sequence: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    values: npt.NDArray[Any]
    quality: npt.NDArray[np.uint8]
    start: npt.NDArray[np.int64]
    letters: npt.NDArray[np.uint8]
    """As they are stored: one or as many as intervals."""


def _parsed(rows: Sequence[memoryview], shape: tuple[int, int], start: datetime, interval_s: int) -> _Batch:
    length, letters = shape
    layout = np.dtype(
        [
            ("number", ">i4"), ("sequence", ">i8"), ("start", ">i8"), ("head", ">i4", (5,)),
            ("wh", ">i4", (length, 2)), ("quality", "u1", (letters,)),
        ]
    )  # fmt: skip
    table: npt.NDArray[Any] = np.frombuffer(b"".join(rows), dtype=layout)
    assert (table["head"][:, 3] == length).all(), "an array of another length"
    starts = table["start"].astype(np.int64)
    return _Batch(
        table["number"].astype(np.int64) - 1,
        table["sequence"].astype(np.int64),
        (starts - _micros(start)) // (interval_s * 1_000_000),
        table["wh"][:, :, 1],
        np.broadcast_to(table["quality"], (len(table), length)),
        starts,
        table["quality"],
    )


def _micros(instant: datetime) -> int:
    """As PostgreSQL counts."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


_ROW: Final = np.dtype([("number", "i8"), ("sequence", "i8"), ("start", "i8"), ("seal", "u8")])


def _sealed(seals: Sequence[memoryview]) -> npt.NDArray[Any]:
    """The rows that were projected, each with its seal."""
    groups: dict[int, list[memoryview]] = defaultdict(list)
    for view in seals:
        if len(view) > _SEALS_HEAD.size:
            _, _, length, _ = _SEALS_HEAD.unpack_from(view)
            groups[length].append(view[_SEALS_HEAD.size :])
    found = []
    for length, rows in groups.items():
        layout = np.dtype(
            [("number", ">i4"), ("sequence", ">i8"), ("rows", SEALED, (length // SEALED.itemsize,))]
        )
        table: npt.NDArray[Any] = np.frombuffer(b"".join(rows), dtype=layout)
        made = np.empty(table["rows"].shape, dtype=_ROW)
        made["number"] = table["number"][:, None] - 1
        made["sequence"] = table["sequence"][:, None]
        made["start"], made["seal"] = table["rows"]["start"], table["rows"]["seal"]
        found.append(made.ravel())
    return np.concatenate(found) if found else np.empty(0, dtype=_ROW)


def _check_seals(
    keys: Sequence[Key], interval_s: int, batches: Sequence[_Batch], sealed: npt.NDArray[Any]
) -> None:
    """Raises:
    Discontinuity: `row_altered`, naming the first row that is not what was sealed, or is missing."""
    of_key = np.array([key_of(*key, interval_s) for key in keys], dtype=np.uint64)
    found = [_with_seals(of_key, batch) for batch in batches]
    same = sum(map(len, found)) == len(sealed)
    if same and sum(int(one["seal"].sum()) for one in found) % _TWO_64 == int(sealed["seal"].sum()):
        return
    held = {one for rows in found for one in rows.tolist()}
    off = held.symmetric_difference(sealed.tolist())
    assert off, "other sums are of other rows"
    number, sequence, start, _ = min(off, key=lambda row: row[1:3])
    meter, register = keys[number]
    at = (_EPOCH + timedelta(microseconds=start)).strftime("%Y-%m-%dT%H:%MZ")
    raise Discontinuity(
        "the row is not the one that was projected, is missing or was added",
        code="row_altered",
        place=f"table meter_run, meter {meter}, register {register}, start {at}, sequence {sequence}",
    )


_TWO_64: Final = 1 << 64


def _with_seals(of_key: npt.NDArray[np.uint64], batch: _Batch) -> npt.NDArray[Any]:
    made = np.empty(len(batch.number), dtype=_ROW)
    made["number"], made["sequence"], made["start"] = batch.number, batch.sequence, batch.start
    for first in range(0, len(made), _HASHED):
        some = slice(first, first + _HASHED)
        made["seal"][some] = seals(
            of_key[batch.number[some]],
            batch.start[some],
            batch.sequence[some],
            batch.values[some],
            batch.letters[some],
        )
    return made


def _paint(wh: npt.NDArray[np.int64], quality: npt.NDArray[np.uint8], batches: Sequence[_Batch]) -> None:
    placed = np.zeros(len(wh), dtype=np.int64)
    for batch in batches:
        length = batch.values.shape[1]
        inside = (batch.offset >= 0) & (batch.offset + length <= wh.shape[1])
        if inside.any():
            at = batch.number[inside], batch.offset[inside]
            sliding_window_view(wh, length, axis=1, writeable=True)[at] = batch.values[inside]
            sliding_window_view(quality, length, axis=1, writeable=True)[at] = batch.letters[inside]
            placed += length * np.bincount(at[0], minlength=len(wh))
        for offset in np.unique(batch.offset[~inside]).tolist():
            rows = batch.offset == offset
            begin, end = max(offset, 0), min(offset + length, wh.shape[1])
            if begin < end:
                wh[batch.number[rows], begin:end] = batch.values[rows, begin - offset : end - offset]
                letters = batch.quality[rows, begin - offset : end - offset]
                quality[batch.number[rows], begin:end] = letters
                np.add.at(placed, batch.number[rows], end - begin)
    overlapped = placed != np.count_nonzero(wh != MISSING, axis=1)
    if not overlapped.any():
        return
    wh[overlapped], quality[overlapped] = MISSING, 0
    pieces = [
        (
            int(batch.sequence[i]),
            int(batch.number[i]),
            int(batch.offset[i]),
            batch.values[i],
            batch.quality[i],
        )
        for batch in batches
        for i in np.flatnonzero(overlapped[batch.number]).tolist()
    ]
    for _, number, offset, values, letters in sorted(pieces, key=lambda piece: piece[:3]):
        begin = max(offset, 0)
        end = min(offset + len(values), wh.shape[1])
        if begin < end:
            new = letters[begin - offset : end - offset]
            held = quality[number, begin:end]
            holds = _FIRM[new] | ~_FIRM[held]
            np.copyto(wh[number, begin:end], values[begin - offset : end - offset], where=holds)
            np.copyto(held, new, where=holds)


def _sequences(keys: int, count: int, batches: Sequence[_Batch]) -> tuple[tuple[tuple[int, int], ...], ...]:
    """For each row the events that it rests on."""
    found: list[list[tuple[int, int]]] = [[] for _ in range(keys)]
    inside = [(batch.offset < count) & (batch.offset + batch.values.shape[1] > 0) for batch in batches]
    if any(rows.any() for rows in inside):
        number = np.concatenate([batch.number[rows] for batch, rows in zip(batches, inside, strict=True)])
        sequence = np.concatenate([batch.sequence[rows] for batch, rows in zip(batches, inside, strict=True)])
        order = np.lexsort((sequence, number))
        number, sequence = number[order], sequence[order]
        begins = np.ones(len(order), dtype=bool)
        begins[1:] = (number[1:] != number[:-1]) | (sequence[1:] > sequence[:-1] + 1)
        first = np.flatnonzero(begins)
        last = np.append(first[1:], len(order)) - 1
        found_in = zip(number[first].tolist(), sequence[first].tolist(), sequence[last].tolist(), strict=True)
        for row, begin, end in found_in:
            found[row].append((begin, end))
    return tuple(map(tuple, found))
