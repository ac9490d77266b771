"""A trading unit's statement of a month: what its sites were allocated, and the operator's line."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from adapters.postgres.database import Connection
from adapters.queries.unit_changes import Stored, outdated
from adapters.queries.unit_facts import allocations, statements, units
from ledger.allocation.unit_allocation import UnitAllocation
from ledger.interval import Interval, Month, zone_of
from ledger.refusal import Refused

_DAY: Final = timedelta(days=1)


class UnitLine(msgspec.Struct, frozen=True):
    """One statement of the market as it was shared out.

    `current` is False when anything that its shares follow from changed since; `changed` says what.
    """

    version: int
    sequence: int
    current: bool
    changed: str
    allocation: UnitAllocation


class UnitStatement(msgspec.Struct, frozen=True):
    """All of a unit's month; `waiting` are statements of the market that nobody has shared out yet."""

    unit: str
    unit_code: str
    month: Month
    lines: tuple[UnitLine, ...]
    waiting: tuple[str, ...]


def unit_statement(
    connection: Connection, book: str, position: int, unit: str, month: Month
) -> UnitStatement:
    """The month is the one in which a statement's time begins, in the unit's zone.

    Raises:
        Refused: `unknown_trading_unit`.
    """
    everything = units(connection, position)
    known = everything.get(unit)
    if known is None:
        raise Refused("unknown_trading_unit", f"no trading_unit {unit!r} is registered", place="name")
    latest = known.history.latest.document
    own = month.interval(zone_of(latest.zone))
    near = Interval(own.start - _DAY, own.end + _DAY)
    facts = [
        one.fact
        for one in statements(connection, near, position)
        if one.fact.unit == unit and own.contains(one.fact.interval.start)
    ]
    found = allocations(connection, [fact.id for fact in facts], position)
    stored = [Stored(fact, found[fact.id].allocation) for fact in facts if fact.id in found]
    stale = outdated(connection, book, stored, everything, position)
    lines = []
    for fact, allocation in stored:
        version, sequence, _ = found[fact.id]
        changed = stale.get(fact.id, "")
        lines.append(UnitLine(version, sequence, not changed, changed, allocation))
    waiting = tuple(fact.id for fact in facts if fact.id not in found)
    return UnitStatement(unit, latest.unit_code, month, tuple(lines), waiting)
