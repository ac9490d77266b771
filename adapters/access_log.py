"""The access log: what was seen is on the disk before it leaves, or it does not leave."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import nats.errors
from eventsourcing.persistence import OperationalError
from nats.aio.msg import Msg

from adapters.nats import access_stream
from adapters.nats.client import NatsClient
from adapters.nats.question import ONCE_S, until_answered
from adapters.nats.stream import StreamError, WeakStream
from ledger.access_record import AccessRecord

_ID_BYTES: Final = 16
_CLOCKS_APART: Final = timedelta(hours=1)
_BATCH: Final = 1000
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

    def __init__(self, client: NatsClient, book: str, clock: Callable[[], datetime]) -> None:
        self.client = client
        self.book = book
        self.clock = clock
        self._verified_epoch = 0

    def write(self, record: AccessRecord) -> int:
        """Put `record` on record; it is on the disk when this answers its number.

        Sent again while nobody leads the stream, under one message id: NATS stores it once.

        Raises:
            Unrecorded: it is not certain that it is there.
        """
        try:
            self._verify()
            ack = self.client.run(self._publish(record))
        except (nats.errors.Error, OSError, TimeoutError, StreamError, WeakStream) as error:
            raise Unrecorded(f"the access log cannot be written: {error!r}") from error
        if ack.error is not None or ack.seq < 1:
            raise Unrecorded(f"the access log refused a record: {ack.error}")
        return ack.seq

    def _verify(self) -> None:
        """Once for each connection: another server may answer on the next one."""
        epoch = self.client.epoch
        if self._verified_epoch != epoch:
            access_stream.verify(self.client, self.book)
            self._verified_epoch = epoch

    async def _publish(self, record: AccessRecord) -> _Ack:
        subject = access_stream.subject(self.book, record.actor)
        content, headers = _encode(record), {"Nats-Msg-Id": secrets.token_hex(_ID_BYTES)}
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
        """
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
            for one in found:
                if (since is None or one.record.at >= since) and (what is None or one.record.concerns(what)):
                    yield one
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
