"""What has become of statements, as of a sequence number; a partner's role sees its own only."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from adapters.integrity.folded_rows import check_lives, check_lives_there
from adapters.postgres.database import Connection, own_rights, reading_party
from adapters.queries.kept import kept
from ledger.statement.life import Life, StatementKey

_decode = msgspec.json.Decoder(Life).decode
_AS_OF = (
    "SELECT aggregate, document::text FROM ledger.statement_life"
    " WHERE from_seq <= %(position)s AND (to_seq IS NULL OR to_seq > %(position)s)"
)


def one(
    connection: Connection, position: int, *, contract: str, month: str, party: str, run: int
) -> Life | None:
    """One statement's life; None before it was reviewed, or when the reader may not see it.

    Raises:
        Discontinuity: the row is not what was recorded, or is missing.
    """
    key = StatementKey(contract, month, party, run)
    found = connection.execute(
        f"{_AS_OF} AND contract = %(contract)s AND month = %(month)s AND party = %(party)s AND run = %(run)s",
        {"position": position, "contract": contract, "month": month, "party": party, "run": run},
    ).fetchone()
    if found is None and (reader := reading_party(connection)) is not None and reader != party:
        return None
    life = None if found is None else _read(key.aggregate, found[1])
    with own_rights(connection):
        check_lives(connection, position, {} if life is None else {key.aggregate: life}, [key.aggregate])
    return life


def of_statements(
    connection: Connection, position: int, keys: Collection[StatementKey]
) -> dict[StatementKey, Life]:
    """The lives of these statements; a statement that nobody reviewed yet has none.

    The connection sees the whole book.

    Raises:
        Discontinuity: a row is not what was recorded, or is missing.
    """
    names = [key.aggregate for key in keys]
    rows = connection.execute(
        f"{_AS_OF} AND aggregate = ANY(%(names)s)", {"position": position, "names": names}
    ).fetchall()
    found = {name: _read(name, text) for name, text in rows}
    check_lives(connection, position, found, names)
    return {life.key: life for life in found.values()}


def page(
    connection: Connection,
    position: int,
    *,
    month: str | None = None,
    party: str | None = None,
    after: str = "",
    limit: int | None = None,
) -> list[Life]:
    """Lives by aggregate, from the one after `after` on; without a `limit` every one.

    Raises:
        Discontinuity: a row is not what was recorded, or is missing.
    """
    rows = connection.execute(
        f"{_AS_OF} AND aggregate > %(after)s"
        " AND (%(month)s::text IS NULL OR month = %(month)s)"
        " AND (%(party)s::text IS NULL OR party = %(party)s) ORDER BY aggregate LIMIT %(limit)s",
        {"position": position, "month": month, "party": party, "after": after, "limit": limit},
    ).fetchall()
    found = {name: _read(name, text) for name, text in rows}
    until = rows[-1][0] if limit is not None and len(rows) == limit else ""
    reader = reading_party(connection)
    if reader is not None and party not in {None, reader}:
        return []
    with own_rights(connection):
        check_lives_there(
            connection, position, found, month=month, party=party or reader, after=after, until=until
        )
    return list(found.values())


def _read(aggregate: str, text: str) -> Life:
    return kept(_decode, text, f"table statement_life, {aggregate}")


def of_month(connection: Connection, position: int, month: str) -> list[Life]:
    """Every life of a month's statements."""
    return page(connection, position, month=month)
