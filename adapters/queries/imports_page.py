"""Meter imports and their status, as of a sequence number."""

from __future__ import annotations

from datetime import datetime

import msgspec

from adapters.postgres.database import Connection
from ledger.meter_import import Status


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
    """Imports by id, from the one after `after` on."""
    rows = connection.execute(
        "SELECT id, status, document->>'file_name', document->>'format', covers_from, covers_to, meters,"
        " (document->>'blocks')::bigint, (document->>'readings')::bigint, document->>'rounding_drift_wh',"
        " from_seq FROM ledger.meter_import"
        " WHERE from_seq <= %(position)s AND (to_seq IS NULL OR to_seq > %(position)s)"
        " AND (%(status)s::text IS NULL OR status = %(status)s) AND id > %(after)s"
        " ORDER BY id LIMIT %(limit)s",
        {"position": position, "status": status, "after": after, "limit": limit},
    )
    return [ListedImport(*row) for row in rows]
