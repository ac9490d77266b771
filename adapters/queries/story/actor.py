"""The story of a user: everything that one actor recorded, and what others recorded of what they did."""

from __future__ import annotations

from adapters.postgres.database import Connection
from adapters.queries.story.entry import Story
from adapters.queries.story.telling import WHOLE, Part, Subject, naming, tell
from ledger.refusal import Refused


def actor(connection: Connection, position: int, name: str, *, part: Part = WHOLE) -> Story:
    """Every event that the actor recorded, or that names the actor as who prepared, reviewed or decided.

    What they read stands in the access log, which is outside the book and has no as-of.

    Raises:
        Refused: `unknown_actor`.
    """
    events = naming(connection, position, f"actor.{name}")
    if not events:
        raise Refused("unknown_actor", f"nobody called {name!r} did anything up to {position}", place="actor")
    seen = f"what they saw: wattledger access-log --actor {name}, GET /v1/access-log?actor={name}"
    subject = Subject(name=f"actor {name}", events=frozenset(events), facts=(seen,))
    return tell(connection, position, subject, part)
