"""API keys: granted and revoked by an administrator; a secret is shown once."""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from adapters.http.intake import Intake, replayable
from adapters.http.paging import LIMIT, Cursor, Limit, cursor_of
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import ID_PATTERN
from adapters.http.secret import digest_of, new_secret
from adapters.http.view import WAIT_S, View
from adapters.queries import access_keys
from adapters.queries.access_keys import ListedKey
from adapters.settling import Behind, wait_until
from ledger.access import Grant, GrantKey, Key, RevokeKey, Role
from ledger.refusal import Refused

Id = Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]


class KeyRequest(msgspec.Struct, frozen=True):
    """Who acts with the key, by an opaque id that is no person's name, and in which role."""

    actor: Id
    role: Role
    party: Id | None = None
    """Whose statements a partner's key reads."""


class GrantedKey(msgspec.Struct, frozen=True):
    """`secret` is null when the same request is sent again: only its hash was kept. `in_force` is false
    while the projections have not seen the key."""

    key_id: str
    secret: str | None
    actor: str
    role: Role
    party: str | None
    sequence: int
    in_force: bool


class RevokedKey(msgspec.Struct, frozen=True):
    """`in_force` is true while the projections have not seen the revocation."""

    key_id: str
    sequence: int
    in_force: bool


class KeyPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[ListedKey, ...]
    next_cursor: str | None


@post(
    "/keys",
    summary="Grant a key; its secret is in this answer only",
    responses=WRITE_PROBLEMS,
    tags=["Access"],
    sync_to_thread=True,
)
def grant_key(intake: NamedDependency[Intake], data: JSONBody[KeyRequest]) -> Response[GrantedKey]:
    key_id = f"k{hashlib.sha256(intake.command_id.encode()).hexdigest()[:20]}"
    before = intake.service.door.state(f"key.{key_id}")
    if isinstance(before, Key):
        return _granted_before(intake, data, before.grant)
    secret = new_secret()
    grant = Grant(key_id, digest_of(secret), data.actor, data.role, data.party)
    stored = intake.execute(GrantKey(grant)).content
    answer = GrantedKey(
        key_id, secret, data.actor, data.role, data.party, stored.sequence, _seen(intake, stored.sequence)
    )
    return Response(answer, status_code=201, headers={"Cache-Control": "no-store"})


def _granted_before(intake: Intake, data: KeyRequest, grant: Grant) -> Response[GrantedKey]:
    if (grant.actor, grant.role, grant.party) != (data.actor, data.role, data.party):
        raise Refused(
            "command_id_reused", "this Idempotency-Key asked for another key", place="Idempotency-Key"
        )
    with intake.service.database.reading(intake.service.book) as connection:
        listed = access_keys.one(connection, grant.key_id)
    answer = GrantedKey(
        grant.key_id,
        None,
        grant.actor,
        grant.role,
        grant.party,
        listed.sequence if listed else 0,
        listed is not None and not listed.revoked,
    )
    return replayable(answer, repeated=True)


@post(
    "/keys/{key_id:str}/revoke",
    summary="Revoke a key at once",
    responses=WRITE_PROBLEMS,
    tags=["Access"],
    sync_to_thread=True,
)
def revoke_key(
    intake: NamedDependency[Intake],
    key_id: Annotated[str, PathParameter(pattern=ID_PATTERN, description="The key's id, not its secret")],
) -> Response[RevokedKey]:
    answer = intake.execute(RevokeKey(key_id))
    sequence = answer.content.sequence
    body = RevokedKey(key_id, sequence, not _seen(intake, sequence))
    return Response(body, status_code=201, headers=dict(answer.headers))


@get(
    "/keys",
    summary="Keys by id, without their secrets; whoever asks needs a right of today",
    responses=READ_PROBLEMS,
    tags=["Access"],
    sync_to_thread=True,
)
def list_keys(view: NamedDependency[View], limit: Limit = LIMIT, cursor: Cursor = None) -> KeyPage:
    with view.page(cursor, str, "") as (connection, position, after):
        found = access_keys.page(connection, position, after, limit + 1)
    more = cursor_of(position, found[limit - 1].key_id) if len(found) > limit else None
    return KeyPage(position, tuple(found[:limit]), more)


def _seen(intake: Intake, sequence: int) -> bool:
    """Whether the projections have come to `sequence`, after waiting for them."""
    try:
        wait_until(intake.service.database, intake.service.book, sequence, WAIT_S)
    except Behind:
        return False
    return True


ROUTES = (list_keys, grant_key, revoke_key)
