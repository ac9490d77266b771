"""The step test over a socket, under the device's lease and on record, as it is asked for at a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from cyclopts import App

from adapters.bess_peer.fault import SignFlipped
from adapters.cli.session import Session
from adapters.commissioning.commissioning import commission
from adapters.commissioning.other_tests import LEASE_S, refuse_beside
from adapters.driving.fleet_file import FleetDevice, ModbusTcp
from adapters.driving.holder_files import HolderFiles
from adapters.front_door import FrontDoor
from adapters.main import application
from adapters.settings import Settings
from dispatch.commissioning.report import Commissioning, CommissioningReport, address_sha256, profile_sha256
from dispatch.commissioning.step_plan import step_plan
from dispatch.control.lease import Lease, ReleaseLease, TakeLease, lease_aggregate
from dispatch.planning.storage_terms import StateStorage
from ledger.device import Device, RegisterDevice
from ledger.effective import Period
from ledger.meter import Meter, RegisterMeter
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.commissioning.storage_port import Time
from tests.adapters.commissioning.test_step_test import REAL, Rig
from tests.adapters.conftest import Bench
from tests.adapters.driving.driver_book import TERMS


@pytest.fixture
def book(bench: Bench) -> Bench:
    device = Device("bess-1", "S1", "battery", 250_000, 500_000)
    since = Period(sample.AUGUST)
    commands = [sample.found_book(), sample.register_site(), RegisterDevice(since, device)]
    commands.append(
        RegisterMeter(
            since, Meter("GRID", "S1", "grid", ("import", "export"), 900, 2_000_000, "Asia/Shanghai")
        )
    )
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


def test_a_pass_is_on_record_and_permits_and_a_failure_takes_it_away(book: Bench, tmp_path: Path) -> None:
    rig = Rig(metered=False)
    clock = _SlowClock(rig.time)
    door = FrontDoor(book.recorder, clock, lambda: None)
    plan = step_plan(REAL)

    def test(holders: HolderFiles | None = None) -> CommissioningReport:
        given = {"by": "ada", "sleep": rig.time.sleep, "holders": holders}
        return commission(door, clock, DEVICE, rig.port, plan, **given)[0]  # type: ignore[arg-type]

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
    with pytest.raises(
        Refused, match=r"driver-1 may write.*: stop it first, or leave bess-1 out of its fleet"
    ):
        test()
    assert rig.port.commanded == [], "a device that another drives is not touched"
    holders = HolderFiles(tmp_path)
    with pytest.raises(Refused, match="driver-1 may write"):
        test(holders)
    with holders.living("driver-1"):
        pass
    assert test(holders).failed_step == "sign", "a driver of this folder that has ended is not waited for"
    assert rig.port.commanded != []


def test_one_device_of_a_site_is_tested_at_a_time(book: Bench, tmp_path: Path) -> None:
    rig, second = Rig(metered=False), Rig(metered=False)
    second.port.time = rig.time
    clock = _SlowClock(rig.time)
    door = FrontDoor(book.recorder, clock, lambda: None)
    beside = FleetDevice(id="bess-2", profile=REAL, address=ModbusTcp(host="10.0.0.8"))
    more = RegisterDevice(Period(sample.AUGUST), Device("bess-2", "S1", "battery", 250_000, 500_000))
    door.execute(more, command_id="bess-2", actor="setup")
    holders = HolderFiles(tmp_path)
    asked: list[str] = []

    def test_other() -> None:
        with pytest.raises(Refused, match="a step test of bess-1 runs at the same site") as refused:
            commission(
                door, clock, beside, second.port, step_plan(REAL),
                by="bob", sleep=rig.time.sleep, holders=holders, others=["bess-1"],
            )  # fmt: skip
        asked.append(refused.value.code)

    def told(_: object) -> None:
        if not asked:
            with ThreadPoolExecutor(1) as thread:
                thread.submit(test_other).result()

    first, _ = commission(
        door, clock, DEVICE, rig.port, step_plan(REAL),
        by="ada", sleep=rig.time.sleep, told=told, holders=holders, others=["bess-2"],
    )  # fmt: skip
    assert first.passed, "the lease of the one that was refused is given back, and does not hinder it"
    assert (asked, second.port.commanded) == (["step_test_running"], [])
    rig.time.ms += 8_000
    done, _ = commission(
        door, clock, beside, second.port, step_plan(REAL),
        by="bob", sleep=rig.time.sleep, holders=holders, others=["bess-1"],
    )  # fmt: skip
    assert done.passed
    assert second.port.commanded != []


def test_a_test_that_was_killed_holds_the_site_until_its_time_is_over(book: Bench) -> None:
    at = Time()
    door = FrontDoor(book.recorder, _SlowClock(at), lambda: None)

    def running(others: Sequence[str] = ("bess-1", "never")) -> bool:
        now = _SlowClock(at)()
        try:
            refuse_beside(door, others, now)
        except Refused as refused:
            assert (refused.code, refused.place) == ("step_test_running", "bess-1")
            return True
        return False

    def take(holder: str, lasts_s: int) -> None:
        day = _SlowClock(at)().date()
        door.execute(TakeLease("bess-1", holder, day, lasts_s, 5_000), command_id=holder, actor="a")

    assert not running()
    at.ms += 70_000
    take("commission-1", LEASE_S)
    assert running()
    assert not running(["never"]), "at another site"
    at.ms += 1000 * LEASE_S - 1
    assert running()
    at.ms += 1
    assert not running()
    to_midnight = 86_400_000 - at.ms % 86_400_000
    at.ms += to_midnight - 300_000
    take("commission-2", LEASE_S)
    at.ms += 300_000
    assert running(), "midnight ends the lease and not the test"
    at.ms += 1_500_000 - 1
    assert running()
    at.ms += 1
    assert not running()


def test_a_driver_at_the_site_holds_a_step_test_off_and_ends_one_that_runs(
    book: Bench, tmp_path: Path
) -> None:
    rig = Rig(metered=False)
    clock = _SlowClock(rig.time)
    door = FrontDoor(book.recorder, clock, lambda: None)
    more = RegisterDevice(Period(sample.AUGUST), Device("bess-2", "S1", "battery", 250_000, 500_000))
    door.execute(more, command_id="bess-2", actor="setup")
    holders = HolderFiles(tmp_path)

    def take(holder: str) -> None:
        lease = TakeLease("bess-2", holder, clock().date(), 60, 5_000)
        door.execute(lease, command_id=holder, actor=holder)

    def test(told: Callable[[object], None] = lambda _: None) -> CommissioningReport:
        return commission(
            door, clock, DEVICE, rig.port, step_plan(REAL),
            by="ada", sleep=rig.time.sleep, told=told, holders=holders, others=["bess-2"],
        )[0]  # fmt: skip

    take("drive-1")
    with pytest.raises(Refused, match="drive-1 may write to bess-2 at the same site") as refused:
        test()
    assert (refused.value.code, refused.value.place, rig.port.commanded) == ("lease_held", "bess-2", [])
    with holders.living("drive-1"):
        pass
    assert test().passed, "a driver of this folder that has ended tells nothing more"
    rig.time.ms += 70_000
    rig.port.commanded.clear()
    begun: list[object] = []

    def told(step: object) -> None:
        if not begun:
            take("drive-2")
        begun.append(step)

    with pytest.raises(Refused, match="drive-2 may write to bess-2 at the same site"):
        test(told)
    assert set(rig.port.commanded) == {0}, "nothing is raised beside it, and the device is left still"


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
        second = '{ type = "modbus_tcp", host = "127.0.0.1", port = 1 }'
        fleet = tmp_path / "fleet.toml"
        fleet.write_text(
            f'[[devices]]\nid = "bess-1"\nprofile = "quick.toml"\n{address}\n'
            f'[[devices]]\nid = "bess-2"\nprofile = "quick.toml"\naddress = {second}\n'
            f'[[devices]]\nid = "meter-1"\nprofile = "{meter}"\nmeter = "GRID"\n{address}\n',
            encoding="utf-8",
        )
        settings = Settings(
            book=book.book,
            nats_url=book.nats.url,
            nats_monitor_url=book.nats.monitor_url,
            nats_seed=book.nats.app_seed,
            nats_operator_seed=book.nats.operator_seed,
            postgres_url=book.postgres_url,
            state=tmp_path,
        )
        app = application(Session(settings, lambda: datetime.now(UTC)), ["commission"])
        asked = ("commission", "bess-1", "--fleet", str(fleet), "--meter", "meter-1", "--as", "ada")
        book.project()
        with pytest.raises(Refused, match="no terms of its storage") as refused:
            app(asked, exit_on_error=False)
        assert refused.value.code == "step_connection"
        terms = StateStorage("S1", Period(sample.AUGUST), msgspec.structs.replace(TERMS, import_w=200_000))
        book.door.execute(terms, command_id="terms", actor="setup")
        book.project()
        more = RegisterDevice(Period(sample.AUGUST), Device("bess-2", "S1", "battery", 250_000, 500_000))
        book.door.execute(more, command_id="bess-2", actor="setup")
        book.project()
        door = FrontDoor(book.recorder, lambda: datetime.now(UTC), lambda: None)
        day = datetime.now(UTC).date()
        door.execute(TakeLease("bess-2", "commission-9", day, 60, 1_000), command_id="o", actor="bob")
        book.project()
        with pytest.raises(Refused, match="a step test of bess-2 runs at the same site"):
            app(asked, exit_on_error=False)
        assert running.truth()["power_w"] == 0
        lease = door.state(lease_aggregate("bess-2", day))
        assert isinstance(lease, Lease)
        end = ReleaseLease("bess-2", "commission-9", lease.token)
        door.execute(end, command_id="oo", actor="bob")
        book.project()
        assert app(asked, exit_on_error=False) == 0, capsys.readouterr().out
        told = capsys.readouterr().out
        assert "commissioning of bess-1: PASSED" in told
        assert "all W out, 194174 W in: the connection of S1 may give 900000 W and draw 200000 W" in told
        assert running.truth()["power_w"] == 0
    book.project()
    report = json.loads(shown(app, capsys, "commission", "show", "bess-1", "--format", "json"))
    assert (report["passed"], report["failed_step"], report["meter"]) == (True, "", "meter-1")
    assert {one["verdict"] for one in report["results"]} == {"passed"}
    assert report["plan"]["charge_w"] == 194_174


def shown(app: App, capsys: pytest.CaptureFixture[str], *asked: str) -> str:
    app(asked, exit_on_error=False)
    return capsys.readouterr().out
