"""The step test of a device behind a broker: what publishes is tested as what has registers is."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.cli.session import Session
from adapters.main import application
from adapters.settings import Settings
from ledger.device import Device, RegisterDevice
from ledger.effective import Period
from tests.adapters import sample
from tests.adapters.bess_peer.running_peer import EXAMPLES
from tests.adapters.conftest import Bench
from tests.adapters.mqtt.broker import Broker
from tests.adapters.mqtt.storage import Storage, storage

TOPIC = "sites/s1/bess-1"
_RAMP_KW_PER_S = 200.0


@pytest.fixture
def book(bench: Bench) -> Bench:
    device = Device("bess-1", "S1", "battery", 100_000, 200_000)
    commands = [sample.found_book(), sample.register_site(), RegisterDevice(Period(sample.AUGUST), device)]
    for number, command in enumerate(commands):
        bench.door.execute(command, command_id=f"c{number}", actor="setup")
    return bench


class Powered:
    """What stands behind the topics: it ramps, gives up a setpoint in time, and stands still unbeaten."""

    def __init__(self, told: Storage, every_s: float, way: int) -> None:
        self.told, self.every_s, self.way = told, every_s, way
        self.power_kw = 0.0
        self._beat: object = None
        self._beaten = self._looked = self._taken_at = time.monotonic()
        self._seen = 0

    def look(self) -> None:
        now, fields = time.monotonic(), self.told.fields
        if len(self.told.taken) > self._seen:
            new, self._seen = self.told.taken[self._seen :], len(self.told.taken)
            if any("setpoint_kw" in one for one in new):
                self._taken_at = now
        if fields["beat"] != self._beat:
            self._beat, self._beaten = fields["beat"], now
        obeys = fields["enabled"] and now - self._taken_at < fields["revert_s"] and now - self._beaten < 3
        goal = fields["setpoint_kw"] if obeys else 0
        step = _RAMP_KW_PER_S * (now - self._looked)
        self.power_kw += max(-step, min(step, goal - self.power_kw))
        self._looked = now

    async def run(self) -> None:
        tell_at = 0.0
        while True:
            self.look()
            if time.monotonic() >= tell_at:
                tell_at = time.monotonic() + self.every_s
                await self.told.tell(power_kw=self.way * round(self.power_kw, 3))
            await asyncio.sleep(0.02)


@contextmanager
def publishing(broker: Broker, every_s: float, way: int = 1) -> Iterator[Storage]:
    """The device on a thread of its own, as a program beside ours."""
    loop, up = asyncio.new_event_loop(), threading.Event()
    made: list[Storage] = []

    async def serve() -> None:
        async with storage(broker.port, TOPIC) as told:
            made.append(told)
            up.set()
            await Powered(told, every_s, way).run()

    def work() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()

    task = loop.create_task(serve())
    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert up.wait(10)
        yield made[0]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()


def commissioned(book: Bench, tmp_path: Path, port: int) -> int:
    """What the command at a terminal ends with."""
    text = (EXAMPLES / "mqtt_bess.toml").read_text(encoding="utf-8")
    text = text.replace("ramp_w_per_s = 50_000", "ramp_w_per_s = 200_000")
    text = text.replace("period_s = 5, timeout_s = 15", "period_s = 1, timeout_s = 3")
    text = text.replace("writes_per_day = 20_000", "writes_per_day = 90_000")
    (tmp_path / "quick.toml").write_text(text, encoding="utf-8")
    fleet = tmp_path / "fleet.toml"
    fleet.write_text(
        '[[devices]]\nid = "bess-1"\nprofile = "quick.toml"\n'
        f'address = {{ type = "mqtt", host = "127.0.0.1", port = {port}, topic = "{TOPIC}" }}\n',
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
    book.project()
    powers = ("--discharge-w", "100000", "--charge-w", "100000")
    asked = ("commission", "bess-1", "--fleet", str(fleet), *powers, "--as", "ada", "--format", "json")
    ended: Any = app(asked, exit_on_error=False)
    assert isinstance(ended, int)
    return ended


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path / "broker")
    yield made
    made.stop()


def test_a_device_that_goes_the_wrong_way_is_stopped_there(
    book: Bench, broker: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with publishing(broker, 0.1, way=-1) as device:
        assert commissioned(book, tmp_path, broker.port) == 1
        told = json.loads(capsys.readouterr().out)
        assert told["failed_step"] == "sign"
        assert told["lacks"].startswith("no terms of its storage say what the connection of S1 may give")
        commanded = [one["setpoint_kw"] for one in device.taken if "setpoint_kw" in one]
        assert commanded == [20, 0], "one small step, and nothing more but a stop"


@pytest.mark.fault
def test_a_device_behind_a_broker_passes(
    book: Bench, broker: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with publishing(broker, 0.2) as device:
        ended = commissioned(book, tmp_path, broker.port)
        told = json.loads(capsys.readouterr().out)
        assert (ended, told["passed"]) == (0, True), told
        assert device.fields["setpoint_kw"] == 0
        commanded = {one["setpoint_kw"] for one in device.taken if "setpoint_kw" in one}
        assert commanded == {20, -20, 100, -100, 0}
    verdicts = {one["step"]: one["verdict"] for one in told["results"]}
    assert verdicts.pop("heartbeat") == "not_run", "the profile has no counter of the device's own"
    assert set(verdicts.values()) <= {"passed", "flagged"}
