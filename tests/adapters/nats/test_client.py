"""A connection that is closed leaves nobody waiting."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from adapters.nats.client import Disconnected, NatsClient
from adapters.nats.question import NobodyLeads, until_answered
from tests.stack import NatsServer


def test_who_still_asks_when_it_is_closed_is_told(nats_server: NatsServer) -> None:
    client = NatsClient(nats_server.url, seed_file=nats_server.app_seed, name="closed")
    told: list[BaseException] = []

    async def nobody() -> None:
        raise NobodyLeads("nobody leads")

    def ask() -> None:
        try:
            client.run(until_answered(nobody))
        except Disconnected as error:
            told.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.1)
    client.close()
    asking.join(10)
    assert not asking.is_alive()
    assert len(told) == 1


def test_who_begins_while_it_is_closed_is_told_too(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What began between the last goodbye and the loop's end would wait for ever."""
    client = NatsClient(nats_server.url, seed_file=nats_server.app_seed, name="late")
    stop_loop, told = client._stop_loop, list[BaseException]()

    def late() -> None:
        with pytest.raises(Disconnected) as raised:
            client.run(asyncio.sleep(60), 65)
        told.append(raised.value)
        stop_loop()

    monkeypatch.setattr(client, "_stop_loop", late)
    client.close()
    client.close()
    with pytest.raises(Disconnected, match="is closed"):
        client.run(asyncio.sleep(0))
    assert len(told) == 1


def test_a_question_is_asked_until_it_is_answered_or_its_time_is_over(nats_server: NatsServer) -> None:
    client = NatsClient(nats_server.url, seed_file=nats_server.app_seed, name="asks")
    left = 3

    async def third() -> str:
        nonlocal left
        left -= 1
        if left:
            raise NobodyLeads("not yet")
        return "answer"

    assert client.run(until_answered(third)) == "answer"
    left = 3
    with pytest.raises(NobodyLeads, match="not yet"):
        client.run(until_answered(third, within=0))
    assert left == 2, "asked once"

    async def away() -> None:
        raise Disconnected("NATS is away")

    begun = time.monotonic()
    with pytest.raises(Disconnected):
        client.run(until_answered(away))
    assert 3 < time.monotonic() - begun < 10, "sooner than where nobody leads"
    client.close()


def test_who_awaits_on_any_loop_is_answered_and_told_of_the_close(nats_server: NatsServer) -> None:
    client = NatsClient(nats_server.url, seed_file=nats_server.app_seed, name="awaited")

    async def number() -> int:
        return client.epoch

    async def from_its_own_loop() -> int:
        return await client.awaited(number())

    assert client.run(from_its_own_loop()) == client.epoch

    async def for_ever() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        assert await client.awaited(number()) == client.epoch
        given_up = asyncio.create_task(client.awaited(for_ever()))
        told = asyncio.create_task(client.awaited(for_ever()))
        await asyncio.sleep(0.05)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        await asyncio.to_thread(client.close)
        with pytest.raises(Disconnected, match="closed"):
            await asyncio.wait_for(told, 10)

    asyncio.run(main())


def test_its_own_loop_never_waits_for_itself(nats_server: NatsServer) -> None:
    client = NatsClient(nats_server.url, seed_file=nats_server.app_seed, name="itself")

    async def number() -> int:
        return 1

    async def blocking() -> int:
        asked = number()
        try:
            return client.run(asked)
        finally:
            asked.close()

    with pytest.raises(AssertionError, match="wait for itself"):
        client.run(blocking())
    client.close()


def test_it_closes_in_peace_after_the_server_died(tmp_path: Path) -> None:
    """And with something unsent, which nats-py would write to the connection that was lost."""
    server = NatsServer(tmp_path / "nats")
    client = NatsClient(server.url, seed_file=server.app_seed, name="bereft")
    server.child.kill()
    give_up = time.monotonic() + 10
    while client.connected:
        assert time.monotonic() < give_up
        time.sleep(0.02)

    async def leave_something() -> None:
        await client._nc._send_command(b"PING\r\n")

    client.run(leave_something())
    client.close()
    assert not client.connected
