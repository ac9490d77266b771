"""The documentation: complete, and served without asking anything of the network."""

from __future__ import annotations

import re

from adapters.http.permissions import PERMISSIONS
from tests.adapters.http.conftest import Api

BODYLESS = ("/revoke", "/approve", "/review", "/issue", "/confirm", "/accept-by-silence")
ASKING = {
    "POST /v1/what-if",
    "POST /v1/appraisals",
    "POST /v1/backtests",
    "POST /v1/bids/check",
    "POST /v1/regulation-signals",
}
"""Questions whose documents do not fit into an address, and a signal that is handed on; not recorded."""


def test_the_page_loads_nothing_from_elsewhere(settled: Api) -> None:
    page = settled.client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert not re.search(r"https?://|[\"'(]//", page.text)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    loaded += re.findall(r"url: '([^']+)'", page.text)
    assert "/docs/openapi.json" in loaded
    for address in loaded:
        if not address.startswith("data:"):
            assert settled.client.get(address).status_code == 200, address
    assert "validatorUrl: null" in page.text, "the badge would ask an outside validator"


def test_every_operation_is_described(settled: Api) -> None:
    document = settled.client.get("/docs/openapi.json").json()
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert operations.keys() - PERMISSIONS.keys() == {"GET /v1/health/live", "GET /v1/health/ready"}
    assert not PERMISSIONS.keys() - operations.keys()
    summaries = [operation["summary"] for operation in operations.values()]
    assert len(set(summaries)) == len(summaries)
    assert all(len(summary) > 15 for summary in summaries)
    described = {tag["name"] for tag in document["tags"]}
    for route in PERMISSIONS:
        operation = operations[route]
        assert set(operation["tags"]) <= described, route
        assert operation["tags"] and operation["security"] == [{"key": []}]
        statuses = operation["responses"]
        assert {"401", "403", "503"} <= statuses.keys()
        for status, answer in statuses.items():
            if int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"], (route, status)
                assert answer["content"]["application/problem+json"]["schema"] == {
                    "$ref": "#/components/schemas/Problem"
                }
        named = {parameter["name"] for parameter in operation.get("parameters", ())}
        if route.startswith("POST"):
            assert ("Idempotency-Key" in named) == (route not in ASKING), route
            assert ("201" in statuses) == (route not in ASKING), route
            assert operation.get("requestBody") or route.endswith(BODYLESS)
    listing = {p["name"] for p in operations["GET /v1/statements"]["parameters"]}
    assert {"as_of", "after", "limit", "cursor", "format"} <= listing
    assert set(operations["GET /v1/statements"]["responses"]["200"]["content"]) == {
        "application/json",
        "text/csv",
        "text/plain",
        "application/vnd.apache.parquet",
    }
    assert set(operations["POST /v1/contracts"]["requestBody"]["content"]) == {
        "application/toml",
        "text/plain",
        "application/json",
    }


def test_every_reference_resolves(settled: Api) -> None:
    text = settled.client.get("/docs/openapi.json").text
    schemas = settled.client.get("/docs/openapi.json").json()["components"]["schemas"]
    assert set(re.findall(r'"#/components/schemas/([^"]+)"', text)) <= schemas.keys()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in schemas)


def test_no_two_schemas_have_one_title(settled: Api) -> None:
    """Generated clients name their models by it."""
    schemas = settled.client.get("/docs/openapi.json").json()["components"]["schemas"]
    titles = [schema["title"] for schema in schemas.values() if "title" in schema]
    assert sorted(titles) == sorted(set(titles))
