"""Meter readings: one row a run of intervals within a UTC day, as an integer array, and each row's seal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby, pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.integrity.reading_seal import SEALED, key_of, seals
from adapters.postgres import binary_copy as field
from adapters.postgres.database import Connection
from adapters.projections.projection import Projected
from ledger.meter_import import ReadingsRecorded
from ledger.metering.substitution import ReadingsSubstituted
from ledger.readings import Run, unpack

_DAY_S: Final = 86_400
_CUTS_KEPT: Final = 1000
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_RUN: Final = ("book", "meter", "register", "start", "interval_s", "wh", "quality", "sequence")
_SEAL: Final = ("book", "meter", "register", "start", "interval_s", "seals", "sequence")


class Readings:
    """Every received run; which one holds for an interval is decided by the newest sequence."""

    name = "readings"
    tables = ("meter_run", "reading_seal")

    def project(self, connection: Connection, book: str, batch: Sequence[Projected]) -> None:
        """See `Projection.project`."""
        received = [
            (run, item.sequence)
            for item in batch
            for event in item.envelope.events
            if isinstance(event, ReadingsRecorded | ReadingsSubstituted)
            for run in event.runs
        ]
        if not received:
            return
        sealed: list[bytes] = []
        field.load(connection, "meter_run", _RUN, _rows(book, received, sealed))
        field.load(connection, "reading_seal", _SEAL, sealed)


def _rows(book: str, received: Sequence[tuple[Run, int]], sealed: list[bytes]) -> Iterator[bytearray]:
    """The rows of all runs, which are sealed meanwhile: PostgreSQL takes longer for them than we do."""
    for run, sequence in received:
        yield from _day_rows(book, run, sequence)
        sealed.append(_seal_row(book, run, sequence))


class Alike(NamedTuple):
    """Rows of one width that follow each other."""

    rows: slice
    intervals: slice
    width: int


class Days(NamedTuple):
    """Into which rows a run is cut: each one's first interval and start."""

    firsts: tuple[int, ...]
    starts: tuple[datetime, ...]
    starts_us: npt.NDArray[np.int64]
    """Microseconds since 2000."""
    alike: tuple[Alike, ...]


def cut(run: Run) -> Days:
    """A run cut at UTC midnights; an interval that reaches over one stays whole."""
    return _cut(run.start, run.interval_s, run.count)


@lru_cache(_CUTS_KEPT)
def _cut(start: datetime, interval_s: int, count: int) -> Days:
    """Kept, because the meters of a file have the same intervals."""
    start = start.astimezone(UTC)
    firsts, starts = [], []
    position = 0
    while position < count:
        left_s = _DAY_S - (start.hour * 3600 + start.minute * 60 + start.second)
        taken = min(count - position, max(1, left_s // interval_s))
        firsts.append(position)
        starts.append(start)
        start += timedelta(seconds=taken * interval_s)
        position += taken
    elapsed = [one - _EPOCH for one in starts]
    starts_us = np.array([(one.days * _DAY_S + one.seconds) * 1_000_000 for one in elapsed], dtype=np.int64)
    starts_us.flags.writeable = False
    return Days(tuple(firsts), tuple(starts), starts_us, tuple(_alike([*firsts, count])))


def _alike(bounds: list[int]) -> Iterator[Alike]:
    row = 0
    for width, same in groupby(end - first for first, end in pairwise(bounds)):
        end = row + len(list(same))
        yield Alike(slice(row, end), slice(bounds[row], bounds[end]), width)
        row = end


def _seal_row(book: str, run: Run, sequence: int) -> bytes:
    days = cut(run)
    return field.row(
        field.text(book),
        field.text(run.meter),
        field.text(run.register),
        field.timestamptz(days.starts[0]),
        field.int4(run.interval_s),
        field.bytea(_seals(run, sequence, days)),
        field.int8(sequence),
    )


def _seals(run: Run, sequence: int, days: Days) -> bytes:
    found = np.empty(len(days.starts), dtype=SEALED)
    found["start"] = days.starts_us
    key, values = key_of(run.meter, run.register, run.interval_s), unpack(run.wh)
    letters = np.frombuffer(run.quality.encode("ascii"), dtype=np.uint8)
    for rows, intervals, width in days.alike:
        count = rows.stop - rows.start
        each = letters[intervals].reshape(count, width) if len(letters) > 1 else np.tile(letters, (count, 1))
        found["seal"][rows] = seals(
            np.full(count, key),
            days.starts_us[rows],
            np.full(count, sequence, dtype=np.int64),
            values[intervals].reshape(count, width),
            each,
        )
    return found.tobytes()


def _day_rows(book: str, run: Run, sequence: int) -> Iterator[bytearray]:
    """The binary COPY rows of one run: those of one width are a matrix of bytes."""
    days = cut(run)
    head = field.fields(len(_RUN)) + field.text(book) + field.text(run.meter) + field.text(run.register)
    head += field.size(8)
    interval, tail = field.int4(run.interval_s), field.int8(sequence)
    starts, elements = field.int8_values(days.starts_us), field.int4_elements(unpack(run.wh))
    letters = np.frombuffer(run.quality.encode("ascii"), dtype=np.uint8)
    for rows, intervals, width in days.alike:
        count = rows.stop - rows.start
        values = elements[intervals].reshape(count, -1)
        before = interval + field.int4_array_head(width)
        if len(run.quality) == 1:
            yield field.alike(count, head, starts[rows], before, values, field.text(run.quality) + tail)
        else:
            each = letters[intervals].reshape(count, -1)
            yield field.alike(count, head, starts[rows], before, values, field.size(width), each, tail)
