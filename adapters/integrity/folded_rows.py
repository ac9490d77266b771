"""Imports and statements' lives as they are answered are what their archived events fold to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, TypeVar

from adapters.integrity.proven_events import BOOK, doubt, of_aggregates
from adapters.mapper import EnvelopeMapper
from adapters.postgres.database import Connection
from ledger.meter_import import Import
from ledger.statement.life import Life

S = TypeVar("S")
_MAPPER: Final = EnvelopeMapper()
_NAME: Final = "substr(aggregate, strpos(aggregate, '.') + 1)"
_FIRSTS: Final = (
    f"SELECT aggregate FROM ledger.envelope WHERE book = {BOOK} AND version = 1"  # noqa: S608
    " AND aggregate NOT LIKE 'readings.%%' AND sequence <= %(position)s"
)
_LIVES: Final = (
    f"{_FIRSTS} AND split_part(aggregate, '.', 1) = 'statement'"
    " AND aggregate > %(after)s AND (%(until)s = '' OR aggregate <= %(until)s)"
    " AND (%(month)s::text IS NULL OR strpos(aggregate, '_' || %(month)s || '_') > 0)"
    " AND (%(party)s::text IS NULL OR strpos(aggregate, '_' || %(party)s || '_') > 0)"
)
_IMPORTS: Final = (
    f"{_FIRSTS} AND split_part(aggregate, '.', 1) = 'import'"
    f" AND {_NAME} > %(after)s AND (%(until)s = '' OR {_NAME} <= %(until)s)"
)


def check_lives(
    connection: Connection, position: int, shown: Mapping[str, Life], named: Collection[str] = ()
) -> None:
    """Accept lives, by their aggregates, that are what their events fold to; those `named` are known to be
    asked for, and have none where they are not shown.

    `connection` sees the whole book.

    Raises:
        Discontinuity: `row_altered`; `archive_altered` or `tree_altered`.
    """
    folded = _folded(connection, position, {*shown, *named}, Life)
    _compare("statement_life", shown, {name: life for name, (life, _) in folded.items()}, named, folded)


def check_lives_there(
    connection: Connection,
    position: int,
    shown: Mapping[str, Life],
    *,
    month: str | None,
    party: str | None,
    after: str,
    until: str,
) -> None:
    """As `check_lives`, of a list by aggregate of those behind `after` up to and with `until` ("": to the
    end): of none that matches month and party is the row gone.

    Raises:
        Discontinuity: as `check_lives`.
    """
    asked = {"position": position, "after": after, "until": until, "month": month, "party": party}
    there = [name for (name,) in connection.execute(_LIVES, asked)]
    folded = _folded(connection, position, {*shown, *there}, Life)
    right = {
        name: life
        for name, (life, _) in folded.items()
        if (month is None or life.key.month == month) and (party is None or life.key.party == party)
    }
    _compare("statement_life", shown, right, right, folded)


def check_imports(
    connection: Connection,
    position: int,
    shown: Mapping[str, tuple[Import, int]],
    *,
    status: str | None,
    after: str,
    until: str,
) -> None:
    """Accept a list of imports, by aggregate with the sequence of the last change, of those behind `after` up
    to and with `until` ("": to the end) that have this status.

    Raises:
        Discontinuity: as `check_lives`.
    """
    asked = {"position": position, "after": after, "until": until}
    there = [name for (name,) in connection.execute(_IMPORTS, asked)]
    folded = _folded(connection, position, {*shown, *there}, Import)
    right = {name: one for name, one in folded.items() if status is None or one[0].status == status}
    _compare("meter_import", shown, right, right, folded)


def _folded(
    connection: Connection, position: int, aggregates: Iterable[str], kind: type[S]
) -> dict[str, tuple[S, int]]:
    """Each aggregate's state and the sequence of its last event."""
    found: dict[str, tuple[S, int]] = {}
    for sequence, header, state in of_aggregates(connection, set(aggregates), position):
        folded: Any = found[header.aggregate][0] if header.aggregate in found else None
        for event in _MAPPER.to_envelope(header.topic, state).events:
            apply: Callable[[Any], Any] = event.apply
            folded = apply(folded)
        assert isinstance(folded, kind), header.aggregate
        found[header.aggregate] = folded, sequence
    return found


def _compare(
    table: str,
    shown: Mapping[str, object],
    right: Mapping[str, object],
    due: Collection[str],
    folded: Mapping[str, tuple[object, int]],
) -> None:
    for name in sorted({*shown, *due}):
        if shown.get(name) != right.get(name):
            what = "is gone" if name not in shown else "is not what its events recorded"
            last = f", sequence {folded[name][1]}" if name in folded else ""
            raise doubt("row_altered", f"table {table}, {name}{last}", f"the row {what}")
