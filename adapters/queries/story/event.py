"""The story of one event: what caused it, what it caused, what it rests on and what rests on it."""

from __future__ import annotations

from adapters.postgres.database import Connection
from adapters.queries.story.entry import Story
from adapters.queries.story.links_of import links_of
from adapters.queries.story.posted import posted
from adapters.queries.story.telling import WHOLE, Part, Subject, tell
from ledger.refusal import Refused


def event(connection: Connection, position: int, sequence: int, *, part: Part = WHOLE) -> Story:
    """The event with all of its links, and the events at their other ends.

    Raises:
        Refused: `unknown_event`.
    """
    if not 0 < sequence <= position:
        raise Refused("unknown_event", f"there is no event {sequence} up to {position}", place="sequence")
    own = frozenset({sequence})
    events = own | links_of(connection, position, own, shown=None).others()
    return tell(
        connection,
        position,
        Subject(
            name=f"event {sequence}",
            events=events,
            postings=posted(connection, position, own),
            whole=own,
        ),
        part,
    )
