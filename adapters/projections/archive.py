"""The raw envelopes, byte for byte, from which a damaged stream is restored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from adapters.integrity import compared_row
from adapters.postgres import binary_copy as field
from adapters.postgres.database import Connection
from adapters.projections.projection import Projected

_COLUMNS: Final = (
    "book", "sequence", "aggregate", "version", "hash", "recorded_at", "recorded_at_max", "payload",
)  # fmt: skip


class Archive:
    """One row a message."""

    name = "archive"
    tables = ("envelope",)

    def project(self, connection: Connection, book: str, batch: Sequence[Projected]) -> None:
        """See `Projection.project`."""
        book_field = field.text(book)
        field.load(
            connection,
            "envelope",
            _COLUMNS,
            (
                field.row(
                    book_field,
                    field.int8(item.sequence),
                    field.text(item.aggregate),
                    field.int8(item.version),
                    field.bytea(item.hash),
                    field.timestamptz(item.envelope.recorded_at),
                    field.timestamptz(item.recorded_at_max),
                    field.bytea(item.payload),
                )
                for item in batch
            ),
        )
        if batch[0].sequence == 1:
            compared_row.make(connection, book)
