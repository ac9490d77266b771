"""Settlement runs whole, and each party's statement of them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from adapters.postgres.database import Connection
from adapters.projections.projection import Projected
from ledger.settlement.run import SettlementRecorded
from ledger.settlement.statement import statements


class Settlements:
    """A row a run, and a row a run and party."""

    name = "settlements"
    tables = ("settlement", "statement")

    def project(self, connection: Connection, book: str, batch: Sequence[Projected]) -> None:
        """See `Projection.project`."""
        recorded = [
            (item.sequence, event.run, statements(event.run, item.sequence))
            for item in batch
            for event in item.envelope.events
            if isinstance(event, SettlementRecorded)
        ]
        if not recorded:
            return
        runs = [
            (
                book, run.result.contract, str(run.result.month), run.number, run.kind, run.result.position,
                run.result.inputs_digest, run.outputs_digest, sequence, _json(run.result), list(run.causes),
                [one.party for one in made],
            )
            for sequence, run, made in recorded
        ]  # fmt: skip
        rows = [
            (book, one.party, one.contract, one.month, one.run, sequence, _json(one))
            for sequence, _, made in recorded
            for one in made
        ]
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO ledger.settlement VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", runs
            )
            cursor.executemany("INSERT INTO ledger.statement VALUES (%s, %s, %s, %s, %s, %s, %s)", rows)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
