"""A setpoint follows a plan, named in its cause with the plan's place in the book."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from adapters.events import Event
from adapters.links.link import Found, LinkKind
from dispatch.control.command_life import SetpointIntended, WrittenFirst
from ledger.envelope import Envelope

_CAUSE: Final = re.compile(r"(plan\.\S+) v\d+ event (\d+)")
SEQUENCE_MAX: Final = 2**62
"""What a row of links has room for; nothing stands there."""


def plan_cause(name: str, sequence: int) -> str:
    """The cause of a setpoint of that plan (`RecordedPlan.name`), whose event is at `sequence`.

    >>> plan_cause("plan.S1_2026-08-20 v2", 4711)
    'plan.S1_2026-08-20 v2 event 4711'
    """
    return f"{name} event {sequence}"


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        if isinstance(event, SetpointIntended | WrittenFirst):
            named = _CAUSE.match(event.setpoint.cause)
            if named is not None and 0 < (at := int(named[2])) < SEQUENCE_MAX:
                yield Found(named[1], ((at, at),))


KIND = LinkKind(
    "follows_plan", "followed_as", (SetpointIntended, WrittenFirst), "the plan that it is a part of", _found
)
