"""Meter readings one interval at a time, as of a sequence number: what holds, or everything received."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from adapters.postgres.database import Connection
from adapters.queries.meter_month import check_rows
from ledger.interval import Interval
from ledger.readings import FIRM_QUALITIES, REGISTERS, Register

_RECEIVED: Final = (
    "SELECT run.register, run.start + (item.number - 1) * run.interval_s * interval '1 second' AS start,"
    " run.interval_s, item.wh,"
    " substr(run.quality, least(item.number, length(run.quality))::integer, 1) AS quality, run.sequence"
    " FROM ledger.meter_run AS run CROSS JOIN LATERAL unnest(run.wh) WITH ORDINALITY AS item (wh, number)"
    " WHERE run.meter = %(meter)s AND run.sequence <= %(position)s"
    " AND (%(register)s::text IS NULL OR run.register = %(register)s)"
    " AND run.start > %(start)s::timestamptz - interval '1 day' AND run.start < %(end)s"
)
_INSIDE: Final = "WHERE start >= %(start)s AND start < %(end)s"

_CURRENT: Final = (
    f"SELECT DISTINCT ON (register, start) * FROM ({_RECEIVED}) AS received {_INSIDE}"  # noqa: S608
    " AND (register, start) > (%(after_register)s, %(after_start)s)"
    " ORDER BY register, start, quality = ANY(%(firm)s) DESC, sequence DESC LIMIT %(limit)s"
)
_ALL: Final = (
    f"SELECT * FROM ({_RECEIVED}) AS received {_INSIDE}"  # noqa: S608
    " AND (register, start, sequence) > (%(after_register)s, %(after_start)s, %(after_sequence)s)"
    " ORDER BY register, start, sequence LIMIT %(limit)s"
)

Key = tuple[str, datetime, int]
"""Register, start and sequence of a reading."""


class Reading(msgspec.Struct, frozen=True):
    """One interval's energy in Wh (varh of a reactive register), its quality, and the event it came by."""

    register: Register
    start: datetime
    interval_s: int
    wh: int
    quality: str
    sequence: int


def page(
    connection: Connection,
    position: int,
    *,
    meter: str,
    register: Register | None,
    start: datetime,
    end: datetime,
    every_version: bool,
    after: Key,
    limit: int,
) -> list[Reading]:
    """A meter's readings that start in [start, end), by register, start and sequence, after `after`.

    Raises:
        Discontinuity: a row that they are read from was changed, deleted or added.
    """
    rows = connection.execute(
        _ALL if every_version else _CURRENT,
        {
            "meter": meter,
            "position": position,
            "register": register,
            "start": start,
            "end": end,
            "firm": sorted(FIRM_QUALITIES),
            "after_register": after[0],
            "after_start": after[1],
            "after_sequence": after[2],
            "limit": limit,
        },
    )
    found = [Reading(*row) for row in rows]
    last = found[-1] if len(found) == limit else None
    chosen = [
        name
        for name in REGISTERS
        if register in {None, name} and name >= after[0] and (last is None or name <= last.register)
    ]
    if len(chosen) == 1:
        start = max(start, after[1]) if after[0] == chosen[0] else start
        end = end if last is None else min(end, last.start + timedelta(seconds=last.interval_s))
    if chosen and start < end:
        check_rows(connection, meter, chosen, Interval(start, end), position)
    return found
