"""Telemetry's days in the book, once each, and what the API and a terminal make of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.driving.fleet_file import FleetDevice, ModbusTcp
from adapters.health.day_taking import DayTaking, Taken
from adapters.telemetry.forwarding import Forwarder
from adapters.telemetry.history import History
from adapters.telemetry.outbox import Outbox
from dispatch.devices.profile_file import parse
from dispatch.devices.quality import Reading
from dispatch.devices.role import Role
from dispatch.health.alarm import Alarms, alarm_aggregate
from dispatch.health.record import HealthDay, HealthRecord, RecordHealthDay, health_aggregate
from dispatch.telemetry.sample import Sample
from ledger.device import Device, RegisterDevice
from ledger.refusal import Refused
from tests.adapters import sample as given
from tests.adapters.bess_peer.running_peer import EXAMPLES
from tests.adapters.cli.terminal import terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api

MIDNIGHT = datetime(2026, 8, 29, 16, tzinfo=UTC)
"""Of 30 August where the site is."""
RUN_S = 1200


def fleet() -> tuple[FleetDevice, ...]:
    def one(name: str, profile: str, unit: int, meter: str) -> FleetDevice:
        own = parse((EXAMPLES / f"{profile}.toml").read_bytes())
        return FleetDevice(id=name, profile=own, address=ModbusTcp(host="127.0.0.1", unit=unit), meter=meter)

    return one("B1", "bess_swapped", 1, ""), one("G1", "meter_import_export", 2, "M1")


class Telemetered:
    """B1 of 100 kW and 200 kWh with its storage's meter; telemetry of its days as it is asked for."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench = bench
        self.outbox = Outbox(folder, 8 << 20)
        self.forwarder = Forwarder(self.outbox, bench.client, bench.book)
        self.said: list[str] = []
        self.now = MIDNIGHT
        self._numbers = {"B1": 0, "G1": 0}
        battery = Device("B1", "S1", "battery", 100_000, 200_000)
        commands = (
            given.found_book(), given.register_party(), given.register_site(), given.register_meter(),
            RegisterDevice(given.FROM_2026, battery),
        )  # fmt: skip
        for number, command in enumerate(commands):
            bench.door.execute(command, command_id=f"c{number}", actor="setup")  # type: ignore[arg-type]

    def taking(self) -> DayTaking:
        """As a process that starts again."""
        history = History(self.bench.client, self.bench.book)
        return DayTaking(
            self.bench.door, self.bench.database, self.bench.book, history, fleet(), lambda: self.now,
            self.said.append,
        )  # fmt: skip

    def turn(self, taking: DayTaking | None = None) -> tuple[Taken, ...]:
        self.bench.project()
        return (taking or self.taking()).turn()

    def put(self, device: str, at: datetime, **values: int) -> None:
        self._numbers[device] += 1
        readings: dict[Role, Reading] = {role: Reading(value) for role, value in values.items()}  # type: ignore[misc]
        at_ms = int(at.timestamp()) * 1000
        one = Sample(device=device, run="r", number=self._numbers[device], at_ms=at_ms, readings=readings)
        assert self.outbox.put(one)

    def run_of(self, start: datetime, energy_wh: int, soc: int) -> None:
        """Twenty minutes at rest, read each 10 s, the meter with the first and the last."""
        for second in range(0, RUN_S, 10):
            at = start + timedelta(seconds=second)
            cells = {"cell_voltage_max": 3_309, "cell_voltage_min": 3_300}
            self.put("B1", at, active_power=0, soc=soc, **cells)
        for at in (start, start + timedelta(seconds=RUN_S)):
            self.put("G1", at, meter_import_wh=10 * energy_wh, meter_export_wh=8 * energy_wh)

    def day(self, number: int) -> None:
        """A day in which 200 kWh went in and 160 kWh came out, and as much is stored as before."""
        start = MIDNIGHT + timedelta(days=number)
        self.run_of(start, 20_000 * number, 40_000)
        self.run_of(start + timedelta(hours=23), 20_000 * (number + 1), 40_000)
        while asyncio.run(self.forwarder.turn()):
            pass


@pytest.fixture
def telemetered(bench: Bench, tmp_path: Path) -> Iterator[Telemetered]:
    made = Telemetered(bench, tmp_path)
    yield made
    made.outbox.close()


def test_a_day_is_taken_once_when_all_of_it_has_come(
    telemetered: Telemetered, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetered.day(0)
    telemetered.now = MIDNIGHT + timedelta(days=1, hours=1)
    assert telemetered.turn() == (), "nobody knows whether there is more of it to come"
    telemetered.day(1)
    taking = telemetered.taking()
    (taken,) = telemetered.turn(taking)
    day = taken.day
    assert (str(day.day), day.spread_mv, day.rise_mk) == ("2026-08-30", 9, None)
    assert day.available_s == 2 * (RUN_S - 10)
    assert day.samples == 2 * RUN_S // 10
    assert day.opened is not None
    assert day.closed is not None
    assert (day.opened.discharge_wh, day.closed.discharge_wh) == (0, 160_000)
    assert (day.opened.stored_wh, day.closed.stored_wh) == (80_000, 80_000)
    assert telemetered.turn(taking) == ()
    assert telemetered.turn() == (), "nor after a restart"
    telemetered.now = MIDNIGHT + timedelta(days=2, hours=1)
    assert telemetered.turn() == ()
    telemetered.now = MIDNIGHT + timedelta(days=4, minutes=1)
    assert [str(one.day.day) for one in telemetered.turn()] == ["2026-08-31"], "it was waited for"
    told = [one for one in telemetered.said if "on record" in one]
    assert len(told) == 2, telemetered.said

    api = Api(telemetered.bench)
    try:
        body = {"usable_wh": 190_000, "tested_at": "2026-08-29T00:00:00Z", "evidence": "report 7"}
        path = "/v1/devices/B1"
        assert api.post(f"{path}/capacity-tests", body, "operator").status_code == 201
        again = api.post(f"{path}/capacity-tests", body, "operator")
        assert (again.status_code, again.json()["code"]) == (422, "capacity_test")
        assert api.post(f"{path}/capacity-tests", body, "auditor").status_code == 403
        assert api.get("/v1/devices/B9/health", "auditor").json()["code"] == "unknown_device"
        api.wait()
        found = api.get(f"{path}/health", "auditor").json()
        assert (found["first"], found["last"], found["days"]) == ("2026-08-30", "2026-08-31", 2)
        assert found["efficiency"]["value"] == "80"
        assert found["cycles"]["value"] == "1.6"
        shares = found["state_of_health"]
        assert (shares["health"], shares["cycles_since_test"], shares["fade"]) == ("0.95", "1.6", None)
        assert [one["crosses_in"] for one in found["trends"]] == [None] * 3
        terminal = terminal_of(telemetered.bench, capsys)
        text = terminal("health", "B1")
        assert "state of health        95.0 % of the nameplate: 190000 Wh on 2026-08-29" in text
        assert "round-trip efficiency  80.00 %\n" in text
        assert "cell spread            9 mV at rest" in text
        assert "no alarm is open" in text
        at = ("--at", "2026-08-31T00:00:00Z", "--evidence", "report 8", "--as", "ada")
        assert terminal("health", "tested", "B1", "180000", *at).startswith("capacity test of B1: event")
        assert "90.0 % of the nameplate" in terminal("health", "B1")
        with pytest.raises(Refused, match="at most 130 % of that, 260000 Wh"):
            terminal("health", "tested", "B1", "50000000000", "--at", "2026-08-31T01:00:00Z", *at[2:])
        withdrawn = terminal("health", "withdraw", "B1", "read off another device", *at[:2], *at[4:])
        assert withdrawn.startswith("capacity test of B1 withdrawn: event")
        assert "95.0 % of the nameplate: 190000 Wh on 2026-08-29" in terminal("health", "B1")
    finally:
        api.close()


def test_a_trend_is_raised_once_and_over_once(telemetered: Telemetered) -> None:
    """Forty days on record, of cells that drift apart; the role finds it on every newest day."""
    bench = telemetered.bench

    def record(number: int, spread: int) -> None:
        start = MIDNIGHT + timedelta(days=number - 50)
        day = HealthDay(
            day=(start + timedelta(hours=8)).date(), start=start, end=start + timedelta(days=1), samples=1,
            available_s=0, spread_mv=spread,
        )  # fmt: skip
        bench.door.execute(RecordHealthDay("B1", day), command_id=f"h{number}", actor="health")

    def standing() -> list[tuple[str, datetime]]:
        state = bench.door.state(alarm_aggregate("B1"))
        return [(one.kind, one.since) for one in state.open] if isinstance(state, Alarms) else []

    for number in range(25):
        record(number, 20 + number)
    since = MIDNIGHT + timedelta(days=25 - 50)
    telemetered.turn()
    assert standing() == [("trend_cell_spread", since)]
    telemetered.turn()
    record(25, 45)
    telemetered.turn()
    assert standing() == [("trend_cell_spread", since)], "it goes on, as the same alarm"
    for number in range(26, 50):
        record(number, 20)
    telemetered.turn()
    assert standing() == []
    telemetered.turn()
    lines = [one for one in telemetered.said if "trend_cell_spread" in one]
    assert len(lines) == 2, lines
    record_now = bench.door.state(health_aggregate("B1"))
    assert isinstance(record_now, HealthRecord)
    assert len(record_now.days) == 50
