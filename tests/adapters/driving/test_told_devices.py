"""Emergencies, a day's commands, leases and fallbacks, by HTTP and at a terminal, as they were known then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dispatch.control.command_records import RecordReadBack, RecordWritten
from dispatch.control.command_steps import IntendSetpoint, LeaseSetpoint, RefuseSetpoint
from dispatch.control.fallback import FallbackSchedule
from dispatch.control.lease import ReleaseLease, TakeLease, first_token
from dispatch.control.setpoint import Setpoint
from ledger.device import Device, RegisterDevice
from ledger.effective import Period
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem

NOON = datetime(2026, 8, 3, 12, tzinfo=UTC)
STOP: dict[str, Any] = {"kind": "stop_all", "reason": "smoke"}


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    bench.now = NOON
    since = Period(datetime(2026, 1, 1, tzinfo=UTC))
    commands: list[Any] = [sample.found_book(), sample.register_party(), sample.register_site()]
    commands.append(RegisterDevice(since, Device("a", "S1", "battery", 250_000, 500_000)))
    for number, command in enumerate(commands):
        bench.door.execute(command, command_id=f"furnish-{number}", actor="anna")
    made = Api(bench)
    made.secrets["operator"] = made.grant("operator", actor="anna")
    made.secrets["admin"] = made.grant("admin", actor="bert")
    made.wait()
    yield made
    made.close()


@pytest.fixture
def run(bench: Bench, api: Api, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return terminal_of(bench, capsys)


def test_an_emergency_is_ordered_stands_and_is_ended_by_another(api: Api, bench: Bench) -> None:
    done = api.post("/v1/emergencies", STOP, "operator", key="stop")
    assert (done.status_code, done.json()["aggregate"]) == (201, "emergency.book")
    assert api.post("/v1/emergencies", STOP, "operator", key="stop").json() == done.json(), "once"
    until = {"until": "2026-08-03T12:10:00Z", "power_w": 0, "scope": {"kind": "site", "names": ["S1"]}}
    limit = api.post("/v1/emergencies", {"kind": "limit_export", "reason": "grid", **until}, "operator")
    assert limit.status_code == 201, limit.text
    api.wait()
    shown = api.get("/v1/emergencies", "auditor").json()
    assert [(one["emergency"]["number"], one["stands"]) for one in shown["items"]] == [(2, True), (1, True)]
    bench.now += timedelta(minutes=10)
    shown = api.get("/v1/emergencies", "auditor").json()
    assert [one["stands"] for one in shown["items"]] == [False, True], "its time is over"
    problem(api.post("/v1/emergencies/1/ending", {"reason": "over"}, "operator"), 422, "four_eyes")
    assert api.post("/v1/emergencies/1/ending", {"reason": "over"}, "admin").status_code == 201
    problem(api.post("/v1/emergencies/1/ending", {"reason": "over"}, "admin"), 404, "unknown_emergency")
    api.wait()
    assert len(api.get("/v1/emergencies", "auditor").json()["items"]) == 1
    then = api.get("/v1/emergencies", "auditor", as_of=limit.json()["sequence"]).json()
    assert [one["stands"] for one in then["items"]] == [True, True], "as it was known, and when"


def test_an_emergency_that_cannot_be_is_refused_with_its_place(api: Api) -> None:
    for body, code, place in (
        (STOP | {"power_w": 5}, "emergency_power", "power_w"),
        (STOP | {"until": "2026-08-04T00:00:00Z"}, "emergency_until", "until"),
        ({"kind": "respond_now", "reason": "r"}, "emergency_power", "power_w"),
        (STOP | {"scope": {"kind": "site", "names": []}}, "emergency_scope", "scope.names"),
    ):
        problem(api.post("/v1/emergencies", body, "operator"), 422, code, place)
    for kind, code in (("device", "unknown_device"), ("site", "unknown_site")):
        body = STOP | {"scope": {"kind": kind, "names": ["A11"]}}
        problem(api.post("/v1/emergencies", body, "operator"), 422, code, "scope.names")
    api.wait()
    assert api.get("/v1/emergencies", "auditor").json()["count"] == 0, "nothing was ordered"
    assert api.post("/v1/emergencies", STOP, "auditor").status_code == 403
    assert api.post("/v1/emergencies", {"kind": "stop_all"}, "operator").status_code in (400, 422)
    assert api.post("/v1/emergencies", STOP, "finance").status_code == 403


def told(bench: Bench, command: Any, command_id: str) -> int:
    return bench.door.execute(command, command_id=command_id, actor="driver").sequence


def test_a_devices_day_lease_and_fallback_are_shown_as_they_were_known(
    api: Api, bench: Bench, run: Terminal, tmp_path: Path
) -> None:
    path, day = "/v1/devices/a", NOON.date()
    assert api.get(f"{path}/commands", "operator", day="2026-08-03").json()["items"] == []
    problem(api.get("/v1/devices/b/commands", "operator", day="2026-08-03"), 404, "unknown_device")
    problem(api.get(f"{path}/lease", "operator"), 404, "unknown_lease")
    problem(api.get(f"{path}/fallback", "operator"), 404, "unknown_fallback")
    point = Setpoint(
        setpoint_w=9_000,
        expires_at=NOON + timedelta(minutes=5),
        origin="regulation",
        cause="plan.S1 v1",
        band_w=3_000,
    )
    told(bench, TakeLease("a", "driver-1", day, 60, 500), "take")
    told(bench, IntendSetpoint("a", day, point, "driver-1"), "intend")
    first = told(bench, LeaseSetpoint("a", day, 1, "driver-1", first_token(day)), "lease")
    told(bench, RefuseSetpoint("a", day, 1, ("telemetry_stale", "soc_low")), "refuse")
    schedule = {"start": "2026-08-03T12:00:00Z", "interval_s": 900, "setpoint_w": [-5, 3]}
    assert api.post(f"{path}/fallback", schedule, "operator").status_code == 201
    api.wait()
    held = api.get(f"{path}/fallback", "operator").json()
    assert (held["agreed"], held["acknowledged"]) == (False, None)
    wrong = api.post(f"{path}/fallback/acknowledgement", {"digest": "0" * 64}, "gateway")
    problem(wrong, 422, "fallback_digest", "digest")
    answer = api.post(f"{path}/fallback/acknowledgement", {"digest": held["digest"]}, "gateway")
    assert answer.status_code == 201
    api.wait()
    assert api.get(f"{path}/fallback", "operator").json()["agreed"] is True
    (one,) = api.get(f"{path}/commands", "auditor", day="2026-08-03").json()["items"]
    assert (one["status"], one["interlocks"]) == ("refused", ["telemetry_stale", "soc_low"])
    assert one["setpoint"]["cause"] == "plan.S1 v1"
    (then,) = api.get(f"{path}/commands", "auditor", day="2026-08-03", as_of=first).json()["items"]
    assert then["status"] == "leased"
    lease = api.get(f"{path}/lease", "auditor").json()
    free_at, until = (datetime.fromisoformat(at) for at in (lease["free_at"], lease["lease"]["until"]))
    assert (lease["lease"]["holder"], free_at - until) == ("driver-1", timedelta(seconds=2.5))
    shown = run("device", "show", "a", "--day", "2026-08-03")
    assert (
        "9000 W ±3000 W to 12:05:00 (regulation: plan.S1 v1) refused; forbidden by telemetry_stale, soc_low"
        in shown
    )
    assert "the site holds it" in shown
    assert "nothing" not in shown
    early = json.loads(run("device", "show", "a", "--as-of", str(first), "--format", "json"))
    assert (early["fallback"], early["commands"]["items"][0]["status"]) == (None, "leased")
    file = tmp_path / "fallback.json"
    file.write_text(json.dumps({"device": "a", **schedule, "setpoint_w": [1]}))
    digest = FallbackSchedule(device="a", start=NOON, interval_s=900, setpoint_w=(1,)).digest
    assert f"SHA-256 {digest}" in run("device", "fallback", str(file), "--as", "anna")
    assert "is held" in run("device", "acknowledge", "a", digest, "--as", "site-1")


def test_what_was_read_is_not_said_to_stand(bench: Bench, run: Terminal) -> None:
    day, token = NOON.date(), first_token(NOON.date())
    point = Setpoint(
        setpoint_w=62_500,
        expires_at=NOON + timedelta(minutes=5),
        origin="regulation",
        cause="plan.S1 v1",
        band_w=2_000,
    )
    told(bench, TakeLease("a", "driver-1", day, 900, 500), "take")

    def first() -> str:
        return run("device", "show", "a", "--day", "2026-08-03").splitlines()[0]

    assert first() == "device a on 2026-08-03 (Asia/Shanghai, times UTC): nobody knows what it has"
    told(bench, IntendSetpoint("a", day, point, "driver-1"), "intend")
    told(bench, LeaseSetpoint("a", day, 1, "driver-1", token), "lease")
    told(bench, RecordWritten("a", day, 1, token, 0, NOON), "written")
    told(bench, RecordReadBack("a", day, 1, 62_500, NOON + timedelta(seconds=1)), "read")
    read = "62500 W was read back last, of 1 of 12:00:00, a signal may move it by 2000 W"
    assert first().startswith(
        f"device a on 2026-08-03 (Asia/Shanghai, times UTC): {read}, which holds to 12:05:00; "
    )
    bench.now = NOON + timedelta(minutes=5)
    over = f"nobody knows what it has; {read}, which was over at 12:05:00"
    assert first() == f"device a on 2026-08-03 (Asia/Shanghai, times UTC): {over}"
    bench.now = NOON + timedelta(minutes=1)
    told(bench, ReleaseLease("a", "driver-1", token), "release")
    assert first().endswith("and nobody drives it now")


def test_an_emergency_that_is_ordered_again_by_another_request_is_the_one_that_stands(api: Api) -> None:
    assert api.post("/v1/emergencies", STOP, "operator").status_code == 201
    again = problem(api.post("/v1/emergencies", STOP, "operator"), 409, "exists", "kind")
    assert again["detail"].startswith("emergency 1 stands, ordered at 2026-08-03T12:0")
    assert api.post("/v1/emergencies", STOP | {"reason": "fire"}, "operator").status_code == 201
    assert api.post("/v1/emergencies/1/ending", {"reason": "over"}, "admin").status_code == 201
    assert api.post("/v1/emergencies", STOP, "operator").status_code == 201
    api.wait()
    shown = api.get("/v1/emergencies", "auditor").json()
    assert [one["emergency"]["number"] for one in shown["items"]] == [3, 2]


def test_a_storage_without_a_living_driver_is_told(bench: Bench, run: Terminal) -> None:
    since = Period(datetime(2026, 1, 1, tzinfo=UTC))
    for device in (Device("b", "S1", "pcs", 1, 1), Device("pv", "S1", "pv_inverter", 1, 0)):
        told(bench, RegisterDevice(since, device), f"furnish-{device.id}")
    early = told(bench, TakeLease("b", "driver-1", NOON.date(), 900, 500), "take")
    assert run("device", "undriven").splitlines() == [
        "a at S1: never driven",
        "1 of 2 storages have no driver",
    ]
    bench.now = NOON + timedelta(minutes=16)
    assert [row.partition(":15:")[0] for row in run("device", "undriven").splitlines()] == [
        "a at S1: never driven",
        "b at S1: driver-1 up to 2026-08-03T12",
        "2 of 2 storages have no driver",
    ]
    bench.now = NOON + timedelta(days=2)
    found = json.loads(run("device", "undriven", "--format", "json"))
    assert [(one["device"], one["holder"]) for one in found["items"]] == [("a", None), ("b", "driver-1")]
    assert len(run("device", "undriven", "--as-of", str(early)).splitlines()) == 2, "then it had one"


def test_emergencies_at_a_terminal(run: Terminal) -> None:
    assert run("emergency", "show").strip() == "no emergency stands; 0 ever"
    for name, code in (("--device", "unknown_device"), ("--site", "unknown_site")):
        with pytest.raises(Refused) as refused:
            run("emergency", "stop-all", "smoke", name, "A11", "--as", "anna")
        assert (refused.value.code, "A11" in refused.value.reason) == (code, True)
    assert run("emergency", "show").strip() == "no emergency stands; 0 ever"
    run("emergency", "hold", "look", "--site", "S1", "--as", "anna")
    run("emergency", "respond-now", "-500", "call", "--until", "2026-08-03T13:00:00Z", "--as", "anna")
    run("emergency", "limit-export", "0", "grid", "--device", "a", "--as", "anna")
    run("emergency", "stop-all", "smoke", "--as", "anna")
    rows = run("emergency", "show").splitlines()
    assert [row.partition(";")[0] for row in rows] == [
        "emergency 4: stop_all, book",
        "emergency 3: limit_export 0 W, device a",
        "emergency 2: respond_now -500 W, book until 2026-08-03T13:00:00Z",
        "emergency 1: hold, site S1",
    ]
    with pytest.raises(Refused) as refused:
        run("emergency", "end", "4", "over", "--as", "anna")
    assert refused.value.code == "four_eyes"
    run("emergency", "end", "4", "over", "--as", "bert")
    assert len(run("emergency", "show").splitlines()) == 3
    with pytest.raises(Refused) as refused:
        run("emergency", "hold", "x", "--site", "S1", "--device", "a", "--as", "anna")
    assert refused.value.code == "emergency_scope"


def test_a_local_day_has_the_commands_of_both_its_utc_days(bench: Bench, run: Terminal) -> None:
    """Midnight in Shanghai is 16:00 UTC: each local day has hours of two UTC days."""
    for hour, power_w in ((15, 1_000), (17, 2_000), (25, 3_000), (41, 4_000)):
        bench.now = datetime(2026, 8, 3, tzinfo=UTC) + timedelta(hours=hour)
        day = bench.now.date()
        point = Setpoint(
            setpoint_w=power_w, expires_at=bench.now + timedelta(minutes=5), origin="plan", cause=f"v{hour}"
        )
        told(bench, TakeLease("a", f"driver-{hour}", day, 900, 500), f"take-{hour}")
        told(bench, IntendSetpoint("a", day, point, f"driver-{hour}"), f"intend-{hour}")

    def causes(day: str) -> list[str]:
        shown = json.loads(run("device", "show", "a", "--day", day, "--format", "json"))["commands"]
        return [one["setpoint"]["cause"] for one in shown["items"]]

    assert [causes(f"2026-08-0{day}") for day in (3, 4, 5)] == [["v15"], ["v17", "v25"], ["v41"]]
