"""Aggregates' states as of a sequence number, folded from the archived events."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from adapters.integrity.published import ARCHIVED, Archived
from adapters.mapper import EnvelopeMapper
from adapters.nats import wire
from adapters.postgres.database import Connection


def states(connection: Connection, aggregates: Collection[str], position: int) -> dict[str, object]:
    """Each aggregate as the front door would have folded it then; those that did not exist are left out.

    Raises:
        Discontinuity: `archive_altered` or `tree_altered` for an event that is not what was recorded.
    """
    mapper = EnvelopeMapper()
    found: dict[str, object] = {}
    rows = connection.execute(
        f"{ARCHIVED} WHERE e.aggregate = ANY(%s) AND e.sequence <= %s ORDER BY e.sequence",
        [sorted(aggregates), position],
    )
    for row in rows:
        aggregate, payload = row[1], Archived(*row).checked()
        envelope = mapper.to_envelope(wire.header_of(payload).topic, wire.state_of(payload))
        state: Any = found.get(aggregate)
        for event in envelope.events:
            state = event.apply(state)
        found[aggregate] = state
    return found
