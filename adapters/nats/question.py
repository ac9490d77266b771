"""A question to JetStream, asked again until somebody answers.

Nobody does while a stream has no leader: after a power failure or its leader's death NATS takes 4 to 9 s to
elect one.
Only for what changes nothing. What writes has rules of its own (`log.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec
import nats.errors
from nats.aio.msg import Msg

from adapters.nats.client import Disconnected, NatsClient

T = TypeVar("T")

ONCE_S: Final = 2.0
"""How long one request waits for its answer, or the next part of it: who leads has it in milliseconds."""
ANSWER_S: Final = 20.0
"""How long a question is asked again: twice as long as an election takes."""
_AWAY_S: Final = 4.0
"""How long it is asked again without a connection: who lost one node has another within a second or two."""
_PAUSE_S: Final = 0.25
_UNAVAILABLE: Final = 503


class NobodyLeads(ConnectionError):
    """A server answered that JetStream cannot say now."""


class _Error(msgspec.Struct, frozen=True):
    code: int = 0
    description: str = ""


class _Group(msgspec.Struct, frozen=True):
    leader: str = ""


class _Answer(msgspec.Struct, frozen=True):
    error: _Error | None = None
    cluster: _Group | None = None


_decode: Final = msgspec.json.Decoder(_Answer).decode


async def until_answered(ask_once: Callable[[], Awaitable[T]], within: float = ANSWER_S) -> T:
    """What `ask_once` answers, asked again for `within` seconds, less without a connection; 0 asks once.

    Raises:
        OSError, nats.errors.Error: what the last one ended with (TimeoutError is an OSError).
    """
    give_up = time.monotonic() + within
    back_by = None
    while True:
        try:
            return await ask_once()
        except Disconnected:
            back_by = back_by or min(time.monotonic() + _AWAY_S, give_up)
            if time.monotonic() + _PAUSE_S > back_by:
                raise
        except (nats.errors.Error, OSError):
            back_by = None
            if time.monotonic() + _PAUSE_S > give_up:
                raise
        await asyncio.sleep(_PAUSE_S)


async def ask(
    client: NatsClient, verb: str, body: dict[str, Any] | None = None, *, within: float = ANSWER_S
) -> Msg:
    """What JetStream's API answers to `verb`, which changes nothing: an error too, but not that nobody leads.

    Raises:
        OSError, nats.errors.Error: nobody answered within `within` seconds.
    """
    content = msgspec.json.encode(body) if body else b""

    async def once() -> Msg:
        answer = await client.request(f"$JS.API.{verb}", content, timeout=ONCE_S)
        if b'"error":{' in answer.data or b'"cluster":{' in answer.data:
            said = _decode(answer.data)
            if said.error is not None and said.error.code == _UNAVAILABLE:
                raise NobodyLeads(said.error.description)
            if said.cluster is not None and not said.cluster.leader:
                # After 10 s another server answers for a stream that nobody leads, and says that it is empty.
                raise NobodyLeads("the stream has no leader")
        return answer

    return await until_answered(once, within)
