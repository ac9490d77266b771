"""Who is asking: a key in force now, whatever `as_of` says."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from adapters.http.instant import WHOLE
from adapters.http.permissions import PERMISSIONS
from adapters.http.problem import BadRequest, Forbidden, Unauthenticated
from adapters.http.recent_keys import KEY, KEY_PATTERN
from adapters.http.recording import action_of
from adapters.http.secret import digest_of
from adapters.http.service import Service
from adapters.queries import access_keys
from ledger.access import Grant, Key, Role

_SCHEME: Final = "bearer "
_HEADER_MAX: Final = 200
_ASK_THEMSELVES: Final = frozenset({"POST /v1/bids"})
"""Their handlers have the key asked for in the turn that decides the command."""
_KEYED: Final = re.compile(KEY_PATTERN)
_LENGTH: Final = re.compile("[1-9][0-9]{0,5}")
"""Bytes of a body that is there, and far smaller than what is refused for its size."""


class Caller(msgspec.Struct, frozen=True):
    """`actor` is the opaque id under which facts are recorded; a partner has its party. `key_id` is of the
    key that was sent, `unasked` what it was granted where the command itself asks whether it is in force."""

    actor: str
    role: Role
    party: str | None
    key_id: str = ""
    unasked: Grant | None = None

    @property
    def given(self) -> dict[str, object]:
        """The state that the key must have when the command is decided."""
        return {} if self.unasked is None else {f"key.{self.key_id}": Key(self.unasked)}


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
    sha256 = _sha256(connection.headers.get("authorization", ""))
    caller = _unasked(service, connection, route, sha256)
    if caller is None:
        caller = await _caller(service, sha256, commands=commands)
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


def _sha256(header: str) -> str:
    if not header.lower().startswith(_SCHEME) or len(header) > _HEADER_MAX:
        raise Unauthenticated
    return digest_of(header[len(_SCHEME) :].strip())


def _unasked(
    service: Service, connection: ASGIConnection[Any, Any, Any, Any], route: str, sha256: str
) -> Caller | None:
    """Who sends a command that asks for the key itself, which saves a question; None where something else of
    the request may have to be refused before that, because a key that is not in force comes first."""
    if route not in _ASK_THEMSELVES or connection.query_params:
        return None
    grant = service.proven.recall(sha256)
    if grant is None or grant.role not in PERMISSIONS[route]:
        return None
    headers = connection.headers
    if not _KEYED.fullmatch(headers.get(KEY, "")) or not _LENGTH.fullmatch(headers.get("content-length", "")):
        return None
    return Caller(grant.actor, grant.role, grant.party, grant.key_id, grant)


async def check_asked(service: Service, caller: Caller) -> None:
    """For a handler that asks itself, before it refuses anything.

    Raises:
        Unauthenticated: the key is not in force.
    """
    for name, state in caller.given.items():
        if await service.awaited.state(name) != state:
            raise Unauthenticated


async def _caller(service: Service, sha256: str, *, commands: bool) -> Caller:
    grant = await _in_force(service, sha256, commands=commands)
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
