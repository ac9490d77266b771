"""Market prices: one row a received block."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.postgres.database import Connection
from adapters.projections.projection import Projected
from ledger.recorded_price import PricesRecorded


class Prices:
    """Every received block; the newest sequence holds for an interval."""

    name = "prices"
    tables = ("price_block",)

    def project(self, connection: Connection, book: str, batch: Sequence[Projected]) -> None:
        """See `Projection.project`."""
        rows = [
            (
                book, event.market, event.node, event.product, event.start, event.interval_s,
                event.currency, event.scale, list(event.mantissas), item.sequence,
            )
            for item in batch
            for event in item.envelope.events
            if isinstance(event, PricesRecorded)
        ]  # fmt: skip
        if rows:
            with connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO ledger.price_block VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", rows
                )
