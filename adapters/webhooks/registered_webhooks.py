"""The webhooks of a book as they stand."""

from __future__ import annotations

from typing import NamedTuple

from adapters.postgres.database import Connection
from adapters.queries.folded import states
from trading.webhook import Webhook, WebhookState, aggregate_of


class Standing(NamedTuple):
    """A webhook, and since which sequence it is registered."""

    state: WebhookState
    since: int

    @property
    def webhook(self) -> Webhook:
        return self.state.webhook


def consumer_of(name: str) -> str:
    """Under which name a webhook's position is kept.

    >>> consumer_of("desk")
    'webhook.desk'
    """
    return aggregate_of(name)


def standings(connection: Connection, position: int) -> dict[str, Standing]:
    """Every webhook by its id, as of `position`."""
    since: dict[str, int] = dict(
        connection.execute(
            "SELECT id, min(from_seq) FROM ledger.registered WHERE kind = 'webhook' AND from_seq <= %s"
            " GROUP BY id ORDER BY id",
            [position],
        ).fetchall()
    )
    folded = states(connection, [aggregate_of(name) for name in since], position)
    found: dict[str, Standing] = {}
    for name, sequence in since.items():
        state = folded[aggregate_of(name)]
        assert isinstance(state, WebhookState)
        found[name] = Standing(state, sequence)
    return found
