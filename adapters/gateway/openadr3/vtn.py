"""A small OpenADR 3.1 server (VTN) of our own over HTTP, for tests and the demo: no production server.

It has programmes, events, reports, subscriptions, vens, resources and tokens for business logic and VENs. It
keeps subscriptions and never calls them, and has no MQTT: clients poll.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

import msgspec
from litestar import Litestar, Request, Response, delete, get, post, put
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from adapters.gateway.openadr3 import wire
from adapters.gateway.openadr3.response_call import call_of
from adapters.gateway.openadr3.timing import instant_of, is_now
from adapters.gateway.openadr3.vtn_store import Caller, Declined, Object, Role, VtnStore
from ledger.refusal import Refused

_PAGE_MAX: Final = 50
_BEARER: Final = "Bearer"
_SCOPES: Final[Mapping[Role, str]] = {
    "bl": "read_all write_programs write_events write_subscriptions write_vens",
    "ven": "read_targets read_ven_objects write_reports write_subscriptions write_vens",
}


class VtnClient(NamedTuple):
    """Who may ask for a token."""

    client_id: str
    client_secret: str
    role: Role

    def __repr__(self) -> str:
        return f"VtnClient({self.client_id!r}, {self.role!r})"


class Tokens:
    """Access tokens of a VTN's clients; one holds for `ttl_s` seconds."""

    def __init__(self, clients: tuple[VtnClient, ...], clock: Callable[[], datetime], ttl_s: int) -> None:
        self._clients = {client.client_id: client for client in clients}
        self._clock = clock
        self._ttl_s = ttl_s
        self._lock = threading.Lock()
        self._issued: dict[str, tuple[Caller, datetime]] = {}

    def issued(self, form: Mapping[str, list[str]]) -> wire.Token | wire.AuthError:
        """A token for the client that the form names, or what is wrong with the form (RFC 6749 5.2)."""
        if any(len(values) != 1 for values in form.values()):
            return wire.AuthError(error="invalid_request", error_description="a field is repeated")
        told = {name: values[0] for name, values in form.items()}
        if told.get("grant_type") != "client_credentials":
            missing = "grant_type" not in told
            return wire.AuthError(error="invalid_request" if missing else "unsupported_grant_type")
        client = self._clients.get(told.get("client_id", ""))
        secret = told.get("client_secret", "")
        if client is None or not secrets.compare_digest(client.client_secret.encode(), secret.encode()):
            return wire.AuthError(error="invalid_client")
        text = secrets.token_urlsafe(24)
        with self._lock:
            until = self._clock() + timedelta(seconds=self._ttl_s)
            self._issued[text] = (Caller(client.client_id, client.role), until)
        return wire.Token(
            access_token=text, token_type=_BEARER, expires_in=self._ttl_s, scope=_SCOPES[client.role]
        )

    def caller(self, header: str) -> Caller:
        """Raises:
        Declined: 401."""
        scheme, _, text = header.partition(" ")
        with self._lock:
            found = self._issued.get(text.strip())
        if scheme.lower() != "bearer" or found is None or found[1] <= self._clock():
            raise Declined(401, "send a token that holds: Authorization: Bearer <token>")
        return found[0]

    def revoke_all(self) -> None:
        """End every token."""
        with self._lock:
            self._issued.clear()


class Kind(NamedTuple):
    """A kind of object: its path, what a request of it is, what is stored, who writes it, what filters it."""

    path: str
    object_type: str
    request: Any
    stored: type[Object]
    writers: frozenset[Role]
    fields: Mapping[str, str]
    targeted: bool = True


_BL: Final[frozenset[Role]] = frozenset({"bl"})
_VEN: Final[frozenset[Role]] = frozenset({"ven"})
KINDS: Final = (
    Kind("/programs", "PROGRAM", wire.ProgramRequest, wire.Program, _BL, {}),
    Kind("/events", "EVENT", wire.EventRequest, wire.Event, _BL, {"programID": "program_id"}),
    Kind(
        "/reports", "REPORT", wire.ReportRequest, wire.Report, _VEN,
        {"programID": "program_id", "eventID": "event_id", "clientName": "client_name"}, targeted=False,
    ),
    Kind(
        "/subscriptions", "SUBSCRIPTION", wire.SubscriptionRequest, wire.Subscription, _BL | _VEN,
        {"programID": "program_id", "clientName": "client_name", "objects": "objects"}, targeted=False,
    ),
    Kind(
        "/vens", "VEN", wire.BlVenRequest | wire.VenVenRequest, wire.Ven, _BL | _VEN, {"venName": "ven_name"}
    ),
    Kind(
        "/resources", "RESOURCE", wire.BlResourceRequest | wire.VenResourceRequest, wire.Resource, _BL | _VEN,
        {"resourceName": "resource_name", "venID": "ven_id"},
    ),
)  # fmt: skip


def vtn_app(store: VtnStore, tokens: Tokens, base: str = "/openadr3/3.1.1") -> Litestar:
    """The VTN's HTTP application below `base`; errors are problems as the specification asks."""
    handlers = [handler for kind in KINDS for handler in _handlers(kind, store, tokens)]
    return Litestar(
        route_handlers=[*handlers, *_auth(tokens)],
        path=base,
        openapi_config=None,
        exception_handlers={
            Declined: _declined,
            Refused: _refused,
            HTTPException: _http,
        },
        request_max_body_size=wire.BODY_BYTES_MAX,
    )


def _handlers(kind: Kind, store: VtnStore, tokens: Tokens) -> list[HTTPRouteHandler]:
    async def search(request: Request[Any, Any, Any]) -> Response[bytes]:
        caller = _caller(request, tokens)
        fields, targets = _filters(request, kind)
        skip, limit = _bounds(request)
        found = store.listed(caller, kind.object_type, fields, targets)
        if kind.object_type == "EVENT" and _flag(request, "active"):
            found = [one for one in found if isinstance(one, wire.Event) and _is_active(one, store.clock())]
        return _json(found[skip : skip + limit])

    async def create(request: Request[Any, Any, Any]) -> Response[bytes]:
        caller = _writer(request, kind, tokens)
        fields = _fields(kind, caller, await request.body())
        return _json(store.put(caller, kind.object_type, kind.stored, fields, None), HTTPStatus.CREATED)

    async def read(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        return _json(store.one(_caller(request, tokens), kind.object_type, name))

    async def update(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        caller = _writer(request, kind, tokens)
        before = store.one(caller, kind.object_type, name)
        fields = _fields(kind, caller, await request.body())
        return _json(store.put(caller, kind.object_type, kind.stored, _kept(before, caller, fields), name))

    async def remove(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        return _json(store.removed(_writer(request, kind, tokens), kind.object_type, name))

    one = f"{kind.path}/{{name:str}}"
    return [
        get(kind.path)(search),
        post(kind.path)(create),
        get(one)(read),
        put(one)(update),
        delete(one, status_code=HTTPStatus.OK)(remove),
    ]


def _auth(tokens: Tokens) -> list[HTTPRouteHandler]:
    async def server(request: Request[Any, Any, Any]) -> Response[bytes]:
        url = str(request.url).partition("?")[0].removesuffix("/server") + "/token"
        return _json(wire.AuthServer(token_url=url))

    async def token(request: Request[Any, Any, Any]) -> Response[bytes]:
        try:
            form = parse_qs((await request.body()).decode(), strict_parsing=True, max_num_fields=20)
        except ValueError:
            return _json(wire.AuthError(error="invalid_request"), HTTPStatus.BAD_REQUEST)
        found = tokens.issued(form)
        if isinstance(found, wire.Token):
            return _json(found)
        wrong = found.error == "invalid_client"
        return _json(found, HTTPStatus.UNAUTHORIZED if wrong else HTTPStatus.BAD_REQUEST)

    return [get("/auth/server")(server), post("/auth/token")(token)]


def _caller(request: Request[Any, Any, Any], tokens: Tokens) -> Caller:
    return tokens.caller(request.headers.get("authorization", ""))


def _writer(request: Request[Any, Any, Any], kind: Kind, tokens: Tokens) -> Caller:
    caller = _caller(request, tokens)
    if caller.role not in kind.writers:
        raise Declined(403, f"a client of role {caller.role} does not write {kind.path[1:]}")
    return caller


def _fields(kind: Kind, caller: Caller, body: bytes) -> dict[str, object]:
    """The request's fields. What a VEN writes is its own, and it sets no targets."""
    told: Any = wire.decoded(body, kind.request)
    if isinstance(told, wire.BlVenRequest | wire.BlResourceRequest) and caller.role == "ven":
        raise Declined(403, "a VEN sends VEN_VEN_REQUEST or VEN_RESOURCE_REQUEST")
    if isinstance(told, wire.VenVenRequest | wire.VenResourceRequest) and caller.role == "bl":
        raise Declined(400, "business logic sends BL_VEN_REQUEST or BL_RESOURCE_REQUEST, with a clientID")
    fields = dict(msgspec.structs.asdict(told))
    if kind.object_type == "EVENT":
        _check_event(told)
    if kind.object_type in {"REPORT", "SUBSCRIPTION"} or caller.role == "ven":
        fields["client_id"] = caller.client_id
    return fields


def _kept(before: Object, caller: Caller, fields: dict[str, object]) -> dict[str, object]:
    """An update keeps the owner, and of a VEN's update the targets that business logic granted."""
    kept = dict(fields)
    owner = getattr(before, "client_id", None)
    if caller.role == "ven" or isinstance(before, wire.Report | wire.Subscription):
        kept["client_id"] = owner
    if caller.role == "ven" and isinstance(before, wire.Ven | wire.Resource):
        kept["targets"] = before.targets
    return kept


def _check_event(told: wire.EventRequest) -> None:
    """That the event's instants can be read at all; content is the clients' to judge (Definition)."""
    period = told.interval_period
    if period is not None and period.start is not None and not is_now(period.start):
        instant_of(period.start, "intervalPeriod.start")


def _is_active(event: wire.Event, now: datetime) -> bool:
    """Whether the event is not over; one whose times cannot be told is left to the client."""
    try:
        end = call_of(event, now).end
    except Refused:
        return True
    return end is None or end > now


def _filters(request: Request[Any, Any, Any], kind: Kind) -> tuple[dict[str, str], frozenset[str]]:
    told = request.query_params
    fields = {field: told[name] for name, field in kind.fields.items() if name in told}
    targets = frozenset(told.getall("targets")) if kind.targeted and "targets" in told else frozenset()
    if any(not 1 <= len(text) <= 128 for text in (*fields.values(), *targets)):
        raise Refused("parameter", "a filter has 1 to 128 characters", place="query")
    return fields, targets


def _bounds(request: Request[Any, Any, Any]) -> tuple[int, int]:
    found: list[int] = []
    for name, usual, most in (("skip", 0, 2**31 - 1), ("limit", _PAGE_MAX, _PAGE_MAX)):
        text = request.query_params.get(name, str(usual))
        if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > most:
            raise Refused("parameter", f"{name} is a whole number 0..{most}", place=name)
        found.append(int(text))
    return found[0], found[1]


def _flag(request: Request[Any, Any, Any], name: str) -> bool:
    text = request.query_params.get(name, "false")
    if text not in {"true", "false"}:
        raise Refused("parameter", f"{name} is true or false", place=name)
    return text == "true"


def _json(body: object, status: HTTPStatus = HTTPStatus.OK) -> Response[bytes]:
    return Response(wire.encoded(body), status_code=status, media_type="application/json")


def _problem(status: int, detail: str) -> Response[bytes]:
    told = wire.Problem(title=HTTPStatus(status).phrase, status=status, detail=detail)
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
    return Response(wire.encoded(told), status_code=status, media_type="application/json", headers=headers)


def _declined(_: Request[Any, Any, Any], error: Declined) -> Response[bytes]:
    return _problem(error.status, error.detail)


def _refused(_: Request[Any, Any, Any], error: Refused) -> Response[bytes]:
    return _problem(HTTPStatus.BAD_REQUEST, str(error))


def _http(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    return _problem(error.status_code, error.detail)
