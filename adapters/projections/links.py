"""What each event names and is linked to, so that a story is found without opening payloads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adapters.links import KNOWN_AS, LINKS, NAMES
from adapters.links.known_as import known_as
from adapters.links.link import Ranges, key_of
from adapters.links.named import named
from adapters.postgres.database import Connection
from adapters.projections.projection import Projected

_Row = tuple[str, str, str, int, str | None]


class Links:
    """A row an event, kind of link and thing."""

    name = "links"
    tables = ("link",)

    def project(self, connection: Connection, book: str, batch: Sequence[Projected]) -> None:
        """See `Projection.project`."""
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY ledger.link (book, thing, link, sequence, sequences) FROM STDIN") as copy,
        ):
            for item in batch:
                for row in _rows(book, item):
                    copy.write_row(row)


def _rows(book: str, item: Projected) -> Iterator[_Row]:
    sequence = item.sequence
    for thing in sorted(named(item.aggregate, item.envelope)):
        yield book, key_of(thing), NAMES, sequence, None
    for thing in sorted(set(known_as(item.aggregate, item.envelope))):
        yield book, key_of(thing), KNOWN_AS, sequence, None
    for kind in LINKS:
        if kind.from_kinds and not any(isinstance(event, kind.from_kinds) for event in item.envelope.events):
            continue
        for found in dict.fromkeys(kind.found(item.aggregate, item.envelope)):
            ranges = None if found.sequences is None else _multirange(found.sequences)
            yield book, key_of(found.thing), kind.name, sequence, ranges


def _multirange(ranges: Ranges) -> str:
    return "{" + ",".join(f"[{first},{last}]" for first, last in ranges) + "}"
