"""Alarms of a driver's devices: a silent one on record once, over once, whenever the driver is started."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from dispatch.health.alarm import Alarms, alarm_aggregate
from dispatch.health.alarm_watch import ALARM_RULES, AlarmRule
from tests.adapters.bess_peer.running_peer import peer
from tests.adapters.driving.driver_book import DriverBook, storage

SOON = {kind: AlarmRule(one.severity, min(one.on_s, 1), 1) for kind, one in ALARM_RULES.items()}
"""As in service, in seconds in place of minutes."""


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


@pytest.mark.fault
def test_a_state_of_charge_that_jumps_is_not_believed_and_is_on_record(book: DriverBook) -> None:
    with peer("bess_swapped", "--soc", "50000") as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))

        async def driven() -> None:
            async with book.driving(a, alarm_rules=SOON) as role:

                def soc() -> int | None:
                    assert role.fleet is not None
                    return role.fleet.storages["a"].executor.snapshot.soc_millipercent

                await book.until(lambda: role.fleet is not None and soc() == 50_000)
                running.ask(do="fault", storage=0, fault={"kind": "soc", "value": 12_000})
                await book.until(lambda: soc() is None)
                await book.until(lambda: "value_jumped" in standing(book, "a"))
                until = time.monotonic() + 3
                while time.monotonic() < until:
                    assert soc() is None, "it stays, and is none"
                    await asyncio.sleep(0.1)
                running.clear()
                await book.until(lambda: soc() == 50_000)
                await book.until(lambda: "value_jumped" not in standing(book, "a"))

        asyncio.run(driven())
    lines = [line for line in book.said if line.startswith("a: ") and "soc is" in line]
    assert "a: soc is 12000 after 50000: it cannot have moved so far, and is not believed" in lines, lines
    assert [line for line in lines if line.startswith("a: soc is believed again after ")]
