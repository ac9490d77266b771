"""A trading unit's statement of a month: what its sites were allocated, and the operator's line."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from adapters.postgres.database import Connection
from adapters.queries.unit_shares import allocations, statements, units
from ledger.allocation.unit_allocation import UnitAllocation
from ledger.interval import Interval, Month, zone_of
from ledger.refusal import Refused

_DAY: Final = timedelta(days=1)


class UnitLine(msgspec.Struct, frozen=True):
    """One statement of the market as it was shared out.

    `current` is False when it was corrected, or its unit changed, since.
    """

    version: int
    sequence: int
    current: bool
    allocation: UnitAllocation


class UnitStatement(msgspec.Struct, frozen=True):
    """All of a unit's month; `waiting` are statements of the market that nobody has shared out yet."""

    unit: str
    unit_code: str
    month: Month
    lines: tuple[UnitLine, ...]
    waiting: tuple[str, ...]


def unit_statement(connection: Connection, position: int, unit: str, month: Month) -> UnitStatement:
    """The month is the one in which a statement's time begins, in the unit's zone.

    Raises:
        Refused: `unknown_trading_unit`.
    """
    known = units(connection, position).get(unit)
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
    lines = []
    for fact in facts:
        if fact.id in found:
            version, sequence, allocation = found[fact.id]
            current = allocation.outdated_by(fact, known.history) is None
            lines.append(UnitLine(version, sequence, current, allocation))
    waiting = tuple(fact.id for fact in facts if fact.id not in found)
    return UnitStatement(unit, latest.unit_code, month, tuple(lines), waiting)
