"""What a projection is: rows made from events, always the same rows from the same events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from adapters.events import Event
from adapters.postgres.database import Connection
from ledger.envelope import Envelope


class Projected(NamedTuple):
    """One message of the stream, decoded; `recorded_at_max` is the running maximum of recorded-at."""

    sequence: int
    aggregate: str
    version: int
    hash: bytes
    payload: bytes
    envelope: Envelope[Event]
    recorded_at_max: datetime


class Projection(Protocol):
    """Writes rows for a run of messages inside the transaction that also moves its position."""

    @property
    def name(self) -> str: ...

    @property
    def tables(self) -> tuple[str, ...]:
        """Its tables in schema `ledger`, all with a column `book`."""
        ...

    def project(self, connection: Connection, book: str, batch: Sequence[Projected]) -> None:
        """Add the rows of `batch`, which follows what was projected before without a gap."""
        ...
