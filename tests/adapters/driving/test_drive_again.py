"""A driver, or the NATS server under it, is killed on a machine that runs everything: what goes on, and how
soon."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.embedded.child import free_port
from adapters.settings import Settings
from adapters.stack import Stack, running
from adapters.telemetry.history import History
from dispatch.control.lease import TOKENS_A_DAY, Lease, lease_aggregate
from dispatch.telemetry.sample import Sample
from tests.adapters.bess_peer.running_peer import EXAMPLES, RunningPeer, peer
from tests.adapters.cli.test_cli import children
from tests.adapters.driving.driver_book import KW, DriverBook, now, storage

ROOT = Path(__file__).parents[3]
METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))
pytestmark = pytest.mark.fault


def until(what: Callable[[], bool], seconds: float = 25.0) -> float:
    """After how many seconds it was so."""
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < seconds
        time.sleep(0.02)
    return time.monotonic() - begun


def fleet_file(folder: Path, bess: RunningPeer) -> Path:
    fleet = folder / "fleet.toml"
    fleet.write_text(
        f"""[[devices]]
id = "a"
profile = "{EXAMPLES}/bess_swapped.toml"
address = {{ type = "modbus_tcp", host = "127.0.0.1", port = {bess.ports[0]}, answer_ms = 500 }}
[[devices]]
id = "G1"
profile = "{EXAMPLES}/meter_import_export.toml"
address = {{ type = "modbus_tcp", host = "127.0.0.1", port = {bess.ports[0]}, unit = 2 }}
meter = "GRID"
"""
    )
    return fleet


def lease_of(stack: Stack, device: str) -> Lease:
    found = stack.door.state(lease_aggregate(device, now().date()))
    assert isinstance(found, Lease)
    return found


def environment(settings: Settings, fleet: Path) -> dict[str, str]:
    given = {
        "WATTLEDGER_BOOK": settings.book,
        "WATTLEDGER_STATE": settings.state,
        "WATTLEDGER_NATS_URL": settings.nats_url,
        "WATTLEDGER_NATS_MONITOR_URL": settings.nats_monitor_url,
        "WATTLEDGER_NATS_SEED": settings.nats_seed,
        "WATTLEDGER_POSTGRES_URL": settings.postgres_url,
        "WATTLEDGER_DEVICES": fleet,
        "WATTLEDGER_LOG_KEY": settings.log_key,
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WATTLEDGER_")}
    return kept | {name: str(value) for name, value in given.items() if value}


@contextmanager
def drive(given: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "adapters.main", "drive"]
    process = subprocess.Popen(command, cwd=ROOT, env=given, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def test_killed_and_started_again_in_its_folder_it_gives_power_at_once(
    book: DriverBook, tmp_path: Path
) -> None:
    """Its predecessor's lease had a quarter of an hour to go."""
    with peer("bess_swapped", *METER) as bess:
        book.furnish((storage("a", bess.ports[0]),))
        book.plan(60 * KW, 60 * KW)
        given = environment(book.stack.settings, fleet_file(tmp_path, bess))
        with drive(given):
            until(lambda: bess.truth()["setpoint_w"] == 60 * KW)
            before = lease_of(book.stack, "a")
        book.plan(80 * KW, 80 * KW)
        with drive(given) as process:
            until(lambda: bess.truth()["setpoint_w"] == 80 * KW, 12)
            after = lease_of(book.stack, "a")
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        assert after.since < before.until, "it did not wait for it"
        assert [one.token % TOKENS_A_DAY for one in (before, after)] == [1, 2]
        # Another folder's driver, such as one elsewhere, proves nothing and waits.
        elsewhere = given | {"WATTLEDGER_STATE": str(tmp_path / "elsewhere")}
        with drive(given), drive(elsewhere) as other:
            until(lambda: lease_of(book.stack, "a").token % TOKENS_A_DAY == 3)
            holder = lease_of(book.stack, "a").holder
            until((tmp_path / "elsewhere" / "driving" / book.stack.settings.book / "holders").exists)
            time.sleep(3)
            assert other.poll() is None
        with drive(elsewhere):
            time.sleep(4)
            assert lease_of(book.stack, "a").holder == holder, "it had ended, and who is elsewhere waits"


def test_nats_is_killed_under_up_and_no_sample_is_missing(tmp_path: Path) -> None:
    state, port = tmp_path / "state", free_port()
    settings = Settings(state=state)
    with peer("bess_swapped", *METER) as bess:
        with running(settings, now) as stack:
            made = DriverBook(None, stack, tmp_path)  # type: ignore[arg-type]
            made.furnish((storage("a", bess.ports[0]),))
            made.plan(60 * KW, 60 * KW)
        given = {
            "WATTLEDGER_STATE": str(state),
            "WATTLEDGER_HTTP_PORT": str(port),
            "WATTLEDGER_DEVICES": str(fleet_file(tmp_path, bess)),
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WATTLEDGER_")}
        command = [sys.executable, "-m", "adapters.main", "up"]
        with (tmp_path / "up.log").open("wb") as log:
            up = subprocess.Popen(command, cwd=ROOT, env=kept | given, stdout=log, stderr=log)
        try:
            until(lambda: bess.truth()["setpoint_w"] == 60 * KW, 40)
            (driver,) = children(up.pid, "adapters.main drive")
            (nats,) = children(up.pid, "nats-server")
            killed_ms = time.time_ns() // 1_000_000
            os.kill(nats, signal.SIGKILL)
            until(lambda: bool(again := children(up.pid, "nats-server")) and again != [nats], 10)
            time.sleep(3)
            assert children(up.pid, "adapters.main drive") == [driver], "it outlives NATS"
            assert bess.truth()["setpoint_w"] == 60 * KW
            with running(settings, now) as stack:
                history = History(stack.client, settings.book)

                def samples() -> list[Sample]:
                    return history.samples("a", killed_ms - 3_000, time.time_ns() // 1_000_000)

                until(lambda: samples()[-1].at_ms > killed_ms + 2_500, 10)
                found = samples()
        finally:
            up.terminate()
            code = up.wait(40)
        assert code == 0, (tmp_path / "up.log").read_text()
        said = (tmp_path / "up.log").read_text()
        assert "NATS died with -9" in said
        assert "NATS is started again" in said
        numbers = [one.number for one in found]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "in order, without a hole"
        apart_ms = [later.at_ms - one.at_ms for one, later in itertools.pairwise(found)]
        assert max(apart_ms) < 2_500, "it went on reading"
        assert not any(one.lost for one in found)
        assert "Traceback" not in (state / "drive.log").read_text()
