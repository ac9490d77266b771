"""Queries: as of then, after a fact, page by page, in decimals, and in the formats that finance opens."""

from __future__ import annotations

import csv
import io
import threading
from fractions import Fraction

import numpy as np

from adapters import statement_text
from adapters.nats import wire
from adapters.queries import statements
from adapters.queries.clause_rows import clause_rows
from ledger.settlement.line_delta import key_of
from tests.adapters import sample
from tests.adapters.http.conftest import HOST, Api, problem
from tests.adapters.test_settling import record

STATEMENT = f"/v1/statements/eaas-s1/2026-08/{HOST}"


def register(api: Api, *names: str) -> None:
    for name in names:
        api.bench.door.execute(sample.register_party(name), command_id=f"r-{name}", actor="ada")
    api.wait()


def test_as_of_answers_as_it_would_have_then(api: Api) -> None:
    api.secret("admin")
    register(api, "P1", "P2", "P3")
    full = api.get("/v1/parties").json()
    assert (full["position"], [one["id"] for one in full["items"]]) == (4, ["P1", "P2", "P3"])
    for position, names in ((0, []), (1, []), (2, ["P1"]), (3, ["P1", "P2"]), (4, ["P1", "P2", "P3"])):
        then = api.get("/v1/parties", as_of=position).json()
        assert (then["position"], [one["id"] for one in then["items"]]) == (position, names)
    problem(api.get("/v1/parties/P3", as_of=3), 404, "unknown_party")


def test_an_instant_means_the_last_sequence_recorded_by_then(api: Api) -> None:
    """The bench's clock starts at midnight and goes a second a fact; the running maximum counts."""
    api.secret("admin")
    register(api, "P1", "P2")
    instants = [
        row[0] for row in api.bench.query("SELECT recorded_at FROM ledger.envelope ORDER BY sequence")
    ]
    for sequence, instant in enumerate(instants, 1):
        assert api.get("/v1/parties", as_of=instant.isoformat()).json()["position"] == sequence
    assert api.get("/v1/parties", as_of="2026-08-31T00:00:00Z").json()["position"] == 0
    between = instants[1].replace(microsecond=500)
    assert api.get("/v1/parties", as_of=between.isoformat()).json()["position"] == 2
    unescaped = instants[2].isoformat()
    assert "+" in unescaped
    assert api.get(f"/v1/parties?as_of={unescaped}").json()["position"] == 3
    behind = api.bench.now
    api.bench.now = instants[0].replace(second=0)
    register(api, "P3")
    api.bench.now = behind
    assert api.get("/v1/parties", as_of=instants[0].isoformat()).json()["position"] == 1
    assert api.get("/v1/parties", as_of=instants[2].isoformat()).json()["position"] == 4, (
        "recorded late, by a slow clock"
    )


def test_what_lies_ahead_of_the_ledger_is_refused(settled: Api) -> None:
    problem(settled.get("/v1/parties", as_of=10**6), 422, "as_of", "as_of")
    problem(settled.get("/v1/parties", as_of="9" * 30), 422, "as_of", "as_of")
    problem(settled.get("/v1/parties", as_of="2099-01-01T00:00:00Z"), 422, "as_of", "as_of")
    problem(settled.get("/v1/parties", as_of="yesterday"), 400, "instant", "as_of")
    problem(settled.get("/v1/parties", as_of="2026-08-01T00:00:00"), 400, "instant", "as_of")
    problem(settled.get("/v1/parties", after=10**6), 422, "after", "after")


def test_after_waits_for_the_projections_and_then_gives_up(api: Api, monkeypatch) -> None:
    api.secret("admin")
    register(api, "P1")
    api.projector.stop()
    api._thread.join()
    stored = api.bench.door.execute(sample.register_party("P2"), command_id="p2", actor="ada")
    monkeypatch.setattr("adapters.http.view.WAIT_S", 0.2)
    late = api.get("/v1/parties", after=stored.sequence)
    problem(late, 503, "behind")
    assert late.headers["retry-after"] == "1"
    problem(api.get("/v1/parties", as_of=stored.sequence), 503, "behind")
    assert [one["id"] for one in api.get("/v1/parties").json()["items"]] == ["P1"]
    monkeypatch.setattr("adapters.http.view.WAIT_S", 10)
    projector = api.bench.projector()
    later = threading.Timer(0.3, lambda: projector.catch_up(20))
    later.start()
    found = api.get("/v1/parties", after=stored.sequence).json()
    later.join()
    assert [one["id"] for one in found["items"]] == ["P1", "P2"]


def test_pages_are_stable_while_facts_arrive(api: Api) -> None:
    api.secret("admin")
    register(api, *(f"P{number}" for number in range(1, 6)))
    first = api.get("/v1/parties", limit=2).json()
    register(api, "P0", "P9")
    names = [one["id"] for one in first["items"]]
    cursor = first["next_cursor"]
    while cursor:
        page = api.get("/v1/parties", limit=2, cursor=cursor).json()
        assert page["position"] == first["position"]
        names += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert names == ["P1", "P2", "P3", "P4", "P5"]
    assert api.get("/v1/parties", limit=5, as_of=first["position"]).json()["next_cursor"] is None
    problem(api.get("/v1/parties", cursor=first["next_cursor"], as_of=2), 400, "cursor")
    for forged in ("", "abc", "WzEsMV0", "Wzk5OSwiUDEiXQ", "WzEsIlx1MDAwMCJd"):
        problem(api.get("/v1/parties", cursor=forged), 400, "cursor")
    problem(api.get("/v1/parties", limit=1001), 400, "parameter", "limit")


def pages(api: Api, path: str, limit: int, **parameters: object) -> list[dict[str, object]]:
    items: list[dict[str, object]] = []
    cursor: str | None = None
    while True:
        more = {} if cursor is None else {"cursor": cursor}
        page = api.get(path, limit=limit, **parameters, **more).json()
        items += page["items"]
        cursor = page["next_cursor"]
        assert (len(page["items"]) == limit) or cursor is None
        if cursor is None:
            return items


def test_every_list_has_the_same_items_in_small_pages_as_in_one(settled: Api) -> None:
    for path in (
        "parties",
        "sites",
        "meters",
        "contracts",
        "tariffs",
        "settlements",
        "statements",
        "events",
        "keys",
    ):
        whole = settled.get(f"/v1/{path}", limit=1000).json()["items"]
        assert whole, path
        assert pages(settled, f"/v1/{path}", 1) == whole
        assert pages(settled, f"/v1/{path}", len(whole)) == whole


def test_readings_come_interval_by_interval_current_or_all(settled: Api) -> None:
    bench = settled.bench
    window = {"meter": "S1-STORAGE", "from": "2026-07-31T16:00:00Z", "to": "2026-07-31T18:00:00Z"}
    before = settled.get("/v1/readings", **window).json()
    assert [one["register"] for one in before["items"]] == ["charge"] * 8 + ["discharge"] * 8
    record(bench, "S1-STORAGE", "charge", np.full(2976, 4321), "revised")
    settled.wait()
    now = settled.get("/v1/readings", **window).json()["items"]
    assert [one["wh"] for one in now] == [4321] * 8 + [one["wh"] for one in before["items"][8:]]
    assert settled.get("/v1/readings", **window, as_of=before["position"]).json() == before
    everything = settled.get("/v1/readings", **window, versions="all", register="charge").json()["items"]
    assert [one["wh"] for one in everything][::2] == [one["wh"] for one in before["items"][:8]]
    assert [one["wh"] for one in everything][1::2] == [4321] * 8
    assert pages(settled, "/v1/readings", 3, **window) == now
    assert pages(settled, "/v1/readings", 3, **window, versions="all", register="charge") == everything
    assert len(pages(settled, "/v1/readings", 1000, meter="S1-LOAD")) == 2976
    problem(settled.get("/v1/readings", meter="S1-LOAD", register="heat"), 400, "parameter", "register")


def test_a_statement_is_in_decimals_and_adds_up(settled: Api) -> None:
    answer = settled.get(STATEMENT, "finance").json()
    one = answer["statement"]
    amounts = {name: Fraction(one[name]) for name in ("entitlement", "held", "payable", "pool", "delta")}
    assert amounts["entitlement"] == amounts["held"] + amounts["payable"]
    assert all(len(one[name].partition(".")[2]) == 2 for name in amounts)
    for line in one["lines"]:
        assert (line["party"], line["currency"]) == (HOST, "CNY")
        assert Fraction(line["amount"]) == Fraction(line["exact"]) + Fraction(line["rounding"])
    with settled.bench.database.reading(settled.bench.book) as connection:
        stored = statements.latest(connection, answer["position"], party=HOST)[0]
    assert one["payable"] == str(stored.payable)
    assert '"minor"' not in settled.get(STATEMENT).text


def test_statements_as_csv_and_text(settled: Api) -> None:
    with settled.bench.database.reading(settled.bench.book) as connection:
        stored = statements.latest(connection, settled.get(STATEMENT).json()["position"], party=HOST)
        rows_of = clause_rows(connection, stored)
    for asked in ({"format": "csv"}, {}):
        headers = {"Authorization": f"Bearer {settled.secret('finance')}", "Accept": "text/csv"}
        answer = settled.client.get(STATEMENT, params=asked, headers=headers)
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.text == statement_text.csv_text(stored)
    rows = list(csv.DictReader(io.StringIO(settled.get("/v1/statements", format="csv").text)))
    assert {row["party"] for row in rows} == {HOST, "operator", "equipment-owner"}
    text = settled.get(STATEMENT, format="text")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.text == statement_text.text(stored[0], rows=rows_of[key_of(stored[0])]) + "\n"
    page = settled.get("/v1/statements", format="csv", limit=1)
    rest = settled.get("/v1/statements", format="csv", cursor=page.headers["next-cursor"])
    assert len(rest.text.splitlines()) + len(page.text.splitlines()) == len(rows) + 2
    problem(settled.get(STATEMENT, format="pdf"), 400, "parameter", "format")


def test_statements_are_filtered(settled: Api) -> None:
    def count(**parameters: object) -> int:
        return len(settled.get("/v1/statements", **parameters).json()["items"])

    assert count(month="2026-08") == count(contract="eaas-s1") == 3
    assert count(party=HOST) == 1
    assert count(month="2026-07") == count(contract="other") == 0
    problem(settled.get("/v1/statements/eaas-s1/2026-08/nobody"), 404, "unknown_statement")
    problem(settled.get(STATEMENT, run=9), 404, "unknown_statement")
    problem(settled.get("/v1/statements", month="2026-8"), 400, "parameter", "month")


def test_a_settlement_is_whole(settled: Api) -> None:
    listed = settled.get("/v1/settlements", "auditor").json()["items"][0]
    whole = settled.get("/v1/settlements/eaas-s1/2026-08", "auditor", run=1).json()["settlement"]
    assert whole["run"] == listed
    assert sum(Fraction(amount) for amount in whole["payable"].values()) == 0
    assert sum(Fraction(amount) for amount in whole["entitlement"].values()) == Fraction(whole["pool"])
    assert any(source["aggregate"].startswith("readings.S1-LOAD") for source in whole["sources"])
    problem(settled.get("/v1/settlements/eaas-s1/2026-07"), 404, "unknown_settlement")


def test_a_line_is_explained_down_to_the_events(settled: Api) -> None:
    found = settled.get(f"{STATEMENT}/lines/1/explain", "auditor").json()
    assert found["line"]["code"] == "arbitrage"
    assert sum(Fraction(term["exact"]) for term in found["line"]["basis"]) == Fraction(found["line"]["exact"])
    archived = {
        row[0]: row[1:]
        for row in settled.bench.query("SELECT sequence, aggregate, encode(hash, 'hex') FROM ledger.envelope")
    }
    assert {event["sequence"]: (event["aggregate"], event["sha256"]) for event in found["events"]} == {
        event["sequence"]: archived[event["sequence"]] for event in found["events"]
    }
    assert {event["kinds"][0] for event in found["events"]} >= {
        "meter.readings_recorded.v1",
        "tariff.published.v1",
    }
    problem(settled.get(f"{STATEMENT}/lines/99/explain"), 404, "unknown_line", "number")


def test_an_event_is_shown_with_the_bytes_that_were_hashed(settled: Api) -> None:
    events = settled.get("/v1/events", limit=5).json()["items"]
    assert [event["sequence"] for event in events] == [1, 2, 3, 4, 5]
    for event in events:
        shown = settled.get(f"/v1/events/{event['sequence']}", "auditor").json()
        assert shown["event"] == event
        assert wire.digest(shown["payload"].encode()) == event["sha256"]
    history = settled.get("/v1/events", aggregate="site.S1").json()["items"]
    assert [event["version"] for event in history] == [1]
    problem(settled.get("/v1/events/999999"), 404, "unknown_event")
    problem(settled.get("/v1/events/5", as_of=4), 404, "unknown_event")


def test_status_and_readiness_say_how_far_everything_is(api: Api) -> None:
    register(api, "P1")
    status = api.get("/v1/status", "operator").json()
    assert status["behind"] == 0
    assert status["last_sequence"] == status["position"] == api.bench.recorder.max_notification_id()
    assert {one["name"] for one in status["projections"]} >= {"archive", "settlements"}
    assert api.client.get("/v1/health/ready").json()["ready"] is True
    api.projector.halted = "sequence 7 came where 6 was due"
    halted = api.client.get("/v1/health/ready")
    assert (halted.status_code, halted.json()["ready"]) == (503, False)
    assert halted.json()["projector"] == {"state": "halted", "detail": "sequence 7 came where 6 was due"}
    assert api.get("/v1/status", "operator").json()["halted"] == "sequence 7 came where 6 was due"


def test_a_projector_that_stands_still_is_noticed(api: Api, monkeypatch) -> None:
    register(api, "P1")
    api.projector.stop()
    api._thread.join()
    api.bench.door.execute(sample.register_party("P2"), command_id="p2", actor="ada")
    monkeypatch.setattr("adapters.http.health._STALLED_S", 0.1)
    assert api.client.get("/v1/health/ready").json()["behind"] == 1, "just behind is not stalled"
    threading.Event().wait(0.15)
    stalled = api.client.get("/v1/health/ready")
    assert (stalled.status_code, stalled.json()["projector"]["state"]) == (503, "stalled")
    api.bench.project()
    assert api.client.get("/v1/health/ready").status_code == 200
