"""A plan keeps to what bids bound: those that it names among what it rests on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from adapters.events import Event
from adapters.links.link import Found, LinkKind
from dispatch.planning.plan_record import PlanMade
from ledger.envelope import Envelope

_BOUND: Final = re.compile(r"commitment\.\S+: (\S+(?:, \S+)*)")
"""As `adapters.planning.taken` says it."""


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        if isinstance(event, PlanMade):
            for named in filter(None, map(_BOUND.fullmatch, event.head.rests_on)):
                for bid in named[1].split(", "):
                    yield Found(f"bid.{bid}")


KIND = LinkKind("planned_for", "planned_in", (PlanMade,), "the bids that bound it", _found)
