"""Meter readings: one row a run of intervals within a UTC day, as an integer array, and each row's seal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from adapters.integrity.reading_seal import seals_of_run
from adapters.postgres import binary_copy as field
from adapters.postgres.database import Connection
from adapters.projections.projection import Projected
from ledger.meter_import import ReadingsRecorded
from ledger.metering.substitution import ReadingsSubstituted
from ledger.readings import Run, unpack

_DAY_S: Final = 86_400
_CHUNK: Final = 1 << 20
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)


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
        with (
            connection.cursor() as cursor,
            cursor.copy(
                "COPY ledger.meter_run (book, meter, register, start, interval_s, wh, quality, sequence)"
                " FROM STDIN (FORMAT binary)"
            ) as copy,
        ):
            waiting = [field.SIGNATURE]
            size = 0
            for run, sequence in received:
                days = cut(run)
                sealed.append(_seal_row(book, run, sequence, days))
                for row in _day_rows(book, run, sequence, days):
                    waiting.append(row)
                    size += len(row)
                if size > _CHUNK:
                    copy.write(b"".join(waiting))
                    waiting, size = [], 0
            copy.write(b"".join([*waiting, field.TRAILER]))
        with (
            connection.cursor() as cursor,
            cursor.copy(
                "COPY ledger.reading_seal (book, meter, register, start, interval_s, seals, sequence)"
                " FROM STDIN (FORMAT binary)"
            ) as copy,
        ):
            copy.write(b"".join([field.SIGNATURE, *sealed, field.TRAILER]))


class Days(NamedTuple):
    """Into which rows a run is cut: each one's first interval and start."""

    firsts: list[int]
    starts: list[datetime]


def cut(run: Run) -> Days:
    """A run cut at UTC midnights; an interval that reaches over one stays whole."""
    start = run.start.astimezone(UTC)
    days = Days([], [])
    position = 0
    while position < run.count:
        left_s = _DAY_S - (start.hour * 3600 + start.minute * 60 + start.second)
        taken = min(run.count - position, max(1, left_s // run.interval_s))
        days.firsts.append(position)
        days.starts.append(start)
        start += timedelta(seconds=taken * run.interval_s)
        position += taken
    return days


def _seal_row(book: str, run: Run, sequence: int, days: Days) -> bytes:
    elapsed = [one - _EPOCH for one in days.starts]
    starts: npt.NDArray[np.int64] = np.array(
        [(one.days * _DAY_S + one.seconds) * 1_000_000 for one in elapsed], dtype=np.int64
    )
    return field.row(
        field.text(book),
        field.text(run.meter),
        field.text(run.register),
        field.timestamptz(days.starts[0]),
        field.int4(run.interval_s),
        field.bytea(seals_of_run(run, sequence, starts, np.array(days.firsts, dtype=np.int64))),
        field.int8(sequence),
    )


def _day_rows(book: str, run: Run, sequence: int, days: Days) -> Iterator[bytes]:
    """The binary COPY rows of one run."""
    head = field.text(book) + field.text(run.meter) + field.text(run.register)
    interval = field.int4(run.interval_s)
    tail = field.int8(sequence)
    elements = field.int4_elements(unpack(run.wh))
    same_quality = field.text(run.quality) if len(run.quality) == 1 else None
    for start, position, end in zip(days.starts, days.firsts, (*days.firsts[1:], run.count), strict=True):
        quality = same_quality or field.text(run.quality[position:end])
        array = field.int4_array(elements[position * 8 : end * 8])
        yield b"\0\x08" + head + field.timestamptz(start) + interval + array + quality + tail
