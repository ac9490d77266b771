"""A device's samples as they lie in a telemetry stream, each once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import nats.errors
from eventsourcing.persistence import OperationalError
from nats.aio.msg import Msg

from adapters.nats import telemetry_stream
from adapters.nats.client import NatsClient
from adapters.nats.question import ANSWER_S, ONCE_S, until_answered
from adapters.nats.telemetry_stream import Channel
from adapters.telemetry.batch import Batch, decode
from adapters.telemetry.frame import Item
from dispatch.telemetry.gaps import Thinned
from dispatch.telemetry.sample import Sample

_BATCH: Final = 500
_BATCH_BYTES: Final = 8 << 20
_CLOCKS_APART: Final = timedelta(minutes=1)
"""Where to begin the server tells by its own clock, and a sample by ours."""
_SET_BACK_MS: Final = 600_000
"""How far behind a span samples are looked for that were read in it, where our clock was set back."""
_SHOWN_BACK_MS: Final = 7_200_000
"""The same for people, who ask seldom."""


class Unread(OperationalError):
    """Telemetry cannot be read now."""


class History:
    """One book's telemetry, read; `channel` fast is not for settlement. Asked again for `within` seconds."""

    def __init__(
        self, client: NatsClient, book: str, channel: Channel = "seconds", *, within: float = ANSWER_S
    ) -> None:
        self.client = client
        self.book = book
        self.channel: Channel = channel
        self._within = within

    def items(self, device: str, since: datetime | None = None) -> Iterator[Item]:
        """What was stored from `since` on, in order, each sample once, and what was let go before it came.

        A message arrives after its samples were read and not before: none that was read later than `since` is
        left out. A sample that was read earlier may be among them.

        Raises:
            Unread: NATS does not answer.
        """
        seen: set[tuple[str, int]] = set()
        for _, batch in self.batches(device, since):
            for sample in batch.samples:
                if (sample.run, sample.number) not in seen:
                    seen.add((sample.run, sample.number))
                    yield sample
            yield from batch.thinned

    def samples(self, device: str, start_ms: int, end_ms: int) -> list[Sample]:
        """Those read in [start_ms, end_ms), our clock, in the order in which they came.

        Raises:
            Unread: NATS does not answer.
        """
        return [one for one in self.between(device, start_ms, end_ms) if isinstance(one, Sample)]

    def between(self, device: str, start_ms: int, end_ms: int) -> Iterator[Item]:
        """The samples of [start_ms, end_ms), and what was let go of it.

        Raises:
            Unread: NATS does not answer.
        """
        for one in self.items(device, datetime.fromtimestamp(start_ms / 1000, UTC) - _CLOCKS_APART):
            if isinstance(one, Thinned):
                if one.start_ms < end_ms and one.end_ms >= start_ms:
                    yield one
            elif start_ms <= one.at_ms < end_ms:
                yield one
            elif one.at_ms > end_ms + _SET_BACK_MS:
                return

    def stretch(self, device: str, start_ms: int, end_ms: int) -> list[Item]:
        """As `between`, with what each process read between its first and its last sample of the span,
        however that is stamped: our clock was set, and nothing is missing. What is stamped in the span is
        found up to two hours behind it.

        Raises:
            Unread: NATS does not answer.
        """
        found: list[Item] = []
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        for one in self.items(device, datetime.fromtimestamp(start_ms / 1000, UTC) - _CLOCKS_APART):
            if isinstance(one, Thinned):
                if one.start_ms >= end_ms or one.end_ms < start_ms:
                    continue
            elif one.at_ms > end_ms + _SHOWN_BACK_MS:
                break
            elif start_ms <= one.at_ms < end_ms:
                last[one.run] = len(found)
                first.setdefault(one.run, len(found))
            found.append(one)
        return [
            one
            for place, one in enumerate(found)
            if isinstance(one, Thinned) or first.get(one.run, place + 1) <= place <= last.get(one.run, -1)
        ]

    def batches(
        self, device: str, since: datetime | None = None, after: int = 0
    ) -> Iterator[tuple[int, Batch]]:
        """The messages behind sequence `after`, each with its own.

        Raises:
            Unread: NATS does not answer.
        """
        subject = telemetry_stream.subject(self.book, device, self.channel)
        query: dict[str, Any] = {"batch": _BATCH, "max_bytes": _BATCH_BYTES, "next_by_subj": subject}
        start: dict[str, Any] = {"seq": after + 1}
        if since is not None and not after:
            start = {"start_time": since.astimezone(UTC).isoformat()}
        while True:
            found, more = self._page(query | start)
            yield from found
            if not more or not found:
                return
            start = {"seq": found[-1][0] + 1}

    def newest(self, device: str) -> Sample | None:
        """The last sample that came; None where there is none.

        Raises:
            Unread: NATS does not answer.
        """
        subject = telemetry_stream.subject(self.book, device, self.channel)
        found, _ = self._page({"last_by_subj": subject})
        for _, batch in found:
            if batch.samples:
                return batch.samples[-1]
        return None

    def _page(self, query: dict[str, Any]) -> tuple[list[tuple[int, Batch]], bool]:
        try:
            return self.client.run(until_answered(lambda: self._direct(query), self._within))
        except (nats.errors.Error, OSError) as error:
            raise Unread(f"telemetry cannot be read: {error!r}") from error

    async def _direct(self, query: dict[str, Any]) -> tuple[list[tuple[int, Batch]], bool]:
        found: list[tuple[int, Batch]] = []
        ending: list[dict[str, str]] = []
        single = "last_by_subj" in query

        def hear(message: Msg) -> bool:
            headers = message.headers or {}
            if "Status" in headers:
                ending.append(headers)
                return True
            found.append((int(headers["Nats-Sequence"]), decode(message.data)))
            return single

        name = telemetry_stream.stream_name(self.book, self.channel)
        subject = f"$JS.API.DIRECT.GET.{name}"
        await self.client.converse(subject, msgspec.json.encode(query), hear, timeout=ONCE_S)
        if single and found:
            return found, False
        status = ending[0]["Status"]
        if status not in {"204", "404"}:
            raise Unread(f"telemetry cannot be read: NATS answered {status}")
        return found, status == "204" and ending[0].get("Nats-Num-Pending", "0") != "0"
