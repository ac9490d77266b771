"""Nothing is seen unrecorded: an answer leaves when the access log has it on the disk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from adapters.access_log import AccessLog, Unrecorded, new_request_id
from adapters.continuity import Discontinuity
from adapters.http.problem import MEDIA_TYPE, RETRY_AFTER_S, Problem
from ledger.access_record import AccessRecord, Action, checked_request, shortened
from ledger.refusal import Refused

_log = logging.getLogger("wattledger.http")

REQUEST_ID: Final = "Request-Id"
ACCESS: Final = "access"
"""Under which name the application's state has the access log."""
_POSITION: Final = "access_log_position"
_PARAMETERS_MAX: Final = 40

UNRECORDED: Final = frozenset(
    {
        "GET /v1/parties",
        "GET /v1/parties/{name}",
        "GET /v1/sites",
        "GET /v1/sites/{name}",
        "GET /v1/meters",
        "GET /v1/meters/{name}",
        "GET /v1/devices",
        "GET /v1/devices/{name}",
        "GET /v1/telemetry/{name}",
        "GET /v1/tariffs",
        "GET /v1/tariffs/{name}",
        "GET /v1/prices",
        "GET /v1/market/rules",
        "GET /v1/market/rules/{name}",
        "GET /v1/market/facts",
        "GET /v1/market/facts/{name}",
        "GET /v1/trading-units",
        "GET /v1/trading-units/{name}",
        "GET /v1/markets",
        "GET /v1/markets/{name}",
        "GET /v1/markets/{name}/gates/{day}",
        "GET /v1/exclusivity/{name}",
        "GET /v1/readings",
        "GET /v1/sites/{name}/validations/{month}",
        "GET /v1/substitution-methods/{meter}/{register}",
        "GET /v1/imports",
        "GET /v1/schemas/contract",
        "GET /v1/alarms",
        "GET /v1/devices/{name}/commissioning",
        "GET /v1/trading-units/{name}/prequalification",
        "GET /v1/devices/{name}/health",
        "GET /v1/sites/{name}/milestones",
        "GET /v1/work-orders",
        "GET /v1/work-orders/{name}",
        "GET /v1/storage-limits",
        "GET /v1/storage-limits/{name}",
        "GET /v1/storage-terms",
        "GET /v1/storage-terms/{name}",
        "GET /v1/run-calendars",
        "GET /v1/run-calendars/{name}",
        "GET /v1/emission-factors",
        "GET /v1/status",
    }
)
"""Master data, metering and published rules: what every role but the partner's may read, and no money."""

ACTIONS: Final[dict[str, Action]] = {
    "GET /v1/contracts": "contract",
    "GET /v1/contracts/{name}": "contract",
    "GET /v1/contracts/{contract}/capital": "contract",
    "GET /v1/contracts/{contract}/exclusions": "contract",
    "GET /v1/contracts/{contract}/service-scores": "contract",
    "GET /v1/trading-units/{name}/statements/{month}": "statement",
    "GET /v1/trading-units/{name}/days/{day}": "bid",
    "GET /v1/bids": "bid",
    "GET /v1/bids/{name}": "bid",
    "GET /v1/bids/{name}/receipt": "bid",
    "GET /v1/bids/{name}/shares": "bid",
    "GET /v1/trading-units/{name}/positions": "bid",
    "GET /v1/trading-units/{name}/profit": "bid",
    "POST /v1/bids/check": "bid",
    "GET /v1/clearings": "bid",
    "GET /v1/clearings/{name}": "bid",
    "GET /v1/desk": "bid",
    "GET /v1/forecasts": "report",
    "GET /v1/forecasts/{name}": "report",
    "POST /v1/backtests": "report",
    "GET /v1/plans/{portfolio}/{day}": "report",
    "GET /v1/sites/{name}/value/{month}": "report",
    "GET /v1/emergencies": "report",
    "GET /v1/devices/{name}/commands": "report",
    "GET /v1/devices/{name}/lease": "report",
    "GET /v1/devices/{name}/fallback": "report",
    "GET /v1/live": "bid",
    "GET /v1/proposals": "proposal",
    "GET /v1/proposals/{name}": "proposal",
    "GET /v1/settlements": "statement",
    "GET /v1/settlements/{contract}/{month}": "statement",
    "POST /v1/what-if": "what_if",
    "POST /v1/appraisals": "what_if",
    "GET /v1/runs/due": "report",
    "GET /v1/statements": "statement",
    "GET /v1/statements/{contract}/{month}/{party}": "statement",
    "GET /v1/statements/{contract}/{month}/{party}/lines/{number}/explain": "explain",
    "GET /v1/statements/{contract}/{month}/{party}/amounts/{name}/explain": "explain",
    "GET /v1/statements/{contract}/{month}/{party}/document": "document",
    "GET /v1/statements/{contract}/{month}/{party}/{run}/life": "statement",
    "GET /v1/statements/{contract}/{month}/{party}/bundle": "bundle",
    "GET /v1/bundles/book": "bundle",
    "GET /v1/stories/bids/{name}": "story",
    "GET /v1/stories/readings/{meter}/{instant}": "story",
    "GET /v1/stories/lines/{contract}/{month}/{run}/{number}": "story",
    "GET /v1/stories/contracts/{name}": "story",
    "GET /v1/stories/devices/{name}": "story",
    "GET /v1/stories/meters/{name}": "story",
    "GET /v1/stories/sites/{name}": "story",
    "GET /v1/stories/market-facts/{name}": "story",
    "GET /v1/stories/unit-statements/{name}": "story",
    "GET /v1/stories/actors/{name}": "story",
    "GET /v1/stories/documents": "story",
    "GET /v1/stories/events/{sequence}": "story",
    "GET /v1/statement-tables/{month}/{table}": "export",
    "GET /v1/reports/{month}": "report",
    "GET /v1/reconciliations": "reconciliation",
    "GET /v1/reconciliations/{name}": "reconciliation",
    "GET /v1/receivables": "account",
    "GET /v1/months/{month}": "report",
    "GET /v1/netting": "account",
    "GET /v1/netting/{party}": "account",
    "GET /v1/journal": "journal",
    "GET /v1/trial-balance": "journal",
    "GET /v1/voucher-layouts/{name}": "setting",
    "GET /v1/vouchers": "export",
    "GET /v1/invoices": "account",
    "GET /v1/parties/{party}/account": "account",
    "GET /v1/events": "event",
    "GET /v1/events/{sequence}": "event",
    "GET /v1/log/tile/entries/{index}": "export",
    "GET /v1/log/proofs/inclusion": "proof",
    "GET /v1/log/proofs/consistency": "proof",
    "GET /v1/keys": "setting",
    "GET /v1/webhooks": "setting",
    "GET /v1/webhooks/{name}/dead-letters": "setting",
    "GET /v1/persons": "person",
    "GET /v1/persons/{name}": "person",
    "GET /v1/access-log": "access_log",
}
"""What each route shows. One that stands neither here nor above is recorded as `other`."""


def read_at(scope: Scope, position: int) -> None:
    """Note at which sequence number the answer of this request was read."""
    scope["state"][_POSITION] = position


def action_of(route: str) -> Action | None:
    """What a route shows; None for one that is not recorded, and for commands, which are events."""
    if route in UNRECORDED:
        return None
    if route in ACTIONS:
        return ACTIONS[route]
    return "other" if route.startswith("GET ") else None


def recording(app: ASGIApp) -> ASGIApp:
    """The middleware around every route that needs a key; it writes the log of the application's state."""

    async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            action = action_of(f"{scope['method']} {scope['path_template']}")
            if action is not None:
                send = _Held(scope["litestar_app"].state[ACCESS], scope, action, send)
        await app(scope, receive, send)

    return recorded


class _Held:
    """Holds an answer's head back until it is on record who gets it.

    An answer to nobody, for want of a key in force, shows nothing and is passed on: else whoever has no key
    could fill the log.
    """

    def __init__(self, access: AccessLog, scope: HTTPScope, action: Action, send: Send) -> None:
        self._access = access
        self._scope = scope
        self._action = action
        self._send = send
        self._request = _request_id(scope)
        self._head: Message | None = None
        self._withheld = False

    async def __call__(self, message: Message) -> None:
        if self._withheld:
            return
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (REQUEST_ID.lower().encode(), self._request.encode())]
            self._head = message
            return
        head, self._head = self._head, None
        if head is not None:
            assert head["type"] == "http.response.start"
            if self._scope.get("user") is not None:
                try:
                    await asyncio.to_thread(self._access.write, self._record(head["status"], message))
                except (Unrecorded, Discontinuity) as error:
                    self._withheld = True
                    await self._refuse(error)
                    return
            await self._send(head)
        await self._send(message)

    def _record(self, status: int, body: Message) -> AccessRecord:
        caller = self._scope["user"]
        refused = status >= HTTPStatus.BAD_REQUEST
        return AccessRecord(
            at=self._access.clock(),
            request=self._request,
            actor=caller.actor,
            key_id=caller.key_id,
            role=caller.role,
            party=caller.party,
            action=self._action,
            what=_asked(self._scope),
            position=None if refused else self._scope["state"].get(_POSITION),
            outcome="refused" if refused else "answered",
            code=_code(status, body) if refused else "",
        )

    async def _refuse(self, error: Unrecorded | Discontinuity) -> None:
        status = HTTPStatus.SERVICE_UNAVAILABLE
        again = "send the same request again"
        if isinstance(error, Discontinuity):
            _log.critical("%s", error.fault)
            again = "records of the access log are missing, and the operator is told which"
        problem = Problem(
            "urn:wattledger:refusal:unrecorded",
            status.phrase,
            status.value,
            f"who sees this cannot be put on record now, so it is not shown; {again}",
            "unrecorded",
        )
        content = msgspec.json.encode(problem)
        headers = {
            "content-type": MEDIA_TYPE,
            "content-length": str(len(content)),
            "retry-after": str(RETRY_AFTER_S),
            REQUEST_ID.lower(): self._request,
        }
        await self._send(
            {
                "type": "http.response.start",
                "status": status.value,
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            }
        )
        await self._send({"type": "http.response.body", "body": content, "more_body": False})


def _request_id(scope: HTTPScope) -> str:
    """The caller's own name for the request where it can be one, else a new one."""
    for name, value in scope["headers"]:
        if name == REQUEST_ID.lower().encode():
            with contextlib.suppress(Refused, UnicodeDecodeError):
                return checked_request(value.decode("ascii"))
    return new_request_id()


def _asked(scope: HTTPScope) -> dict[str, str]:
    """The names in the address and the parameters behind it, each as it was written."""
    found = {name: shortened(str(value)) for name, value in scope["path_params"].items()}
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    for name, value in query[:_PARAMETERS_MAX]:
        key = shortened(name)
        found[key] = shortened(f"{found[key]},{value}" if key in found else value)
    if scope["method"] != "GET":
        found["route"] = scope["path_template"]
    return found


def _code(status: int, body: Message) -> str:
    """A refusal's stable code: every problem of ours has one."""
    content: Any = body.get("body", b"")
    with contextlib.suppress(msgspec.MsgspecError):
        return msgspec.json.decode(content, type=Problem).code
    return f"http_{status}"
