"""What the market answers when it refuses: problem details (RFC 9457) with its own time."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec

from adapters.reference_market.market import Market
from ledger.interval import Instant
from ledger.refusal import Refused

_MEDIA_TYPE: Final = "application/problem+json"
_MISSING: Final = re.compile(r"Missing required \w+ parameter '(?P<name>[^']+)'")
_PUBLIC: Final = {"key": "Idempotency-Key"}
_CONFLICTS: Final = frozenset(
    {
        "already_published",
        "clock_backward",
        "clock_real",
        "gate_closed",
        "gate_not_open",
        "idempotency_key_reused",
        "revision_behind",
    }
)


class Problem(msgspec.Struct, frozen=True):
    """`code` is stable (docs/refusals.md); `market_time` is what the market's clock showed."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    place: str
    market_time: Instant


def _status(code: str) -> HTTPStatus:
    if code in _CONFLICTS:
        return HTTPStatus.CONFLICT
    if code.startswith("unknown_") or code == "not_published":
        return HTTPStatus.NOT_FOUND
    match code:
        case "market_unauthenticated":
            return HTTPStatus.UNAUTHORIZED
        case "market_forbidden":
            return HTTPStatus.FORBIDDEN
        case "offer_json":
            return HTTPStatus.BAD_REQUEST
        case _:
            return HTTPStatus.UNPROCESSABLE_ENTITY


def _answer(
    request: Request[Any, Any, Any], status: HTTPStatus, code: str, detail: str, place: str = ""
) -> Response[Problem]:
    market: Market = request.app.state.market
    kind = f"urn:reference-market:refusal:{code}"
    problem = Problem(kind, status.phrase, status.value, detail, code, place, market.clock.now())
    return Response(problem, status_code=status.value, media_type=_MEDIA_TYPE)


def _refused(request: Request[Any, Any, Any], error: Refused) -> Response[Problem]:
    return _answer(request, _status(error.code), error.code, error.reason, error.place)


def _invalid(request: Request[Any, Any, Any], error: ValidationException) -> Response[Problem]:
    """A part of the address, a header or an admin's body that cannot be read."""
    first = error.extra[0] if isinstance(error.extra, list) and error.extra else {}
    missing = _MISSING.match(error.detail)
    key = missing["name"] if missing else str(first.get("key", ""))
    detail = str(first.get("message", error.detail))
    return _answer(request, HTTPStatus.BAD_REQUEST, "parameter", detail, _PUBLIC.get(key, key))


def _http(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    status = HTTPStatus(error.status_code)
    code = status.phrase.lower().replace(" ", "_")
    return _answer(request, status, code, error.detail)


HANDLERS: Final[dict[int | type[Exception], Callable[[Request[Any, Any, Any], Any], Response[Problem]]]] = {
    Refused: _refused,
    ValidationException: _invalid,
    HTTPException: _http,
}


def _spec(description: str) -> ResponseSpec:
    return ResponseSpec(Problem, description=description, media_type=_MEDIA_TYPE, generate_examples=False)


PROBLEMS: Final = {
    400: _spec("The address, a header or the body cannot be read"),
    401: _spec("No token, or not one of the market's"),
    403: _spec("The token is another participant's, or not the administrator's"),
    404: _spec("No trade on that day, no offer, not published yet, no such run"),
    409: _spec("The gate is closed or not open, the revision is behind, the key was used for something else"),
    422: _spec("The content is refused; `place` is the field's path"),
}
"""What every route may answer beside its result."""
