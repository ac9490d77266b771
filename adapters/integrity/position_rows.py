"""Where projections are said to stand is where they stand: at an archived envelope, with its hash.

The archive's own position is its last envelope. Others may be behind it while they catch up; then none of
their rows comes from an event behind their position.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from psycopg import sql

from adapters.continuity import Discontinuity
from adapters.integrity import proven_events
from adapters.integrity.fault import Fault
from adapters.postgres.database import Connection
from adapters.projections import PROJECTIONS

_ARCHIVE: Final = "archive"
_STOOD: Final = (
    "SELECT p.projection, p.sequence, p.hash = e.hash, p.hash = sha256(e.payload), last.sequence,"
    " EXISTS (SELECT 1 FROM ledger.tree_tile AS tile WHERE tile.book = p.book AND tile.level = 0"
    " AND tile.index = (greatest(p.sequence, last.sequence, 1) - 1) / 256"
    " AND octet_length(tile.content) > (greatest(p.sequence, last.sequence, 1) - 1) %% 256 * 32)"
    " FROM ledger.position AS p LEFT JOIN ledger.envelope AS e ON e.book = p.book AND e.sequence = p.sequence"
    " CROSS JOIN LATERAL (SELECT coalesce(max(sequence), 0) AS sequence FROM ledger.envelope"
    " WHERE book = p.book) AS last WHERE p.book = current_setting('app.book') AND p.projection = ANY(%s)"
    " ORDER BY p.sequence DESC, p.projection"
)


def reached(connection: Connection) -> dict[str, int]:
    """How far each projection that has projected anything has come; `connection` sees the whole book.

    Raises:
        Discontinuity: `row_altered` for a position that is not the archive's; `archive_missing`,
            `archive_added` or `archive_altered` where it is the archive that is wrong.
    """
    rows = _rows(connection)
    for row in rows:
        if (fault := _fault(connection, row)) is not None:
            raise Discontinuity(fault.message, code=fault.code, place=fault.place)
    return {row.name: row.sequence for row in rows}


def faults(connection: Connection) -> list[Fault]:
    """As `reached`, all that is wrong; also of a projection that has rows of events behind its position."""
    rows = _rows(connection)
    found = [fault for row in rows if (fault := _fault(connection, row)) is not None]
    if found:
        return list({fault.place: fault for fault in found}.values())
    stood = {row.name: row.sequence for row in rows}
    last = max(stood.values(), default=0)
    for projection in PROJECTIONS:
        at = stood.get(projection.name, 0)
        if at < last and any(_beyond(connection, table, at) for table in projection.tables):
            text = f"it says {at}, and there are rows of later events"
            found.append(Fault("row_altered", _place(projection.name), text))
    return found


def check(connection: Connection) -> None:
    """Raises:
    Discontinuity: the first of `faults`."""
    for fault in faults(connection):
        raise Discontinuity(fault.message, code=fault.code, place=fault.place)


def _rows(connection: Connection) -> list[_Stood]:
    names = [projection.name for projection in PROJECTIONS]
    return [_Stood(*row) for row in connection.execute(_STOOD, [names])]


class _Stood(NamedTuple):
    """`same`: its hash is that of the archive's row, None without one; `sealed`: of that row's payload;
    `in_tree`: the tree has a leaf for the last envelope that position or archive have."""

    name: str
    sequence: int
    same: bool | None
    sealed: bool | None
    last: int
    in_tree: bool


def _fault(connection: Connection, stood: _Stood) -> Fault | None:
    name, sequence, same, sealed, last, in_tree = stood
    if sequence == 0 and last == 0:
        return None
    if same is None and in_tree:
        gone = min(sequence, last + 1)
        return Fault("archive_missing", f"sequence {gone}", f"the archive ends at {last} or has a hole")
    if same is None:
        return Fault("row_altered", _place(name), f"it says {sequence}, the archive ends at {last}")
    if not same:
        try:
            any(proven_events.at(connection, [sequence]))
        except Discontinuity as altered:
            return altered.fault
    if not same and sealed:
        return Fault("archive_altered", f"sequence {sequence}", "the archived hash is not its payload's")
    if not same:
        return Fault("row_altered", _place(name), f"it has not the hash of the archived envelope {sequence}")
    if name == _ARCHIVE and sequence < last and not in_tree:
        return Fault(
            "archive_added", f"sequence {sequence + 1}", "the archive has a row that it never projected"
        )
    if name == _ARCHIVE and sequence < last:
        return Fault("row_altered", _place(name), f"it says {sequence}, the archive ends at {last}")
    return None


def _place(name: str) -> str:
    return f"table position, projection {name}"


def _beyond(connection: Connection, table: str, sequence: int) -> bool:
    """Whether a projection's table has a row of an event behind `sequence`."""
    if table == "tree_tile":
        found = connection.execute(
            "SELECT index * 256 + octet_length(content) / 32 FROM ledger.tree_tile"
            " WHERE book = current_setting('app.book') AND level = 0 ORDER BY index DESC LIMIT 1"
        ).fetchone()
        return found is not None and int(found[0]) > sequence
    columns = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attname = ANY(%s)",
        [f"ledger.{table}", ["sequence", "from_seq"]],
    ).fetchall()
    ((column,),) = columns
    query = sql.SQL("SELECT 1 FROM ledger.{} WHERE book = current_setting('app.book') AND {} > %s LIMIT 1")
    return (
        connection.execute(query.format(*map(sql.Identifier, (table, column))), [sequence]).fetchone()
        is not None
    )
