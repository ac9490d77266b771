"""Our clock is set back while a device runs: it stops, the record says so, and nothing false is said."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from adapters.driving.journal import Journal
from dispatch.control.command_life import Command, DeviceDay, command_aggregate
from dispatch.control.emergency import EmergencyOrder, OrderEmergency, Scope
from ledger.refusal import Refused
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.driving import driver_book
from tests.adapters.driving.driven import Journals, Store, driving, fleet_device, setpoint
from tests.adapters.driving.driven import stands as executor_stands
from tests.adapters.driving.driver_book import KW, DriverBook, grid_meter, storage
from tests.adapters.driving.test_fleet import fleet_of, stands
from tests.adapters.driving.test_given import ready

METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))
BACK = timedelta(seconds=60)


class Clock:
    """That of the wall, until it is set."""

    def __init__(self) -> None:
        self.by = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.by


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(driver_book, "now", made)
    return made


def told(book: DriverBook) -> list[Command]:
    """Of today and of yesterday."""
    found: list[Command] = []
    for days in (1, 0):
        day = datetime.now(UTC).date() - timedelta(days=days)
        state = book.stack.door.state(command_aggregate("a", day))
        found += state.commands.values() if isinstance(state, DeviceDay) else ()
    return found


def test_the_stop_for_a_clock_is_read_back_and_no_fault_of_the_record(clock: Clock, book: DriverBook) -> None:
    with peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))
        book.plan(50 * KW, 50 * KW)

        def stop() -> Command | None:
            stopped = (one for one in told(book) if one.setpoint.cause.startswith("clock lost"))
            return next(stopped, None)

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0])) as role:
                await ready(book, role, "a")
                until = clock() + timedelta(seconds=8)
                order = EmergencyOrder(kind="respond_now", scope=Scope("book"), power_w=100 * KW, until=until)
                await asyncio.to_thread(book.do, OrderEmergency(order, "anna", "the grid needs it"))
                await book.until(lambda: stands(role, "a", 100 * KW))
                await book.until(lambda: stands(role, "a", 50 * KW))
                executor = fleet_of(role)["a"].executor
                await book.until(lambda: not executor.untold)
                said = len(book.said)
                clock.by = -BACK
                await book.until(lambda: running.truth()["target_w"] == 0)
                await book.until(lambda: (one := stop()) is not None and one.confirmed)
                await asyncio.sleep(7)
                clock.by = timedelta(0)
                found = stop()
                assert found is not None
                assert found.status in ("read_back", "seen"), found
                assert not found.superseded_by
                assert "record_refused" not in executor.alarms
                assert not [line for line in book.said[said:] if "emergency 1" in line], "it is over"
                assert not [line for line in book.said[said:] if "given by nobody" in line], book.said[said:]
                await book.until(lambda: stands(role, "a", 50 * KW))

        asyncio.run(driven())


def test_a_record_that_was_refused_is_over_with_the_next(
    store: Store, tmp_path_factory: pytest.TempPathFactory, journals: Journals
) -> None:
    async def drive(journal: Journal, port: int) -> None:
        async with driving(store, fleet_device("a", port), journal, "run-1") as one:
            executor = one.executor

            async def refuse() -> None:
                raise Refused("command_status", "it never stood", place="sequence")

            executor.telling.tell(refuse)
            await one.until(lambda: "record_refused" in executor.alarms)
            executor.want(setpoint(50 * KW))
            await one.until(lambda: executor_stands(executor, 50 * KW))
            await one.until(lambda: not executor.untold)
            assert "record_refused" not in executor.alarms

    with peer("bess_swapped") as running:
        asyncio.run(drive(journals(tmp_path_factory.mktemp("journal"), "run-1"), running.ports[0]))
