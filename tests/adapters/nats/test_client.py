"""A connection that is closed leaves nobody waiting."""

from __future__ import annotations

import threading
import time

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
