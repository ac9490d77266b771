"""Every fault of the storage peer: what of it the port sees, under which name, and that it goes on after
it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import get_args

import pytest
import uvloop

from adapters.bess_peer import fault
from adapters.driving.port import WriteUncertain, WrongAnswer
from adapters.modbus.port import ModbusPort
from dispatch.telemetry.sample import Sample
from tests.adapters.bess_peer.running_peer import RunningPeer, peer
from tests.adapters.modbus.reached import ALL, now_ms, port_to

Seen = Callable[[ModbusPort, RunningPeer], Awaitable[None]]


@pytest.fixture(scope="module")
def storage() -> Iterator[RunningPeer]:
    with peer("bess_swapped") as running:
        yield running


def unanswered(told: str) -> Seen:
    async def seen(port: ModbusPort, _: RunningPeer) -> None:
        began = time.monotonic()
        with pytest.raises(WrongAnswer, match=told):
            await port.read(("fast",))
        assert time.monotonic() - began < 0.8

    return seen


async def torn(port: ModbusPort, _: RunningPeer) -> None:
    found = (await port.read(("fast",))).readings["active_power"]
    assert (found.value, found.quality, found.reason) == (None, "bad", "torn")


async def power(port: ModbusPort, running: RunningPeer, target_w: int) -> Sample:
    """The sample in which the peer's true power is `target_w`."""
    deadline = time.monotonic() + 5
    while running.truth()["power_w"] != target_w:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.03)
    return await port.read(ALL)


async def stuck(port: ModbusPort, running: RunningPeer) -> None:
    await port.write_setpoint(-6_000, 60)
    sample = await power(port, running, -6_000)
    assert (sample.value("setpoint"), sample.value("active_power")) == (-6_000, 4_000)


async def acknowledge_only(port: ModbusPort, running: RunningPeer) -> None:
    await port.write_setpoint(9_000, 60)
    sample = await power(port, running, 4_000)
    assert (sample.value("setpoint"), sample.value("active_power")) == (9_000, 4_000)


async def ignore_writes(port: ModbusPort, _: RunningPeer) -> None:
    await port.write_setpoint(9_000, 60)
    assert (await port.read(ALL)).value("setpoint") == 4_000


async def sign_flipped(port: ModbusPort, _: RunningPeer) -> None:
    """Doubted as a jump, and then believed: that it is wrong, the meter beside it tells."""
    assert (await port.read(("fast",))).readings["active_power"].reason == "jump"
    sample = await port.read(ALL)
    assert (sample.value("setpoint"), sample.value("active_power")) == (4_000, -4_000)


async def soc(port: ModbusPort, _: RunningPeer) -> None:
    sample = await port.read(ALL)
    assert sample.value("soc") is None
    assert sample.readings["soc"].reason == "out_of_range"


async def clock(port: ModbusPort, _: RunningPeer) -> None:
    sample = await port.read(ALL)
    assert sample.device_ms is not None
    assert 3_598_000 < sample.at_ms - sample.device_ms < 3_602_000


async def second_writer(port: ModbusPort, running: RunningPeer) -> None:
    sample = await power(port, running, -2_000)
    assert (sample.value("setpoint"), sample.value("active_power")) == (-2_000, -2_000)


async def unavailable(port: ModbusPort, running: RunningPeer) -> None:
    sample = await power(port, running, 0)
    assert (sample.value("setpoint"), sample.value("active_power")) == (4_000, 0)
    assert port.profile.state_of(sample.value("state") or 0) == "running"


async def heartbeat_stopped(port: ModbusPort, _: RunningPeer) -> None:
    first = (await port.read(ALL)).value("device_heartbeat")
    await asyncio.sleep(1.1)
    assert (await port.read(ALL)).value("device_heartbeat") == first


FAULTS: list[tuple[str, dict[str, object], Seen]] = [
    ("stall", {"for_ms": 700}, unanswered("no answer within 500 ms")),
    ("late", {"delay_ms": 700, "times": 1}, unanswered("no answer within 500 ms")),
    ("black_hole", {"times": 1}, unanswered("no answer within 500 ms")),
    ("reset", {"times": 1}, unanswered("the connection was lost")),
    ("short", {"times": 1}, unanswered("46 bytes, stated as 46, in place of 48")),
    ("foreign", {"of": "unit", "times": 1}, unanswered("unit 2 in place of 1")),
    ("foreign", {"of": "function", "times": 1}, unanswered("function 3 in place of 4")),
    ("foreign", {"of": "transaction", "times": 1}, unanswered(r"transaction \d+ in place of \d+")),
    ("transaction_zero", {"times": 1}, unanswered(r"transaction 0 in place of \d+")),
    ("torn", {"point": "power", "times": 1}, torn),
    ("stuck", {"point": "power"}, stuck),
    ("acknowledge_only", {}, acknowledge_only),
    ("ignore_writes", {}, ignore_writes),
    ("sign_flipped", {}, sign_flipped),
    ("soc", {}, soc),
    ("clock", {}, clock),
    ("second_writer", {"power_w": -2_000}, second_writer),
    ("unavailable", {"permille": 0}, unavailable),
    ("heartbeat_stopped", {}, heartbeat_stopped),
]


def test_no_fault_is_left_out() -> None:
    assert {kind for kind, _, _ in FAULTS} == {kind.__struct_config__.tag for kind in get_args(fault.Fault)}


@pytest.mark.parametrize(
    ("kind", "given", "seen"), FAULTS, ids=[f"{k}-{n}" for n, (k, _, _) in enumerate(FAULTS)]
)
def test_a_fault_is_seen_and_survived(
    storage: RunningPeer, kind: str, given: dict[str, object], seen: Seen
) -> None:
    async def check() -> None:
        storage.clear()
        port = port_to("bess_swapped", storage.ports[0])
        await port.read(ALL)
        await port.write_setpoint(4_000, 60)
        sample = await power(port, storage, 4_000)
        assert (sample.value("setpoint"), sample.value("active_power")) == (4_000, 4_000)
        assert sample.device_ms is not None
        assert abs(sample.device_ms - now_ms()) < 2_000
        storage.fault(kind, **given)
        await seen(port, storage)
        storage.clear()
        await asyncio.sleep(0.3 if kind in ("stall", "sign_flipped") else 0)
        await port.write_setpoint(4_000, 60)
        sample = await power(port, storage, 4_000)
        assert (sample.value("setpoint"), sample.value("active_power")) == (4_000, 4_000)
        assert not sample.lost
        await port.close()

    asyncio.run(check())


@pytest.mark.parametrize("kind", ["late", "black_hole", "reset", "foreign", "transaction_zero"])
def test_a_setpoint_whose_answer_is_lost_is_uncertain_and_written_once(
    storage: RunningPeer, kind: str
) -> None:
    given = {"delay_ms": 700} if kind == "late" else {}

    async def check() -> None:
        storage.clear()
        port = port_to("bess_swapped", storage.ports[0], answer_ms=100)
        await port.read(ALL)
        before = storage.truth()["requests"]
        storage.fault(kind, times=1, **given)
        with pytest.raises(WriteUncertain, match=r"^setpoint: "):
            await port.write_setpoint(7_000, 60)
        done = 0 if kind == "black_hole" else 1
        assert storage.truth()["requests"] - before == done
        assert (await port.read(("normal",))).value("setpoint") == (storage.truth()["setpoint_w"])
        assert (storage.truth()["setpoint_w"] == 7_000) == bool(done)
        await port.write_setpoint(0, 60)
        await port.close()

    asyncio.run(check())


def test_an_answer_that_came_while_we_were_busy_came_in_time(storage: RunningPeer) -> None:
    """The loop, which looks at timers before sockets (uvloop's does), is held up for longer than is
    waited."""

    async def check() -> None:
        storage.clear()
        port = port_to("bess_swapped", storage.ports[0], answer_ms=60)
        await port.read(("fast",))
        storage.fault("late", delay_ms=20, times=1)
        reading = asyncio.create_task(port.read(("fast",)))
        await asyncio.sleep(0.005)
        time.sleep(0.2)  # noqa: ASYNC251 - that is what is tested
        assert (await reading).number == 2
        await port.close()

    uvloop.run(check())
