"""What a story tells is all that the archive had of it, with the links that its events themselves say."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from adapters.events import Event
from adapters.integrity.proven_events import BOOK, doubt
from adapters.nats import wire
from adapters.postgres.database import Connection
from adapters.projections.links import link_rows
from ledger.envelope import Envelope

_DIFFERENT: Final = (
    "WITH said AS (SELECT thing, link, sequence, sequences::int8multirange AS sequences"
    " FROM unnest(%(things)s::text[], %(links)s::text[], %(at)s::bigint[], %(ranges)s::text[])"
    " AS row (thing, link, sequence, sequences)),"
    " kept AS (SELECT thing, link, sequence, sequences FROM ledger.link"
    " WHERE book = current_setting('app.book') AND sequence = ANY(%(events)s))"
    " (SELECT sequence, link, thing, 'is gone' FROM (TABLE said EXCEPT TABLE kept) AS gone"
    " UNION ALL SELECT sequence, link, thing, 'was added' FROM (TABLE kept EXCEPT TABLE said) AS added)"
    " ORDER BY 1, 2, 3 LIMIT 1"
)


def check_archive_whole(connection: Connection, position: int) -> None:
    """Accept an archive of every event up to `position`; `connection` sees the whole book.

    Raises:
        Discontinuity: `archive_missing`.
    """
    found = connection.execute(
        "SELECT count(*) FROM ledger.envelope"  # noqa: S608
        f" WHERE book = {BOOK} AND sequence BETWEEN 1 AND %s",
        [position],
    ).fetchone()
    assert found is not None
    if found[0] != position:
        text = f"it has {found[0]} of the {position} envelopes up to {position}"
        raise doubt("archive_missing", "table envelope", text)


def check_told(
    connection: Connection,
    position: int,
    due: Collection[int],
    told: Mapping[int, tuple[wire.Header, Envelope[Event]]],
) -> None:
    """Accept events that are about to be told, proven each: none of those `due` is missing, none of their
    aggregates up to `position` lacks a version, and their links are those that they themselves say.

    Raises:
        Discontinuity: `archive_missing`; `row_altered` for a link.
    """
    if missing := set(due).difference(told):
        raise doubt("archive_missing", f"sequence {min(missing)}", "the archive has no such envelope")
    _check_versions(connection, position, {header.aggregate for header, _ in told.values()})
    rows = [
        (row.thing, row.link, sequence, row.sequences)
        for sequence, (header, envelope) in told.items()
        for row in link_rows(header.aggregate, envelope)
    ]
    things, links, at, ranges = (list(column) for column in zip(*rows, strict=True)) if rows else ([],) * 4
    asked = {"things": things, "links": links, "at": at, "ranges": ranges, "events": list(told)}
    found = connection.execute(_DIFFERENT, asked).fetchone()
    if found is not None:
        sequence, link, thing, what = found
        raise doubt("row_altered", f"table link, sequence {sequence}", f"the row {link} {thing} {what}")


def _check_versions(connection: Connection, position: int, aggregates: Collection[str]) -> None:
    rows = connection.execute(
        "SELECT aggregate, max(version) FROM ledger.envelope"  # noqa: S608
        f" WHERE book = {BOOK} AND aggregate = ANY(%s) AND sequence <= %s"
        " GROUP BY aggregate HAVING count(*) <> max(version) ORDER BY aggregate LIMIT 1",
        [list(aggregates), position],
    )
    for aggregate, version in rows:
        raise doubt(
            "archive_missing",
            f"table envelope, {aggregate}",
            f"the archive has not all of its {version} versions",
        )
