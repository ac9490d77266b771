"""Meter readings: one row a run of intervals within a UTC day, as an integer array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, timedelta
from typing import Final

from adapters.postgres import binary_copy as field
from adapters.postgres.database import Connection
from adapters.projections.projection import Projected
from ledger.meter_import import ReadingsRecorded
from ledger.metering.substitution import ReadingsSubstituted
from ledger.readings import Run, unpack

_DAY_S: Final = 86_400
_CHUNK: Final = 1 << 20


class Readings:
    """Every received run; which one holds for an interval is decided by the newest sequence."""

    name = "readings"
    tables = ("meter_run",)

    def project(self, connection: Connection, book: str, batch: Sequence[Projected]) -> None:
        """See `Projection.project`."""
        rows = (
            row
            for item in batch
            for event in item.envelope.events
            if isinstance(event, ReadingsRecorded | ReadingsSubstituted)
            for run in event.runs
            for row in day_rows(book, run, item.sequence)
        )
        first = next(rows, None)
        if first is None:
            return
        with (
            connection.cursor() as cursor,
            cursor.copy(
                "COPY ledger.meter_run (book, meter, register, start, interval_s, wh, quality, sequence)"
                " FROM STDIN (FORMAT binary)"
            ) as copy,
        ):
            waiting = [field.SIGNATURE, first]
            size = 0
            for row in rows:
                waiting.append(row)
                size += len(row)
                if size > _CHUNK:
                    copy.write(b"".join(waiting))
                    waiting, size = [], 0
            copy.write(b"".join([*waiting, field.TRAILER]))


def day_rows(book: str, run: Run, sequence: int) -> Iterator[bytes]:
    """The binary COPY rows of one run, cut at UTC midnights."""
    head = field.text(book) + field.text(run.meter) + field.text(run.register)
    interval = field.int4(run.interval_s)
    tail = field.int8(sequence)
    elements = field.int4_elements(unpack(run.wh))
    count = len(elements) // 8
    same_quality = field.text(run.quality) if len(run.quality) == 1 else None
    start = run.start.astimezone(UTC)
    position = 0
    while position < count:
        left_s = _DAY_S - (start.hour * 3600 + start.minute * 60 + start.second)
        taken = min(count - position, max(1, left_s // run.interval_s))
        end = position + taken
        quality = same_quality or field.text(run.quality[position:end])
        array = field.int4_array(elements[position * 8 : end * 8])
        yield b"\0\x08" + head + field.timestamptz(start) + interval + array + quality + tail
        start += timedelta(seconds=taken * run.interval_s)
        position = end
