"""Who is asking: a key in force now, whatever `as_of` says."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from adapters.http.instant import WHOLE
from adapters.http.permissions import PERMISSIONS
from adapters.http.problem import BadRequest, Forbidden, Unauthenticated
from adapters.http.recording import action_of
from adapters.http.secret import digest_of
from adapters.http.service import Service
from adapters.queries import access_keys
from ledger.access import Grant, Key, Role

_SCHEME: Final = "bearer "
_HEADER_MAX: Final = 200


class Caller(msgspec.Struct, frozen=True):
    """`actor` is the opaque id under which facts are recorded; a partner has its party. `key_id` is of the
    key that was sent."""

    actor: str
    role: Role
    party: str | None
    key_id: str = ""


async def authorise(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let a request through whose key is in force, whose role may, and whose parameters are known.

    Raises:
        Unauthenticated, Forbidden, BadRequest: in this precedence.
    """
    if connection.scope["method"] == "OPTIONS":  # type: ignore[typeddict-item]
        return
    service: Service = connection.app.state.service
    route = f"{connection.scope['method']} {connection.scope['path_template']}"  # type: ignore[typeddict-item]
    commands = not route.startswith("GET ") and action_of(route) is None
    caller = await _caller(service, connection.headers.get("authorization", ""), commands=commands)
    connection.scope["user"] = caller
    if caller.role not in PERMISSIONS[route]:
        allowed = ", ".join(sorted(PERMISSIONS[route]))
        raise Forbidden(f"role {caller.role} may not; {allowed} may")
    known: dict[str, bool] = connection.app.state.query_names[route]
    for name in connection.query_params:
        if name not in known:
            allowed = ", ".join(sorted(known)) or "none"
            detail = f"not a parameter here; these are: {allowed}"
            raise BadRequest("unknown_parameter", detail, name, tuple(sorted(known)))
        if len(values := connection.query_params.getall(name)) > 1 and not known[name]:
            raise BadRequest("repeated_parameter", f"it is given {len(values)} times; give it once", name)
    for name in connection.app.state.whole_numbers[route]:
        for text in _given(connection, name):
            if not WHOLE.fullmatch(text):
                detail = (
                    "a whole number in digits only, without a sign, a point or zeros before it, such as 10"
                )
                raise BadRequest("parameter", detail, name)


def _given(connection: ASGIConnection[Any, Any, Any, Any], name: str) -> list[str]:
    """What the query or the path has for a parameter, as it was written."""
    template = connection.scope["path_template"]
    if (place := f"{{{name}}}") in (parts := template.split("/")):
        return [connection.scope["path"].split("/")[parts.index(place)]]
    return connection.query_params.getall(name, [])


async def _caller(service: Service, header: str, *, commands: bool) -> Caller:
    if not header.lower().startswith(_SCHEME) or len(header) > _HEADER_MAX:
        raise Unauthenticated
    grant = await _in_force(service, digest_of(header[len(_SCHEME) :].strip()), commands=commands)
    if grant is None:
        raise Unauthenticated
    return Caller(grant.actor, grant.role, grant.party, grant.key_id)


async def _in_force(service: Service, sha256: str, *, commands: bool) -> Grant | None:
    """The grant of a key in force; None for another.

    A key that was proven once by its archived events is asked of the stream when it commands: its own state
    tells of a revocation before any row does. Who reads is answered while NATS is away, so a read asks the
    archive.
    """
    if commands and (proven := service.proven.recall(sha256)) is not None:
        state = await service.awaited.state(f"key.{proven.key_id}")
        return proven if state == Key(proven) else None
    grant = await asyncio.to_thread(_archived, service, sha256)
    if grant is not None:
        service.proven.remember(sha256, grant)
    return grant


def _archived(service: Service, sha256: str) -> Grant | None:
    with service.database.reading(service.book) as connection:
        return access_keys.in_force(connection, sha256)


def provide_caller(request: Request[Caller, Any, Any]) -> Caller:
    """The caller that `authorise` found."""
    return request.user
