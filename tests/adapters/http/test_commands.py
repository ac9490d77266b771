"""Commands: what is stored, what a repeated key answers, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from adapters.http.permissions import PERMISSIONS
from tests.adapters.http.conftest import CONTRACT, Api, problem
from tests.adapters.http.test_docs import ASKING

EXAMPLES = Path(__file__).parents[3] / "examples"
FROM = {"effective_from": "2025-12-31T16:00:00Z"}
PARTY = FROM | {"document": {"id": "P1", "name": "Partner"}}
SITE = FROM | {
    "document": {
        "id": "S9",
        "name": "Works",
        "zone": "Asia/Shanghai",
        "storage_energy_wh": 500_000,
        "storage_power_w": 250_000,
        "tariff": "shanghai-two-part-1-10kv",
        "account": {
            "id": "A9",
            "zone": "Asia/Shanghai",
            "parts": "two_part",
            "demand": {"mode": "actual"},
            "power_factor": {"standard": "0.90", "fund_in_base": False},
            "export_price": {"price": "0.4155", "currency": "CNY", "unit": "kWh"},
        },
    }
}
METER = FROM | {
    "document": {
        "id": "M9",
        "site": "S9",
        "position": "storage",
        "registers": ["charge", "discharge"],
        "interval_s": 900,
        "power_w_max": 250_000,
        "zone": "Asia/Shanghai",
    }
}
DEVICE = FROM | {"document": {"id": "D9", "site": "S9", "type": "pcs", "power_w": 250_000, "energy_wh": 0}}
READINGS = {
    "meter": "M9",
    "register": "charge",
    "start": "2026-08-31T23:30:00Z",
    "interval_s": 900,
    "values": [100, None, 300],
    "quality": "ANF",
}
PRICES = {
    "market": "shandong",
    "node": "all",
    "product": "day_ahead",
    "start": "2026-08-31T23:00:00Z",
    "interval_s": 3600,
    "currency": "CNY",
    "unit": "MWh",
    "prices": ["301.561", "-80"],
    "source": "notice",
}


@pytest.fixture
def furnished(api: Api) -> Api:
    """A book with a site and a meter."""
    for path, body in (("sites", SITE), ("meters", METER)):
        assert api.post(f"/v1/{path}", body).status_code == 201
    return api


def test_documents_are_registered_and_read_back_as_they_were_sent(furnished: Api) -> None:
    api = furnished
    assert api.post("/v1/parties", PARTY).json() == {"aggregate": "party.P1", "version": 1, "sequence": 4}
    assert api.post("/v1/devices", DEVICE).status_code == 201
    api.wait()
    for path, sent in (("parties", PARTY), ("sites", SITE), ("meters", METER), ("devices", DEVICE)):
        name = sent["document"]["id"]
        page = api.get(f"/v1/{path}").json()
        history = api.get(f"/v1/{path}/{name}").json()
        (entry,) = page["items"]
        assert page["position"] == history["position"] == 5
        assert history["versions"] == [entry]
        assert (entry["id"], entry["version"], entry["effective_to"]) == (name, 1, None)
        assert entry["effective_from"] == sent["effective_from"]
        found = entry["document"]
        if path == "sites":
            account = sent["document"]["account"]
            assert found["account"]["export_price"] == account["export_price"] | {"price": "0.415500"}
            assert found["account"]["demand"]["mode"] == "actual"
        else:
            unstated = {"feeder": None} if path == "meters" else {}
            assert found == unstated | sent["document"]


def test_a_site_with_feeders_is_read_back_and_its_meters_name_them(api: Api) -> None:
    feeders = [{"id": name, "demand": {"mode": "capacity", "capacity_va": 800_000}} for name in ("A", "B")]
    account = SITE["document"]["account"] | {"demand": None, "feeders": feeders, "anchor_day": 25}
    point = {"market": "shandong", "node": "n1", "reference_node": None}
    more = {"account": account, "stored_energy": "fifo", "market_point": point}
    assert api.post("/v1/sites", FROM | {"document": SITE["document"] | more}).status_code == 201
    assert api.post("/v1/meters", FROM | {"document": METER["document"] | {"feeder": "B"}}).status_code == 201
    answer = api.post("/v1/meters", FROM | {"document": METER["document"] | {"id": "M8", "feeder": "C"}})
    problem(answer, 422, "unknown_feeder", "meter.feeder")
    answer = api.post(
        "/v1/sites", FROM | {"document": SITE["document"] | {"account": account | {"feeders": []}}}
    )
    problem(answer, 422, "demand_mode")
    api.wait()
    (site,) = api.get("/v1/sites").json()["items"]
    found = site["document"]
    assert [one["id"] for one in found["account"]["feeders"]] == ["A", "B"]
    assert (found["account"]["anchor_day"], found["stored_energy"]) == (25, "fifo")
    assert found["market_point"] == point
    (meter,) = api.get("/v1/meters").json()["items"]
    assert meter["document"]["feeder"] == "B"


def test_a_next_version_leaves_the_first_in_the_history(api: Api) -> None:
    api.post("/v1/parties", PARTY)
    later = {"effective_from": "2026-09-01T00:00:00+08:00", "document": {"id": "P1", "name": "Renamed"}}
    assert api.post("/v1/parties", later).json()["version"] == 2
    api.wait()
    (entry,) = api.get("/v1/parties").json()["items"]
    assert (entry["version"], entry["document"]["name"]) == (2, "Renamed")
    assert entry["effective_from"] == "2026-08-31T16:00:00Z"
    names = [one["document"]["name"] for one in api.get("/v1/parties/P1").json()["versions"]]
    assert names == ["Partner", "Renamed"]


def test_a_repeated_key_answers_the_first_result_and_stores_nothing(api: Api) -> None:
    first = api.post("/v1/parties", PARTY, key="once")
    last = api.bench.recorder.max_notification_id()
    again = api.post("/v1/parties", PARTY, key="once")
    assert (again.status_code, again.json()) == (201, first.json())
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    renamed = FROM | {"document": {"id": "P1", "name": "Other"}}
    elsewhere = FROM | {"document": {"id": "P2", "name": "Partner"}}
    for other in (renamed, elsewhere):
        problem(api.post("/v1/parties", other, key="once"), 409, "command_id_reused")
    assert api.bench.recorder.max_notification_id() == last


def test_the_first_result_is_answered_by_a_new_process_too(api: Api) -> None:
    first = api.post("/v1/parties", PARTY, key="once")
    api.restart()
    again = api.post("/v1/parties", PARTY, key="once")
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    problem(
        api.post("/v1/parties", FROM | {"document": {"id": "P1", "name": "Other"}}, key="once"),
        409,
        "command_id_reused",
    )


def test_a_key_is_the_actors_own(api: Api) -> None:
    first = api.post("/v1/parties", PARTY, "finance", key="same").json()
    second = api.post("/v1/parties", PARTY, "admin", key="same").json()
    assert (first["version"], second["version"]) == (1, 2)


def test_a_refused_request_may_be_put_right_under_its_key(api: Api) -> None:
    problem(api.post("/v1/devices", DEVICE, key="k"), 422, "unknown_site", "site")
    assert api.post("/v1/sites", SITE).status_code == 201
    assert api.post("/v1/devices", DEVICE, key="k").status_code == 201


def test_a_key_is_printable_and_short(settled: Api) -> None:
    for key in ("", "with blank", "x" * 129, "ümlaut".encode()):
        answer = settled.post("/v1/parties", PARTY, headers={"Idempotency-Key": key})
        problem(answer, 400, "parameter", "Idempotency-Key")


COMMANDS = sorted(route for route in PERMISSIONS if route.startswith("POST") and route not in ASKING)


@pytest.mark.parametrize("route", COMMANDS)
def test_every_command_needs_a_key_before_its_body_is_read(settled: Api, route: str) -> None:
    role = next(iter(sorted(PERMISSIONS[route])))
    headers = {"Authorization": f"Bearer {settled.secret(role)}"}
    named = {"day": "2026-08-01", "month": "2026-08", "run": "1", "number": "1"}
    path = re.sub(r"{(\w+)[^}]*}", lambda part: named.get(part[1], "none"), route.removeprefix("POST "))
    for body in (b"", b"not JSON", b'{"unheard_of": 1}'):
        answer = settled.client.post(path, headers=headers, content=body)
        told = problem(answer, 400, "parameter", "Idempotency-Key")
        assert told["detail"] == "Missing required header parameter 'Idempotency-Key'"


def test_a_contract_as_toml_and_as_json_is_the_same(settled: Api) -> None:
    toml = (EXAMPLES / "contracts/eaas-s1.toml").read_bytes()
    settled.secret("admin"), settled.secret("finance")
    before = settled.bench.recorder.max_notification_id()
    for media_type in ("application/toml", "text/plain; charset=utf-8"):
        checked = settled.post("/v1/contracts?check=true", toml, headers={"Content-Type": media_type})
        assert checked.json() == {"valid": True, "aggregate": "contract.eaas-s1", "warnings": []}, (
            checked.text
        )
    document = settled.get("/v1/contracts/eaas-s1").json()["versions"][-1]["document"]
    assert settled.post("/v1/contracts?check=true", document).status_code == 200
    assert settled.bench.recorder.max_notification_id() == before, "a check stores nothing"
    stored = settled.post("/v1/contracts", document, "finance")
    assert (stored.status_code, stored.json()["aggregate"]) == (201, "contract.eaas-s1")
    settled.wait()
    versions = settled.get("/v1/contracts/eaas-s1").json()["versions"]
    assert versions[-1]["document"] == versions[-2]["document"]
    assert versions[-1]["sequence"] == stored.json()["sequence"]


def test_a_fee_that_cannot_be_meant_is_warned_of_and_not_refused(settled: Api) -> None:
    toml = (EXAMPLES / "contracts/eaas-s1.toml").read_text()
    wrong = toml.replace('"kWh.year"', '"kWh.month"', 1).encode()
    checked = settled.post("/v1/contracts?check=true", wrong)
    assert checked.status_code == 200
    (warning,) = checked.json()["warnings"]
    assert "1,200,000 CNY a year" in warning
    stored = settled.post("/v1/contracts", wrong, "finance", key="odd")
    assert (stored.status_code, stored.json()["warnings"]) == (201, [warning])
    again = settled.post("/v1/contracts", wrong, "finance", key="odd")
    assert (again.json(), again.headers["idempotency-replayed"]) == (stored.json(), "true")
    right = settled.post("/v1/contracts", toml.encode(), "finance")
    assert (right.status_code, right.json()["warnings"]) == (201, [])
    settled.wait()


def test_a_contract_that_would_split_a_month_is_refused(settled: Api) -> None:
    toml = (EXAMPLES / "contracts/eaas-s1.toml").read_text()
    late = toml.replace("effective_from = 2026-01-01", "effective_from = 2027-03-15")
    body = problem(settled.post("/v1/contracts?check=true", late.encode()), 422, "contract_change")
    assert "begin on 2027-03-01 or 2027-04-01" in body["detail"]
    assert body["place"] == "effective_from"
    early = toml.replace("effective_to = 2036-01-01", "effective_to = 2027-03-15")
    checked = settled.post("/v1/contracts?check=true", early.encode())
    assert checked.status_code == 200, "it ends there: no other version holds the rest of the month"


def test_a_contract_names_what_is_wrong_with_it(settled: Api) -> None:
    toml = (EXAMPLES / "contracts/eaas-s1.toml").read_text()
    wrong = toml.replace("Asia/Shanghai", "Asia/Nowhere")
    body = problem(settled.post("/v1/contracts?check=true", wrong.encode()), 422, "zone")
    assert body["place"].startswith("line ") and body["place"].endswith("zone")
    elsewhere = toml.replace('"S1"', '"S404"')
    problem(settled.post("/v1/contracts?check=true", elsewhere.encode()), 422, "unknown_site")
    document = settled.get("/v1/contracts/eaas-s1").json()["versions"][-1]["document"]
    problem(settled.post("/v1/contracts", document | {"zone": "Asia/Nowhere"}), 422, "zone", "zone")
    problem(settled.post("/v1/contracts", document | {"note": "?"}), 422, "field_unknown")
    hidden = toml.replace('title = "', 'title = "\\u0000')
    problem(settled.post("/v1/contracts", hidden.encode()), 422, "control_character", "contract.title")


def test_the_schema_of_a_contract_is_served(settled: Api) -> None:
    assert settled.get("/v1/schemas/contract", "finance").json()["title"] == "Contract"


def test_a_tariff_is_published_and_read_in_decimals(api: Api) -> None:
    toml = (EXAMPLES / "tariffs/shanghai_two_part_1-10kv.toml").read_bytes()
    assert api.post("/v1/tariffs?check=true", toml).json()["valid"] is True
    assert api.post("/v1/tariffs", toml, "finance").status_code == 201
    api.wait()
    (entry,) = api.get("/v1/tariffs").json()["items"]
    (table, *_) = [t for t in entry["document"]["tables"] if t["start"] == "2026-08"]
    assert table["prices"]["sharp"] == "1.410412"
    assert table["demand"] == "44.800000"
    assert api.get(f"/v1/tariffs/{entry['id']}").json()["versions"] == [entry]
    problem(api.post("/v1/tariffs", b"id = "), 422, "toml")
    problem(api.post("/v1/tariffs", "id = '上'".encode("gb18030")), 422, "encoding", "body:1")


def test_prices_are_exact_and_cut_at_utc_months(api: Api) -> None:
    stored = api.post("/v1/prices", PRICES, "market_desk")
    aggregates = [one["aggregate"] for one in stored.json()["stored"]]
    assert aggregates == ["price.shandong_all_day_ahead_2026-08", "price.shandong_all_day_ahead_2026-09"]
    api.wait()
    items = api.get("/v1/prices", market="shandong").json()["items"]
    assert [one["prices"] for one in items] == [["0.301561"], ["-0.080000"]]
    assert [one["start"] for one in items] == ["2026-08-31T23:00:00Z", "2026-09-01T00:00:00Z"]
    (late,) = api.get("/v1/prices", **{"from": "2026-09-01T00:00:00Z"}).json()["items"]
    assert late == items[1]
    assert api.get("/v1/prices", node="elsewhere").json()["items"] == []


WRONG_PRICES: list[tuple[dict[str, object], str, str]] = [
    ({"prices": ["1", "1e3"]}, "number", "prices[1]"),
    ({"prices": [1]}, "field_type", "prices[0]"),
    ({"prices": ["1.1234567"]}, "price_scale", "prices[0]"),
    ({"prices": ["9" * 30]}, "price_range", "prices[0]"),
    ({"currency": "XXX"}, "currency", "currency"),
    ({"start": "2026-08-31T23:10:00Z"}, "price_time", "start"),
    ({"interval_s": 7}, "interval", "interval_s"),
    ({"source": " "}, "source", "source"),
    ({"market": "a b"}, "field_type", "market"),
    ({"start": "9999-12-31T23:00:00Z"}, "instant_range", "start"),
]


def test_a_wrong_price_is_named_and_nothing_is_stored(api: Api) -> None:
    for change, code, place in WRONG_PRICES:
        problem(api.post("/v1/prices", PRICES | change), 422, code, place)
    api.wait()
    assert api.bench.query("SELECT count(*) FROM ledger.price_block") == [(0,)]


def test_real_time_prices_are_of_hours_that_are_over(api: Api) -> None:
    """The clock stands just after midnight of 1 September: the hour that it is in is not over."""
    real_time = PRICES | {"product": "real_time"}
    problem(api.post("/v1/prices", real_time, "market_desk"), 422, "price_future", "prices[1]")
    later = real_time | {"start": "2026-09-10T00:00:00Z"}
    problem(api.post("/v1/prices", later, "market_desk"), 422, "price_future", "prices[0]")
    assert api.post("/v1/prices", real_time | {"prices": ["301.561"]}, "market_desk").status_code == 201


def test_a_gateways_readings_are_stored_by_meter_and_utc_month(furnished: Api) -> None:
    api = furnished
    stored = api.post("/v1/readings", READINGS, "gateway", key="r1")
    assert stored.status_code == 201, stored.text
    assert [one["aggregate"] for one in stored.json()["stored"]] == [
        "readings.M9_2026-08",
        "readings.M9_2026-09",
    ]
    assert stored.json()["readings"] == 2
    assert api.post("/v1/readings", READINGS, "gateway", key="r1").json() == stored.json()
    api.wait()
    items = api.get("/v1/readings", meter="M9").json()["items"]
    assert [(one["start"], one["wh"], one["quality"]) for one in items] == [
        ("2026-08-31T23:30:00Z", 100, "A"),
        ("2026-09-01T00:00:00Z", 300, "F"),
    ], "an interval without a value is not a zero"


def test_a_batch_with_a_wrong_reading_is_refused_or_stored_without_it(furnished: Api) -> None:
    api = furnished
    batch = {
        "readings": [
            READINGS,
            READINGS | {"meter": "M404"},
            READINGS | {"register": "discharge", "values": [1, 2, 10**9], "quality": "A"},
        ]
    }
    problem(api.post("/v1/readings", batch), 422, "unknown_meter")
    assert api.bench.query("SELECT count(*) FROM ledger.meter_run") == [(0,)]
    stored = api.post("/v1/readings?accept_valid=true", batch).json()
    assert stored["readings"] == 4
    found = {(one["row"], one["code"]) for one in stored["rejected"]}
    assert found == {(2, "unknown_meter"), (3, "above_device_limit")}
    assert stored["rejected_in_all"] == len(stored["rejected"]) == 4, (
        "each interval of an unknown meter counts"
    )


WRONG_READINGS: list[tuple[dict[str, object], str]] = [
    ({"values": [5.0]}, "field_type"),
    ({"values": ["5"]}, "field_type"),
    ({"register": "sideways"}, "not_allowed"),
    ({"start": "2026-10-01T00:00:00Z"}, "future_reading"),
    ({"values": [-1]}, "negative_energy"),
    ({"start": "2026-08-31T23:30:00"}, "naive_time"),
    ({"start": "2026-08-31T23:31:00Z"}, "misaligned_start"),
    ({"start": "9999-12-31T23:45:00Z"}, "instant_range"),
    ({"start": "0001-01-01T00:00:00+14:00"}, "instant_range"),
    ({"interval_s": 3600}, "interval_length"),
    ({"note": 1}, "field_unknown"),
]


def test_a_wrong_reading_is_named(settled: Api) -> None:
    right = READINGS | {"meter": "S1-STORAGE", "quality": "A", "values": [1]}
    for change, code in WRONG_READINGS:
        problem(settled.post("/v1/readings", right | change), 422, code)
    problem(settled.post("/v1/readings", {"meter": "S1-STORAGE"}), 422, "field_missing", "register")
    for body in (b"", b"{", b"\xff"):
        problem(settled.post("/v1/readings", body), 400, "json")


def import_file(api: Api, rows: str, **more: Any) -> httpx.Response:
    profile = (EXAMPLES / "meters/plain.toml").read_bytes()
    files = {"file": ("readings.csv", rows.encode()), "profile": (None, profile)}
    return api.post("/v1/imports" + more.pop("query", ""), files=files, **more)


def test_a_file_is_imported_once_however_often_it_is_sent(furnished: Api) -> None:
    api = furnished
    rows = "meter,register,start,wh\nM9,charge,2026-08-01T00:00:00Z,100\nM9,charge,2026-08-01T00:15:00Z,200\n"
    stored = import_file(api, rows, role="operator", key="f1")
    assert stored.status_code == 201, stored.text
    assert (stored.json()["readings"], stored.json()["rejected"]) == (2, [])
    last = api.bench.recorder.max_notification_id()
    assert import_file(api, rows, role="operator", key="f1").headers["idempotency-replayed"] == "true"
    api.restart()
    assert import_file(api, rows, role="operator", key="f1").headers["idempotency-replayed"] == "true"
    assert api.bench.recorder.max_notification_id() == last
    assert import_file(api, rows, role="operator", key="f2").json() == stored.json()
    assert api.bench.recorder.max_notification_id() == last + 1, "no more than the other key's answer"
    problem(import_file(api, rows + "\n", role="operator", key="f1"), 409, "command_id_reused")
    api.wait()
    (entry,) = api.get("/v1/imports", status="completed").json()["items"]
    assert (entry["file_name"], entry["readings"]) == ("readings.csv", 2)
    assert api.get("/v1/imports", status="open").json()["items"] == []
    problem(api.post(f"/v1/imports/{entry['id']}/abandon", {"reason": "late"}), 422, "import_status")


def test_a_file_with_a_wrong_row_is_refused_whole_or_stored_without_it(furnished: Api) -> None:
    api = furnished
    rows = "meter,register,start,wh\nM9,charge,2026-08-01T00:00:00Z,100\nM9,charge,2026-08-01T00:15:00Z,-5\n"
    body = problem(import_file(api, rows), 422, "negative_energy")
    assert body["place"].startswith("row 3")
    stored = import_file(api, rows, query="?accept_valid=true").json()
    assert (stored["readings"], [one["row"] for one in stored["rejected"]]) == (1, [3])


def test_an_import_needs_a_file_and_its_profile(settled: Api) -> None:
    files = {"profile": (None, b'format = "csv_long"')}
    assert settled.post("/v1/imports", files=files).status_code == 400
    files = {"file": ("a.csv", b"x"), "profile": (None, b'format = "xml"')}
    problem(settled.post("/v1/imports", files=files), 422, "not_allowed")


@pytest.mark.parametrize("restarted", [False, True])
def test_settling_again_under_the_same_key_answers_the_first_runs(settled: Api, *, restarted: bool) -> None:
    last = settled.bench.recorder.max_notification_id()
    if restarted:
        settled.restart()
    again = settled.post("/v1/settlements", {"month": "2026-08"}, "finance", key="first")
    (run,) = again.json()["runs"]
    assert (run["recorded"], run["run"], run["contract"]) == (True, 1, "eaas-s1")
    assert again.headers["idempotency-replayed"] == "true"
    problem(
        settled.post("/v1/settlements", {"month": "2026-07"}, "finance", key="first"),
        409,
        "command_id_reused",
    )
    assert settled.bench.recorder.max_notification_id() == last
    anew = settled.post("/v1/settlements", {"month": "2026-08", "contracts": ["eaas-s1"]}, "finance")
    assert anew.json()["runs"] == [run | {"recorded": False}], "the same inputs are not a new run"


def test_a_month_that_cannot_be_settled_says_why(settled: Api) -> None:
    problem(settled.post("/v1/settlements", {"month": "2026-07"}), 422, "missing_readings")
    problem(settled.post("/v1/settlements", {"month": "2026-10"}), 422, "month_not_over", "month")
    problem(
        settled.post("/v1/settlements", {"month": "2026-08", "contracts": ["nobody"]}),
        422,
        "unknown_contract",
    )
    problem(settled.post("/v1/settlements", {"month": "2026-13"}), 422, "field_type", "month")


def test_a_site_is_under_one_contract_at_a_time(settled: Api) -> None:
    """Refused before it is stored, and another site's month is not held up by two that passed each other."""
    last = settled.bench.recorder.max_notification_id()
    twin = msgspec.to_builtins(msgspec.structs.replace(CONTRACT, id="twin"))
    body = problem(settled.post("/v1/contracts", twin), 422, "contract_overlap", "sites")
    assert f"site S1 is under contract {CONTRACT.id} from 2026-01-01 to 2036-01-01" in body["detail"]
    assert settled.bench.recorder.max_notification_id() == last
    shorter = msgspec.to_builtins(CONTRACT) | {"effective_to": "2026-10-01"}
    assert settled.post("/v1/contracts", shorter).status_code == 201
    settled.wait()
    body = problem(settled.post("/v1/contracts", twin), 422, "contract_overlap", "sites")
    assert f"{CONTRACT.id} from 2026-01-01 to 2026-10-01" in body["detail"]
    assert settled.post("/v1/contracts", twin | {"effective_from": "2026-10-01"}).status_code == 201
