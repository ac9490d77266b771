"""A setpoint obeys an emergency, named in its cause."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from adapters.events import Event
from adapters.links.known_as import emergency_thing
from adapters.links.link import Found, LinkKind
from dispatch.control.command_life import SetpointIntended, WrittenFirst
from ledger.envelope import Envelope

_CAUSE: Final = re.compile(r"emergency (\d+)\b")


def emergency_cause(number: int) -> str:
    """The cause of a setpoint under the emergency of that number.

    >>> emergency_cause(3)
    'emergency 3'
    """
    return f"emergency {number}"


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        if isinstance(event, SetpointIntended | WrittenFirst):
            named = _CAUSE.match(event.setpoint.cause)
            if named is not None:
                yield Found(emergency_thing(int(named[1])))


KIND = LinkKind("obeys", "obeyed_by", (SetpointIntended, WrittenFirst), "the emergency's order", _found)
