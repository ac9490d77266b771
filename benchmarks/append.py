"""Our recorder's durable append against bare nats-py, raw fdatasync and a PostgreSQL recorder."""

from __future__ import annotations

import asyncio
import itertools
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import nats
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from adapters.nats import wire
from benchmarks.figure import Figure, median_ratio, seconds
from benchmarks.rig import Book, Rig

_STATE = os.urandom(512)
_WRITERS = 64
_NUMBERS = itertools.count()


def event() -> StoredEvent:
    return StoredEvent(f"bench.a{next(_NUMBERS)}", 1, "envelope.v1", _STATE)


def measure(rig: Rig, *, quick: bool) -> list[Figure]:
    """One writer and 64, ours and bare nats-py in turn; the medians of their ratios."""
    book = rig.book()
    count = 300 if quick else 1500
    rounds = 3 if quick else 7
    one = [(ours_alone(book, count), bare(rig, book, count, 1)) for _ in range(rounds)]
    tasks = [(ours_tasks(book, count * 4), bare(rig, book, count * 4, _WRITERS)) for _ in range(rounds)]
    threads = [(ours_threads(book, count * 4), bare(rig, book, count * 4, _WRITERS)) for _ in range(rounds)]
    figures = [
        _figure("durable append, 1 writer (blocking recorder)", one, 0.8),
        _figure(f"durable append, {_WRITERS} writers (asynchronous core)", tasks, 0.8),
        _figure(f"durable append, {_WRITERS} writers (threads on the blocking recorder)", threads, None),
    ]
    single = figures[0].ours
    for name, rate in (
        ("raw fdatasync of the same bytes", fdatasync(rig, count)),
        ("eventsourcing's PostgreSQL recorder", postgres(rig, count)),
    ):
        figures.append(Figure("the same, 1 writer", single, rate, name, "appends/s", single / rate, None))
    book.close()
    return figures


def _figure(what: str, pairs: list[tuple[float, float]], wanted: float | None) -> Figure:
    ours, peer, ratio = median_ratio(pairs)
    return Figure(what, ours, peer, "bare nats-py publish", "appends/s", ratio, wanted)


def ours_alone(book: Book, count: int) -> float:
    events = [[event()] for _ in range(count)]
    return count / seconds(lambda: [book.recorder.insert_events(one) for one in events])


def ours_tasks(book: Book, count: int) -> float:
    events = [[event()] for _ in range(count)]

    async def writer(mine: list[list[StoredEvent]]) -> None:
        for one in mine:
            await book.log.append(one)

    async def all_writers() -> None:
        await asyncio.gather(*(writer(events[n::_WRITERS]) for n in range(_WRITERS)))

    return count / seconds(lambda: book.client.run(all_writers()))


def ours_threads(book: Book, count: int) -> float:
    events = [[event()] for _ in range(count)]
    with ThreadPoolExecutor(_WRITERS) as pool:
        return count / seconds(lambda: list(pool.map(book.recorder.insert_events, events)))


def bare(rig: Rig, book: Book, count: int, writers: int) -> float:
    """js.publish of the same payloads on the same stream."""
    payloads = [wire.pack(book.log.book, event()) for _ in range(count)]
    prefix = f"{book.log.book}.bare.{uuid.uuid4().hex}"

    async def run() -> float:
        nc = await nats.connect(rig.nats.url, nkeys_seed=str(rig.nats.app_seed))
        js = nc.jetstream()

        async def writer(number: int) -> None:
            for at in range(number, count, writers):
                await js.publish(f"{prefix}-{at}", payloads[at])

        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(*(writer(number) for number in range(writers)))
        elapsed = loop.time() - began
        await nc.close()
        return count / elapsed

    return asyncio.run(run())


def fdatasync(rig: Rig, count: int) -> float:
    file = os.open(rig.folder / "fdatasync", os.O_CREAT | os.O_WRONLY)

    def write() -> None:
        for _ in range(count):
            os.write(file, _STATE)
            os.fdatasync(file)

    rate = count / seconds(write)
    os.close(file)
    return rate


def postgres(rig: Rig, count: int) -> float:
    address = urlsplit(rig.postgres.url("postgres"))
    datastore = PostgresDatastore(
        "postgres",
        "127.0.0.1",
        rig.postgres.port,
        "postgres",
        address.password or "",
        originator_id_type="text",
    )
    recorder = PostgresApplicationRecorder(datastore)
    recorder.create_table()
    events = [[event()] for _ in range(count)]
    rate = count / seconds(lambda: [recorder.insert_events(one) for one in events])
    datastore.close()
    return rate
