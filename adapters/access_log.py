"""The access log: what was seen is on the disk before it leaves, or it does not leave."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import nats.errors
import psycopg
from eventsourcing.persistence import OperationalError
from nats.aio.msg import Msg

from adapters import access_mark, access_whole
from adapters.access_mark import Numbered
from adapters.access_whole import Look, Missing, gaps
from adapters.nats import access_stream
from adapters.nats.client import NatsClient
from adapters.nats.question import ANSWER_S, ONCE_S, until_answered
from adapters.nats.stream import StreamError, WeakStream
from adapters.postgres.database import Database
from adapters.together import Together
from ledger.access_record import SHELL, AccessRecord

_ID_BYTES: Final = 16
_CLOCKS_APART: Final = timedelta(hours=1)
_BATCH: Final = 1000
_FILLED_AT_ONCE: Final = 100
_BATCH_BYTES: Final = 8 << 20

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(AccessRecord).decode


class Unrecorded(OperationalError):
    """A read could not be put on record, or the records cannot be read now."""


class KeptRecord(msgspec.Struct, frozen=True):
    """A record and its number, from 1 without a gap; what is older than the retention is gone."""

    sequence: int
    record: AccessRecord


class _Ack(msgspec.Struct, frozen=True):
    seq: int = 0
    error: dict[str, Any] | None = None


_decode_ack: Final = msgspec.json.Decoder(_Ack).decode


class AccessLog:
    """One book's access log. A stream that is weak or away records nothing, and says so."""

    def __init__(
        self, client: NatsClient, book: str, database: Database, clock: Callable[[], datetime]
    ) -> None:
        self.client = client
        self.book = book
        self.database = database
        self.clock = clock
        self._verified_epoch = 0
        self._last = 0
        self._note = Together[Numbered](lambda records: access_mark.note(database, book, records))

    def write(self, record: AccessRecord) -> int:
        """Put `record` on record; it is on the disk when this answers its number.

        Sent again while nobody leads the stream, under one message id: NATS stores it once.

        Raises:
            Unrecorded: it is not certain that it is there.
            Discontinuity: `access_gap`: records are missing, or its number was given before.
        """
        content = _encode(record)
        try:
            self._verify()
            before = self._last
            ack = self.client.run(self._publish(record.actor, content))
            if ack.error is not None or ack.seq < 1:
                raise Unrecorded(f"the access log refused a record: {ack.error}")
            if ack.seq <= before:
                self._verified_epoch = 0
                text = f"number {ack.seq} was given again: records were lost"
                raise Missing(ack.seq, before, text).error()
            self._last = max(self._last, ack.seq)
            self._note(access_mark.numbered(ack.seq, content), 1)
        except (
            nats.errors.Error, OSError, TimeoutError, StreamError, WeakStream, psycopg.OperationalError,
        ) as error:  # fmt: skip
            raise Unrecorded(f"the access log cannot be written: {error!r}") from error
        return ack.seq

    def fill(self, count: int, repair: str) -> None:
        """Write a record `lost` under each of the next `count` numbers, whatever is missing.

        Raises:
            Unrecorded: as `write`.
        """
        record = AccessRecord(
            at=self.clock(),
            request=new_request_id(),
            actor="cli",
            role=SHELL,
            action="access_log",
            what={"repair": repair},
            outcome="lost",
        )
        content = _encode(record)

        async def several(number: int) -> list[_Ack]:
            return await asyncio.gather(*(self._publish(record.actor, content) for _ in range(number)))

        for done in range(0, count, _FILLED_AT_ONCE):
            try:
                acks = self.client.run(several(min(_FILLED_AT_ONCE, count - done)))
            except (nats.errors.Error, OSError, TimeoutError) as error:
                raise Unrecorded(f"the access log cannot be written: {error!r}") from error
            if (refused := next((ack.error for ack in acks if ack.error is not None), None)) is not None:
                raise Unrecorded(f"the access log refused a record: {refused}")

    def check(self, *, within: float = ANSWER_S) -> None:
        """That it is safe to use, and that it has every record that it had; what a look at its ends tells.

        Raises:
            Discontinuity: `access_gap`.
            WeakStream, StreamError: as `access_stream.verify`.
        """
        access_whole.check(self.client, self.database, self.book, self.clock(), within=within)

    def missing(self) -> tuple[Missing, ...]:
        """Every number that was given and has no record any more, once: all of them are read.

        Raises:
            Unrecorded: the log cannot be read.
            WeakStream, StreamError: as `access_stream.verify`.
        """
        numbers = (one.sequence for one in self.kept())
        return self._look().missing(self.client, self.book, numbers)

    def _look(self) -> Look:
        return access_whole.look(self.client, self.database, self.book, self.clock())

    def _verify(self) -> None:
        """Once for each connection: another server may answer on the next one, or the same with less."""
        epoch = self.client.epoch
        if self._verified_epoch != epoch:
            self.check()
            self._verified_epoch = epoch

    async def _publish(self, actor: str, content: bytes) -> _Ack:
        subject, headers = (
            access_stream.subject(self.book, actor),
            {"Nats-Msg-Id": secrets.token_hex(_ID_BYTES)},
        )
        answer = await until_answered(
            lambda: self.client.request(subject, content, timeout=ONCE_S, headers=headers)
        )
        return _decode_ack(answer.data)

    def read(
        self,
        *,
        actor: str | None = None,
        what: str | None = None,
        since: datetime | None = None,
        after: int = 0,
    ) -> Iterator[KeptRecord]:
        """The records in order after number `after`: of one actor, that concern `what`, from `since` on.

        Raises:
            Unrecorded: the log cannot be read.
            WeakStream, StreamError: it is weak, or the servers do not say.
            Discontinuity: `access_gap` where numbers are skipped; of one actor that is not seen.
        """
        looked = self._look()
        before = max(after, looked.state.first_seq - 1, 0)
        for one in self._from(actor, since, after):
            if actor is None and (since is None or before >= looked.state.first_seq):
                for missing in gaps(before, one.sequence, looked.mark):
                    raise missing.error()
            before = one.sequence
            if (since is None or one.record.at >= since) and (what is None or one.record.concerns(what)):
                yield one
        if actor is None and since is None:
            for missing in gaps(before, looked.state.last_seq + 1, looked.mark):
                raise missing.error()

    def kept(self, after: int = 0) -> Iterator[KeptRecord]:
        """The records after number `after` that are there, whatever is missing.

        Raises:
            Unrecorded: the log cannot be read.
        """
        return self._from(None, None, after)

    def _from(self, actor: str | None, since: datetime | None, after: int) -> Iterator[KeptRecord]:
        query: dict[str, Any] = {
            "batch": _BATCH,
            "max_bytes": _BATCH_BYTES,
            "next_by_subj": access_stream.subject(self.book, actor or "*"),
        }
        # Where to begin the server tells by its own clock, and a record by ours.
        start: dict[str, Any] = {"seq": after + 1}
        if since is not None and not after:
            start = {"start_time": (since - _CLOCKS_APART).astimezone(UTC).isoformat()}
        while True:
            found, more = self._batch(query | start)
            yield from found
            if not more or not found:
                return
            start = {"seq": found[-1].sequence + 1}

    def _batch(self, query: dict[str, Any]) -> tuple[list[KeptRecord], bool]:
        try:
            return self.client.run(until_answered(lambda: self._direct(query)))
        except (nats.errors.Error, OSError, TimeoutError) as error:
            raise Unrecorded(f"the access log cannot be read: {error!r}") from error

    async def _direct(self, query: dict[str, Any]) -> tuple[list[KeptRecord], bool]:
        found: list[tuple[int, bytes]] = []
        ending: list[dict[str, str]] = []

        def hear(message: Msg) -> bool:
            headers = message.headers or {}
            if "Status" in headers:
                ending.append(headers)
                return True
            found.append((int(headers["Nats-Sequence"]), message.data))
            return False

        subject = f"$JS.API.DIRECT.GET.{access_stream.stream_name(self.book)}"
        await self.client.converse(subject, msgspec.json.encode(query), hear, timeout=ONCE_S)
        status = ending[0]["Status"]
        if status not in {"204", "404"}:
            raise Unrecorded(f"the access log answered {status}")
        return [_kept(*one) for one in found], status == "204" and ending[0].get(
            "Nats-Num-Pending", "0"
        ) != "0"


def _kept(sequence: int, content: bytes) -> KeptRecord:
    try:
        return KeptRecord(sequence, _decode(content))
    except msgspec.MsgspecError as error:
        raise Unrecorded(f"record {sequence} of the access log is not one of ours: {error}") from error


def new_request_id() -> str:
    """A name for a request that came without one."""
    return secrets.token_hex(8)
