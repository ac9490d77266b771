"""Who is asking: a key in force now, whatever `as_of` says."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from adapters.http.permissions import PERMISSIONS
from adapters.http.problem import BadRequest, Forbidden, Unauthenticated
from adapters.http.secret import digest_of
from adapters.http.service import Service
from adapters.queries import access_keys
from ledger.access import Role

_SCHEME: Final = "bearer "
_HEADER_MAX: Final = 200


class Caller(msgspec.Struct, frozen=True):
    """`actor` is the opaque id under which facts are recorded; a partner has its party. `key_id` is of the
    key that was sent."""

    actor: str
    role: Role
    party: str | None
    key_id: str = ""


def authorise(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let a request through whose key is in force, whose role may, and whose parameters are known.

    Raises:
        Unauthenticated, Forbidden, BadRequest: in this precedence.
    """
    if connection.scope["method"] == "OPTIONS":  # type: ignore[typeddict-item]
        return
    service: Service = connection.app.state.service
    caller = _caller(service, connection.headers.get("authorization", ""))
    connection.scope["user"] = caller
    route = f"{connection.scope['method']} {connection.scope['path_template']}"  # type: ignore[typeddict-item]
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


def _caller(service: Service, header: str) -> Caller:
    if not header.lower().startswith(_SCHEME) or len(header) > _HEADER_MAX:
        raise Unauthenticated
    with service.database.reading(service.book) as connection:
        grant = access_keys.in_force(connection, digest_of(header[len(_SCHEME) :].strip()))
    if grant is None:
        raise Unauthenticated
    return Caller(grant.actor, grant.role, grant.party, grant.key_id)


def provide_caller(request: Request[Caller, Any, Any]) -> Caller:
    """The caller that `authorise` found."""
    return request.user
