"""The story of a site: its versions, meters, devices, contracts, what markets told of it, and its runs."""

from __future__ import annotations

from adapters.postgres.database import Connection
from adapters.queries.story.after_run import approvals
from adapters.queries.story.entry import Story
from adapters.queries.story.telling import WHOLE, Part, Subject, naming, tell
from ledger.refusal import Refused


def site(connection: Connection, position: int, name: str, *, part: Part = WHOLE) -> Story:
    """Every event that names the site, and what approved those.

    Raises:
        Refused: `unknown_site`.
    """
    own = naming(connection, position, f"site.{name}")
    if not own:
        raise Refused("unknown_site", f"no site {name!r} up to {position}", place="site")
    events = frozenset(own | approvals(connection, position, own))
    return tell(connection, position, Subject(name=f"site {name}", events=events), part)
