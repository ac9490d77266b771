"""Alarms of a driver's devices: a silent one on record once, over once, whenever the driver is started."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatch.health.alarm import Alarms, alarm_aggregate
from dispatch.health.alarm_watch import ALARM_RULES, AlarmRule
from tests.adapters.bess_peer.running_peer import peer
from tests.adapters.conftest import Bench
from tests.adapters.driving.driver_book import DriverBook, driver_book, storage

SOON = {kind: AlarmRule(one.severity, min(one.on_s, 1), 1) for kind, one in ALARM_RULES.items()}
"""As in service, in seconds in place of minutes."""


@pytest.fixture
def book(bench: Bench, tmp_path: Path) -> Iterator[DriverBook]:
    with driver_book(bench, tmp_path) as made:
        yield made


def told(book: DriverBook, name: str) -> list[tuple[str, str]]:
    """Each event of a device's alarms: its kind, and the alarm's."""
    sql = "SELECT document::text FROM ledger.registered WHERE kind = 'alarm' AND id = %s ORDER BY version"
    events = [json.loads(str(text)) for (text,) in book.bench.query(sql, [name])]
    return [
        (one["kind"], one["alarm"]["kind"] if "raised" in one["kind"] else one["alarm"]) for one in events
    ]


def standing(book: DriverBook, name: str) -> set[str]:
    state = book.stack.door.state(alarm_aggregate(name))
    return {one.kind for one in state.open} if isinstance(state, Alarms) else set()


@pytest.mark.fault
def test_a_silent_device_is_one_alarm_over_a_restart_and_over_once(book: DriverBook) -> None:
    with peer("bess_swapped", "--count", "2") as running:
        a, b = (storage(name, port) for name, port in zip("ab", running.ports, strict=True))
        book.furnish((a, b))

        async def driven() -> None:
            async with book.driving(a, b, alarm_rules=SOON) as role:
                await book.until(
                    lambda: role.fleet is not None and role.fleet.storages["a"].good_ms is not None
                )
                running.ask(do="fault", storage=0, fault={"kind": "black_hole"})
                await book.until(lambda: "communication_lost" in standing(book, "a"))
            async with book.driving(a, b, alarm_rules=SOON):
                await asyncio.sleep(3)
                assert "communication_lost" in standing(book, "a"), "silent still"
                running.clear()
                await book.until(lambda: "communication_lost" not in standing(book, "a"))

        asyncio.run(driven())
    book.stack.caught_up()
    found = [one for one in told(book, "a") if one[1] == "communication_lost"]
    assert found == [("alarm.raised.v1", "communication_lost"), ("alarm.cleared.v1", "communication_lost")]
    assert not [one for one in told(book, "b") if one[1] == "communication_lost"]
    lines = [one for one in book.said if one.startswith("a: alarm communication_lost")]
    assert len(lines) == 2, lines
    assert "no reading of it can be believed" in lines[0]
