"""What a kind of link is: from an event to a thing, found in the event alone.

A thing is an aggregate, such as `contract.C1`, or what an event is known as (`adapters.links.known_as`), as
`run/C1_2026-08/2`. A link to an aggregate goes to the version of it that was recorded last before, and a link
to what events are known as to each of them; one with `sequences` to just these events of the thing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from adapters.events import Event
from ledger.envelope import Envelope

_THING_BYTES_MAX: Final = 500
"""Far below what a row of an index has room for."""

Ranges = tuple[tuple[int, int], ...]
"""Sequence numbers as closed ranges."""


class Found(NamedTuple):
    """The other end of a link."""

    thing: str
    sequences: Ranges | None = None


Finder = Callable[[str, Envelope[Event]], Iterable[Found]]
"""From the event's aggregate and its envelope."""


class LinkKind(NamedTuple):
    """`name` says what the event does to the thing's events, `back` the same from their side."""

    name: str
    back: str
    from_kinds: tuple[type, ...]
    """The events in which it is found; empty for any."""
    to: str
    """What the thing is, for the documentation."""
    found: Finder


def key_of(thing: str) -> str:
    """What a thing is stored as: itself, or its digest where a paper from outside has an endless name."""
    raw = thing.encode()
    if len(raw) <= _THING_BYTES_MAX:
        return thing
    return f"{thing.partition('/')[0]}/sha256:{hashlib.sha256(raw).hexdigest()}"
