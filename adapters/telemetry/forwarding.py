"""From the outbox to the streams: in order, each sample once, whatever is stopped when.

A message names the sequence of its device's message before it, so that a copy that arrives late is refused.
After a restart or an answer that was lost, the last message of each device in question says how far it had
come: what stands before it in the outbox is there. JetStream's own deduplication is not used: it forgets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

import msgspec
import nats.errors

from adapters.nats import telemetry_stream
from adapters.nats.client import Disconnected, NatsClient
from adapters.nats.question import ONCE_S, NobodyLeads
from adapters.nats.stream import StreamError, WeakStream
from adapters.nats.telemetry_stream import Channel
from adapters.telemetry.batch import Key, batches, by_device, decode, key_of, last_key
from adapters.telemetry.frame import Item
from adapters.telemetry.lane import Lane
from adapters.telemetry.outbox import ITEMS_AT_ONCE, Outbox
from dispatch.telemetry.gaps import Thinned

T = TypeVar("T")

LINGER_S: Final = 0.01
"""How long what comes together is waited for: fewer, larger messages."""
_PAUSE_S: Final = 0.25
_PAUSE_S_MAX: Final = 2.0
_WRONG_LAST_SEQUENCE: Final = 10071
_IN_FLIGHT: Final = 64


class Uncertain(ConnectionError):
    """A message was not acknowledged: it may be there."""


class _Ack(msgspec.Struct, frozen=True):
    seq: int = 0
    error: dict[str, Any] | None = None


_decode_ack: Final = msgspec.json.Decoder(_Ack).decode


class _Stored(msgspec.Struct, frozen=True):
    """The last message of a device: its sequence, 0 where there is none, and what it ends with."""

    sequence: int
    last: Key | Thinned | None


class Forwarder:
    """Sends one outbox to one book's streams.

    `acknowledged` counts samples and marks, and `on_acknowledged` is told each of them; `problem` says why
    nothing is sent now; empty while all is well.
    """

    def __init__(
        self,
        outbox: Outbox,
        client: NatsClient,
        book: str,
        on_acknowledged: Callable[[Sequence[Item]], object] = lambda _: None,
    ) -> None:
        self.outbox = outbox
        self.acknowledged = 0
        self.problem = ""
        self._on_acknowledged = on_acknowledged
        self._news = asyncio.Event()
        self._channels = (
            _Sender(outbox.seconds, client, book, "seconds"),
            _Sender(outbox.fast, client, book, "fast"),
        )

    async def run(self) -> None:
        """Send until cancelled; while NATS is away or refuses, try again."""
        loop = asyncio.get_running_loop()
        self.outbox.on_news(lambda: loop.call_soon_threadsafe(self._news.set))
        pause = _PAUSE_S
        while True:
            try:
                sent = await self.turn()
            except (nats.errors.Error, OSError, StreamError, WeakStream) as error:
                self.problem = repr(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _PAUSE_S_MAX)
                continue
            self.problem, pause = "", _PAUSE_S
            if not sent:
                await self._news.wait()
                self._news.clear()
                await asyncio.sleep(LINGER_S)

    async def turn(self) -> int:
        """Send what waits, up to `ITEMS_AT_ONCE` a channel; answers how much it was. The fast channel
        follows.

        Raises:
            OSError, nats.errors.Error, StreamError, WeakStream: not all of it is known to be there.
        """
        self._news.clear()
        sent = 0
        for channel in self._channels:
            items = await channel.turn()
            self._on_acknowledged(items)
            sent += len(items)
        self.acknowledged += sent
        return sent


class _Sender:
    """One lane to one stream."""

    def __init__(self, lane: Lane, client: NatsClient, book: str, channel: Channel) -> None:
        self.lane = lane
        self.client = client
        self.book = book
        self.channel = channel
        self._verified_epoch = 0
        self._stored: dict[str, _Stored] = {}

    async def turn(self) -> Sequence[Item]:
        if self.lane.empty:
            return ()
        if not self.client.connected:
            raise Disconnected("NATS is away")
        waiting = await asyncio.to_thread(self.lane.waiting, ITEMS_AT_ONCE)
        if not waiting.items:
            return ()
        await self._verify()
        try:
            await self._on_its_loop(self._send_all(waiting.items))
        except BaseException:
            # Whichever message it was: each device is asked again how far it has come.
            self._stored.clear()
            raise
        await asyncio.to_thread(self.lane.acknowledge, waiting.until)
        return waiting.items

    async def _verify(self) -> None:
        """Once for each connection: another server may answer on the next one."""
        epoch = self.client.epoch
        if self._verified_epoch != epoch:
            self._stored.clear()
            await asyncio.to_thread(telemetry_stream.verify, self.client, self.book, self.channel)
            self._verified_epoch = epoch

    async def _on_its_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.to_thread(self.client.run, work)

    async def _send_all(self, items: Sequence[Item]) -> None:
        room = asyncio.Semaphore(_IN_FLIGHT)

        async def one(device: str, own: Sequence[Item]) -> None:
            async with room:
                await self._send(device, own)

        outcomes = await asyncio.gather(
            *(one(device, own) for device, own in by_device(items).items()), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _send(self, device: str, items: Sequence[Item]) -> None:
        stored = self._stored.get(device)
        if stored is None:
            stored = await self._last_of(device)
            items = _after(items, stored.last)
        for batch, content in batches(items):
            sequence = await self._publish(device, content, stored.sequence)
            stored = _Stored(sequence, last_key(batch))
        self._stored[device] = stored

    async def _publish(self, device: str, content: bytes, expected: int) -> int:
        headers = {
            "Nats-Expected-Stream": telemetry_stream.stream_name(self.book, self.channel),
            "Nats-Expected-Last-Subject-Sequence": str(expected),
        }
        subject = telemetry_stream.subject(self.book, device, self.channel)
        answer = await self.client.request(subject, content, timeout=ONCE_S, headers=headers)
        ack = _decode_ack(answer.data)
        if ack.error is not None or ack.seq < 1:
            code = (ack.error or {}).get("err_code", 0)
            if code == _WRONG_LAST_SEQUENCE:
                raise Uncertain(f"{device}: another message than {expected} is the last one")
            raise NobodyLeads(f"{device}: {ack.error}")
        return ack.seq

    async def _last_of(self, device: str) -> _Stored:
        """From the leader: a replica may not have what it has."""
        name = telemetry_stream.stream_name(self.book, self.channel)
        subject = telemetry_stream.subject(self.book, device, self.channel)
        asked = msgspec.json.encode({"last_by_subj": subject})
        answer = await self.client.request(f"$JS.API.STREAM.MSG.GET.{name}", asked, timeout=ONCE_S)
        found = _decode_got(answer.data)
        if found.message is None:
            if found.error is None or found.error.err_code != _NOT_FOUND:
                raise NobodyLeads(f"{name}: {found.error}")
            return _Stored(0, None)
        return _Stored(found.message.seq, last_key(decode(found.message.data)))


class _GotError(msgspec.Struct, frozen=True):
    err_code: int = 0
    description: str = ""


class _GotMessage(msgspec.Struct, frozen=True):
    seq: int
    data: bytes = b""


class _Got(msgspec.Struct, frozen=True):
    message: _GotMessage | None = None
    error: _GotError | None = None


_decode_got: Final = msgspec.json.Decoder(_Got).decode
_NOT_FOUND: Final = 10037


def _after(items: Sequence[Item], last: Key | Thinned | None) -> Sequence[Item]:
    """What stands behind `last`; all of it where `last` does not stand there: then none of it was sent."""
    for place in range(len(items) - 1, -1, -1):
        if key_of(items[place]) == last:
            return items[place + 1 :]
    return items
