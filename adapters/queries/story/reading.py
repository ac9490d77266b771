"""The story of one kWh: what a meter said of an instant, which runs' lines used it, and what was paid."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from adapters.postgres.database import Connection
from adapters.queries.story.after_run import (
    after_runs,
    before_events,
    lines_on,
    lines_text,
    recorded_runs,
    result_of,
)
from adapters.queries.story.entry import Story
from adapters.queries.story.links_of import followed
from adapters.queries.story.posted import posted
from adapters.queries.story.telling import WHOLE, Part, Subject, naming, tell
from ledger.refusal import Refused

_DAY: Final = timedelta(days=1)
"""A row of readings lies within one UTC day."""


def reading(
    connection: Connection,
    position: int,
    meter: str,
    instant: datetime,
    *,
    register: str | None = None,
    part: Part = WHOLE,
) -> Story:
    """Every version of the interval that holds `instant`, and what rests on each.

    Raises:
        Refused: `unknown_meter`; `unknown_reading` where nothing was recorded of the instant.
    """
    rows = connection.execute(
        "SELECT sequence, register, start, interval_s, wh[number], quality FROM ("
        " SELECT *, floor(extract(epoch FROM %(at)s - start) / interval_s)::integer + 1 AS number"
        " FROM ledger.meter_run WHERE meter = %(meter)s AND start > %(from)s AND start <= %(at)s"
        " AND sequence <= %(position)s AND (%(register)s::text IS NULL OR register = %(register)s)"
        ") AS run WHERE number <= cardinality(wh) ORDER BY sequence, register",
        {
            "meter": meter,
            "at": instant,
            "from": instant - _DAY,
            "position": position,
            "register": register,
        },
    ).fetchall()
    if not rows:
        if not naming(connection, position, f"meter.{meter}"):
            raise Refused("unknown_meter", f"no meter {meter!r} is registered", place="meter")
        text = f"no reading of meter {meter} holds {instant.isoformat()}; try another register or instant"
        raise Refused("unknown_reading", text, place="instant")
    notes: dict[int, tuple[str, ...]] = {}
    for sequence, name, start, interval_s, wh, qualities in rows:
        number = int((instant - start).total_seconds()) // interval_s
        quality = qualities if len(qualities) == 1 else qualities[number]
        begins = start + timedelta(seconds=number * interval_s)
        text = f"{name} {wh} Wh in {interval_s} s from {begins:%Y-%m-%dT%H:%MZ}, quality {quality}"
        notes[sequence] = (*notes.get(sequence, ()), text)
    readings = frozenset(notes)
    runs = recorded_runs(connection, position, followed(connection, position, readings, "used_by"))
    for run in runs:
        notes[run.sequence] = (lines_text(lines_on(result_of(connection, run), readings)),)
    used = {run.sequence for run in runs}
    events = readings | before_events(connection, position, readings) | used
    events |= after_runs(connection, position, used)
    return tell(
        connection,
        position,
        Subject(
            name=f"reading {meter} {instant.isoformat()}",
            events=events,
            notes=notes,
            postings=posted(connection, position, events),
        ),
        part,
    )
