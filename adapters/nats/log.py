"""Appending to a book's stream and reading it back: the only code that speaks JetStream's append rules.

An append names, for each aggregate it touches, the stream sequence of that aggregate's last message;
the server refuses it when another writer was faster. One message is one request; several are one
atomic batch, whose sequences are contiguous.
"""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import nats.errors
from eventsourcing.persistence import IntegrityError, Notification, OperationalError, StoredEvent
from nats.aio.msg import Msg

from adapters.nats import wire
from adapters.nats.client import NatsClient
from adapters.nats.question import ANSWER_S, ONCE_S, NobodyLeads, ask, until_answered
from adapters.nats.stream import stream_name

BATCH_MESSAGES_MAX: Final = 1000
"""JetStream refuses a larger atomic batch (error 10199)."""
_TOGETHER_MIN: Final = 16
"""A batch costs the server four syncs however many it holds, a message alone one."""
_BATCHES_OPEN_MAX: Final = 40
"""JetStream allows 50 open batches a stream (error 10210)."""
_WRONG_LAST_SEQUENCE: Final = 10071
_STREAM_FULL: Final = frozenset({10077, 10054, 10023})
_NO_MESSAGE: Final = 10037
_POSITIONS_KEPT: Final = 200_000
_READ_BATCH: Final = 1000
_READS_AT_ONCE: Final = 64
_READ_BYTES: Final = 16 << 20


class StoreFull(OperationalError):
    """The stream reached its size limit; nothing was stored. Enlarge it or archive before going on."""


class StoreUnavailable(OperationalError):
    """NATS did not answer in time. An append that ends so may or may not be stored: send it again."""


class Unverified(OperationalError):
    """The connection was made anew and the stream not yet compared with the archive; nothing was sent."""


class _Ack(msgspec.Struct, frozen=True):
    seq: int = 0
    count: int = 1
    error: dict[str, Any] | None = None


_decode_ack: Final = msgspec.json.Decoder(_Ack).decode


class Log:
    """One book's stream.

    `deadline` bounds how long an append keeps trying while NATS is away. Whoever guards the stream sets
    `verified_epoch` to the connection it has verified; then nothing is sent on any other one.
    `acknowledged` is the highest sequence that the server has confirmed to this object.

    What reads is asked again while nobody leads the stream, for `within` seconds where that is to be stated.
    """

    def __init__(self, client: NatsClient, book: str, *, deadline: float = 30.0) -> None:
        self.client = client
        self.book = wire.checked_book(book)
        self.deadline = deadline
        self.verified_epoch: int | None = None
        self.acknowledged = 0
        self._positions: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._open_batches = asyncio.Semaphore(_BATCHES_OPEN_MAX)
        self._name = stream_name(book)

    # ------------------------------------------------------------------ appending

    async def append(self, events: Sequence[StoredEvent]) -> list[int]:
        """Store all of `events` or none; the answer is each one's sequence.

        Raises:
            IntegrityError: an aggregate already has an event of that version.
            StoreFull: the stream is at its size limit.
            StoreUnavailable: NATS gave no answer within the deadline.
            Alien: what the stream holds last of an aggregate is no envelope.
        """
        messages = [
            (wire.aggregate_name(event.originator_id), event.originator_version, wire.pack(self.book, event))
            for event in events
        ]
        self._check_versions_run_on(messages)
        if len(messages) > BATCH_MESSAGES_MAX:
            raise IntegrityError(f"{len(messages)} events in one save; at most {BATCH_MESSAGES_MAX}")
        last = await self._try_until_known(messages)
        self.acknowledged = max(self.acknowledged, last)
        first = last - len(messages) + 1
        for offset, (aggregate, version, _) in enumerate(messages):
            self._remember(aggregate, version, first + offset)
        return list(range(first, last + 1))

    async def append_each(self, saves: Sequence[Sequence[StoredEvent]]) -> list[list[int] | BaseException]:
        """Each of `saves` as `append`: for each its sequences, or what `append` raises.

        Many are one atomic batch, because the server syncs each message that comes alone. Where it is refused
        they are stored side by side, as few are: only the one at fault is refused then.
        """
        if len(saves) >= _TOGETHER_MIN and sum(map(len, saves)) <= BATCH_MESSAGES_MAX:
            together = self.append([event for save in saves for event in save])
            (outcome,) = await asyncio.gather(together, return_exceptions=True)
            match outcome:
                case IntegrityError() | StoreFull() | wire.Alien():
                    pass
                case BaseException():
                    return [outcome] * len(saves)
                case sequences:
                    left = iter(sequences)
                    return [[next(left) for _ in save] for save in saves]
        return await asyncio.gather(*map(self.append, saves), return_exceptions=True)

    @staticmethod
    def _check_versions_run_on(messages: Sequence[tuple[str, int, bytes]]) -> None:
        seen: dict[str, int] = {}
        for aggregate, version, _ in messages:
            if aggregate in seen and version != seen[aggregate] + 1:
                raise IntegrityError(f"{aggregate}: version {version} follows {seen[aggregate]} in one save")
            seen[aggregate] = version

    async def _try_until_known(self, messages: Sequence[tuple[str, int, bytes]]) -> int:
        """Send until the server has answered yes or no, reading back after every answer that was lost."""
        give_up = time.monotonic() + self.deadline
        pause = 0.05
        answer_lost = False
        while True:
            expected: dict[str, int] = {}
            try:
                expected = await self._expected(messages)
                return await self._send(messages, expected)
            except IntegrityError:
                # What a lost answer was about may have been stored after we read back.
                if answer_lost and (stored := await self._stored_by_us(messages, give_up)) is not None:
                    return stored
                for aggregate in expected:
                    self._positions.pop(aggregate, None)
                if not expected or await self._expected(messages) == expected:
                    raise
            except (nats.errors.Error, OSError, StoreUnavailable) as error:
                answer_lost = True
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1.0)
                stored = await self._stored_by_us(messages, give_up)
                if stored is not None:
                    return stored
                if time.monotonic() > give_up:
                    raise StoreUnavailable(f"NATS did not confirm the append: {error!r}") from error

    def _check_connection(self) -> None:
        """Just before each message of an append, without a pause between."""
        if self.verified_epoch is not None and self.client.epoch != self.verified_epoch:
            raise Unverified("the stream is not yet verified on this connection")

    async def _expected(self, messages: Sequence[tuple[str, int, bytes]]) -> dict[str, int]:
        """For each aggregate, the sequence its last message must have for this append to be right."""
        expected: dict[str, int] = {}
        for aggregate, version, _ in messages:
            if aggregate in expected:
                continue
            known = self._positions.get(aggregate)
            if known is None and version > 1:
                known = await self.last_of(aggregate, within=0)
            if known is None and version <= 1:
                expected[aggregate] = 0
            elif known is not None and known[0] + 1 == version:
                expected[aggregate] = known[1]
            else:
                last = await self.last_of(aggregate, within=0)
                if last is None or last[0] + 1 != version:
                    at = "no events" if last is None else f"version {last[0]}"
                    raise IntegrityError(f"{aggregate} is at {at}; version {version} does not follow")
                expected[aggregate] = last[1]
        return expected

    async def _send(self, messages: Sequence[tuple[str, int, bytes]], expected: dict[str, int]) -> int:
        if len(messages) == 1:
            aggregate, _, payload = messages[0]
            headers = {"Nats-Expected-Last-Subject-Sequence": str(expected[aggregate])}
            self._check_connection()
            return self._sequence(await self._request(wire.subject(self.book, aggregate), payload, headers))
        async with self._open_batches:
            return await self._send_batch(messages, dict(expected))

    async def _send_batch(self, messages: Sequence[tuple[str, int, bytes]], expected: dict[str, int]) -> int:
        batch = uuid.uuid4().hex
        for number, (aggregate, _, payload) in enumerate(messages, 1):
            headers = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
            if aggregate in expected:
                headers["Nats-Expected-Last-Subject-Sequence"] = str(expected.pop(aggregate))
            subject = wire.subject(self.book, aggregate)
            self._check_connection()
            if number == len(messages):
                headers["Nats-Batch-Commit"] = "1"
                return self._sequence(await self._request(subject, payload, headers))
            if number == 1:
                opened = await self._request(subject, payload, headers)
                if opened.data:
                    self._sequence(opened)
            else:
                await self.client.publish(subject, payload, headers=headers)
        raise AssertionError("a batch is never empty")

    @staticmethod
    def _sequence(answer: Msg) -> int:
        ack = _decode_ack(answer.data)
        if ack.error is None:
            return ack.seq
        code, text = ack.error.get("err_code", 0), ack.error.get("description", "")
        if code == _WRONG_LAST_SEQUENCE:
            raise IntegrityError(text)
        if code in _STREAM_FULL:
            raise StoreFull(f"the book's stream is full: {text}")
        raise StoreUnavailable(f"{text} (NATS error {code})")

    async def _stored_by_us(self, messages: Sequence[tuple[str, int, bytes]], give_up: float) -> int | None:
        """The last sequence of an append whose answer was lost, when it was stored after all.

        A payload carries its command id and time, so equal bytes can only be ours. The leader is asked,
        because the other nodes of a cluster may not have it yet.
        """
        aggregate, version, payload = messages[0]
        while True:
            self._positions.pop(aggregate, None)
            try:
                last = await self._get({"last_by_subj": wire.subject(self.book, aggregate)}, within=0)
                if last is None or (at := wire.checked_header(self.book, *last).version) < version:
                    return None
                if at == version:
                    return last[0] + len(messages) - 1 if last[1] == payload else None
                events = await self.read_aggregate(aggregate, gt=version - 1, lte=version, within=0)
            except (nats.errors.Error, OSError, StoreUnavailable) as error:
                if time.monotonic() > give_up:
                    raise StoreUnavailable(f"NATS did not confirm the append: {error!r}") from error
                await asyncio.sleep(0.2)
                continue
            if events and wire.pack(self.book, events[0]) == payload:
                return events[0].id + len(messages) - 1
            return None

    def _remember(self, aggregate: str, version: int, sequence: int) -> None:
        self._positions[aggregate] = (version, sequence)
        self._positions.move_to_end(aggregate)
        if len(self._positions) > _POSITIONS_KEPT:
            self._positions.popitem(last=False)

    # ------------------------------------------------------------------ reading

    async def last_sequence(self, *, within: float = ANSWER_S) -> int:
        """The stream's last sequence according to its leader; 0 for an empty stream."""
        answer = await ask(self.client, f"STREAM.INFO.{self._name}", within=within)
        info = msgspec.json.decode(answer.data)
        if "error" in info:
            raise StoreUnavailable(info["error"]["description"])
        return int(info["state"]["last_seq"])

    def known(self, aggregate: str) -> tuple[int, int] | None:
        """(version, sequence) of the aggregate's last message that was read or written here."""
        return self._positions.get(aggregate)

    async def last_of(self, aggregate: str, *, within: float = ANSWER_S) -> tuple[int, int] | None:
        """(version, sequence) of the aggregate's last message, read through the leader.

        Raises:
            Alien: it is no envelope of this book.
        """
        found = await self._get({"last_by_subj": wire.subject(self.book, aggregate)}, within)
        if found is None:
            return None
        sequence, payload = found
        self._remember(aggregate, wire.checked_header(self.book, sequence, payload).version, sequence)
        return self._positions[aggregate]

    async def last_of_noun(self, noun: str) -> int:
        """The sequence of the last message of any such aggregate, read through the leader; 0 for none."""
        found = await self._get({"last_by_subj": wire.subject(self.book, f"{noun}.*")})
        return 0 if found is None else found[0]

    async def waited_s(self, sequence: int) -> float:
        """For how many seconds the stream has held the message `sequence`; 0 where it gives none."""
        body = await self._asked({"seq": sequence}, within=0)
        if body is None:
            return 0.0
        return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(body["time"])).total_seconds())

    async def payload_at(self, sequence: int) -> bytes | None:
        """The payload stored under `sequence`, read through the leader."""
        found = await self._get({"seq": sequence})
        return None if found is None else found[1]

    async def _get(self, query: dict[str, object], within: float = ANSWER_S) -> tuple[int, bytes] | None:
        message = await self._asked(query, within)
        return None if message is None else (message["seq"], base64.b64decode(message.get("data", "")))

    async def _asked(self, query: dict[str, object], within: float) -> dict[str, Any] | None:
        answer = await ask(self.client, f"STREAM.MSG.GET.{self._name}", query, within=within)
        body = msgspec.json.decode(answer.data)
        if "error" in body:
            if body["error"].get("err_code") == _NO_MESSAGE:
                return None
            raise StoreUnavailable(body["error"]["description"])
        message: dict[str, Any] = body["message"]
        return message

    async def read_aggregate(
        self,
        aggregate: str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        start: int = 1,
        within: float = ANSWER_S,
    ) -> list[Notification]:
        """The aggregate's events from sequence `start` on with gt < version <= lte, in order.

        Raises:
            Alien: one of them is no envelope of this book.
        """
        found: list[Notification] = []
        subject = wire.subject(self.book, aggregate)
        while True:
            query: dict[str, object] = {"seq": start, "batch": _READ_BATCH, "next_by_subj": subject}
            events, more = await self._direct(query, within)
            found.extend(
                event
                for event in events
                if (gt is None or event.originator_version > gt)
                and (lte is None or event.originator_version <= lte)
            )
            if events:
                self._remember(aggregate, events[-1].originator_version, events[-1].id)
            if not more or (lte is not None and events[-1].originator_version >= lte):
                return found
            start = events[-1].id + 1

    async def read_aggregates(self, starts: Mapping[str, int]) -> dict[str, list[Notification]]:
        """For each aggregate, its events from the given sequence on."""
        gate = asyncio.Semaphore(_READS_AT_ONCE)

        async def one(aggregate: str, start: int) -> list[Notification]:
            async with gate:
                return await self.read_aggregate(aggregate, start=start)

        found = await asyncio.gather(*(one(name, start) for name, start in starts.items()))
        return dict(zip(starts, found, strict=True))

    async def read(self, start: int, limit: int) -> list[Notification]:
        """At most `limit` events of the book from sequence `start` on, in order."""
        found: list[Notification] = []
        more = True
        while more and len(found) < limit:
            batch = min(limit - len(found), _READ_BATCH)
            events, more = await self._direct(
                {"seq": max(start, 1), "batch": batch, "max_bytes": _READ_BYTES}
            )
            found.extend(events)
            if events:
                start = events[-1].id + 1
        return found

    async def _direct(
        self, query: dict[str, object], within: float = ANSWER_S
    ) -> tuple[list[Notification], bool]:
        """One batched direct get; whether more messages match after it."""
        try:
            return await until_answered(lambda: self._direct_once(query), within)
        except OSError as error:
            raise StoreUnavailable(f"NATS did not answer a read: {error!r}") from error

    async def _direct_once(self, query: dict[str, object]) -> tuple[list[Notification], bool]:
        events: list[Notification] = []
        ending: list[Msg] = []
        aliens: list[wire.Alien] = []

        def hear(message: Msg) -> bool:
            headers = message.headers or {}
            if "Nats-Sequence" not in headers:
                ending.append(message)
                return True
            sequence = int(headers["Nats-Sequence"])
            try:
                header = wire.checked_header(self.book, sequence, message.data)
            except wire.Alien as alien:
                aliens.append(alien)
                return False
            events.append(
                Notification(
                    wire.originator_id(header.aggregate),
                    header.version,
                    header.topic,
                    wire.state_of(message.data),
                    id=sequence,
                )
            )
            return False

        subject = f"$JS.API.DIRECT.GET.{self._name}"
        await self.client.converse(subject, msgspec.json.encode(query), hear, timeout=ONCE_S)
        if aliens:
            raise aliens[0]
        headers = ending[0].headers or {}
        status = headers["Status"]
        if status == "503":
            raise NobodyLeads("no server reads the stream")
        if status not in {"204", "404"}:
            raise StoreUnavailable(f"direct get answered {status}")
        return events, status == "204" and headers.get("Nats-Num-Pending", "0") != "0"

    async def _request(self, subject: str, payload: bytes, headers: dict[str, str] | None = None) -> Msg:
        """Once: an append that nobody answered is read back before it is sent again."""
        return await self.client.request(subject, payload, timeout=ONCE_S, headers=headers)
