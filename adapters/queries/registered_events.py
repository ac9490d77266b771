"""States folded from the registered events of a kind of aggregate, as of a sequence number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from adapters.integrity.registered_rows import Read, check_listed, check_read
from adapters.postgres.database import Connection
from adapters.queries import registered

T = TypeVar("T", bound=msgspec.Struct)


class FoldedState(msgspec.Struct, frozen=True):
    """One aggregate's state, and the sequence number of its last event."""

    id: str
    sequence: int
    state: Any


def folded_states(
    connection: Connection, kind: str, events: type[T], position: int, only: str | None = None
) -> Mapping[str, FoldedState]:
    """By id, in order; of one id where `only` names it.

    Raises:
        Discontinuity: a row is not what was registered, or is missing.
    """
    known = registered.load(connection, kind, events, position, only).versions
    if only is None:
        check_listed(connection, kind, position, known)
    else:
        check_read(connection, Read(frozenset({f"{kind}.{only}"}), frozenset()), position)
    found: dict[str, FoldedState] = {}
    for name in sorted(known):
        state: Any = None
        for one in known[name]:
            event: Any = one.document
            state = event.apply(state)
        found[name] = FoldedState(name, known[name][-1].sequence, state)
    return found
