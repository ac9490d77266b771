"""Where on NATS a message is told: `$LIVE.<book>.<noun>.<verb>.<market>.<unit>`.

No book's own subjects begin so, because a book's name has no $: what is told can never be taken for a fact.
"""

from __future__ import annotations

from typing import Final

from adapters.live.message import LiveMessage

NONE: Final = "_"
"""Stands for a market or unit that a message does not name; no id begins so."""
ADDRESS: Final = "$LIVE.{book}.{noun}.{verb}.{market}.{unit}"


def subject_of(book: str, message: LiveMessage) -> str:
    """A message's subject: `$LIVE.demo.bid.>` hears all about bids, `$LIVE.demo.*.*.*.vpp` all of a unit."""
    noun, _, verb = message.kind.partition(".")
    return ADDRESS.format(
        book=book, noun=noun, verb=verb, market=message.market or NONE, unit=message.unit or NONE
    )
