"""How far each projection has come."""

from __future__ import annotations

from adapters.postgres.database import Connection
from adapters.projections import PROJECTIONS


def reached(connection: Connection) -> dict[str, int]:
    """Every projection and the sequence number it has reached; 0 before its first."""
    rows = connection.execute("SELECT projection, sequence FROM ledger.position")
    stored: dict[str, int] = {name: sequence for name, sequence in rows}  # noqa: C416
    return {projection.name: stored.get(projection.name, 0) for projection in PROJECTIONS}
