"""The story of a paper: an invoice's number, a bank's reference, a market's document, a file's digest."""

from __future__ import annotations

from adapters.links.link import key_of
from adapters.postgres.database import Connection
from adapters.queries.story.after_run import approvals
from adapters.queries.story.entry import Story
from adapters.queries.story.links_of import followed
from adapters.queries.story.posted import posted
from adapters.queries.story.telling import WHOLE, Part, Subject, naming, tell, threads
from ledger.refusal import Refused


def document(connection: Connection, position: int, name: str, *, part: Part = WHOLE) -> Story:
    """Every event that records the paper, what was saved for it, its statements' lives, its import's blocks.

    Raises:
        Refused: `unknown_document`.
    """
    own = naming(connection, position, key_of(f"document/{name}"))
    if not own:
        text = f"no invoice, payment, receipt or file {name!r} up to {position}"
        raise Refused("unknown_document", text, place="name")
    events = own | followed(
        connection, position, own, "imported", "pays", "paid_by", "has_number", "shares_out"
    )
    events |= followed(connection, position, events, "used_by")
    lives = threads(connection, position, events, ("statement", "import", "invoice_number"))
    events |= lives | followed(connection, position, lives, "states_run")
    events |= approvals(connection, position, events)
    return tell(
        connection,
        position,
        Subject(
            name=f"document {name}",
            events=frozenset(events),
            postings=posted(connection, position, events),
        ),
        part,
    )
