"""Meter imports and their status, as of a sequence number."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from adapters.integrity.folded_rows import check_imports
from adapters.integrity.proven_events import doubt
from adapters.postgres.database import Connection
from adapters.queries.kept import kept
from ledger.meter_import import Import, ImportOpened, Status

_decode: Final = msgspec.json.Decoder(ImportOpened).decode


class ListedImport(msgspec.Struct, frozen=True):
    """An import of a file; while it is open the months that it covers are not settled."""

    id: str
    status: Status
    file_name: str
    format: str
    covers_from: datetime
    covers_to: datetime
    meters: tuple[str, ...]
    blocks: int
    readings: int
    rounding_drift_wh: str
    sequence: int


def page(
    connection: Connection, position: int, *, status: Status | None, after: str, limit: int
) -> list[ListedImport]:
    """Imports by id, from the one after `after` on.

    Raises:
        Discontinuity: a row is not what was recorded, or is missing.
    """
    rows = connection.execute(
        "SELECT id, status, document::text, covers_from, covers_to, meters, from_seq FROM ledger.meter_import"
        " WHERE from_seq <= %(position)s AND (to_seq IS NULL OR to_seq > %(position)s)"
        " AND (%(status)s::text IS NULL OR status = %(status)s) AND id > %(after)s"
        " ORDER BY id LIMIT %(limit)s",
        {"position": position, "status": status, "after": after, "limit": limit},
    ).fetchall()
    shown = {
        f"import.{name}": (Import(kept(_decode, text, f"table meter_import, {name}"), held), sequence)
        for name, held, text, _, _, _, sequence in rows
    }
    until = rows[-1][0] if len(rows) == limit else ""
    check_imports(connection, position, shown, status=status, after=after, until=until)
    found = [_listed(row[0], *shown[f"import.{row[0]}"]) for row in rows]
    for one, (name, _, _, start, end, meters, _) in zip(found, rows, strict=True):
        if (one.covers_from, one.covers_to, one.meters) != (start, end, tuple(meters)):
            raise doubt("row_altered", f"table meter_import, {name}", "its columns are not its document's")
    return found


def _listed(name: str, one: Import, sequence: int) -> ListedImport:
    opened = one.opened
    return ListedImport(
        name,
        one.status,
        opened.file_name,
        opened.format,
        opened.covers.start,
        opened.covers.end,
        opened.meters,
        opened.blocks,
        opened.readings,
        opened.rounding_drift_wh,
        sequence,
    )
