"""Everything that was put arrives in order and once, whatever stops when."""

from __future__ import annotations

import asyncio
import errno
import itertools
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from adapters.nats import stream, telemetry_stream
from adapters.nats.client import NatsClient
from adapters.nats.stream import StreamError, WeakStream
from adapters.telemetry import forwarding
from adapters.telemetry.forwarding import Forwarder
from adapters.telemetry.history import History, Unread
from adapters.telemetry.lane import Lane
from adapters.telemetry.outbox import BYTES_MIN, Outbox
from dispatch.telemetry.gaps import Thinned, marks
from dispatch.telemetry.sample import Sample
from tests.adapters.telemetry.samples import T0, sample
from tests.stack import NatsServer

_BOOKS = itertools.count()
MIB = 1 << 20


class Way:
    """An outbox, a server of its own that is stopped and started, and who sends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = NatsServer(folder / "nats")
        self.book = f"way-{next(_BOOKS)}"
        operator = self.server.operator()
        telemetry_stream.create(operator, self.book, max_bytes=64 * MIB)
        operator.close()
        self.client = self.server.app()
        self.outbox = Outbox(folder / "outbox", 8 * MIB)

    def forwarder(self) -> Forwarder:
        return Forwarder(self.outbox, self.client, self.book)

    def reopen(self) -> Forwarder:
        """As a process that starts again."""
        self.outbox.close()
        self.client.close()
        self.client = self.server.app()
        self.outbox = Outbox(self.folder / "outbox", 8 * MIB)
        return self.forwarder()

    def stored(self, device: str, channel: telemetry_stream.Channel = "seconds") -> list[int]:
        """The numbers as they lie in the stream, doubles and all."""
        history = History(self.client, self.book, channel)
        return [one.number for _, batch in history.batches(device) for one in batch.samples]

    def close(self) -> None:
        self.outbox.close()
        self.client.close()
        self.server.stop()


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Way]:
    made = Way(tmp_path)
    yield made
    made.close()


def test_samples_arrive_by_device_in_order_and_the_fast_channel_apart(way: Way) -> None:
    for number in range(1, 700):
        way.outbox.put(sample(number))
    for number in range(1, 4):
        way.outbox.put(sample(number, device="B2"))
        way.outbox.put(sample(number, device="F"), fast=True)
    forwarder = way.forwarder()
    assert asyncio.run(forwarder.turn()) == 705
    assert asyncio.run(forwarder.turn()) == 0
    assert way.stored("B1") == list(range(1, 700))
    assert way.stored("B2") == way.stored("F", "fast") == [1, 2, 3]
    assert way.stored("F") == way.stored("nobody") == []
    history = History(way.client, way.book)
    assert history.newest("B1") == sample(699)
    assert history.newest("nobody") is None
    found = [one for one in history.items("B1") if isinstance(one, Sample)]
    assert found == [sample(number) for number in range(1, 700)]
    messages = len(list(history.batches("B1")))
    assert messages == 3, "many samples in a message"
    for channel in ("seconds", "fast"):
        kept = telemetry_stream.verify(way.client, way.book, channel)  # type: ignore[arg-type]
        assert kept.seconds == {"seconds": 7 * 86_400, "fast": 600}[channel]


def test_a_place_that_was_not_kept_sends_nothing_twice(way: Way) -> None:
    """The process dies after the acknowledgement and before it is on its disk."""
    for number in range(1, 10):
        way.outbox.put(sample(number))
    place = (way.folder / "outbox" / "seconds" / "acknowledged").read_bytes()
    asyncio.run(way.forwarder().turn())
    (way.folder / "outbox" / "seconds" / "acknowledged").write_bytes(place)
    forwarder = way.reopen()
    for number in range(10, 13):
        way.outbox.put(sample(number))
    asyncio.run(forwarder.turn())
    assert way.stored("B1") == list(range(1, 13))


def test_a_copy_that_arrives_late_is_refused(way: Way) -> None:
    """A message whose answer was lost is stored after we asked how far it had come."""
    way.outbox.put(sample(1))
    late, other = way.forwarder(), way.forwarder()
    asyncio.run(late.turn())
    way.outbox.put(sample(2))
    waiting = way.outbox.seconds.waiting(10)
    asyncio.run(other.turn())
    (sender, _) = late._channels
    with pytest.raises(forwarding.Uncertain):
        way.client.run(sender._send_all(waiting.items))
    assert way.stored("B1") == [1, 2]


def test_where_one_device_fails_none_is_saved_and_then_each_once(way: Way) -> None:
    """Each is asked how far it had come."""
    forwarder = way.forwarder()
    way.outbox.put(sample(1, device="B3"))
    asyncio.run(forwarder.turn())
    for device in ("B1", "B2"):
        way.outbox.put(sample(1, device=device))
    (sender, _) = forwarder._channels
    sender._stored["B2"] = forwarding._Stored(99, None)
    with pytest.raises(forwarding.Uncertain):
        asyncio.run(forwarder.turn())
    assert not way.outbox.seconds.empty
    assert way.stored("B1") == way.stored("B2") == []
    assert asyncio.run(forwarder.turn()) == 2
    assert way.stored("B1") == way.stored("B2") == [1]


def test_more_messages_than_one_save_takes_arrive_each_once(way: Way) -> None:
    forwarder = way.forwarder()
    names = [f"D{number}" for number in range(forwarding._TOGETHER_MAX + 1)]
    for number in (1, 2):
        for name in names:
            way.outbox.put(sample(number, device=name))
        assert asyncio.run(forwarder.turn()) == len(names)
    assert [way.stored(name) for name in (names[0], names[-2], names[-1])] == [[1, 2]] * 3


def test_what_was_let_go_is_on_record_behind_what_was_kept(way: Way) -> None:
    way.outbox.close()
    way.outbox = Outbox(way.folder / "outbox", BYTES_MIN)
    for number in range(1, 1500):
        way.outbox.put(sample(number))
        way.outbox.bound()
    forwarder = way.forwarder()
    while asyncio.run(forwarder.turn()):
        pass
    items = list(History(way.client, way.book).items("B1"))
    kept = [one for one in items if isinstance(one, Sample)]
    gone = sum(one.count for one in items if isinstance(one, Thinned))
    assert gone > 0
    assert len(kept) + gone == 1499
    assert [one.number for one in kept] == sorted(one.number for one in kept)
    assert sum(mark.count for mark in marks(kept)) == gone


@pytest.mark.parametrize("seed", range(3))
def test_nats_killed_and_started_loses_nothing_and_doubles_nothing(way: Way, seed: int) -> None:
    """Samples come all the while; the forwarder is cancelled and opened again once, too."""
    rng = random.Random(seed)
    last = dict.fromkeys(("B1", "B2", "B3"), 0)

    def put(seconds: float) -> None:
        for _ in range(int(seconds * 200)):
            device = rng.choice(list(last))
            last[device] += 1
            assert way.outbox.put(sample(last[device], device=device))

    async def filled(seconds: float) -> None:
        for _ in range(int(seconds * 50)):
            put(0.02)
            await asyncio.sleep(0.01)

    async def scene() -> None:
        forwarder = way.forwarder()
        running = asyncio.create_task(forwarder.run())
        await filled(rng.random())
        await asyncio.to_thread(way.server.child.kill)
        await filled(0.3)
        way.server.start()
        await filled(rng.random())
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        forwarder = await asyncio.to_thread(way.reopen)
        await filled(0.2)
        while await forwarder.turn():
            pass

    asyncio.run(scene())
    for device, number in last.items():
        assert way.stored(device) == list(range(1, number + 1))


def test_while_nats_is_away_the_problem_is_told_and_putting_goes_on(way: Way) -> None:
    way.server.child.kill()
    forwarder = way.forwarder()

    async def scene() -> None:
        running = asyncio.create_task(forwarder.run())
        for number in range(1, 30):
            assert way.outbox.put(sample(number))
            await asyncio.sleep(0.01)
        for _ in range(3000):
            if forwarder.problem:
                break
            await asyncio.sleep(0.01)
        assert forwarder.problem
        assert forwarder.acknowledged == 0
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    asyncio.run(scene())
    way.server.start()


def test_a_stream_without_a_bound_or_with_other_subjects_is_not_used(way: Way) -> None:
    operator = way.server.operator()
    name = telemetry_stream.stream_name("weak")
    stream.ensure(
        operator, {"name": name, "subjects": ["$TELEMETRY.weak.*"], "discard": "new", "allow_direct": True}
    )
    with pytest.raises(WeakStream, match=r"discard is 'new'.*max_age and max_bytes"):
        telemetry_stream.verify(operator, "weak")
    with pytest.raises(StreamError):
        telemetry_stream.verify(operator, "none")
    operator.close()
    way.outbox.put(sample(1))
    with pytest.raises(WeakStream):
        asyncio.run(Forwarder(way.outbox, way.client, "weak").turn())
    assert not way.outbox.seconds.empty


def test_reading_while_nats_is_away_is_refused_and_not_empty(way: Way) -> None:
    client: NatsClient = way.client
    way.server.child.kill()
    with pytest.raises(Unread):
        History(client, way.book, within=0.5).samples("B1", T0, T0 + 1000)
    way.server.start()


def test_what_the_disk_does_not_take_is_sent_from_memory(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    forwarder = way.forwarder()
    for number in (1, 2):
        way.outbox.put(sample(number))
    with monkeypatch.context() as patch:
        patch.setattr(Lane, "append", full)
        for number in range(3, 1000):
            assert not way.outbox.put(sample(number))
        while asyncio.run(forwarder.turn()):
            pass
        assert way.stored("B1") == list(range(1, 1000))
        for number in range(1000, 1003):
            way.outbox.put(sample(number))
        waiting = way.outbox.seconds.waiting(10)
        assert len(waiting.items) == 3
    way.outbox.put(sample(1003))
    assert way.outbox.seconds.held == 0
    asyncio.run(forwarder.turn())
    assert way.stored("B1") == list(range(1, 1004)), "each once"
    assert not marks(item for item in History(way.client, way.book).items("B1") if isinstance(item, Sample))
