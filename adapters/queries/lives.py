"""What has become of statements, as of a sequence number; a partner's role sees its own only."""

from __future__ import annotations

import msgspec

from adapters.postgres.database import Connection
from ledger.statement.life import Life

_decode = msgspec.json.Decoder(Life).decode
_AS_OF = (
    "SELECT document::text FROM ledger.statement_life"
    " WHERE from_seq <= %(position)s AND (to_seq IS NULL OR to_seq > %(position)s)"
)


def one(
    connection: Connection, position: int, *, contract: str, month: str, party: str, run: int
) -> Life | None:
    """One statement's life; None before it was reviewed, or when the reader may not see it."""
    found = connection.execute(
        f"{_AS_OF} AND contract = %(contract)s AND month = %(month)s AND party = %(party)s AND run = %(run)s",
        {"position": position, "contract": contract, "month": month, "party": party, "run": run},
    ).fetchone()
    return _decode(found[0]) if found else None


def page(
    connection: Connection,
    position: int,
    *,
    month: str | None = None,
    party: str | None = None,
    after: str = "",
    limit: int | None = None,
) -> list[Life]:
    """Lives by aggregate, from the one after `after` on; without a `limit` every one."""
    rows = connection.execute(
        f"{_AS_OF} AND aggregate > %(after)s"
        " AND (%(month)s::text IS NULL OR month = %(month)s)"
        " AND (%(party)s::text IS NULL OR party = %(party)s) ORDER BY aggregate LIMIT %(limit)s",
        {"position": position, "month": month, "party": party, "after": after, "limit": limit},
    )
    return [_decode(text) for (text,) in rows]


def of_month(connection: Connection, position: int, month: str) -> list[Life]:
    """Every life of a month's statements."""
    return page(connection, position, month=month)
