"""A driver whose disk takes nothing goes on driving, sends what its devices tell, and says so."""

from __future__ import annotations

import asyncio
import errno
from datetime import date
from pathlib import Path

import pytest

from adapters.cli.drive import _stop
from adapters.driving import budget_file
from adapters.driving.budget_file import BudgetFile
from adapters.driving.driver_folder import DriverFolder
from adapters.driving.emergencies import local_stop
from adapters.driving.journal import Journal
from adapters.telemetry.history import History
from adapters.telemetry.lane import Lane
from dispatch.control.emergency import AGGREGATE, Emergencies
from dispatch.devices.profile_file import parse
from dispatch.devices.writing import heartbeat_write
from dispatch.health.alarm import Alarms, alarm_aggregate
from dispatch.health.alarm_watch import ALARM_RULES, AlarmRule
from dispatch.telemetry.gaps import marks
from dispatch.telemetry.sample import Sample
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.conftest import Bench
from tests.adapters.driving.driver_book import DriverBook, driver_book, grid_meter, now, storage
from tests.adapters.driving.small_disk import fill, small_disk
from tests.stack import NatsServer, PostgresServer

METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))
SOON = {kind: AlarmRule(one.severity, min(one.on_s, 1), 1) for kind, one in ALARM_RULES.items()}


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def faults(book: DriverBook) -> list[str]:
    state = book.stack.door.state(alarm_aggregate("a"))
    assert isinstance(state, Alarms | None)
    return [one.detail for one in (state.open if state else ()) if one.kind == "driver_fault"]


@pytest.mark.fault
def test_a_full_disk_is_an_alarm_and_loses_no_telemetry(
    book: DriverBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History(book.stack.client, book.stack.settings.book)
    with peer("bess_swapped", "--meter", str(EXAMPLES / "meter_import_export.toml")) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0]), alarm_rules=SOON) as role:
                await book.until(
                    lambda: role.fleet is not None and role.fleet.storages["a"].executor.ready, 30
                )
                with monkeypatch.context() as patch:
                    patch.setattr(Lane, "append", full)
                    patch.setattr(Journal, "_to_disk", full)
                    patch.setattr(budget_file, "_write", full)
                    before = history.newest("a")
                    await book.until(lambda: bool(faults(book)), 30)
                    assert role.fleet is not None
                    one = role.fleet.storages["a"].executor
                    assert (await one.stop("test")).verified, "a stop waits for no disk"
                    number = before.number + 3 if before else 3
                    await book.until(lambda: (now := history.newest("a")) is not None and now.number > number)
                one.allow()
                await book.until(lambda: not faults(book), 30)
                await book.until(lambda: "disk: well again" in book.said)

        asyncio.run(driven())
    samples = [one for one in history.items("a") if isinstance(one, Sample)]
    assert [one.number for one in samples] == list(range(1, len(samples) + 1))
    assert not [one for one in marks(samples) if one.kind in ("unseen", "order")]
    said = [line for line in book.said if line.startswith("disk: ")]
    assert len(said) == 2, said
    assert "No space left on device" in said[0]


@pytest.mark.fault
def test_a_full_disk_takes_a_stop_that_is_ordered_at_the_machine(
    migrated: PostgresServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twice while NATS is away, and once with it."""
    nats = NatsServer(tmp_path / "nats")
    bench = Bench(nats, migrated)
    with driver_book(bench, tmp_path) as book:
        stopped_on_full_disk(book, nats, tmp_path / "driving")
    bench.close()
    nats.stop()
    said = capsys.readouterr()
    assert said.out.count("1 of 1 devices show a setpoint of 0 W") == 3
    assert said.out.count("emergency 1 stands for it already") == 1
    assert said.err == ""


def stopped_on_full_disk(book: DriverBook, nats: NatsServer, folder: Path) -> None:
    def stop() -> int:
        fill(folder)
        return _stop(book.folder, "guard-1", "smoke", now())

    def recorded() -> bool:
        state = book.stack.door.state(AGGREGATE)
        return isinstance(state, Emergencies) and bool(state.open) and book.folder.stop_file.read() is None

    with small_disk(folder, 4 << 20), peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0]), alarm_rules=SOON) as role:
                await book.until(
                    lambda: role.fleet is not None and role.fleet.storages["a"].executor.ready, 30
                )
                nats.child.kill()
                for _ in range(2):
                    assert await asyncio.to_thread(stop) == 0
                    assert running.truth()["setpoint_w"] == 0
                nats.start()
                await book.until(recorded, 40)
                assert await asyncio.to_thread(stop) == 0
                (folder / "filler").unlink()

        asyncio.run(driven())


@pytest.mark.fault
def test_a_stop_that_cannot_be_answered_stops_all_the_same(
    book: DriverBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DriverFolder, "answer", full)
    monkeypatch.setattr(DriverFolder, "keep_room", full)
    with peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0])) as role:
                await book.until(
                    lambda: role.fleet is not None and role.fleet.storages["a"].executor.ready, 30
                )
                book.folder.order(local_stop("guard-1", "smoke", now()))
                await book.until(lambda: "1 of 1 devices show a setpoint of 0 W" in "\n".join(book.said))
                assert "who ordered it has no answer: No space left on device" in book.said
                monkeypatch.undo()
                await book.until(lambda: "room for a stop that is ordered here: well again" in book.said)

        asyncio.run(driven())
    room = [one for one in book.said if one.startswith("room for a stop")]
    assert room[0].endswith("No space left on device: what needs none is wattledger emergency stop-all")
    assert len(room) == 2


def test_a_stop_that_the_disk_does_not_take_names_the_other_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(DriverFolder, "order", full)
    assert _stop(DriverFolder(tmp_path), "guard-1", "smoke", now()) == 1
    here, other = capsys.readouterr().err.splitlines()
    assert here == "the stop cannot be ordered here: No space left on device"
    assert "wattledger emergency stop-all REASON --as WHO" in other


def test_a_budget_is_counted_while_the_disk_takes_it_not_and_kept_when_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile, day = parse((EXAMPLES / "bess_swapped.toml").read_bytes()), date(2026, 8, 3)
    budget = BudgetFile(tmp_path / "a.json")
    with monkeypatch.context() as patch:
        patch.setattr(budget_file, "_write", full)
        for number in range(3):
            budget.spend(profile, [heartbeat_write(profile, number)], day)
        assert "No space left" in budget.failure
        assert budget.left(profile, "beat", day) == profile.writes_per_day(profile.by_name["beat"]) - 3
    budget.spend(profile, [heartbeat_write(profile, 3)], day)
    assert budget.failure == ""
    again = BudgetFile(tmp_path / "a.json")
    assert again.left(profile, "beat", day) <= budget.left(profile, "beat", day)
