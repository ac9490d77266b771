"""Alarms, work orders and milestones over the API, and what follows from them at a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from dispatch.commissioning.report import BeginCommissioning, CommissioningReport, RecordCommissioning
from dispatch.commissioning.step_plan import step_plan
from dispatch.commissioning.step_result import STEPS, StepResult
from dispatch.health.record import HealthDay, RecordHealthDay
from ledger.allocation.spot import SpotTerms
from ledger.device import Device, RegisterDevice
from ledger.effective import Period
from ledger.interval import Month
from ledger.kpi.stated_availability import SiteAvailability, StateAvailability
from ledger.trading_unit import Member, RegisterTradingUnit, TradingUnit
from tests.adapters import sample
from tests.adapters.cli.terminal import terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api
from tests.dispatch.devices.profile_samples import example


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    device = Device("B1", "S1", "battery", 125_000, 250_000)
    commands = [sample.found_book(), sample.register_site(), sample.register_party("om")]
    for number, command in enumerate([*commands, RegisterDevice(Period(sample.AUGUST), device)]):
        bench.door.execute(command, command_id=f"c{number}", actor="setup")
    made = Api(bench)
    made.wait()
    yield made
    made.close()


ALARM = {"kind": "cell_spread", "since": "2026-08-30T10:00:00Z"}


def test_an_alarm_is_raised_once_seen_and_cleared(api: Api) -> None:
    body = ALARM | {"severity": "warning", "detail": "31 mV at rest"}
    path = "/v1/devices/B1/alarms"
    first = api.post(path, body, "gateway", headers={"Idempotency-Key": "k1"})
    again = api.post(path, body, "gateway", headers={"Idempotency-Key": "k1"})
    assert (first.status_code, again.json(), again.headers["Idempotency-Replayed"]) == (
        201, first.json(), "true",
    )  # fmt: skip
    assert code(api.post(path, body, "operator")) == "alarm_repeated"
    seen = api.post(f"{path}/acknowledge", ALARM | {"note": "ordered a cell"}, "operator")
    assert seen.status_code == 201, seen.text
    api.wait()
    (shown,) = api.get("/v1/alarms", "auditor", device="B1").json()["items"]
    assert (shown["device"], shown["alarm"]["acknowledged_by"] != "") == ("B1", True)
    assert api.post(f"{path}/clear", ALARM | {"reason": "9 mV"}, "gateway").status_code == 201
    api.wait()
    assert api.get("/v1/alarms", "auditor").json()["items"] == []
    assert code(api.post(f"{path}/clear", ALARM | {"reason": "9 mV"}, "gateway")) == "unknown_alarm"


def test_work_is_done_in_order_and_feeds_availability(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    body = {"id": "W1", "site": "S1", "device": "B1", "kind": "repair", "planned": False, "title": "fan"}
    assert api.post("/v1/work-orders", body, "operator").status_code == 201
    work = "/v1/work-orders/W1"
    done = {
        "done_at": "2026-08-31T12:00:00Z",
        "evidence": "report 7",
        "outages": [{"start": "2026-08-31T10:00:00Z", "end": "2026-08-31T12:00:00Z"}],
    }
    assert code(api.post(f"{work}/done", done, "operator")) == "work_status"
    due = f"{api.bench.now + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    assert api.post(f"{work}/assign", {"party": "om", "due": due}, "operator").status_code == 201
    assert api.post(f"{work}/done", done, "operator").status_code == 201
    assert code(api.post(f"{work}/rate", {"rating": 4}, "operator")) == "own_rating"
    assert api.post(f"{work}/rate", {"rating": 4}, "finance").status_code == 201
    api.wait()
    order = api.get(work, "auditor").json()["found"]["order"]
    assert (order["status"], order["party"], order["rating"]) == ("rated", "om", 4)
    assert api.get("/v1/work-orders", "auditor", status="open").json()["items"] == []
    run = terminal_of(api.bench, capsys)
    told = run("work", "availability", "S1", "2026-08", "--planned", "counts", "--as", "ada")
    assert told.startswith("S1 was not available for 3600 s of 2026-08"), "half the energy for two hours"
    assert "work orders W1; planned work counts" in told
    assert run("work", "satisfaction", "2026-08") == "satisfaction 4.00 of 5, 1 rated\n"
    assert "W1  rated     repair (unplanned) S1/B1: fan  om by" in run("work", "list")


def test_milestones_are_stated_and_reached(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    path = "/v1/sites/S1/milestones"
    assert code(api.get(path, "auditor")) == "unknown_milestone"
    assert api.post(path, {"kind": "grid_code_test", "due": "2026-09-30"}, "operator").status_code == 201
    assert code(api.post(path, {"kind": "installed", "done": "2026-08-01"}, "operator")) == "evidence"
    run = terminal_of(api.bench, capsys)
    run("milestone", "state", "S1", "installed", "--done", "2026-08-01", "--evidence", "letter", "--as", "a")
    api.wait()
    kinds = [one["kind"] for one in api.get(path, "auditor").json()["items"]]
    assert kinds == ["grid_code_test", "installed"]
    assert "installed               reached 2026-08-01: letter" in run("milestone", "list", "S1")


def test_a_unit_is_as_able_as_its_devices_were_proven(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    """A device that passed counts with its full power, one that was never tested with nothing."""
    door, digest, plan = api.bench.door, "0" * 64, step_plan(example("bess_swapped"))
    other = RegisterDevice(Period(sample.AUGUST), Device("B2", "S1", "battery", 125_000, 250_000))
    member = Member(site="S1", capability_w=250_000)
    terms = SpotTerms(netting_benefit="sites", rounding_max="0.05")
    unit = TradingUnit(
        id="vpp", name="VPP", unit_code="VPP", market="shandong_spot", operator="om",
        zone="Asia/Shanghai", rounding_max="0.05", members=(member,), terms=(terms,),
    )  # fmt: skip
    measured = {"latency": 250, "ramp": 49_800}
    report = CommissioningReport(
        device="B1", profile="bess_swapped", profile_sha256=digest, address_sha256=digest, meter="",
        started_at=sample.AUGUST, ended_at=sample.AUGUST, plan=plan,
        results=tuple(StepResult(step=one, verdict="passed", measured=measured.get(one)) for one in STEPS),
    )  # fmt: skip
    stated = StateAvailability(SiteAvailability("S1", Month(2026, 8), 26_784, "W1"))
    begin = BeginCommissioning("B1", "ada", digest, plan)
    commands = (other, RegisterTradingUnit(sample.FROM_2026, unit), stated, begin)
    for number, command in enumerate((*commands, RecordCommissioning(report, "ada"))):
        door.execute(command, command_id=f"p{number}", actor="setup")
    api.wait()
    days = (
        HealthDay(day=begin.date(), start=begin, end=begin + timedelta(days=1), samples=1, available_s=seen)
        for begin, seen in ((sample.AUGUST, 86_400), (sample.AUGUST + timedelta(days=30), 84_672),
                            (sample.AUGUST - timedelta(days=1), 0))
    )  # fmt: skip
    for number, day in enumerate(sorted(days, key=lambda one: one.day)):
        door.execute(RecordHealthDay("B1", day), command_id=f"h{number}", actor="health")
    api.wait()
    shown = terminal_of(api.bench, capsys)("prequalification", "vpp", "--month", "2026-08")
    assert (
        "S1/B1  passed 2026-08-01T00:00Z  out 250000 W  in 250000 W  ramp 49800 W/s  latency 250 ms" in shown
    )
    assert "B2  never tested" in shown
    assert "proven: out 250000 W, in 250000 W, ramp 49800 W/s, slowest latency 250 ms" in shown
    assert "availability of 2026-08: 99.00 %, weighted by kWh" in shown
    assert "telemetry of 2026-08: available 99.00 % of 2 whole device days; no whole day: B2" in shown
    path = "/v1/trading-units/vpp/prequalification"
    told = api.get(path, "operator", month="2026-08").json()
    assert [one["device"] for one in told["devices"]] == ["B1"]
    assert (told["discharge_w"], told["untested"]) == (250_000, ["B2"])
    assert code(api.get(path.replace("vpp", "other"), "operator")) == "unknown_trading_unit"
    young = terminal_of(api.bench, capsys)("prequalification", "vpp", "--month", "2026-09")
    assert (
        "telemetry of 2026-09: none yet, only whole days that are over count; no whole day: B1, B2" in young
    )


def code(answer: httpx.Response) -> str:
    assert answer.status_code in (404, 409, 422), answer.text
    return str(answer.json()["code"])
