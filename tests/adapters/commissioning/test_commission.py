"""The step test over a socket, under the device's lease and on record, as it is asked for at a terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cyclopts import App

from adapters.bess_peer.fault import SignFlipped
from adapters.cli.session import Session
from adapters.commissioning.commissioning import commission
from adapters.driving.fleet_file import FleetDevice, ModbusTcp
from adapters.front_door import FrontDoor
from adapters.main import application
from adapters.settings import Settings
from dispatch.commissioning.report import Commissioning, CommissioningReport, address_sha256, profile_sha256
from dispatch.commissioning.step_plan import step_plan
from dispatch.control.lease import TakeLease
from ledger.device import Device, RegisterDevice
from ledger.effective import Period
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.commissioning.storage_port import Time
from tests.adapters.commissioning.test_step_test import REAL, Rig
from tests.adapters.conftest import Bench


@pytest.fixture
def book(bench: Bench) -> Bench:
    device = Device("bess-1", "S1", "battery", 250_000, 500_000)
    commands = [sample.found_book(), sample.register_site(), RegisterDevice(Period(sample.AUGUST), device)]
    for number, command in enumerate(commands):
        bench.door.execute(command, command_id=f"c{number}", actor="setup")
    return bench


DEVICE = FleetDevice(id="bess-1", profile=REAL, address=ModbusTcp(host="10.0.0.7"))


class _SlowClock:
    """The book's clock follows the test's time, which no socket keeps waiting."""

    def __init__(self, time: Time) -> None:
        self.time = time

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self.time.ms / 1000, UTC)


def test_a_pass_is_on_record_and_permits_and_a_failure_takes_it_away(book: Bench) -> None:
    rig = Rig(metered=False)
    clock = _SlowClock(rig.time)
    door = FrontDoor(book.recorder, clock, lambda: None)
    plan = step_plan(REAL)

    def test() -> CommissioningReport:
        return commission(door, clock, DEVICE, rig.port, plan, by="ada", sleep=rig.time.sleep)[0]

    def permits(address: ModbusTcp) -> bool:
        found = door.state("commissioning.bess-1")
        assert isinstance(found, Commissioning)
        return found.permits(profile_sha256(REAL), address_sha256(address))

    assert test().passed
    assert permits(ModbusTcp(host="10.0.0.7"))
    assert not permits(ModbusTcp(host="10.0.0.8"))
    rig.time.ms += 60_000
    rig.port.wrong(SignFlipped())
    assert test().failed_step == "sign"
    assert not permits(ModbusTcp(host="10.0.0.7"))
    rig.time.ms += 60_000
    rig.port.commanded.clear()
    door.execute(TakeLease("bess-1", "driver-1", clock().date(), 60, 100), command_id="l", actor="driver-1")
    with pytest.raises(Refused, match="driver-1 may write"):
        test()
    assert rig.port.commanded == [], "a device that another drives is not touched"


@pytest.mark.fault
def test_a_device_is_tested_over_its_socket_at_a_terminal(
    book: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A device that is quicker than the example's, so that nobody waits a minute."""
    text = (EXAMPLES / "bess_swapped.toml").read_text(encoding="utf-8")
    text = text.replace("ramp_w_per_s = 50_000", "ramp_w_per_s = 200_000")
    text = text.replace("change_max_per_s = 60_000", "change_max_per_s = 300_000")
    text = text.replace("period_s = 10, timeout_s = 30", "period_s = 1, timeout_s = 3")
    text = text.replace("writes_per_day = 30_000\nsteps", "writes_per_day = 90_000\nsteps")
    profile = tmp_path / "quick.toml"
    profile.write_text(text, encoding="utf-8")
    meter = EXAMPLES / "meter_import_export.toml"
    with peer(str(profile.with_suffix("")), "--meter", str(meter)) as running:
        address = f'address = {{ type = "modbus_tcp", host = "127.0.0.1", port = {running.ports[0]} }}'
        fleet = tmp_path / "fleet.toml"
        fleet.write_text(
            f'[[devices]]\nid = "bess-1"\nprofile = "quick.toml"\n{address}\n'
            f'[[devices]]\nid = "meter-1"\nprofile = "{meter}"\n{address}\n',
            encoding="utf-8",
        )
        name = book.book.replace("-", "_")
        settings = Settings(
            book=book.book,
            nats_url=book.nats.url,
            nats_monitor_url=book.nats.monitor_url,
            nats_seed=book.nats.app_seed,
            nats_operator_seed=book.nats.operator_seed,
            postgres_url=book.postgres.url(name),
        )
        app = application(Session(settings, lambda: datetime.now(UTC)))
        asked = ("commission", "bess-1", "--fleet", str(fleet), "--meter", "meter-1", "--as", "ada")
        assert app(asked, exit_on_error=False) == 0, capsys.readouterr().out
        assert "commissioning of bess-1: PASSED" in capsys.readouterr().out
        assert running.truth()["power_w"] == 0
    book.project()
    told = json.loads(shown(app, capsys, "commission", "show", "bess-1", "--format", "json"))
    assert (told["passed"], told["failed_step"], told["meter"]) == (True, "", "meter-1")
    assert {one["verdict"] for one in told["results"]} == {"passed"}


def shown(app: App, capsys: pytest.CaptureFixture[str], *asked: str) -> str:
    app(asked, exit_on_error=False)
    return capsys.readouterr().out
