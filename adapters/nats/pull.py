"""Reading a whole book fast: an unacknowledged pull consumer, its messages straight into a buffer.

nats-py's own `fetch` is 5 to 10 times slower. Position and proof of completeness are the reader's:
nothing is acknowledged, and a consumer that vanishes (restart, leader change) is made anew from the
next sequence.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Final, NamedTuple

import msgspec
import nats.errors
from nats.aio.msg import Msg

from adapters.nats.client import Inbox, NatsClient
from adapters.nats.question import ONCE_S
from adapters.nats.stream import stream_name

_INACTIVE_NS: Final = 60_000_000_000
_EXPIRES_S: Final = 5.0
_REQUEST_MESSAGES: Final = 2000
_REQUEST_BYTES: Final = 16 << 20
_REST_S: Final = 5.0
_ACK_TOKENS: Final = 9
"""Tokens of `$JS.ACK.stream.consumer.delivered.sequence.consumer_sequence.time.pending`."""


class Pulled(NamedTuple):
    """One stored message, with how many the stream held after it when it was sent."""

    sequence: int
    payload: bytes
    pending: int


class Pull:
    """Messages of a book in order from sequence `start` on. One reader, one thread."""

    def __init__(self, client: NatsClient, book: str, start: int) -> None:
        self._client = client
        self._stream = stream_name(book)
        self._next = start
        self._requested_from = start
        self._consumer: str | None = None
        self._inbox: Inbox | None = None
        self._epoch = 0
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._buffer: list[Pulled] = []
        self._whole = 0
        """So many in the buffer are whole saves."""
        self._outstanding = False
        self._ends = 0.0
        self._received = 0

    def batch(self, wait: float) -> list[Pulled]:
        """What has arrived, in order and without a gap; empty when nothing did within `wait` seconds.

        The last save is whole: its rest is on its way, and is waited for. Where that does not come, a part
        is not held back for ever.
        """
        give_up = time.monotonic() + wait
        rest_by = give_up + _REST_S
        while True:
            try:
                self._ask()
            except (nats.errors.Error, OSError, TimeoutError):
                self._forget()
                self._ready.wait(0.2)
            until = rest_by if self._buffer else give_up
            self._ready.wait(max(0.0, min(until - time.monotonic(), _EXPIRES_S)))
            taken = self._taken(parted=time.monotonic() >= rest_by)
            if taken and taken[0].sequence != self._next:
                self._forget()
                taken = []
            if taken:
                self._next = taken[-1].sequence + 1
                self._ask_quietly()
                return taken
            if time.monotonic() >= give_up and not self._buffer:
                return []

    def _taken(self, *, parted: bool) -> list[Pulled]:
        """The whole saves that are here; with `parted` the part of one too."""
        with self._lock:
            count = len(self._buffer) if parted else self._whole
            taken, self._buffer = self._buffer[:count], self._buffer[count:]
            self._whole = 0
            self._ready.clear()
        return taken

    def _ask_quietly(self) -> None:
        """Ask ahead, so that the server sends while the reader works; `batch` repairs a failure."""
        try:
            self._ask()
        except (nats.errors.Error, OSError, TimeoutError):
            self._forget()

    def _ask(self) -> None:
        if self._epoch != self._client.epoch or (self._outstanding and time.monotonic() > self._ends):
            self._forget()
        if self._outstanding:
            return
        if self._consumer is None:
            if self._whole:
                return
            self._end_consumer()
            self._client.run(self._create(), ONCE_S + 1)
        request = {
            "batch": _REQUEST_MESSAGES,
            "max_bytes": _REQUEST_BYTES,
            "expires": int(_EXPIRES_S * 1e9),
        }
        assert self._inbox is not None
        self._outstanding = True
        self._received = 0
        self._ends = time.monotonic() + _EXPIRES_S + 1
        self._client.run(
            self._client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}",
                msgspec.json.encode(request),
                reply=self._inbox.subject,
            ),
            ONCE_S + 1,
        )

    async def _create(self) -> None:
        self._epoch = self._client.epoch
        expected = self._buffer[-1].sequence + 1 if self._buffer else self._next
        config = {
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": expected,
            "ack_policy": "none",
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": _INACTIVE_NS,
        }
        answer = await self._client.request(
            f"$JS.API.CONSUMER.CREATE.{self._stream}",
            msgspec.json.encode({"stream_name": self._stream, "config": config}),
            timeout=ONCE_S,
        )
        body = msgspec.json.decode(answer.data)
        if "error" in body:
            raise OSError(body["error"]["description"])

        async def receive(message: Msg) -> None:
            nonlocal expected
            if not message.reply:
                said = message.headers or {}
                full_request = "MaxBytes" in said.get("Description", "")
                self._finish(gone=said.get("Status") == "409" and not full_request)
                return
            tokens = message.reply.split(".")
            at = -4 if len(tokens) == _ACK_TOKENS else -5
            sequence = int(tokens[at])
            with self._lock:
                if sequence != expected:
                    self._outstanding, self._consumer = False, None
                    return
                expected += 1
                headers = message.headers or {}
                goes_on = "Nats-Batch-Id" in headers and "Nats-Batch-Commit" not in headers
                self._buffer.append(Pulled(sequence, message.data, int(tokens[at + 3])))
                self._whole = self._whole if goes_on else len(self._buffer)
                self._received += 1
                full = self._received == _REQUEST_MESSAGES
            if full:
                self._finish(gone=False)
            if not goes_on:
                self._ready.set()

        self._inbox = await self._client.listen(receive)
        self._consumer = body["name"]

    def _finish(self, *, gone: bool) -> None:
        with self._lock:
            self._outstanding = False
            if gone:
                self._consumer = None
        self._ready.set()

    def _forget(self) -> None:
        """Drop the consumer; the next request makes one that starts where the reader stands."""
        self._end_consumer()
        with self._lock:
            self._buffer, self._whole = [], 0
            self._outstanding = False

    def _end_consumer(self) -> None:
        inbox, self._inbox, self._consumer = self._inbox, None, None
        if inbox is not None:
            self._client.run(self._drop(inbox), ONCE_S + 1)

    @staticmethod
    async def _drop(inbox: Inbox) -> None:
        await asyncio.gather(inbox.close(), return_exceptions=True)

    def close(self) -> None:
        """Stop listening; the server forgets the consumer by itself."""
        self._forget()
