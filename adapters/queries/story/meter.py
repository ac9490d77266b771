"""The story of a meter: its versions, readings, register reads, substitutions, and the runs on them."""

from __future__ import annotations

from adapters.postgres.database import Connection
from adapters.queries.story.after_run import before_events
from adapters.queries.story.entry import Story
from adapters.queries.story.telling import WHOLE, Part, Subject, naming, tell
from ledger.refusal import Refused


def meter(connection: Connection, position: int, name: str, *, part: Part = WHOLE) -> Story:
    """Every event that names the meter or rests on its readings, its imports and what approved a substitute.

    Raises:
        Refused: `unknown_meter`.
    """
    own = naming(connection, position, f"meter.{name}")
    if not own:
        raise Refused("unknown_meter", f"no meter {name!r} up to {position}", place="meter")
    events = frozenset(own | before_events(connection, position, own))
    return tell(connection, position, Subject(name=f"meter {name}", events=events), part)
