"""A commitment to what a run tells its parties, and its sealed secret, are about the run."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.known_as import run_thing
from adapters.links.link import Found, LinkKind
from ledger.disclosure.record import DisclosureCommitted, DisclosureSealed
from ledger.envelope import Envelope


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        if isinstance(event, DisclosureCommitted | DisclosureSealed):
            yield Found(run_thing(event.contract, event.month, event.run))


KIND = LinkKind("commits_to", "committed_by", (DisclosureCommitted, DisclosureSealed), "the run", _found)
