"""Every question that can be asked of the API as of a moment, made from its own description."""

from __future__ import annotations

from datetime import date
from typing import Any, Final, NamedTuple

import httpx

from adapters.http.permissions import PERMISSIONS
from ledger.access import Role
from tests.adapters.http.conftest import CONTRACT, HOST, Api
from trading.clearing import clearing_id

REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "contract": (CONTRACT.id,),
    "month": ("2026-08",),
    "day": ("2026-12-01",),
    "party": (HOST,),
    "run": ("1",),
    "number": ("1", "2"),
    "sequence": ("3",),
    "meter": ("S1-STORAGE",),
    "register": ("charge",),
    "instant": ("2026-08-04T10:00:00Z",),
    "first_day": ("2026-12-01",),
    "layout": ("yonyou",),
    "portfolio": ("S1",),
    "start": ("2026-08-31T16:00:00Z",),
    "end": ("2026-08-31T16:30:00Z",),
}
"""What a path or a required parameter is filled with; one that is not here fails the test: name it."""

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "/v1/bids/{name}": ("desk-bid",),
    "/v1/bids/{name}/receipt": ("desk-bid",),
    "/v1/bids/{name}/shares": ("desk-bid",),
    "/v1/clearings/{name}": (clearing_id("shandong_spot", "da", date(2026, 12, 1)),),
    "/v1/contracts/{name}": (CONTRACT.id,),
    "/v1/devices/{name}": ("D9",),
    "/v1/devices/{name}/commands": ("D9",),
    "/v1/devices/{name}/fallback": ("D9",),
    "/v1/devices/{name}/lease": ("D9",),
    "/v1/devices/{name}/commissioning": ("D9",),
    "/v1/devices/{name}/health": ("D9",),
    "/v1/exclusivity/{name}": ("rule_based",),
    "/v1/telemetry/{name}": ("D9",),
    "/v1/forecasts/{name}": ("load_S1",),
    "/v1/market/facts/{name}": ("order-1",),
    "/v1/market/rules/{name}": ("service-throughput",),
    "/v1/markets/{name}": ("shandong_spot",),
    "/v1/markets/{name}/gates/{day}": ("shandong_spot",),
    "/v1/meters/{name}": ("S1-STORAGE",),
    "/v1/parties/{name}": (HOST, "P1"),
    "/v1/run-calendars/{name}": ("shaanxi_v2",),
    "/v1/sites/{name}": ("S1",),
    "/v1/sites/{name}/milestones": ("S1",),
    "/v1/sites/{name}/validations/{month}": ("S1",),
    "/v1/sites/{name}/value/{month}": ("S1",),
    "/v1/storage-limits/{name}": ("S1",),
    "/v1/storage-terms/{name}": ("S1",),
    "/v1/stories/actors/{name}": ("ada",),
    "/v1/stories/bids/{name}": ("desk-bid",),
    "/v1/stories/contracts/{name}": (CONTRACT.id,),
    "/v1/stories/devices/{name}": ("D9",),
    "/v1/stories/market-facts/{name}": ("order-1",),
    "/v1/stories/documents": ("bank.csv",),
    "/v1/stories/meters/{name}": ("S1-STORAGE",),
    "/v1/stories/sites/{name}": ("S1",),
    "/v1/stories/unit-statements/{name}": ("dr1",),
    "/v1/tariffs/{name}": ("shanghai-two-part-1-10kv",),
    "/v1/trading-units/{name}": ("vpp",),
    "/v1/trading-units/{name}/days/{day}": ("vpp-desk",),
    "/v1/trading-units/{name}/positions": ("vpp-desk",),
    "/v1/trading-units/{name}/prequalification": ("vpp-desk",),
    "/v1/trading-units/{name}/profit": ("vpp-desk",),
    "/v1/trading-units/{name}/statements/{month}": ("vpp",),
    "/v1/voucher-layouts/{name}": ("yonyou",),
    "/v1/webhooks/{name}/dead-letters": ("desk-hook",),
    "/v1/work-orders/{name}": ("W0", "W1"),
}
"""What `name` is, where it is not of a closed list or made on the way."""

MADE: Final = ("/v1/proposals/{name}", "/v1/reconciliations/{name}")
"""Their ids are the server's: those that the list before them answers are asked for."""

OPTIONAL: Final[dict[str, tuple[str, ...]]] = {
    "month": ("2026-08", "2026-09"),
    "party": (HOST,),
    "contract": (CONTRACT.id,),
    "site": ("S1",),
    "market": ("shandong_spot",),
    "product": ("da",),
    "unit": ("vpp-desk",),
    "device": ("D9",),
    "first_day": ("2026-12-01", "2026-12-02"),
    "last_day": ("2026-12-01",),
    "first": ("8",),
    "live": ("true",),
    "aggregate": (f"contract.{CONTRACT.id}",),
    "versions": ("all",),
    "effective": ("2026-08-15", "2026-10-01"),
    "run": ("1", "2"),
    "limit": ("2",),
    "reference_register": (),
    "text": ("true",),
    "file": ("true",),
}
"""Optional parameters that are tried beside those of closed lists, one at a time."""


class Question(NamedTuple):
    """A request as a role; `route` is its path as the API describes it."""

    route: str
    path: str
    parameters: tuple[tuple[str, str], ...]
    role: Role


_KNOWN: Final[dict[str, list[dict[str, Any]]]] = {}
"""The description is the same for every book, and dear to make."""


def routes(api: Api) -> dict[str, list[dict[str, Any]]]:
    """Every route that reads, and its parameters."""
    if not _KNOWN:
        _KNOWN.update(_described(api.client.app.openapi_schema.to_schema()))
    return _KNOWN


def _described(schema: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {
        path: operations["get"].get("parameters", [])
        for path, operations in schema["paths"].items()
        if "get" in operations
    }


def as_of_routes(api: Api) -> dict[str, list[dict[str, Any]]]:
    """Those that answer as of a moment."""
    return {
        path: parameters
        for path, parameters in routes(api).items()
        if any(one["name"] == "as_of" for one in parameters)
    }


def questions(api: Api) -> list[Question]:
    """Each route with what it requires, then with each optional parameter; a partner's beside ours."""
    found: list[Question] = []
    for route, parameters in as_of_routes(api).items():
        for path, required in _filled(api, route, parameters):
            optional = [{}, *_optional(parameters)]
            for role in ("auditor", "finance", "admin"):
                if role in PERMISSIONS[f"GET {route}"]:
                    break
            found += [Question(route, path, (*required, *more.items()), role) for more in optional]
            if "partner" in PERMISSIONS[f"GET {route}"]:
                found.append(Question(route, path, required, "partner"))
    return found


def _filled(
    api: Api, route: str, parameters: list[dict[str, Any]]
) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    filled: list[tuple[str, tuple[tuple[str, str], ...]]] = [(route, ())]
    for one in parameters:
        if not one.get("required"):
            continue
        name, closed = one["name"], _closed(one["schema"])
        if route in MADE:
            listed = api.get(route.removesuffix("/{name}"), "finance").json()["items"]
            values = tuple(item["id"] for item in listed[:2])
        elif name == "name" and not closed:
            values = NAMES[route]
        else:
            values = REQUIRED.get(name) or closed
            assert values, f"say in REQUIRED what {name} of {route} is"
        filled = [
            (path.replace(f"{{{name}}}", value), query)
            if one["in"] == "path"
            else (path, (*query, (name, value)))
            for path, query in filled
            for value in values
        ]
    return filled


def _optional(parameters: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [
        {one["name"]: value}
        for one in parameters
        if one["in"] == "query"
        and not one.get("required")
        and one["name"] not in ("as_of", "after", "cursor")
        for value in OPTIONAL.get(one["name"], _closed(one["schema"]))
    ]


def _closed(schema: dict[str, Any]) -> tuple[str, ...]:
    """The values of a closed list."""
    for one in (schema, *schema.get("oneOf", ())):
        if "enum" in one and one.get("type") != "boolean":
            return tuple(str(value) for value in one["enum"] if value is not None)
    return ()


class Answer(NamedTuple):
    status: int
    headers: tuple[tuple[str, str], ...]
    content: bytes


_VOLATILE: Final = ("date", "server", "request-id")
"""Headers that are of a request rather than of its answer."""


def answered(api: Api, asked: list[Question], as_of: str) -> dict[Question, Answer]:
    """What each question is answered as of a moment, byte for byte."""
    return {one: _answer(ask(api, one, as_of)) for one in asked}


def ask(api: Api, one: Question, as_of: str) -> httpx.Response:
    return api.get(one.path, one.role, **{**dict(one.parameters), "as_of": as_of})


def _answer(answer: httpx.Response) -> Answer:
    assert answer.status_code < 500, answer.text
    headers = tuple(sorted((k, v) for k, v in answer.headers.items() if k not in _VOLATILE))
    return Answer(answer.status_code, headers, answer.content)
