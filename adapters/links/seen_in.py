"""The meter that showed a setpoint was read: the blocks of its readings of that UTC month."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.known_as import metered_thing
from adapters.links.link import Found, LinkKind
from dispatch.control.command_life import SetpointSeen
from ledger.envelope import Envelope


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        if isinstance(event, SetpointSeen):
            yield Found(metered_thing(event.meter, event.at))


KIND = LinkKind("seen_in", "shows_command", (SetpointSeen,), "the meter's readings of the month", _found)
