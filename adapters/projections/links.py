"""What each event names and is linked to, so that a story is found without opening payloads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from adapters.events import Event
from adapters.integrity import link_seals
from adapters.links import KNOWN_AS, LINKS, NAMES
from adapters.links.known_as import known_as
from adapters.links.link import LinkKind, Ranges, key_of
from adapters.links.named import named
from adapters.postgres.database import Connection
from adapters.projections.projection import Projected
from ledger.envelope import Envelope


class Links:
    """A row an event, kind of link and thing; and these rows' seals (adapters/integrity/link_seals.py)."""

    name = "links"
    tables = ("link", "link_seal", "link_total", "link_tile")

    def project(self, connection: Connection, book: str, batch: Sequence[Projected]) -> None:
        """See `Projection.project`.

        Raises:
            Discontinuity: `row_altered` where rows of these events stood there before.
        """
        rows = 0
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY ledger.link (book, thing, link, sequence, sequences) FROM STDIN") as copy,
        ):
            for item in batch:
                for row in link_rows(item.aggregate, item.envelope):
                    copy.write_row((book, row.thing, row.link, item.sequence, row.sequences))
                    rows += 1
        link_seals.seal(connection, book, batch[0].sequence, batch[-1].sequence, rows)


class LinkRow(NamedTuple):
    """`sequences` is a multirange as PostgreSQL reads it."""

    thing: str
    link: str
    sequences: str | None


def link_rows(aggregate: str, envelope: Envelope[Event]) -> Iterator[LinkRow]:
    """The rows of an event: it says all of them itself."""
    for thing in sorted(named(aggregate, envelope)):
        yield LinkRow(key_of(thing), NAMES, None)
    for thing in sorted(set(known_as(aggregate, envelope))):
        yield LinkRow(key_of(thing), KNOWN_AS, None)
    for kind in _kinds_from(frozenset(map(type, envelope.events))):
        for found in dict.fromkeys(kind.found(aggregate, envelope)):
            ranges = None if found.sequences is None else _multirange(found.sequences)
            yield LinkRow(key_of(found.thing), kind.name, ranges)


@cache
def _kinds_from(events: frozenset[type]) -> tuple[LinkKind, ...]:
    """Those kinds of link that events of these types may have: most events have few of them."""
    return tuple(
        kind for kind in LINKS if not kind.from_kinds or any(issubclass(e, kind.from_kinds) for e in events)
    )


def _multirange(ranges: Ranges) -> str:
    return "{" + ",".join(f"[{first},{last}]" for first, last in ranges) + "}"
