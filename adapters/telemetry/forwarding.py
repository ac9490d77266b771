"""From the outbox to the streams: in order, each sample once, whatever is stopped when.

A message names the sequence of its device's message before it, so that a copy that arrives late is refused.
Messages of many devices are one save, all or none: the server writes to its disk once for all of them.
After a restart or an answer that was lost, the last message of each device in question says how far it had
come: what stands before it in the outbox is there. JetStream's own deduplication is not used: it forgets.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import nats.errors

from adapters.nats import telemetry_stream
from adapters.nats.client import Disconnected, NatsClient
from adapters.nats.question import ONCE_S, NobodyLeads
from adapters.nats.stream import StreamError, WeakStream
from adapters.nats.telemetry_stream import Channel
from adapters.telemetry.batch import Key, batches, by_device, decode, key_of, last_key
from adapters.telemetry.frame import Passed
from adapters.telemetry.held import HeldLane
from adapters.telemetry.outbox import ITEMS_AT_ONCE, Outbox
from dispatch.telemetry.gaps import Thinned

LINGER_S: Final = 0.01
"""How long what comes together is waited for: fewer, larger messages."""
_PAUSE_S: Final = 0.25
_PAUSE_S_MAX: Final = 2.0
_WRONG_LAST_SEQUENCE: Final = 10071
_IN_FLIGHT: Final = 64
_TOGETHER_MAX: Final = 500
"""Messages that are saved at once, all or none. JetStream takes 1000."""
_TOGETHER_BYTES: Final = 8 << 20


class Uncertain(ConnectionError):
    """A message was not acknowledged: it may be there."""


class _Ack(msgspec.Struct, frozen=True):
    seq: int = 0
    error: dict[str, Any] | None = None


_decode_ack: Final = msgspec.json.Decoder(_Ack).decode


class _Message(NamedTuple):
    """`last`: what it ends with."""

    device: str
    content: bytes
    last: Key | Thinned


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
        on_acknowledged: Callable[[Sequence[Passed]], object] = lambda _: None,
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

        def told() -> None:
            # What was put is there before this is asked, and is read after it was cleared.
            if not self._news.is_set():
                loop.call_soon_threadsafe(self._news.set)

        self.outbox.on_news(told)
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

    def __init__(self, lane: HeldLane, client: NatsClient, book: str, channel: Channel) -> None:
        self.lane = lane
        self.client = client
        self.book = book
        self.channel = channel
        self._verified_epoch = 0
        self._stored: dict[str, _Stored] = {}

    async def turn(self) -> Sequence[Passed]:
        if self.lane.empty:
            return ()
        if not self.client.connected:
            raise Disconnected("NATS is away")
        waiting = await asyncio.to_thread(self.lane.waiting, ITEMS_AT_ONCE)
        if not waiting.items:
            return ()
        await self._verify()
        try:
            await self.client.awaited(self._send_all(waiting.items))
        except BaseException:
            # Whichever message it was: each device is asked again how far it has come.
            self._stored.clear()
            raise
        await asyncio.to_thread(self.lane.done, waiting)
        return waiting.items

    async def _verify(self) -> None:
        """Once for each connection: another server may answer on the next one."""
        epoch = self.client.epoch
        if self._verified_epoch != epoch:
            self._stored.clear()
            await asyncio.to_thread(telemetry_stream.verify, self.client, self.book, self.channel)
            self._verified_epoch = epoch

    async def _send_all(self, items: Sequence[Passed]) -> None:
        """Many devices' messages in a save of the server's: it puts them on its disk once for all of them."""
        own = by_device(items)
        await self._know(own)
        messages = [
            _Message(device, content, last)
            for device, theirs in own.items()
            for last, content in batches(_after(theirs, self._stored[device].last))
        ]
        for together in _together(messages):
            await self._save(together)

    async def _know(self, devices: Iterable[str]) -> None:
        """How far each device has come, asked where that is not known."""
        room = asyncio.Semaphore(_IN_FLIGHT)

        async def one(device: str) -> None:
            async with room:
                self._stored[device] = await self._last_of(device)

        unknown = [device for device in devices if device not in self._stored]
        outcomes = await asyncio.gather(*map(one, unknown), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _save(self, messages: Sequence[_Message]) -> None:
        """All of them or none, in this order."""
        stream = telemetry_stream.stream_name(self.book, self.channel)
        named = uuid.uuid4().hex
        begun: set[str] = set()
        last = 0
        for number, message in enumerate(messages, 1):
            headers = {"Nats-Expected-Stream": stream}
            if message.device not in begun:
                begun.add(message.device)
                headers["Nats-Expected-Last-Subject-Sequence"] = str(self._stored[message.device].sequence)
            if len(messages) > 1:
                headers |= {"Nats-Batch-Id": named, "Nats-Batch-Sequence": str(number)}
            subject = telemetry_stream.subject(self.book, message.device, self.channel)
            if number == len(messages):
                if len(messages) > 1:
                    headers["Nats-Batch-Commit"] = "1"
                last = await self._answered(subject, message.content, headers)
            elif number == 1:
                await self._answered(subject, message.content, headers)
            else:
                await self.client.publish(subject, message.content, headers=headers)
        for sequence, message in enumerate(messages, last - len(messages) + 1):
            self._stored[message.device] = _Stored(sequence, message.last)

    async def _answered(self, subject: str, content: bytes, headers: dict[str, str]) -> int:
        """The last sequence that is stored; 0 where a save of several was only begun."""
        answer = await self.client.request(subject, content, timeout=ONCE_S, headers=headers)
        if not answer.data:
            return 0
        ack = _decode_ack(answer.data)
        if ack.error is not None or ack.seq < 1:
            code = (ack.error or {}).get("err_code", 0)
            if code == _WRONG_LAST_SEQUENCE:
                raise Uncertain(f"{subject}: another message than expected is the last one")
            raise NobodyLeads(f"{subject}: {ack.error}")
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


def _together(messages: Sequence[_Message]) -> Iterator[Sequence[_Message]]:
    """In order, at most so many, and so many bytes, at once."""
    waiting: list[_Message] = []
    size = 0
    for message in messages:
        if waiting and (len(waiting) == _TOGETHER_MAX or size + len(message.content) > _TOGETHER_BYTES):
            yield waiting
            waiting, size = [], 0
        waiting.append(message)
        size += len(message.content)
    if waiting:
        yield waiting


def _after(items: Sequence[Passed], last: Key | Thinned | None) -> Sequence[Passed]:
    """What stands behind `last`; all of it where `last` does not stand there: then none of it was sent."""
    for place in range(len(items) - 1, -1, -1):
        if key_of(items[place]) == last:
            return items[place + 1 :]
    return items
