"""Clearings as of a sequence number: their lists, and every run of one."""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from adapters.integrity.registered_rows import check_chosen
from adapters.postgres.database import Connection
from adapters.queries import registered_page
from adapters.queries.folded import states
from adapters.queries.kept import kept
from adapters.queries.registered_page import Entry, entries
from ledger.refusal import Refused
from trading.clearing import Clearing
from trading.posted_clearing import PostedClearing, posted_aggregate

_decode: Final = msgspec.json.Decoder(Clearing).decode


class ClearingFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which clearings are meant; what is None is not asked about."""

    market: str | None = None
    product: str | None = None
    first_day: date | None = None
    last_day: date | None = None


def page(
    connection: Connection, position: int, wanted: ClearingFilter, *, after: str, limit: int
) -> list[Entry[Clearing]]:
    """The run in force of each clearing, by id, from the one after `after` on.

    Raises:
        Discontinuity: a row is not what was recorded, or is missing.
    """
    rows = connection.execute(
        "SELECT id, version, from_seq, document::text FROM ledger.registered"
        " WHERE kind = 'clearing' AND from_seq <= %(position)s"
        " AND (to_seq IS NULL OR to_seq > %(position)s) AND id > %(after)s"
        " AND (%(market)s::text IS NULL OR document->>'market' = %(market)s)"
        " AND (%(product)s::text IS NULL OR document->>'product' = %(product)s)"
        " AND (%(first_day)s::text IS NULL OR document->>'day' >= %(first_day)s)"
        " AND (%(last_day)s::text IS NULL OR document->>'day' <= %(last_day)s)"
        " ORDER BY id LIMIT %(limit)s",
        {
            "position": position,
            "market": wanted.market,
            "product": wanted.product,
            "first_day": None if wanted.first_day is None else wanted.first_day.isoformat(),
            "last_day": None if wanted.last_day is None else wanted.last_day.isoformat(),
            "after": after,
            "limit": limit,
        },
    ).fetchall()
    until = rows[-1][0] if len(rows) == limit else ""
    check_chosen(connection, "clearing", position, [row[0] for row in rows], after=after, until=until)
    return entries("clearing", Clearing, [(*row[:3], None, None, row[3]) for row in rows])


def runs(connection: Connection, position: int, name: str) -> list[Entry[Clearing]]:
    """All runs of one clearing, oldest first; the last one is in force.

    Raises:
        Refused: `unknown_clearing`.
    """
    found = registered_page.versions(connection, "clearing", Clearing, position, name)
    if not found:
        raise Refused("unknown_clearing", f"no clearing {name!r} is recorded", place="name")
    return found


def known(
    connection: Connection, position: int, name: str
) -> tuple[list[Entry[Clearing]], PostedClearing | None]:
    """All runs of one clearing, and what waits for a second person's approval.

    Raises:
        Refused: `unknown_clearing`.
    """
    aggregate = posted_aggregate(name)
    posted = states(connection, (aggregate,), position).get(aggregate)
    waits = posted if isinstance(posted, PostedClearing) and posted.status == "open" else None
    found = registered_page.versions(connection, "clearing", Clearing, position, name)
    return found or ([] if waits is not None else runs(connection, position, name)), waits


def recorded_since(connection: Connection, after: int, position: int, first_day: date) -> list[Clearing]:
    """The runs recorded after a sequence number, of delivery days from `first_day` on, oldest first.

    Raises:
        Discontinuity: `row_altered`.
    """
    rows = connection.execute(
        "SELECT id, document::text FROM ledger.registered WHERE kind = 'clearing' AND from_seq > %s"
        " AND from_seq <= %s AND document->>'day' >= %s ORDER BY from_seq",
        [after, position, first_day.isoformat()],
    )
    return [kept(_decode, text, f"table registered, clearing {name}") for name, text in rows]
