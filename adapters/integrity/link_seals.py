"""What the rows of `link` were when they were projected: one changed, deleted or added shows when it is read.

A row's hash is 64 bits of the SHA-256 of all it says. Hashes are summed (XOR) for each thing and kind of
link, with the number of rows; those sums again for each bucket of things, so that a seal that is gone is
missed; and those for the book. Each event's rows have a sum of their own, so that links *from* an event are
missed as well as those *to* a thing. Who rewrites rows and every sum above them alike is found by `replay`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from adapters.integrity.proven_events import doubt
from adapters.links import KNOWN_AS, NAMES
from adapters.postgres.database import Connection

TILE_EVENTS: Final = 128
"""Events whose sums stand in one row of `link_tile`: a row that is never moved out of its page."""
WHOLE: Final = -1
"""The bucket that is all of them."""
_BYTES: Final = 8

_NO_SPACES: Final = "concat_ws(' ', link, sequence, coalesce(sequences::text, '-'), thing)"
"""A kind of link, numbers and ranges have no space, and the thing comes last: no two rows read alike."""


def _first_bits(text: str) -> str:
    return f"('x' || encode(substr(sha256(convert_to({text}, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint"


_HASH: Final = _first_bits(_NO_SPACES)
_BUCKET: Final = (
    "(('x' || encode(substr(sha256(convert_to(thing, 'UTF8')), 1, 2), 'hex'))::bit(16)::integer >> 2)"
)
"""One of 16,384: a few hundred seals each in a book of millions of things."""

_SEAL: Final = (
    f"WITH made AS MATERIALIZED (SELECT thing, link, sequence, {_HASH} AS own FROM ledger.link"  # noqa: S608
    " WHERE book = %(book)s AND sequence BETWEEN %(first)s AND %(last)s),"
    f" of_thing AS MATERIALIZED (SELECT thing, link, {_BUCKET} AS bucket, count(*) AS rows,"
    " bit_xor(own) AS seal, max(sequence) AS sequence FROM made GROUP BY thing, link),"
    " sealed AS (INSERT INTO ledger.link_seal AS kept (book, bucket, thing, link, rows, seal, sequence)"
    " SELECT %(book)s, bucket, thing, link, rows, seal, sequence FROM of_thing"
    " ON CONFLICT (book, bucket, thing, link) DO UPDATE SET rows = kept.rows + excluded.rows,"
    " seal = kept.seal # excluded.seal, sequence = excluded.sequence),"
    " totalled AS (INSERT INTO ledger.link_total AS kept (book, bucket, rows, seal, sequence)"
    f" SELECT %(book)s, coalesce(bucket, {WHOLE}), sum(rows)::bigint, bit_xor(seal), max(sequence)"
    " FROM of_thing GROUP BY GROUPING SETS ((bucket), ())"
    " ON CONFLICT (book, bucket) DO UPDATE SET rows = kept.rows + excluded.rows,"
    " seal = kept.seal # excluded.seal, sequence = excluded.sequence),"
    " of_event AS (SELECT sequence, coalesce(bit_xor(own), 0) AS seal"
    " FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS event (sequence)"
    " LEFT JOIN made USING (sequence) GROUP BY sequence),"
    " tiled AS (INSERT INTO ledger.link_tile AS kept (book, tile, seals, sequence)"
    f" SELECT %(book)s, (sequence - 1) / {TILE_EVENTS}, string_agg(int8send(seal), NULL ORDER BY sequence),"
    " max(sequence) FROM of_event GROUP BY 2"
    " ON CONFLICT (book, tile) DO UPDATE SET seals = kept.seals || excluded.seals,"
    " sequence = excluded.sequence)"
    " SELECT count(*) FROM made"
)


def seal(connection: Connection, book: str, first: int, last: int, rows: int) -> None:
    """Seal the rows of the events from `first` to `last`, which this transaction has written: `rows` of them.

    Raises:
        Discontinuity: `row_altered` where somebody had put rows of these events there before.
    """
    found = connection.execute(_SEAL, {"book": book, "first": first, "last": last}).fetchone()
    assert found is not None
    if found[0] != rows:
        text = f"there are {found[0]} rows where the events give {rows}"
        raise doubt("row_altered", f"table link, sequences {first} to {last}", text)


_WHOLE_SUM: Final = (
    "SELECT whole.rows IS NOT DISTINCT FROM parts.rows AND whole.seal IS NOT DISTINCT FROM parts.seal"  # noqa: S608
    " FROM (SELECT coalesce(sum(rows), 0)::bigint AS rows, coalesce(bit_xor(seal), 0) AS seal"
    f" FROM ledger.link_total WHERE book = current_setting('app.book') AND bucket <> {WHOLE}) AS parts"
    " LEFT JOIN (SELECT rows, seal FROM ledger.link_total"
    f" WHERE book = current_setting('app.book') AND bucket = {WHOLE}) AS whole ON true"
)


def check_whole(connection: Connection) -> None:
    """Accept sums of buckets of which none is gone or changed; `connection` sees the whole book.

    Raises:
        Discontinuity: `row_altered`.
    """
    found = connection.execute(_WHOLE_SUM).fetchone()
    assert found is not None
    if not found[0]:
        raise doubt(
            "row_altered", "table link_total", "its buckets are not the sum that was kept of the book"
        )


_BOOK: Final = "book = current_setting('app.book')"


def _compared(rows: str) -> str:
    """Of `things`, their buckets' seals with the totals, and those `rows` of theirs with their seals."""
    of_things = f"thing = ANY(ARRAY(SELECT thing FROM things)){rows}"  # noqa: S608
    in_buckets = f"{_BOOK} AND bucket = ANY(ARRAY(SELECT {_BUCKET} FROM things))"  # noqa: S608
    return (
        " summed AS (SELECT bucket, sum(rows)::bigint AS rows, bit_xor(seal) AS seal FROM ledger.link_seal"  # noqa: S608
        f" WHERE {in_buckets} GROUP BY bucket),"
        f" totals AS (SELECT bucket, rows, seal FROM ledger.link_total WHERE {in_buckets}),"
        " sealed AS (SELECT thing, link, rows, seal FROM ledger.link_seal"
        f" WHERE {in_buckets} AND {of_things}),"
        f" kept AS (SELECT thing, link, count(*) AS rows, bit_xor({_HASH}) AS seal FROM ledger.link"
        f" WHERE {_BOOK} AND {of_things} GROUP BY thing, link),"
        " differing AS (SELECT 'table link_seal' AS place,"
        " 'the seals of bucket ' || bucket || ' are not those of its total' AS text"
        " FROM summed FULL JOIN totals USING (bucket)"
        " WHERE (summed.rows, summed.seal) IS DISTINCT FROM (totals.rows, totals.seal)"
        " UNION ALL SELECT 'table link, ' || thing, 'it has ' || coalesce(kept.rows, 0) || ' rows ' || link"
        " || ', and they are not the ' || coalesce(sealed.rows, 0) || ' that were sealed'"
        " FROM kept FULL JOIN sealed USING (thing, link)"
        " WHERE (kept.rows, kept.seal) IS DISTINCT FROM (sealed.rows, sealed.seal))"
    )


_OF_THING: Final = (
    f"WITH things AS (SELECT %(thing)s::text AS thing),{_compared('')}"  # noqa: S608
    " SELECT place, text FROM differing ORDER BY place, text LIMIT 1"
)
_OF_EVENTS: Final = (
    f"WITH own AS MATERIALIZED (SELECT sequence, thing, link, sequences IS NULL AS open, {_HASH} AS hash"  # noqa: S608
    f" FROM ledger.link WHERE {_BOOK} AND sequence = ANY(%(events)s)),"
    " summed_event AS (SELECT sequence, bit_xor(hash) AS seal FROM own GROUP BY sequence),"
    " torn AS (SELECT event.sequence FROM unnest(%(events)s::bigint[]) AS event (sequence)"
    " LEFT JOIN summed_event USING (sequence)"
    f" LEFT JOIN ledger.link_tile AS tile ON tile.{_BOOK}"
    f" AND tile.tile = (event.sequence - 1) / {TILE_EVENTS}"
    " WHERE int8send(coalesce(summed_event.seal, 0)) IS DISTINCT FROM substr(tile.seals,"
    f" ((event.sequence - 1) %% {TILE_EVENTS} * {_BYTES} + 1)::integer, {_BYTES})),"
    " things AS MATERIALIZED (SELECT aggregate AS thing FROM ledger.envelope"
    f" WHERE {_BOOK} AND sequence = ANY(%(events)s) AND %(back)s"
    " UNION SELECT thing FROM own WHERE (link = ANY(%(known)s) AND %(back)s)"
    f" OR (link = ANY(%(forth)s) AND open)),{_compared(' AND link = ANY(%(links)s)')}"
    " (SELECT 'table link, sequence ' || sequence, 'its rows are not those that were sealed' FROM torn"
    " ORDER BY sequence LIMIT 1)"
    " UNION ALL (SELECT place, text FROM differing ORDER BY place, text LIMIT 1) LIMIT 1"
)


def check_thing(connection: Connection, thing: str) -> None:
    """Accept all rows of a thing as those that were projected.

    Raises:
        Discontinuity: `row_altered`, naming the thing.
    """
    _check(connection, _OF_THING, {"thing": thing})


def check_events(
    connection: Connection, events: Collection[int], *, forth: Sequence[str], back: Sequence[str]
) -> None:
    """Accept the rows from which links of `events` are found: their own, those of the things that links of
    the kinds `forth` go to, and of the kinds `back` to what the events are about.

    Raises:
        Discontinuity: `row_altered`, naming an event or a thing.
    """
    asked = {
        "events": list(events),
        "forth": list(forth),
        "known": [KNOWN_AS, NAMES],
        "back": bool(back),
        "links": [*back, *([KNOWN_AS] if forth else [])],
    }
    _check(connection, _OF_EVENTS, asked)


def _check(connection: Connection, query: str, asked: dict[str, object]) -> None:
    found = connection.execute(query, asked).fetchone()
    if found is not None:
        place, text = found
        raise doubt("row_altered", place, text)
