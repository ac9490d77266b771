"""A month's close holds the final run of each contract."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.known_as import run_thing
from adapters.links.link import Found, LinkKind
from ledger.envelope import Envelope
from ledger.month_close import MonthClosed


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        if isinstance(event, MonthClosed):
            for contract, run in event.closed.finals.items():
                yield Found(run_thing(contract, str(event.closed.month), run))


KIND = LinkKind("closes", "closed_by", (MonthClosed,), "the final run of each contract", _found)
