"""Who saw what: every answer of the API that shows something is on record before it leaves."""

from __future__ import annotations

import csv
import io
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from adapters.access_log import AccessLog, KeptRecord, Unrecorded
from adapters.http.permissions import PERMISSIONS
from adapters.http.recording import ACTIONS, UNRECORDED, action_of
from adapters.nats import access_stream
from adapters.nats.stream import StreamError, WeakStream
from ledger.access_record import AccessRecord
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import HOST, Api, problem
from tests.adapters.test_access_whole import made_anew, written
from tests.adapters.test_settling import filled
from tests.stack import NatsServer, PostgresServer

STATEMENT = f"/v1/statements/eaas-s1/2026-08/{HOST}"


def records(api: Api) -> list[AccessRecord]:
    return [
        one.record
        for one in AccessLog(api.bench.client, api.bench.book, api.bench.database, api.bench.clock).read()
    ]


def record(request: str, actor: str = "ada") -> AccessRecord:
    return AccessRecord(
        at=datetime(2026, 9, 1, tzinfo=UTC),
        request=request,
        actor=actor,
        role="auditor",
        action="event",
        what={},
        outcome="answered",
    )


def test_every_route_is_known_to_show_something_or_not() -> None:
    reads = {route for route in PERMISSIONS if route.startswith("GET ")} | {
        "POST /v1/what-if",
        "POST /v1/appraisals",
        "POST /v1/backtests",
        "POST /v1/bids/check",
    }
    assert {route for route in reads if action_of(route) == "other"} == set(), "name it in recording.py"
    assert UNRECORDED | ACTIONS.keys() <= reads | {"GET /v1/emission-factors"}


def test_a_partners_read_is_on_record_with_what_and_as_of_when(settled: Api) -> None:
    position = settled.get(STATEMENT).json()["position"]
    before = len(records(settled))
    headers = {"Authorization": f"Bearer {settled.secret('partner')}", "Request-Id": "mine-1"}
    answer = settled.client.get(STATEMENT, headers=headers, params={"as_of": position, "run": 1})
    assert answer.headers["request-id"] == "mine-1"
    (one,) = records(settled)[before:]
    assert (one.request, one.role, one.party, one.outcome) == ("mine-1", "partner", HOST, "answered")
    assert one.actor.startswith("partner-")
    assert one.key_id.startswith("key-")
    assert one.action == "statement"
    assert one.what == {
        "contract": "eaas-s1",
        "month": "2026-08",
        "party": HOST,
        "as_of": str(position),
        "run": "1",
    }
    assert one.position == position


def test_a_newest_statement_is_on_record_with_the_position_it_was_read_at(settled: Api) -> None:
    answer = settled.get(STATEMENT, "partner")
    last = records(settled)[-1]
    assert last.position == answer.json()["position"] > 0
    assert last.request == answer.headers["request-id"]


def test_a_refusal_is_on_record_with_its_code_and_a_stranger_is_not(settled: Api) -> None:
    problem(settled.get("/v1/journal", "partner", month="2026-08"), 403, "forbidden")
    problem(settled.get("/v1/statements/eaas-s1/2026-08/operator", "partner"), 404, "unknown_statement")
    problem(settled.get(STATEMENT, "partner", nothing="x" * 5000), 400, "unknown_parameter")
    *_, forbidden, unknown, parameter = records(settled)
    assert (forbidden.action, forbidden.outcome, forbidden.code) == ("journal", "refused", "forbidden")
    assert (unknown.outcome, unknown.code, unknown.what["party"]) == (
        "refused",
        "unknown_statement",
        "operator",
    )
    assert (parameter.code, len(parameter.what["nothing"])) == ("unknown_parameter", 200)
    before = len(records(settled))
    problem(settled.client.get(STATEMENT), 401, "unauthenticated")
    settled.get("/v1/parties")
    assert len(records(settled)) == before


@pytest.mark.parametrize("sent", ["", "x" * 65, "a b", "../x", "é"])
def test_a_request_id_that_cannot_be_one_gets_another(settled: Api, sent: str) -> None:
    headers = {"Authorization": f"Bearer {settled.secret('auditor')}", "Request-Id": sent.encode()}
    answer = settled.client.get("/v1/keys", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["request-id"] == records(settled)[-1].request != sent


def test_the_log_is_the_auditors_and_pages(settled: Api) -> None:
    for role in ("finance", "admin", "partner", "operator"):
        problem(settled.get("/v1/access-log", role), 403, "forbidden")
    settled.get("/v1/months/2026-08", "finance")
    whole = settled.get("/v1/access-log", "auditor", limit=1000).json()
    assert whole["next_cursor"] is None
    assert [one["sequence"] for one in whole["items"]] == list(range(1, len(whole["items"]) + 1))
    first = settled.get("/v1/access-log", "auditor", limit=2).json()
    second = settled.get("/v1/access-log", "auditor", limit=2, cursor=first["next_cursor"]).json()
    assert first["items"] + second["items"] == whole["items"][:4]
    finance = whole["items"][-1]["record"]["actor"]
    mine = settled.get("/v1/access-log", "auditor", actor=finance).json()["items"]
    assert {one["record"]["actor"] for one in mine} == {finance}
    months = settled.get("/v1/access-log", "auditor", what="report").json()["items"]
    assert {one["record"]["action"] for one in months} == {"report"}
    now = (settled.bench.now + timedelta(seconds=1)).isoformat()
    assert settled.get("/v1/access-log", "auditor", since=now, what="report").json()["items"] == []


def test_the_log_as_csv_and_json_lines(settled: Api) -> None:
    settled.get(STATEMENT, "partner", as_of="1;=cmd")
    items = settled.get("/v1/access-log", "auditor", limit=1000).json()["items"]
    lines = settled.get("/v1/access-log", "auditor", format="jsonl", limit=len(items)).text.splitlines()
    assert [msgspec.json.decode(line) for line in lines] == items
    table = settled.get("/v1/access-log", "auditor", format="csv", limit=len(items))
    assert table.headers["next-cursor"]
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["request"] for row in rows] == [one["record"]["request"] for one in items]
    assert [msgspec.json.decode(row["what"]) for row in rows] == [one["record"]["what"] for one in items]


def test_nothing_is_seen_while_it_cannot_be_recorded(tmp_path: Path) -> None:
    """NATS is killed: no statement leaves. Back again: what was acknowledged is there, what was not shown is
    not."""
    nats, postgres = NatsServer(tmp_path / "nats"), PostgresServer(tmp_path / "postgres")
    try:
        bench = Bench(nats, postgres)
        filled(bench)
        api = Api(bench)
        try:
            assert api.post("/v1/settlements", {"month": "2026-08"}, role="finance").status_code == 201
            api.wait()
            api.secret("auditor")
            seen = [api.get(STATEMENT, "partner").headers["request-id"] for _ in range(20)]
            os.kill(nats.child.process.pid, signal.SIGKILL)
            nats.child.process.wait()
            for role in ("partner", "auditor"):
                begun = time.monotonic()
                refused = api.get(STATEMENT if role == "partner" else "/v1/keys", role)
                problem(refused, 503, "unrecorded")
                assert refused.headers["retry-after"]
                assert time.monotonic() - begun < 12
            nats.start()
            while not api.bench.client.connected:
                time.sleep(0.05)
            assert [one.request for one in records(api)] == seen
            assert api.get(STATEMENT, "partner").status_code == 200
        finally:
            api.close()
            api.bench.client.close()
    finally:
        nats.stop()
        postgres.stop()


def test_a_kill_while_recording_loses_no_acknowledged_record(bench: Bench, tmp_path: Path) -> None:
    nats = NatsServer(tmp_path / "nats")
    try:
        operator = nats.operator()
        access_stream.create(operator, "b", max_bytes=64 << 20)
        operator.close()
        client = nats.app()
        log = AccessLog(client, "b", bench.database, lambda: datetime.now(UTC))
        acknowledged: dict[int, str] = {}
        for number in range(300):
            if number == 200:
                os.kill(nats.child.process.pid, signal.SIGKILL)
            try:
                acknowledged[log.write(record(f"r{number}"))] = f"r{number}"
            except Unrecorded:
                break
        assert 200 <= len(acknowledged) < 300
        nats.child.process.wait()
        nats.start()
        while not client.connected:
            time.sleep(0.05)
        kept = {one.sequence: one.record.request for one in log.read()}
        assert acknowledged.items() <= kept.items()
        client.close()
    finally:
        nats.stop()


def test_a_full_log_and_a_weak_one_record_nothing(bench: Bench) -> None:
    log = AccessLog(bench.client, bench.book, bench.database, bench.clock)
    assert log.write(record("r1")) == 1
    name = access_stream.stream_name(bench.book)

    def stream(verb: str, **fields: object) -> dict[str, object]:
        payload = msgspec.json.encode(fields)
        answer = bench.operator.run(
            bench.operator.request(f"$JS.API.STREAM.{verb}.{name}", payload, timeout=5)
        )
        found: dict[str, object] = msgspec.json.decode(answer.data)
        return found

    config = stream("INFO")["config"]
    assert isinstance(config, dict)
    assert "error" not in stream("UPDATE", **config | {"max_bytes": 1})
    with pytest.raises(Unrecorded, match="maximum bytes"):
        log.write(record("r2"))
    assert [one.record.request for one in log.read()] == ["r1"], "nothing is pushed out before its time"
    assert "error" not in stream("UPDATE", **config | {"discard": "old"})
    with pytest.raises(Unrecorded, match="discard"):
        AccessLog(bench.client, bench.book, bench.database, bench.clock).write(record("r3"))
    stream("UPDATE", **config | {"max_age": 86_400 * 10**9})
    with pytest.raises(WeakStream, match="184 or more"):
        access_stream.verify(bench.client, bench.book)


def test_a_log_that_lost_records_shows_nothing(api: Api) -> None:
    """Before the first read on a connection, and without a new number; also in the log itself."""
    for role in ("auditor", "admin"):
        api.secret(role)
    written(api.bench, "a", "b", "c")
    made_anew(api.bench, "a", "b")
    answer = problem(api.get("/v1/contracts"), 503, "unrecorded")
    assert "records of the access log are missing" in answer["detail"]
    assert len(list(access_log(api.bench).kept())) == 2


def access_log(bench: Bench) -> AccessLog:
    return AccessLog(bench.client, bench.book, bench.database, bench.clock)


def test_only_the_operator_changes_how_long_records_stay(bench: Bench) -> None:
    assert access_stream.keep(bench.operator, bench.book, days=400) == access_stream.DAYS
    assert access_stream.verify(bench.client, bench.book).days == 400
    update = f"$JS.API.STREAM.UPDATE.{access_stream.stream_name(bench.book)}"
    with pytest.raises(TimeoutError):
        bench.client.run(bench.client.request(update, b"{}", timeout=0.5))
    with pytest.raises(StreamError):
        access_stream.verify(bench.client, "no-such-book")


def test_a_record_that_is_not_ours_stops_the_reader(bench: Bench) -> None:
    log = AccessLog(bench.client, bench.book, bench.database, bench.clock)
    log.write(record("r1"))
    subject = access_stream.subject(bench.book, "eve")
    bench.client.run(bench.client.request(subject, b'{"at":"x"}', timeout=5))
    with pytest.raises(Unrecorded, match="record 2 "):
        list(log.read())
    assert list(log.read(actor="ada")) == [KeptRecord(1, record("r1"))]
