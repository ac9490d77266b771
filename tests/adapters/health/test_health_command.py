"""`wattledger health watch` as a user runs it: killed at once after what it did, it does nothing twice."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.telemetry.forwarding import Forwarder
from adapters.telemetry.outbox import Outbox
from dispatch.devices.quality import Reading
from dispatch.health.record import HealthRecord, health_aggregate
from dispatch.telemetry.sample import Sample
from ledger.interval import zone_of
from tests.adapters.bess_peer.running_peer import EXAMPLES
from tests.adapters.conftest import Bench
from tests.adapters.driving.driver_book import DriverBook, driver_book, now, storage

ROOT = Path(__file__).parents[3]
PROGRAM = (sys.executable, "-m", "adapters.main", "health", "watch")


@pytest.fixture
def book(bench: Bench, tmp_path: Path) -> Iterator[DriverBook]:
    with driver_book(bench, tmp_path) as made:
        yield made


def days(book: DriverBook) -> list[str]:
    state = book.stack.door.state(health_aggregate("a"))
    return [str(one.day) for one in state.days] if isinstance(state, HealthRecord) else []


@pytest.mark.fault
def test_the_role_takes_yesterday_and_once(book: DriverBook, tmp_path: Path) -> None:
    book.furnish((storage("a", 502),), commissioned=False)
    today = now().astimezone(zone_of("Asia/Shanghai")).date()
    midnight = datetime(today.year, today.month, today.day, tzinfo=zone_of("Asia/Shanghai")).astimezone(UTC)
    outbox = Outbox(tmp_path / "outbox", 8 << 20)
    for number, second in enumerate((-3600, -3590, -3580, 1)):
        at_ms = int((midnight + timedelta(seconds=second)).timestamp()) * 1000
        readings = {"active_power": Reading(0)}
        outbox.put(Sample(device="a", run="r", number=number + 1, at_ms=at_ms, readings=readings))  # type: ignore[arg-type]
    forwarder = Forwarder(outbox, book.stack.client, book.bench.book)
    while asyncio.run(forwarder.turn()):
        pass
    outbox.close()
    fleet = tmp_path / "fleet.toml"
    fleet.write_text(
        f'[[devices]]\nid = "a"\nprofile = "{EXAMPLES}/bess_swapped.toml"\n'
        'address = { type = "modbus_tcp", host = "127.0.0.1" }\n'
    )
    settings = book.stack.settings
    given = {
        "WATTLEDGER_BOOK": settings.book,
        "WATTLEDGER_STATE": str(settings.state),
        "WATTLEDGER_NATS_URL": settings.nats_url,
        "WATTLEDGER_NATS_MONITOR_URL": settings.nats_monitor_url,
        "WATTLEDGER_NATS_SEED": str(settings.nats_seed),
        "WATTLEDGER_POSTGRES_URL": settings.postgres_url,
        "WATTLEDGER_DEVICES": str(fleet),
        "WATTLEDGER_LOG_KEY": str(settings.log_key),
    }
    environment = dict(os.environ) | {name: value for name, value in given.items() if value}

    def run(killed_by: signal.Signals, enough: str) -> int:
        process = subprocess.Popen(PROGRAM, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            assert "are taken from now on" in process.stdout.readline()
            give_up = time.monotonic() + 20
            while enough not in days(book):
                assert time.monotonic() < give_up
                assert process.poll() is None
                time.sleep(0.05)
            if killed_by is signal.SIGTERM:
                time.sleep(1)
        finally:
            process.send_signal(killed_by)
            process.communicate(timeout=20)
        return process.returncode

    yesterday = str(today - timedelta(days=1))
    assert run(signal.SIGKILL, yesterday) == -signal.SIGKILL
    assert run(signal.SIGTERM, yesterday) == 0
    assert days(book) == [yesterday]
    state = book.stack.door.state(health_aggregate("a"))
    assert isinstance(state, HealthRecord)
    assert (state.days[0].samples, state.days[0].available_s) == (3, 20)
    reached = book.bench.query("SELECT sequence > 0 FROM ledger.settled_commands")
    assert reached == [(True,)], "what settles setpoints goes on beside it"
