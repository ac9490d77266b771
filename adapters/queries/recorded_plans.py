"""Plans on record, as of a sequence number: a day's newest, and those that hold at an instant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec
import numpy as np

from adapters.integrity import proven_events
from adapters.mapper import EnvelopeMapper
from adapters.postgres.database import Connection
from dispatch.plan_check import Whole
from dispatch.planning.plan_record import PlanHead, PlanMade, SitePlanned, SitesPlanned, plan_aggregate
from dispatch.planning.planned_blocks import by_interval
from ledger.refusal import Refused

_DAYS_MAX: Final = 8
"""No plan reaches farther than a week beyond the day on which it begins."""
_MAPPER: Final = EnvelopeMapper()
_HEADS: Final = (
    "SELECT version, from_seq, (document->>'parts')::integer FROM ledger.registered"
    " WHERE kind = 'plan' AND id = ANY(%(ids)s) AND from_seq <= %(at)s"
    " AND (from_seq + (document->>'parts')::integer <= %(at)s OR EXISTS (SELECT FROM ledger.envelope"
    " WHERE sequence = from_seq + (document->>'parts')::integer))"
)
"""As of a head's own number its plan is known as soon as the archive has its parts, which the projector may
bring a batch later."""
_START: Final = "(document->>'start')::timestamptz"
_END: Final = (
    f"{_START} + (document->>'count')::integer * (document->>'interval_s')::integer * interval '1 second'"
)
_HOLDING: Final = f"{_HEADS} AND {_START} <= %(instant)s AND {_END} > %(instant)s"
_LEADING: Final = f"{_HEADS} AND {_START} < %(instant)s AND {_END} >= %(instant)s"
_NEWEST: Final = " ORDER BY from_seq DESC LIMIT 1"


class RecordedPlan(msgspec.Struct, frozen=True):
    """The `number`th plan of its day; its sites in the order in which they were planned, with a number for
    each interval throughout.

    `unread`: why it cannot be carried out, empty where it can; it is among the head's notes, and no site has
    regulation then.
    """

    number: int
    sequence: int
    head: PlanHead
    sites: tuple[SitePlanned, ...]
    unread: str = ""

    @property
    def end(self) -> datetime:
        """When its last interval ends."""
        return self.head.start + timedelta(seconds=self.head.interval_s * self.head.count)

    @property
    def name(self) -> str:
        """Its aggregate and number, as other plans refer to it."""
        return f"{plan_aggregate(self.head.portfolio, self.head.day)} v{self.number}"

    def of(self, site: str) -> SitePlanned | None:
        return next((one for one in self.sites if one.site == site), None)

    def at(self, instant: datetime) -> int:
        """How many of its intervals are over at that instant."""
        return int((instant - self.head.start).total_seconds()) // self.head.interval_s

    def setpoints(self) -> dict[str, Whole]:
        return {one.site: np.array(one.setpoint_w, dtype=np.int64) for one in self.sites}


def plan_of_day(connection: Connection, position: int, portfolio: str, day: date) -> RecordedPlan | None:
    """The plan that was made last of those that begin on the local day.

    Raises:
        Discontinuity: an event of it is not what was recorded.
    """
    _, _, name = plan_aggregate(portfolio, day).partition(".")
    return _found(connection, _HEADS + _NEWEST, {"ids": [name], "at": position})


def plan_at(
    connection: Connection, position: int, portfolio: str, instant: datetime, *, leading: bool = False
) -> RecordedPlan | None:
    """The plan made last that covers `instant`; with `leading` of those that begin before it and reach it,
    so that it says what is stored then.

    Raises:
        Discontinuity: an event of it is not what was recorded.
    """
    days = (instant.date() + timedelta(days=offset) for offset in range(-_DAYS_MAX, 2))
    names = [plan_aggregate(portfolio, day).partition(".")[2] for day in days]
    asked = {"ids": names, "at": position, "instant": instant}
    return _found(connection, (_LEADING if leading else _HOLDING) + _NEWEST, asked)


def newest_number(connection: Connection, position: int, portfolio: str, day: date) -> int:
    """How many plans of the day were made."""
    _, _, name = plan_aggregate(portfolio, day).partition(".")
    found = connection.execute(
        "SELECT coalesce(max(version), 0) FROM ledger.registered"
        " WHERE kind = 'plan' AND id = %s AND from_seq <= %s",
        [name, position],
    ).fetchone()
    assert found is not None, "an aggregate answers a row"
    return int(found[0])


def _found(connection: Connection, query: str, asked: dict[str, Any]) -> RecordedPlan | None:
    row = connection.execute(query, asked).fetchone()
    if row is None:
        return None
    number, sequence, parts = row
    # The head and its parts are one save: they follow each other in the stream.
    head: PlanHead | None = None
    sites: list[SitePlanned] = []
    for proven in proven_events.at(connection, range(sequence, sequence + parts + 1)):
        for event in _MAPPER.to_envelope(proven.header.topic, proven.state).events:
            match event:
                case PlanMade():
                    head = event.head
                case SitesPlanned():
                    assert event.number == number, "parts are those of their head"
                    sites += event.sites
                case _:
                    raise AssertionError("a plan is saved by itself")
    assert head is not None, "a plan has a head"
    return _read(number, sequence, head, sites)


def _read(number: int, sequence: int, head: PlanHead, sites: Sequence[SitePlanned]) -> RecordedPlan:
    try:
        return RecordedPlan(number, sequence, head, by_interval(head, sites))
    except Refused as refused:
        unread = f"nobody can carry this plan out ({refused.code}): {refused}"
        bare = tuple(msgspec.structs.replace(one, regulation_w=()) for one in sites)
        noted = msgspec.structs.replace(head, notes=(*head.notes, unread))
        return RecordedPlan(number, sequence, noted, bare, unread)
