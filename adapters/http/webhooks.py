"""Webhooks: who is told by HTTP what happens at the desk. A secret is in one answer only, and in no event."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters.http.intake import Intake, Stored
from adapters.http.paging import LIMIT, Cursor, Limit, cursor_of
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import ID_PATTERN, Name
from adapters.http.view import View
from adapters.live.interest import check_kinds
from adapters.live.told_position import ToldPosition, read_all
from adapters.webhooks import dead_letters
from adapters.webhooks.dead_letters import DeadLetter
from adapters.webhooks.destination import check_literal, loopback_notice
from adapters.webhooks.registered_webhooks import Standing, consumer_of, standings
from adapters.webhooks.replaying import check_replay
from adapters.webhooks.signing_keys import SigningKeys
from ledger.interval import Instant
from ledger.refusal import Refused
from trading.webhook import RegisterWebhook, ReplayWebhook, StopWebhook, Webhook, aggregate_of

_NAMES_MAX: Final = 50
Id = Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]
Names = Annotated[tuple[Id, ...], msgspec.Meta(max_length=_NAMES_MAX)]
Words = Annotated[
    tuple[Annotated[str, msgspec.Meta(max_length=100)], ...], msgspec.Meta(max_length=_NAMES_MAX)
]


class WebhookRequest(msgspec.Struct, frozen=True):
    """Whom to tell, and of what: no kinds, markets or units named means all of them.

    `key_id`: with which signing key; the webhook's own where none is named.
    """

    id: Id
    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    key_id: Id | None = None
    kinds: Words = ()
    markets: Names = ()
    units: Names = ()


class RegisteredWebhook(msgspec.Struct, frozen=True):
    """`secret` verifies the signatures (Standard Webhooks). It is null where it was given out before: for the
    same request again, a webhook that is changed, and a key that another webhook signs with. `notice`: what
    keeps it from being told, where that is known; empty for nothing."""

    id: str
    key_id: str
    secret: str | None
    aggregate: str
    version: int
    sequence: int
    notice: str


class StopReason(msgspec.Struct, frozen=True):
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class ReplayRequest(msgspec.Struct, frozen=True):
    """Everything after this sequence number is told again, each message under its own id."""

    after: Annotated[int, msgspec.Meta(ge=0, lt=2**62)]


class WebhookBody(msgspec.Struct, frozen=True):
    """`told_to` is how far it was told by now, whatever was asked as of; null before the first message.

    `last_error` of an address that fails, `next_at` when it is tried again.
    """

    id: str
    url: str
    key_id: str
    kinds: tuple[str, ...]
    markets: tuple[str, ...]
    units: tuple[str, ...]
    stopped: bool
    since: int
    told_to: int | None
    last_error: str
    next_at: Instant | None


class WebhookPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[WebhookBody, ...]
    next_cursor: str | None


class DeadLetterPage(msgspec.Struct, frozen=True):
    """What could not be brought, in the book's order; a replay brings it."""

    position: int
    items: tuple[DeadLetter, ...]
    next_cursor: str | None


@post(
    "/webhooks",
    summary="Register a webhook, or change one; its secret is in this answer only",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def register_webhook(
    intake: NamedDependency[Intake],
    signing_keys: NamedDependency[SigningKeys],
    data: JSONBody[WebhookRequest],
) -> Response[RegisteredWebhook]:
    check_kinds(data.kinds, "kinds")
    key_id = data.key_id or data.id
    webhook = Webhook(
        id=data.id, url=data.url, key_id=key_id, kinds=data.kinds, markets=data.markets, units=data.units
    )
    check_literal(webhook.url)
    known = intake.service.door.state(aggregate_of(data.id))
    fresh = not signing_keys.path(key_id).exists()
    # The key comes first: a message that is carried without one is given up.
    secret = signing_keys.made(key_id)
    answer = intake.execute(RegisterWebhook(webhook, intake.actor))
    stored = answer.content
    # A request that was broken off made the key and never answered it.
    shown = secret if fresh or (known is None and key_id == data.id) else None
    body = RegisteredWebhook(
        data.id,
        key_id,
        shown,
        stored.aggregate,
        stored.version,
        stored.sequence,
        loopback_notice(webhook.url),
    )
    headers = {**answer.headers, "Cache-Control": "no-store"}
    return Response(body, status_code=201, headers=headers)


@get(
    "/webhooks",
    summary="Webhooks by id, and how far each was told",
    responses=READ_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def list_webhooks(view: NamedDependency[View], limit: Limit = LIMIT, cursor: Cursor = None) -> WebhookPage:
    with view.page(cursor, str, "") as (connection, position, after):
        found = sorted((name, one) for name, one in standings(connection, position).items() if name > after)
        told = read_all(connection)
    items = tuple(_body(one, told.get(consumer_of(name))) for name, one in found[:limit])
    more = cursor_of(position, found[limit - 1][0]) if len(found) > limit else None
    return WebhookPage(position, items, more)


@get(
    "/webhooks/{name:str}/dead-letters",
    summary="What could not be brought to a webhook",
    responses=READ_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def list_dead_letters(
    view: NamedDependency[View], name: Name, limit: Limit = LIMIT, cursor: Cursor = None
) -> DeadLetterPage:
    with view.page(cursor, tuple[int, str], (0, "")) as (connection, position, after):
        if name not in standings(connection, position):
            raise Refused("unknown_webhook", f"no webhook {name!r} is registered", place="name")
        found = dead_letters.page(connection, name, after, limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    more = None if last is None else cursor_of(position, (last.sequence, last.message))
    return DeadLetterPage(position, tuple(found[:limit]), more)


@post(
    "/webhooks/{name:str}/stop",
    summary="Tell a webhook nothing more; registered again it goes on where it was",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def stop_webhook(intake: NamedDependency[Intake], name: Name, data: JSONBody[StopReason]) -> Response[Stored]:
    return intake.execute(StopWebhook(name, intake.actor, data.reason))


@post(
    "/webhooks/{name:str}/replay",
    summary="Tell a webhook again everything after a sequence number",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def replay_webhook(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[ReplayRequest]
) -> Response[Stored]:
    check_replay(intake.service.door, data.after)
    return intake.execute(ReplayWebhook(name, data.after, intake.actor))


def _body(one: Standing, told: ToldPosition | None) -> WebhookBody:
    webhook = one.webhook
    next_at: datetime | None = None if told is None else told.next_at
    return WebhookBody(
        webhook.id,
        webhook.url,
        webhook.key_id,
        webhook.kinds,
        webhook.markets,
        webhook.units,
        one.state.stopped,
        one.since,
        None if told is None else told.sequence,
        "" if told is None else told.last_error,
        next_at,
    )


ROUTES: Final = (register_webhook, list_webhooks, list_dead_letters, stop_webhook, replay_webhook)
