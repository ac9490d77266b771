"""What a story is made of: entries in the book's order, each linked with the others in both directions."""

from __future__ import annotations

import msgspec

from ledger.interval import Instant


class Link(msgspec.Struct, frozen=True):
    """`link` says what the entry's event does to event `sequence`, or what that one did to it."""

    link: str
    sequence: int


class More(msgspec.Struct, frozen=True):
    """Links of this kind that the entry leaves out; the story of its event has them all."""

    link: str
    count: int


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the book's stream, told in a sentence.

    `effective_from` and `effective_to` say when it holds, where it says so; `causation` names the command,
    proposal, import or position that it reacts to. `postings` are the journal's entries made from it.
    """

    sequence: int
    recorded_at: Instant
    effective_from: Instant | None
    effective_to: Instant | None
    actor: str
    aggregate: str
    version: int
    kinds: tuple[str, ...]
    sentence: str
    sentence_zh: str
    command: str
    causation: str
    notes: tuple[str, ...]
    postings: tuple[str, ...]
    links: tuple[Link, ...]
    more: tuple[More, ...]


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """Entries by sequence. `facts` stand before them, such as the leaves of an amount.

    `events` counts all of the story; where `entries` are a part of them, `next_after` is what to go on after.
    """

    subject: str
    position: int
    facts: tuple[str, ...]
    events: int
    entries: tuple[Entry, ...]
    next_after: int | None
