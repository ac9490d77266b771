"""Readiness of a book whose projections do not move: at the first look, whoever restarts the projector."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adapters.http import health
from adapters.nats import access_stream, stream, wire
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api
from tests.adapters.test_access_whole import made_anew, written


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    """A book whose projector ended, as one that is started again and again has."""
    made = Api(bench)
    made.projector.stop()
    made._thread.join()
    yield made
    made.close()


def test_an_event_that_waits_too_long_is_seen_at_the_first_look(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_STALLED_S", 0.0)
    assert api.client.get("/v1/health/ready").json()["ready"], "level"
    api.bench.door.execute(sample.register_party("P1"), command_id="p1", actor="ada")
    api.restart()
    ready = api.client.get("/v1/health/ready")
    assert (ready.status_code, ready.json()["projector"]["state"]) == (503, "stalled")
    assert ready.json()["behind"] == 1


def altered(bench: Bench, name: str, **fields: object) -> None:
    config = stream.configuration(bench.operator, name)
    stream.alter(bench.operator, f"STREAM.UPDATE.{name}", config | fields)


def test_a_stream_that_commands_are_refused_for(api: Api) -> None:
    assert api.client.get("/v1/health/ready").json()["ready"]
    altered(api.bench, stream.stream_name(api.bench.book), max_msgs=200)
    ready = api.client.get("/v1/health/ready")
    assert (ready.status_code, ready.json()["nats"]["state"]) == (503, "unsafe")
    assert "max_msgs is 200, must be -1" in ready.json()["nats"]["detail"]
    altered(api.bench, stream.stream_name(api.bench.book), max_msgs=-1)
    assert api.client.get("/v1/health/ready").json()["ready"]


def test_an_access_log_that_reads_are_refused_for(api: Api) -> None:
    bench = api.bench
    written(bench, "a", "b")
    assert api.client.get("/v1/health/ready").json()["access_log"] == {"state": "ok", "detail": ""}
    made_anew(bench, "a")
    ready = api.client.get("/v1/health/ready")
    assert (ready.status_code, ready.json()["access_log"]["state"]) == (503, "unsafe")
    assert ready.json()["access_log"]["detail"].startswith("access_gap at access records 2 to 2: ")


def test_an_access_log_that_is_weak(api: Api) -> None:
    altered(api.bench, access_stream.stream_name(api.bench.book), max_msgs=200)
    ready = api.client.get("/v1/health/ready")
    assert (ready.status_code, ready.json()["access_log"]["state"]) == (503, "unsafe")
    assert "max_msgs is 200" in ready.json()["access_log"]["detail"]


def test_how_long_counts_from_when_it_was_stored() -> None:
    progress = health.Progress()
    assert 30 <= progress.stalled_s(5, lambda: 30.0) < 600
    assert progress.stalled_s(6, lambda: 30.0) < 30, "it moves"
    progress.level()
    assert 7 <= progress.stalled_s(9, lambda: 7.0) < 600


def test_an_alien_is_the_reason_also_where_another_process_projects(api: Api) -> None:
    bench = api.bench
    client = bench.client
    client.run(client.request(wire.subject(bench.book, "party.X"), b"hello", timeout=5))
    bench.projector().run()
    ready = api.client.get("/v1/health/ready")
    projector = ready.json()["projector"]
    assert (ready.status_code, projector["state"]) == (503, "halted")
    assert projector["detail"].startswith(
        "stream_alien at sequence 1: a message that is no envelope of this book"
    )
    assert "wattledger repair" in projector["detail"]
