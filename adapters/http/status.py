"""How far the book and each of its projections are."""

from __future__ import annotations

import msgspec
from litestar import get
from litestar.di import NamedDependency

from adapters.continuity import Discontinuity
from adapters.http.problem import READ_PROBLEMS
from adapters.http.service import Service
from adapters.integrity import known_damage, position_rows
from adapters.postgres.database import Connection
from adapters.queries import positions


class ProjectionStatus(msgspec.Struct, frozen=True):
    """`behind` is how many events it has still to come."""

    name: str
    position: int
    behind: int


class LedgerStatus(msgspec.Struct, frozen=True):
    """`position` is what every projection has reached; queries answer as of it.

    `damage` is what is known to be wrong, or where a projection does not stand where it is said to: by code
    and place (docs/repair.md). Nothing is written or answered that rests on it.
    """

    book: str
    last_sequence: int
    position: int
    behind: int
    projections: tuple[ProjectionStatus, ...]
    halted: str | None
    damage: str | None


@get(
    "/status",
    summary="Positions of the stream and of each projection",
    responses=READ_PROBLEMS,
    tags=["Proof"],
    sync_to_thread=True,
)
def show_status(service: NamedDependency[Service]) -> LedgerStatus:
    with service.database.reading(service.book) as connection:
        reached = positions.reached(connection)
        damage = _damage(connection)
    last = service.last_sequence()
    lowest = min(reached.values())
    return LedgerStatus(
        service.book,
        last,
        lowest,
        last - lowest,
        tuple(ProjectionStatus(name, at, last - at) for name, at in reached.items()),
        service.projector_status(),
        damage,
    )


def _damage(connection: Connection) -> str | None:
    try:
        position_rows.check(connection)
        known_damage.check(connection)
    except Discontinuity as found:
        return str(found.fault)
    return None


ROUTES = (show_status,)
