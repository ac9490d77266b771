"""The story of a device: its versions, and the site that it stands on."""

from __future__ import annotations

from adapters.postgres.database import Connection
from adapters.queries.story.entry import Story
from adapters.queries.story.links_of import followed
from adapters.queries.story.telling import WHOLE, Part, Subject, naming, tell
from ledger.refusal import Refused


def device(connection: Connection, position: int, name: str, *, part: Part = WHOLE) -> Story:
    """Every event that names the device, and the versions of its site that it was registered on.

    Raises:
        Refused: `unknown_device`.
    """
    own = naming(connection, position, f"device.{name}")
    if not own:
        raise Refused("unknown_device", f"no device {name!r} up to {position}", place="device")
    events = frozenset(own | followed(connection, position, own, "stands_on"))
    return tell(connection, position, Subject(name=f"device {name}", events=events), part)
