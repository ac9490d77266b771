"""What a prequalification says of steps that no meter saw."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from adapters.commissioning.commissioning import commission
from adapters.driving.fleet_file import FleetDevice, ModbusTcp
from adapters.front_door import FrontDoor
from dispatch.commissioning.report import BeginCommissioning, RecordCommissioning
from dispatch.commissioning.step_plan import step_plan
from ledger.device import Device, RegisterDevice
from ledger.effective import Period
from ledger.trading_unit import Member, RegisterTradingUnit, SpotTerms, TradingUnit
from tests.adapters import sample
from tests.adapters.cli.terminal import terminal_of
from tests.adapters.commissioning.test_step_test import REAL, Rig
from tests.adapters.conftest import Bench


def test_each_step_that_no_meter_saw_is_named(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    since = Period(sample.AUGUST)
    unit = TradingUnit(
        id="vpp", name="VPP", unit_code="VPP", market="shandong_spot", operator="om",
        zone="Asia/Shanghai", rounding_max="0.05", members=(Member(site="S1", capability_w=250_000),),
        terms=(SpotTerms(netting_benefit="sites", rounding_max="0.05"),),
    )  # fmt: skip
    rig = Rig(metered=False)

    def clock() -> datetime:
        return datetime.fromtimestamp(rig.time.ms / 1000, UTC)

    door = FrontDoor(bench.recorder, clock, lambda: None)
    party = sample.register_party("om")
    device = RegisterDevice(since, Device("bess-1", "S1", "battery", 250_000, 500_000))
    commands = (sample.found_book(), party, sample.register_site(), device)
    for number, command in enumerate((*commands, RegisterTradingUnit(sample.FROM_2026, unit))):
        bench.door.execute(command, command_id=f"c{number}", actor="setup")
    tested = FleetDevice(id="bess-1", profile=REAL, address=ModbusTcp(host="10.0.0.7"))
    plan = step_plan(REAL)
    report, _ = commission(door, clock, tested, rig.port, plan, by="ada", sleep=rig.time.sleep)
    assert report.passed
    bench.project()
    run = terminal_of(bench, capsys)
    steps = "latency, sign, scale, ramp, capability"
    assert f"bess-1  unmetered: {steps}" in run("prequalification", "vpp")
    (told,) = json.loads(run("prequalification", "vpp", "--format", "json"))["devices"]
    assert told["unmetered"][:5] == steps.split(", ")
    assert not {"telemetry", "clock", "heartbeat"} & set(told["unmetered"])

    short, answer = "too short a ramp for the samples", "to its answer: messages showed it after 4814 ms"
    seldom: dict[str, dict[str, Any]] = {
        "ramp": {"verdict": "flagged", "note": short},
        "latency": {"measured": 88, "note": answer},
    }
    results = tuple(
        msgspec.structs.replace(one, metered_w=one.commanded_w, **seldom.get(one.step, {}))
        if one.step != "scale"
        else one
        for one in report.results
    )
    rig.time.ms += 60_000
    door.execute(BeginCommissioning("bess-1", "ada", report.profile_sha256, plan), command_id="b", actor="a")
    seen = msgspec.structs.replace(report, meter="M1", results=results)
    door.execute(RecordCommissioning(seen, "ada"), command_id="r", actor="a")
    bench.project()
    shown = run("prequalification", "vpp")
    assert "bess-1  unmetered: scale: passed by its own reading" in shown
    assert "ramp not measured  latency not measured" in shown
    assert f"bess-1  ramp not measured: {short}" in shown
    assert f"bess-1  latency not measured: 88 ms {answer}" in shown
    assert "ramp 0 W/s (not measured of bess-1), slowest latency none (not measured of bess-1)" in shown
