"""Our VTN as an independent client sees it: every call of the package `openadr3`."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pendulum
import pytest
from openadr3.api import OpenADRClient

from tests.adapters.gateway.running_vtn import BL, VEN, RunningVtn


def client(vtn: RunningVtn, who: Any) -> OpenADRClient:
    made = OpenADRClient(vtn.url)
    first = made._http
    made.fetch_token(who.client_id, who.client_secret)
    first.close()
    return made


@pytest.fixture
def bl(vtn: RunningVtn) -> Iterator[OpenADRClient]:
    with client(vtn, BL) as made:
        yield made


@pytest.fixture
def ven(vtn: RunningVtn) -> Iterator[OpenADRClient]:
    with client(vtn, VEN) as made:
        yield made


def created(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


PRICE_PER_KWH = {
    "objectType": "EVENT_PAYLOAD_DESCRIPTOR",
    "payloadType": "PRICE",
    "units": "KWH",
    "currency": "USD",
}


def event_of(program: str, **changes: Any) -> dict[str, Any]:
    return {
        "programID": program,
        "eventName": "evening",
        "payloadDescriptors": [
            {
                "objectType": "EVENT_PAYLOAD_DESCRIPTOR",
                "payloadType": "PRICE",
                "units": "KWH",
                "currency": "USD",
            }
        ],
        "intervalPeriod": {"start": "2026-08-01T10:00:00Z", "duration": "PT1H"},
        "intervals": [
            {"id": 0, "payloads": [{"type": "PRICE", "values": [0.17]}]},
            {"id": 1, "payloads": [{"type": "PRICE", "values": [0.25]}]},
        ],
    } | changes


def test_programmes_and_events_are_created_read_changed_and_deleted(bl: OpenADRClient) -> None:
    program = created(bl.create_program({"programName": "Peak", "zzz": "ignored"}))
    assert "zzz" not in program
    event = created(bl.create_event(event_of(program["id"])))
    coerced = bl.event(event["id"])
    assert coerced.intervals is not None
    assert coerced.intervals[1].payloads[0].values == [Decimal("0.25")]
    assert coerced.resolved_intervals()[1].interval_period.start == pendulum.datetime(2026, 8, 1, 11)  # type: ignore[union-attr]
    changed = bl.update_event(event["id"], event_of(program["id"], eventName="later"))
    assert changed.status_code == 200 and changed.json()["createdDateTime"] == event["createdDateTime"]
    assert changed.json()["modificationDateTime"] > event["modificationDateTime"]
    assert [one.event_name for one in bl.events(programID=program["id"])] == ["later"]
    assert bl.delete_event(event["id"]).json()["id"] == event["id"]
    assert bl.get_event_by_id(event["id"]).status_code == 404
    found = bl.find_program_by_name("Peak")
    assert found is not None and found.id == program["id"]


def test_a_ven_enrols_reports_and_subscribes(bl: OpenADRClient, ven: OpenADRClient) -> None:
    program = created(bl.create_program({"programName": "Peak"}))
    event = created(bl.create_event(event_of(program["id"])))
    own = created(ven.create_ven({"objectType": "VEN_VEN_REQUEST", "venName": "site-a"}))
    assert own["clientID"] == VEN.client_id
    found = ven.find_ven_by_name("site-a")
    assert found is not None and found.id == own["id"]
    resource = created(
        ven.create_resource(
            {"objectType": "VEN_RESOURCE_REQUEST", "resourceName": "bess", "venID": own["id"]}
        )
    )
    assert ven.resource(resource["id"]).ven_id == own["id"]
    used = {"id": 0, "payloads": [{"type": "USAGE", "values": [1.5]}]}
    report = {
        "eventID": event["id"],
        "clientName": "ven-1",
        "resources": [{"resourceName": "bess", "intervals": [used]}],
    }
    told = created(ven.create_report(report))
    (held,) = bl.reports(eventID=event["id"])
    assert held.id == told["id"] and held.resources[0].intervals[0].payloads[0].values == [Decimal("1.5")]
    assert bl.create_report(report).status_code == 403
    operation = {"objects": ["EVENT"], "operations": ["CREATE"], "callbackUrl": "https://ven.example/hook"}
    subscription = {"clientName": "ven-1", "programID": program["id"], "objectOperations": [operation]}
    kept = created(ven.create_subscription(subscription))
    assert [one.id for one in ven.subscriptions(objects="EVENT")] == [kept["id"]]
    assert ven.subscriptions(objects="REPORT") == []
    for answer in (
        ven.delete_subscription(kept["id"]), ven.delete_report(told["id"]),
        ven.delete_resource(resource["id"]), ven.delete_ven(own["id"]),
    ):  # fmt: skip
        assert answer.status_code == 200, answer.text


def test_a_ven_may_not_write_programmes_nor_send_what_business_logic_sends(ven: OpenADRClient) -> None:
    assert ven.create_program({"programName": "Peak"}).status_code == 403
    asked = {"objectType": "BL_VEN_REQUEST", "venName": "v", "clientID": "ven-1", "targets": ["all"]}
    assert ven.create_ven(asked).status_code == 403


def test_targets_are_granted_by_business_logic_and_hidden_from_others(
    vtn: RunningVtn, bl: OpenADRClient, ven: OpenADRClient
) -> None:
    """Definition, Object Privacy: a VEN sees a targeted event by a target it was granted and names."""
    program = created(bl.create_program({"programName": "Peak"}))
    event = created(bl.create_event(event_of(program["id"], targets=["north", "secret"])))
    assert ven.events(targets="north") == []
    assert ven.get_event_by_id(event["id"]).status_code == 404
    own = {"objectType": "BL_VEN_REQUEST", "venName": "v", "clientID": VEN.client_id, "targets": ["north"]}
    created(bl.create_ven(own))
    assert [one.targets for one in ven.events(targets="north")] == [["north"]]
    assert ven.event(event["id"]).targets == ["north"]
    assert ven.events() == [] and ven.events(targets="secret") == []
    assert bl.events()[0].targets == ["north", "secret"]
    assert [len(bl.events(targets=targets)) for targets in (["north", "secret"], ["north", "east"])] == [1, 0]


def test_pages_go_on_without_loss(bl: OpenADRClient) -> None:
    names = [created(bl.create_program({"programName": f"p{number}"}))["programName"] for number in range(7)]
    pages = [bl.programs(skip=skip, limit=3) for skip in (0, 3, 6, 9)]
    assert [one.program_name for page in pages for one in page] == names


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/programs", {}, 400),
        ("/programs", {"programName": ""}, 400),
        ("/events", {"eventName": "x"}, 400),
        ("/events", {"programID": "none", "intervals": []}, 409),
        ("/events", {"programID": "p", "intervals": [{"id": 0}]}, 400),
        ("/vens", {"venName": "x"}, 400),
        ("/vens", {"objectType": "X", "venName": "x"}, 400),
        ("/vens", {"objectType": "VEN_VEN_REQUEST", "venName": "x"}, 400),
        ("/nowhere", {}, 404),
    ],
)
def test_what_is_wrong_is_a_problem_with_its_status(
    bl: OpenADRClient, path: str, body: dict[str, Any], status: int
) -> None:
    answer = bl._request("POST", path, json=body)
    told = answer.json()
    assert (answer.status_code, told["status"]) == (status, status)
    assert told["title"] and told["detail"]


def test_names_are_unique(bl: OpenADRClient) -> None:
    created(bl.create_program({"programName": "Peak"}))
    assert bl.create_program({"programName": "Peak"}).status_code == 409


def test_without_a_token_that_holds_nothing_is_read(vtn: RunningVtn, bl: OpenADRClient) -> None:
    with OpenADRClient(vtn.url) as nobody:
        assert nobody.get_events().status_code == 401
    vtn.tokens.revoke_all()
    assert bl.get_events().status_code == 401


def test_bad_pages_and_filters_are_refused(bl: OpenADRClient) -> None:
    for wrong in ({"limit": 51}, {"skip": -1}, {"limit": "x"}, {"active": "maybe"}, {"programID": ""}):
        assert bl.get_events(**wrong).status_code == 400, wrong


def test_only_active_events_when_asked(bl: OpenADRClient) -> None:
    program = created(bl.create_program({"programName": "Peak"}))
    past = {"start": "2020-08-01T10:00:00Z", "duration": "PT1H"}
    created(bl.create_event(event_of(program["id"], intervalPeriod=past)))
    endless = {"start": "0001-01-01", "duration": "P9999Y"}
    one = [{"id": 0, "payloads": [{"type": "SIMPLE", "values": [1]}]}]
    lasting = created(bl.create_event(event_of(program["id"], intervalPeriod=endless, intervals=one)))
    assert [event["id"] for event in bl.get_events(active="true").json()] == [lasting["id"]]
    assert len(bl.get_events(active="false").json()) == 2
