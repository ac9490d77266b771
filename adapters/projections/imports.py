"""Meter imports and their status: a month with an open one is not settled."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from adapters.postgres.database import Connection
from adapters.projections.projection import Projected
from ledger.meter_import import ImportAbandoned, ImportCompleted, ImportOpened


class Imports:
    """A row a status an import has had."""

    name = "imports"
    tables = ("meter_import",)

    def project(self, connection: Connection, book: str, batch: Sequence[Projected]) -> None:
        """See `Projection.project`."""
        for item in batch:
            name = item.aggregate.partition(".")[2]
            for event in item.envelope.events:
                match event:
                    case ImportOpened():
                        connection.execute(
                            "INSERT INTO ledger.meter_import"
                            " VALUES (%s, %s, 'open', %s, %s, %s, %s, NULL, %s)",
                            [
                                book, name, event.covers.start, event.covers.end, list(event.meters),
                                item.sequence, msgspec.json.encode(event).decode(),
                            ],
                        )  # fmt: skip
                    case ImportCompleted():
                        self._close(connection, book, name, "completed", item.sequence)
                    case ImportAbandoned():
                        self._close(connection, book, name, "abandoned", item.sequence)
                    case _:
                        pass

    @staticmethod
    def _close(connection: Connection, book: str, name: str, status: str, sequence: int) -> None:
        connection.execute(
            "INSERT INTO ledger.meter_import"
            " SELECT book, id, %s, covers_from, covers_to, meters, %s, NULL, document"
            " FROM ledger.meter_import WHERE book = %s AND id = %s AND to_seq IS NULL",
            [status, sequence, book, name],
        )
        connection.execute(
            "UPDATE ledger.meter_import SET to_seq = %s"
            " WHERE book = %s AND id = %s AND to_seq IS NULL AND from_seq < %s",
            [sequence, book, name, sequence],
        )
