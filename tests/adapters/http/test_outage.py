"""Stores that go away: reading goes on while it can, writing says no, readiness says what is down."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.stack import NatsServer, PostgresServer

pytestmark = pytest.mark.fault


def test_each_store_may_go_away(tmp_path: Path) -> None:
    nats, postgres = NatsServer(tmp_path / "nats"), PostgresServer(tmp_path / "postgres")
    try:
        api = Api(Bench(nats, postgres))
        api.bench.database.pool.timeout = 1
        try:
            api.bench.door.execute(sample.register_party("P1"), command_id="p1", actor="ada")
            api.secret("admin")
            _nats_away(api, nats)
            _postgres_away(api, postgres)
        finally:
            api.close()
            api.bench.client.close()
    finally:
        nats.stop()
        postgres.stop()


def _nats_away(api: Api, nats: NatsServer) -> None:
    nats.stop()
    ready = api.client.get("/v1/health/ready")
    body = ready.json()
    assert (ready.status_code, body["ready"], body["nats"]["state"]) == (503, False, "down")
    assert (body["postgres"]["state"], body["behind"]) == ("ok", None)
    assert [one["id"] for one in api.get("/v1/parties").json()["items"]] == ["P1"], "reading needs no NATS"
    begun = time.monotonic()
    problem(
        api.post(
            "/v1/devices",
            {
                "effective_from": "2026-01-01T00:00:00Z",
                "document": {
                    "id": "D1",
                    "site": "S1",
                    "type": "pcs",
                    "power_w": 1,
                    "energy_wh": 0,
                },
            },
        ),
        503,
        "unavailable",
    )
    assert time.monotonic() - begun < 12


def _postgres_away(api: Api, postgres: PostgresServer) -> None:
    postgres.stop()
    problem(api.get("/v1/parties"), 503, "unavailable")
    ready = api.client.get("/v1/health/ready")
    assert (ready.status_code, ready.json()["postgres"]["state"]) == (503, "down")
    assert api.client.get("/v1/health/live").json() == {"alive": True}
