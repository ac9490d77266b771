"""What a second person approved follows from the approval, which is saved together with it."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.link import Found, LinkKind
from ledger.envelope import Envelope


def _found(aggregate: str, envelope: Envelope[Event]) -> Iterator[Found]:
    if envelope.causation.startswith("proposal.") and envelope.causation != aggregate:
        yield Found(envelope.causation)


KIND = LinkKind("approved_by", "let_take_effect", (), "the approval", _found)
