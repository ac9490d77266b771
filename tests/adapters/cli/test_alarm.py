"""An open alarm is acknowledged and cleared by what the list shows of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from dispatch.health.alarm import RaiseAlarm
from ledger.device import Device, RegisterDevice
from ledger.effective import Period
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench

SINCE = datetime(2026, 8, 30, 10, 0, 0, 654, tzinfo=UTC)
SHOWN = "2026-08-30T10:00:00.000654Z"


@pytest.fixture
def run(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Iterator[Terminal]:
    device = RegisterDevice(Period(sample.AUGUST), Device("B1", "S1", "battery", 125_000, 250_000))
    for number, command in enumerate([sample.found_book(), sample.register_site(), device]):
        bench.door.execute(command, command_id=f"c{number}", actor="setup")
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()
    yield terminal_of(bench, capsys)
    projector.stop()
    thread.join()


@pytest.mark.parametrize("since", [(), ("--since", SHOWN)])
def test_an_alarm_is_named_by_its_kind_or_by_the_time_that_is_shown(
    bench: Bench, run: Terminal, since: tuple[str, ...]
) -> None:
    alarm = RaiseAlarm("B1", "cell_spread", SINCE, "health", "warning", "31 mV at rest")
    bench.door.execute(alarm, command_id="a1", actor="health")
    assert run("alarm", "list").startswith(f"{SHOWN}  warning  B1  cell_spread")
    with pytest.raises(Refused) as refused:
        run("alarm", "clear", "B1", "cell_spread", "9 mV", "--since", "2026-08-30T10:00:00Z", "--as", "anna")
    assert refused.value.code == "unknown_alarm"
    assert SHOWN in str(refused.value), "which is open"
    run("alarm", "acknowledge", "B1", "cell_spread", "a cell is ordered", *since, "--as", "anna")
    assert "acknowledged by anna: a cell is ordered" in run("alarm", "list")
    run("alarm", "clear", "B1", "cell_spread", "9 mV", *since, "--as", "anna")
    assert run("alarm", "list") == "no alarm is open\n"
    with pytest.raises(Refused, match="B1 has no open alarm cell_spread") as refused:
        run("alarm", "clear", "B1", "cell_spread", "9 mV", *since, "--as", "anna")
    assert refused.value.code == "unknown_alarm"
