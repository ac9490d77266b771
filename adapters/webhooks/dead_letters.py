"""What could not be brought to a webhook: kept to be seen, until a replay brings it."""

from __future__ import annotations

import msgspec

from adapters.postgres.database import Connection
from adapters.webhooks.registered_webhooks import consumer_of
from ledger.interval import Instant


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that was given up after so many attempts, and why the last one failed."""

    message: str
    sequence: int
    type: str
    attempts: int
    reason: str
    given_up_at: Instant


def page(
    connection: Connection, webhook: str, after: tuple[int, str] = (0, ""), limit: int = 1000
) -> list[DeadLetter]:
    """A webhook's, in the book's order, from the one after `after` (sequence, message) on."""
    rows = connection.execute(
        "SELECT message, sequence, type, attempts, reason, given_up_at FROM ledger.dead_letter"
        " WHERE consumer = %s AND (sequence, message) > (%s, %s) ORDER BY sequence, message LIMIT %s",
        [consumer_of(webhook), *after, limit],
    )
    return [DeadLetter(*row) for row in rows]


def keep(connection: Connection, book: str, webhook: str, letter: DeadLetter) -> None:
    """Add it; one that is given up again has its last reason."""
    connection.execute(
        "INSERT INTO ledger.dead_letter VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (book, consumer, message) DO UPDATE SET attempts = excluded.attempts,"
        " reason = excluded.reason, given_up_at = excluded.given_up_at",
        [book, consumer_of(webhook), *msgspec.structs.astuple(letter)],
    )


def forget(connection: Connection, book: str, webhook: str, message: str) -> None:
    """It was brought after all."""
    connection.execute(
        "DELETE FROM ledger.dead_letter WHERE book = %s AND consumer = %s AND message = %s",
        [book, consumer_of(webhook), message],
    )
