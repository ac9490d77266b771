"""Our VEN against our VTN over real HTTP: events, reports, and every way in which a VTN fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from adapters.gateway.openadr3 import wire
from adapters.gateway.openadr3.connection import VtnUnavailable, checked_url
from adapters.gateway.openadr3.event_watch import ProgrammeRules, Seen
from adapters.gateway.openadr3.payload import value_of
from adapters.gateway.openadr3.report import energy_report, opt_report
from adapters.gateway.openadr3.response_call import ResponseCall
from adapters.gateway.openadr3.ven import VenClient
from adapters.gateway.openadr3.vtn_session import VtnAccess, VtnSession
from ledger.refusal import Refused
from tests.adapters.gateway.running_vtn import BASE, BL_CALLER, OTHER, RunningVtn

RULES = ProgrammeRules(gate_s=900)
JSON = [(b"content-type", b"application/json")]


def programme(vtn: RunningVtn) -> str:
    return vtn.store.put(BL_CALLER, "PROGRAM", wire.Program, {"program_name": "Peak"}, None).id


def fields_of(program: str, level: int = 1, **changes: Any) -> dict[str, Any]:
    start = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    body = {
        "programID": program,
        "intervalPeriod": {"start": start.isoformat(), "duration": "PT1H"},
        "intervals": [{"id": 7, "payloads": [{"type": "SIMPLE", "values": [level]}]}],
    } | changes
    told = wire.decoded(json.dumps(body).encode(), wire.EventRequest)
    return {name: getattr(told, name) for name in told.__struct_fields__}


def put_event(vtn: RunningVtn, program: str, name: str | None = None, **changes: Any) -> str:
    return vtn.store.put(BL_CALLER, "EVENT", wire.Event, fields_of(program, **changes), name).id


def ven(vtn: RunningVtn, **changes: Any) -> VenClient:
    return VenClient(vtn.session(**changes))


def kinds(seen: Seen) -> list[tuple[str, str]]:
    return [(one.kind, one.event) for one in seen.changes]


def test_events_are_heard_once_changed_and_withdrawn(vtn: RunningVtn) -> None:
    program = programme(vtn)
    first, second = put_event(vtn, program), put_event(vtn, program)
    client = ven(vtn)
    assert [one.program_name for one in client.programmes()] == ["Peak"]
    seen = client.poll(program, {}, RULES)
    assert kinds(seen) == [("new", first), ("new", second)]
    again = client.poll(program, seen.known, RULES)
    assert (again.changes, dict(again.known)) == ((), dict(seen.known))
    put_event(vtn, program, first, level=2)
    vtn.store.removed(BL_CALLER, "EVENT", second)
    third = client.poll(program, again.known, RULES)
    assert kinds(third) == [("changed", first), ("withdrawn", second)]
    assert third.changes[0].call is not None
    assert third.changes[0].call.intervals[0].payloads[0].values == (Fraction(2),)
    assert client.poll(program, third.known, RULES).changes == ()


def test_pages_are_read_to_the_end_and_shifting_pages_withdraw_nothing(vtn: RunningVtn) -> None:
    """An event deleted while pages are read moves the next one past us: it is asked for by its id."""
    program = programme(vtn)
    events = [put_event(vtn, program) for _ in range(7)]
    client = ven(vtn, page=3)
    seen = client.poll(program, {}, RULES)
    assert [one.event for one in seen.changes] == events

    def remove_first(scope: dict[str, object]) -> None:
        if b"skip=3" in bytes(scope["query_string"]):  # type: ignore[call-overload]
            vtn.intercept = None
            vtn.store.removed(BL_CALLER, "EVENT", events[0])

    vtn.intercept = remove_first
    assert kinds(client.poll(program, seen.known, RULES)) == []
    assert kinds(client.poll(program, seen.known, RULES)) == [("withdrawn", events[0])]


def test_targeted_events_need_a_granted_target(vtn: RunningVtn) -> None:
    program = programme(vtn)
    everyone, north = put_event(vtn, program), put_event(vtn, program, targets=["north"])
    fields = {"ven_name": "v", "client_id": "ven-1", "targets": ("north",)}
    vtn.store.put(BL_CALLER, "VEN", wire.Ven, fields, None)
    client = VenClient(vtn.session(), targets=["north"])
    seen = client.poll(program, {}, RULES)
    assert sorted(one.event for one in seen.changes) == sorted([everyone, north])
    assert client.poll(program, seen.known, RULES).changes == ()
    assert kinds(VenClient(vtn.session(OTHER), targets=["north"]).poll(program, {}, RULES)) == [
        ("new", everyone)
    ]


def test_a_token_that_ends_mid_poll_is_replaced_once(vtn: RunningVtn) -> None:
    program = programme(vtn)
    events = [put_event(vtn, program) for _ in range(5)]
    client = ven(vtn, page=2)
    ended = [False]

    def end(scope: dict[str, object]) -> None:
        if b"skip=2" in bytes(scope["query_string"]) and not ended[0]:  # type: ignore[call-overload]
            ended[0] = True
            vtn.tokens.revoke_all()

    vtn.intercept = end
    assert [one.event for one in client.poll(program, {}, RULES).changes] == events
    assert vtn.requests.count("POST /auth/token") == 2


def test_a_token_is_renewed_before_it_ends(vtn: RunningVtn) -> None:
    client = ven(vtn)
    program = programme(vtn)
    client.poll(program, {}, RULES)
    ends = client._session._expires
    assert ends is not None and timedelta(minutes=59) < ends - datetime.now(UTC) < timedelta(minutes=60)
    client._session._expires = datetime.now(UTC)
    client.poll(program, {}, RULES)
    assert vtn.requests.count("POST /auth/token") == 2


def test_wrong_credentials_are_refused_and_the_secret_is_not_shown(vtn: RunningVtn) -> None:
    client = ven(vtn, client_secret="wrong-secret")
    with pytest.raises(Refused) as caught:
        client.programmes()
    assert caught.value.code == "vtn_credentials"
    assert "wrong-secret" not in str(caught.value) + repr(client._session.access)


def answering(
    vtn: RunningVtn, status: int, body: bytes, times: int = 10**6, headers: list[tuple[bytes, bytes]] = JSON
) -> None:
    """The next `times` requests for events get this answer."""
    left = [times]

    def answer(scope: dict[str, object]) -> tuple[int, list[tuple[bytes, bytes]], bytes] | None:
        if not str(scope["path"]).startswith(f"{BASE}/events") or not left[0]:
            return None
        left[0] -= 1
        return status, headers, body

    vtn.intercept = answer


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_read_is_asked_again_when_the_vtn_fails(vtn: RunningVtn, status: int) -> None:
    program = programme(vtn)
    put_event(vtn, program)
    answering(vtn, status, b"{}", times=2)
    assert len(ven(vtn).poll(program, {}, RULES).changes) == 1
    answering(vtn, status, b"{}", times=3)
    with pytest.raises(VtnUnavailable):
        ven(vtn).poll(program, {}, RULES)


def test_attempts_wait_longer_each_time(vtn: RunningVtn) -> None:
    waited: list[float] = []
    session = vtn.session()
    session._pause = waited.append
    answering(vtn, 500, b"{}", times=2)
    VenClient(session).poll(programme(vtn), {}, RULES)
    answering(vtn, 503, b"{}", times=1, headers=[*JSON, (b"retry-after", b"7")])
    VenClient(session).poll("program-1", {}, RULES)
    assert waited == [1, 2, 7]


EVENT = {
    "id": "e1",
    "createdDateTime": "2026-01-01T00:00:00Z",
    "modificationDateTime": "2026-01-01T00:00:00Z",
    "programID": "p",
    "intervals": [{"id": 0, "payloads": [{"type": "SIMPLE", "values": [1]}]}],
    "intervalPeriod": {"start": "2030-01-01T00:00:00Z", "duration": "PT1H"},
}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, b'[{"id": "e1", "pro', "json"),
        (200, b'{"id": "e1"}', "field_type"),
        (200, b"<html>", "json"),
        (200, b"\xff\xfe", "json"),
        (302, b"", "vtn_answer"),
        (403, b'{"title": "Forbidden", "detail": "not yours"}', "vtn_refused"),
        (401, b"{}", "vtn_credentials"),
        (200, json.dumps([EVENT, EVENT | {"priority": 1}]).encode(), "event_duplicate"),
    ],
)
def test_an_answer_that_is_wrong_is_refused_whole(
    vtn: RunningVtn, status: int, body: bytes, code: str
) -> None:
    answering(vtn, status, body)
    with pytest.raises(Refused) as caught:
        ven(vtn).poll("p", {}, RULES)
    assert caught.value.code == code


def test_the_same_event_told_twice_counts_once(vtn: RunningVtn) -> None:
    answering(vtn, 200, json.dumps([EVENT, EVENT]).encode())
    assert kinds(ven(vtn).poll("p", {}, RULES)) == [("new", "e1")]


def test_a_vtn_that_repeats_a_full_page_is_refused(vtn: RunningVtn) -> None:
    answering(vtn, 200, json.dumps([EVENT]).encode())
    with pytest.raises(Refused) as caught:
        ven(vtn, page=1).poll("p", {}, RULES)
    assert caught.value.code == "vtn_pages"


def test_an_event_that_cannot_be_read_is_named_and_the_rest_is_taken(vtn: RunningVtn) -> None:
    other = EVENT | {"id": "e2", "intervals": "soon"}
    answering(vtn, 200, json.dumps([other, {"x": 1}, EVENT]).encode())
    seen = ven(vtn).poll("p", {}, RULES)
    assert kinds(seen) == [("new", "e1")]
    assert [(one.event, one.code) for one in seen.refused] == [
        ("e2", "field_type"),
        ("events[1]", "field_missing"),
    ]


def test_a_known_event_that_cannot_be_read_any_more_is_not_withdrawn(vtn: RunningVtn) -> None:
    answering(vtn, 200, json.dumps([EVENT]).encode())
    seen = ven(vtn).poll("p", {}, RULES)
    answering(vtn, 200, json.dumps([EVENT | {"intervals": "soon"}]).encode())
    again = ven(vtn).poll("p", seen.known, RULES)
    assert (again.changes, dict(again.known), len(again.refused)) == ((), dict(seen.known), 1)


def test_an_answer_cut_short_is_asked_for_again(vtn: RunningVtn) -> None:
    answering(vtn, 200, b"[", headers=[*JSON, (b"content-length", b"900")])
    with pytest.raises(VtnUnavailable):
        ven(vtn, attempts=2).poll("p", {}, RULES)
    assert vtn.requests.count("GET /events") == 2


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_vtn_whose_clock_is_an_hour_off_is_refused(vtn: RunningVtn, hours: int) -> None:
    session = vtn.session()
    session.clock.shift = timedelta(hours=hours)  # type: ignore[attr-defined]
    with pytest.raises(Refused) as caught:
        VenClient(session).programmes()
    assert caught.value.code == "clock_skew"


def test_nobody_there_is_unavailable() -> None:
    access = VtnAccess(url="http://127.0.0.1:9/x", client_id="a", client_secret="b", timeout_s=1, attempts=1)
    with pytest.raises(VtnUnavailable):
        VenClient(VtnSession(access, lambda: datetime.now(UTC))).programmes()


@pytest.mark.parametrize(
    "url",
    ["http://vtn.example/x", "ftp://127.0.0.1/", "https://", "https://u:p@vtn.example/", "https://vtn.example/?a=1",
     "https://vtn.example:x/", "//vtn.example", "http://127.0.0.1.example/"],
)  # fmt: skip
def test_a_secret_goes_over_tls_or_stays_on_this_machine(url: str) -> None:
    with pytest.raises(Refused) as caught:
        checked_url(url, "url")
    assert caught.value.code == "vtn_url"


def test_a_ven_enrols_itself_and_its_resources_once(vtn: RunningVtn) -> None:
    client = ven(vtn)
    own = client.enrolled("site-a")
    assert client.enrolled("site-a").id == own.id
    bess = client.resource(own.id, "bess")
    assert client.resource(own.id, "bess").id == bess.id
    assert (bess.ven_id, bess.client_id) == (own.id, "ven-1")


def heard(vtn: RunningVtn) -> tuple[VenClient, ResponseCall]:
    program = programme(vtn)
    put_event(vtn, program)
    client = ven(vtn)
    found = client.poll(program, {}, RULES).changes[0].call
    assert found is not None
    return client, found


def test_a_report_is_sent_once_and_put_right(vtn: RunningVtn) -> None:
    client, call = heard(vtn)
    first = client.reported(energy_report(call, "ven-1", {"bess": [1234]}))
    assert client.reported(energy_report(call, "ven-1", {"bess": [1234]})) == first
    assert vtn.requests.count("POST /reports") == 1 and "PUT" not in "".join(vtn.requests)
    second = client.reported(energy_report(call, "ven-1", {"bess": [1235]}))
    assert second.id == first.id
    (held,) = vtn.store.listed(BL_CALLER, "REPORT", {})
    assert isinstance(held, wire.Report)
    (interval,) = held.resources[0].intervals
    assert interval.id == 7
    assert bytes(interval.payloads[0].values[0]) == b"1.235"


def test_a_report_whose_answer_was_lost_is_not_sent_twice(vtn: RunningVtn) -> None:
    """The VTN takes the report, then the answer is a 500: a second call finds it there."""
    client, call = heard(vtn)
    report = energy_report(call, "ven-1", {"bess": [5]})
    taken = {name: getattr(report, name) for name in report.__struct_fields__ if name != "program_id"} | {
        "client_id": "ven-1"
    }

    def lose(scope: dict[str, object]) -> tuple[int, list[tuple[bytes, bytes]], bytes] | None:
        if scope["method"] != "POST" or not str(scope["path"]).endswith("/reports"):
            return None
        vtn.store.put(BL_CALLER, "REPORT", wire.Report, taken, None)
        return 500, JSON, b"{}"

    vtn.intercept = lose
    with pytest.raises(VtnUnavailable):
        client.reported(report)
    vtn.intercept = None
    client.reported(report)
    assert len(vtn.store.listed(BL_CALLER, "REPORT", {})) == 1


def test_opting_out_is_a_forecast_operating_state(vtn: RunningVtn) -> None:
    client, call = heard(vtn)
    told = client.reported(opt_report(call, "ven-1", ["bess"], "opt_out"))
    assert told.payload_descriptors is not None
    assert told.payload_descriptors[0].reading_type == "FORECAST"
    (payload,) = told.resources[0].intervals[0].payloads
    assert (payload.type, value_of(payload.values[0], "")) == ("OPERATING_STATE", "RUNNING_OPTED_OUT")


def test_a_missing_energy_is_told_as_missing_never_as_zero(vtn: RunningVtn) -> None:
    _, call = heard(vtn)
    (resource,) = energy_report(call, "ven-1", {"bess": [None]}).resources
    (payload,) = resource.intervals[0].payloads
    assert (payload.type, value_of(payload.values[0], "")) == ("DATA_QUALITY", "MISSING")


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda call: energy_report(call, "v", {"bess": [1, 2]}), "report_length"),
        (lambda call: energy_report(call, "v", {"bess": [-1]}), "report_usage"),
        (lambda call: energy_report(call, "v", {}), "report_resources"),
        (lambda call: opt_report(call, "v", ["a", "a"], "reduce"), "report_resources"),
    ],
)
def test_a_report_that_does_not_fit_is_refused(
    vtn: RunningVtn, make: Callable[[ResponseCall], wire.ReportRequest], code: str
) -> None:
    _, call = heard(vtn)
    with pytest.raises(Refused) as caught:
        make(call)
    assert caught.value.code == code


def test_delta_usage_may_be_below_zero(vtn: RunningVtn) -> None:
    _, call = heard(vtn)
    (resource,) = energy_report(call, "v", {"bess": [-12]}, kind="DELTA_USAGE").resources
    assert bytes(resource.intervals[0].payloads[0].values[0]) == b"-0.012"


def test_the_older_version_asks_its_own_way(vtn: RunningVtn) -> None:
    """3.0: the token below the base address, targets by type, resources below their ven, events alike."""
    asked: list[str] = []

    def record(scope: dict[str, object]) -> tuple[int, list[tuple[bytes, bytes]], bytes] | None:
        path = str(scope["path"]).removeprefix(BASE)
        asked.append(f"{scope['method']} {path}?{bytes(scope['query_string']).decode()}")  # type: ignore[call-overload]
        old = EVENT | {"targets": [{"type": "GROUP", "values": ["north"]}]}
        answers = {"/events": [old], "/vens/v1/resources": []}
        if path not in answers or scope["method"] != "GET":
            return None
        return 200, JSON, json.dumps(answers[path]).encode()

    vtn.intercept = record
    client = VenClient(vtn.session(version="3.0"), targets=["north"])
    (change,) = client.poll("p", {}, RULES).changes
    assert change.call is not None and change.call.targets[0].kind == "GROUP"
    assert asked[0] == "POST /auth/token?"
    assert asked[1] == "GET /events?programID=p&targetType=GROUP&targetValues=north&skip=0&limit=50"
    with pytest.raises(Refused):
        client.resource("v1", "bess")
    assert asked[-1] == "POST /vens/v1/resources?"
