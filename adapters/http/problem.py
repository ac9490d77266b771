"""What a client is told when something is refused or fails: problem details (RFC 9457)."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import msgspec
import nats.errors
import psycopg
from eventsourcing.persistence import OperationalError
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.openapi.datastructures import ResponseSpec

from adapters.allowed_values import values_at
from adapters.continuity import Discontinuity
from adapters.decoder_refusal import NotAllowed, plainly
from adapters.http.permissions import PERMISSIONS
from adapters.integrity.fault import Fault
from adapters.nats.log import StoreFull
from adapters.settling import Behind
from adapters.transparency.published_log import DAMAGED
from ledger.refusal import Refused

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1

_log = logging.getLogger("wattledger.http")
_CONFLICTS: Final = frozenset(
    {"conflict", "command_id_reused", "exists", "bid_exists", "bid_revision", "planner_busy"}
)
_DAMAGED: Final = DAMAGED | {
    "consistency_proof", "entry_bundle", "hash_bytes", "inclusion_proof", "split_view",
}  # fmt: skip
"""What the log's own tree and files are refused for: no request of a client is."""
_MISSING: Final = re.compile(r"Missing required \w+ parameter '(?P<name>[^']+)'")
_MISSING_PART: Final = re.compile(r"Object missing required field `(?P<part>[^`]+)`")
_PARTS: Final = frozenset({"file", "profile"})
_FORM: Final = (
    "send multipart/form-data with two parts: `file`, the readings with a filename, and `profile`, the TOML"
)
_DISCONTINUITY: Final = (
    "what is kept is not what was recorded; nothing of it is written or answered until it is repaired:"
    " `wattledger verify` names what is damaged, `wattledger repair --dry-run` what can be restored"
)
_READ_BY: Final = {
    "table registered, contract ": "GET /v1/contracts",
    "table registered, market_fact ": "GET /v1/market/facts",
    "table registered, market_rule ": "GET /v1/market/rules",
    "table registered, meter ": "GET /v1/meters",
    "table registered, party ": "GET /v1/parties",
    "table registered, proposal ": "GET /v1/proposals",
    "table registered, site ": "GET /v1/sites",
    "table registered, tariff ": "GET /v1/tariffs",
    "table registered, trading_unit ": "GET /v1/trading-units",
    "table meter_import, ": "GET /v1/imports",
    "table meter_run, ": "GET /v1/readings",
    "table price_block, ": "GET /v1/prices",
    "table settlement, ": "GET /v1/settlements",
    "table statement, ": "GET /v1/settlements",
    "table statement_life, ": "GET /v1/settlements",
}
"""The route whose roles may know of a damaged row; who reads the events may know of any."""
_PUBLIC: Final = {"idempotency_key": "Idempotency-Key", "start": "from", "end": "to"}
"""What parameters are called outside, where Python cannot call them that."""


class Problem(msgspec.Struct, frozen=True):
    """`code` is stable (docs/refusals.md), `place` names the field, row or parameter that is meant.

    `allowed` lists the values or fields that may stand there, where they are a closed list.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    place: str = ""
    allowed: tuple[str, ...] = ()


class Unauthenticated(Exception):
    """No key, an unknown one or a revoked one; the answer never says which."""


class Forbidden(Exception):
    """The key's role may not do this."""


class BadRequest(Refused):
    """A request that cannot be read: its parameters, or a body that is no JSON or no form."""

    def __init__(self, code: str, detail: str, place: str = "", allowed: tuple[str, ...] = ()) -> None:
        super().__init__(code, detail, place=place)
        self.detail, self.allowed = detail, allowed


def _answer(
    status: HTTPStatus,
    code: str,
    detail: str,
    place: str = "",
    *,
    allowed: tuple[str, ...] = (),
    headers: dict[str, str] | None = None,
) -> Response[Problem]:
    kind = f"urn:wattledger:refusal:{code}"
    problem = Problem(kind, status.phrase, status.value, detail, code, place, allowed)
    return Response(problem, status_code=status.value, media_type=MEDIA_TYPE, headers=headers)


def _refused(request: Request[Any, Any, Any], error: Refused) -> Response[Problem]:
    if error.code in _DAMAGED:
        return _unavailable(request, Discontinuity(str(error), code="tree_altered", place=error.place))
    if error.code in _CONFLICTS:
        status = HTTPStatus.CONFLICT
    elif error.code.startswith("unknown_") and (
        request.method == "GET" or error.place in request.path_params
    ):
        status = HTTPStatus.NOT_FOUND
    else:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
    allowed = error.allowed if isinstance(error, NotAllowed) else ()
    return _answer(status, error.code, error.reason, error.place, allowed=allowed)


def _unauthenticated(_: Request[Any, Any, Any], __: Unauthenticated) -> Response[Problem]:
    detail = "send a key that is in force: Authorization: Bearer <key>"
    return _answer(HTTPStatus.UNAUTHORIZED, "unauthenticated", detail, headers={"WWW-Authenticate": "Bearer"})


def _forbidden(_: Request[Any, Any, Any], error: Forbidden) -> Response[Problem]:
    return _answer(HTTPStatus.FORBIDDEN, "forbidden", str(error))


def _bad_request(_: Request[Any, Any, Any], error: BadRequest) -> Response[Problem]:
    return _answer(HTTPStatus.BAD_REQUEST, error.code, error.detail, error.place, allowed=error.allowed)


def _invalid(request: Request[Any, Any, Any], error: ValidationException) -> Response[Problem]:
    """A parameter of the address or a header that is missing or out of range."""
    if isinstance(error.extra, list) and error.extra:
        first = error.extra[0]
        key = str(first.get("key", ""))
        if first.get("source") == "body":
            part = _part_of(str(first["message"]), key)
            if part in _PARTS:
                return _no_form(part)
            return _answer(HTTPStatus.BAD_REQUEST, "json", "a body is needed")
        known = request.route_handler.parsed_fn_signature.parameters.get(key)
        allowed = () if known is None else values_at(known.annotation, "$")
        detail = plainly(str(first["message"]), allowed)
        return _answer(HTTPStatus.BAD_REQUEST, "parameter", detail, _PUBLIC.get(key, key), allowed=allowed)
    missing = _MISSING.match(error.detail)
    if missing:
        return _answer(HTTPStatus.BAD_REQUEST, "parameter", missing[0], missing["name"])
    return _answer(HTTPStatus.BAD_REQUEST, "parameter", error.detail)


def _part_of(message: str, key: str) -> str:
    """The part of the form that is meant: one that is missing, or one of the wrong kind."""
    missing = _MISSING_PART.match(message)
    return missing["part"] if missing else key


def _no_form(part: str = "") -> Response[Problem]:
    return _answer(HTTPStatus.BAD_REQUEST, "form", _FORM, part)


def _http(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    headers = dict(error.headers or {})
    match error:
        case NotFoundException():
            return _answer(HTTPStatus.NOT_FOUND, "not_found", "there is nothing at this address")
        case MethodNotAllowedException():
            detail = "this address has other methods"
            return _answer(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", detail, headers=headers)
        case RequestEntityTooLarge():
            detail = "the body is too large"
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            return _answer(status, "request_entity_too_large", detail, headers=headers)
        case _ if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return _failed(request, error)
        case _ if "multipart" in error.detail.lower():
            return _no_form()
        case _:
            return _answer(HTTPStatus(error.status_code), "request", error.detail, headers=headers)


def _place_for(request: Request[Any, Any, Any], fault: Fault) -> str:
    """Where the damage is, for a role that may read the whole of what is there; "" for all others, and for a
    partner, whose rows are its own only."""
    caller = request.scope.get("user")
    if caller is None or caller.party is not None or not fault.inside:
        return ""
    readers = PERMISSIONS["GET /v1/events"] | frozenset().union(
        *(PERMISSIONS[route] for start, route in _READ_BY.items() if fault.place.startswith(start))
    )
    return fault.place if caller.role in readers else ""


def _unavailable(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """A store is away, full or in doubt: nothing of ours may be written or believed until it is back."""
    _log.warning("not available: %s", error.fault if isinstance(error, Discontinuity) else error)
    place = ""
    match error:
        case Behind():
            code, detail = "behind", f"the projections are behind: {error}"
        case StoreFull():
            code, detail = "store_full", "the event store is full; reading works, writing does not"
        case Discontinuity():
            code, detail, place = "discontinuity", _DISCONTINUITY, _place_for(request, error.fault)
        case _:
            code, detail = "unavailable", "a store does not answer; send the same request again"
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return _answer(HTTPStatus.SERVICE_UNAVAILABLE, code, detail, place, headers=headers)


def _failed(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "our fault; it was logged")


HANDLERS: Final[dict[int | type[Exception], Callable[[Request[Any, Any, Any], Any], Response[Problem]]]] = {
    Refused: _refused,
    Unauthenticated: _unauthenticated,
    Forbidden: _forbidden,
    BadRequest: _bad_request,
    ValidationException: _invalid,
    HTTPException: _http,
    Behind: _unavailable,
    Discontinuity: _unavailable,
    OperationalError: _unavailable,
    psycopg.OperationalError: _unavailable,
    nats.errors.Error: _unavailable,
    ConnectionError: _unavailable,
    TimeoutError: _unavailable,
    Exception: _failed,
}


def _spec(description: str) -> ResponseSpec:
    return ResponseSpec(Problem, description=description, media_type=MEDIA_TYPE, generate_examples=False)


READ_PROBLEMS: Final = {
    400: _spec("A parameter cannot be read; `place` names it"),
    401: _spec("No key in force was sent"),
    403: _spec("The key's role may not read this"),
    404: _spec("Nothing of that name is known, or not to this key"),
    422: _spec("A parameter has a value that is not allowed"),
    503: _spec("A store does not answer, or the projections are behind; Retry-After says when to ask again"),
}
"""What every query may answer beside its rows."""

WRITE_PROBLEMS: Final = {
    400: _spec("The body or a header cannot be read; `place` names it"),
    401: _spec("No key in force was sent"),
    403: _spec("The key's role may not do this"),
    404: _spec("What the address names is not known"),
    409: _spec("The Idempotency-Key was used for something else, or the thing exists, or others changed it"),
    413: _spec("The body is too large"),
    422: _spec("Refused: `code` and `place` say what and where; nothing was stored"),
    503: _spec("Nothing can be stored now; send the same request again with the same Idempotency-Key"),
}
"""What every command may answer beside its receipt."""
