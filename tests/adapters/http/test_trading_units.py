"""Trading units through the API: registered, told of, allocated and shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.interval import Interval
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.test_allocating import event, two_sites

EXAMPLES = Path(__file__).parents[3] / "examples/market_facts"


@pytest.fixture
def shared(bench: Bench) -> Iterator[tuple[Api, Interval]]:
    """The API of a book with two sites, and an hour in which both discharge."""
    window = two_sites(bench)
    made = Api(bench)
    yield made, window
    made.close()


def unit(**changes: Any) -> dict[str, Any]:
    """The example, as one would send it."""
    body: dict[str, Any] = json.loads((EXAMPLES / "trading_unit.json").read_text())
    body["document"] |= changes
    return body


def test_from_registration_to_the_units_statement(shared: tuple[Api, Interval]) -> None:
    api, window = shared
    made = api.post("/v1/trading-units", unit(id="vpp"), "finance")
    assert made.status_code == 201, made.text
    api.wait()
    facts = {"facts": [msgspec.to_builtins(event(window))]}
    told = api.post("/v1/market/facts", facts, "market_desk")
    assert told.status_code == 201, told.text
    api.wait()
    page = api.get("/v1/trading-units/vpp/statements/2026-08", "auditor").json()
    assert (page["lines"], page["waiting"]) == ([], ["dr1"])

    done = api.post("/v1/allocations", {"month": "2026-08"}, "finance", key="a1")
    assert done.status_code == 201, done.text
    (allocated,) = done.json()["allocations"]
    assert (allocated["fact"], allocated["recorded"], allocated["version"]) == ("dr1", True, 1)
    again = api.post("/v1/allocations", {"month": "2026-08"}, "finance", key="a1")
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (done.json(), "true")
    api.wait()
    (line,) = api.get("/v1/trading-units/vpp/statements/2026-08").json()["lines"]
    assert {share["site"]: share["amount"] for share in line["sites"]} == {"S1": "400.00", "S2": "200.00"}
    assert (line["kept"], line["rounding"], line["statement"]) == ("0.00", "0.01", "600.01")
    assert (line["current"], line["sites"][1]["parts"][0]["weight"]) == (True, "100000")
    assert [one["id"] for one in api.get("/v1/trading-units").json()["items"]] == ["vpp"]
    assert len(api.get("/v1/trading-units/vpp").json()["versions"]) == 1


def test_what_is_wrong_with_a_unit_names_its_field(shared: tuple[Api, Interval]) -> None:
    api, _ = shared
    for changes, code in (
        ({"members": []}, "no_members"),
        ({"terms": [{"type": "capacity"}]}, "field_missing"),
        ({"terms": [{"type": "capacity", "when_all_zero": "market"}]}, "not_allowed"),
        ({"members": [{"site": "nowhere", "capability_w": 1}]}, "unknown_site"),
        ({"members": [{"site": "S1", "capability_w": 1, "until": "2026-08-01T00:00:00"}]}, "field_type"),
    ):
        problem(api.post("/v1/trading-units", unit(**changes), "finance"), 422, code)
    assert api.post("/v1/trading-units", unit(), "finance").status_code == 201
    api.wait()
    problem(api.post("/v1/trading-units", unit(id="second"), "finance"), 422, "unit_overlap", "members")
    problem(api.get("/v1/trading-units/nobody"), 404, "unknown_trading_unit")
    problem(api.get("/v1/trading-units/nobody/statements/2026-08"), 404, "unknown_trading_unit")
    problem(api.post("/v1/allocations", {"month": "2026-08", "unit": "nobody"}), 422, "unknown_trading_unit")
