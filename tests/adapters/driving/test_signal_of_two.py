"""A signal of a portfolio whose parts two drivers drive: who asks is answered by both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import nats.errors
import pytest

from adapters.driving import asking_drivers
from adapters.driving.asking_drivers import ask_drivers, together
from adapters.driving.driver_folder import DriverFolder
from adapters.driving.regulating import AgcSignal, Followed, SignalParts, hear_signals
from adapters.driving.role import DrivingRole
from adapters.driving.signal_parts import signal_parts
from ledger.refusal import Refused
from tests.adapters.bess_peer.running_peer import peer
from tests.adapters.driving.driver_book import DriverBook, now, storage

BOTH = SignalParts(("a", "b"), ("c",))
REST = SignalParts(("c",), ("a", "b"))


async def asked(book: DriverBook) -> Followed:
    signal = AgcSignal(portfolio="vpp", signal_ppm=0, rule="agc", product="agc", at=now())
    client = book.stack.client
    return await asyncio.to_thread(client.run, ask_drivers(client, book.bench.book, signal))


@asynccontextmanager
async def hearing(book: DriverBook, devices: int, parts: SignalParts, after_s: float) -> AsyncIterator[None]:
    """A driver that has subscribed."""

    async def told(signal: AgcSignal) -> Followed:
        heard.set()
        await asyncio.sleep(after_s)
        if not devices:
            raise Refused("signal_unable", f"{', '.join(parts.own)}: it is stopped", place="portfolio")
        return Followed(devices)

    heard = asyncio.Event()
    work = hear_signals(
        book.stack.client, book.bench.book, told, "vpp".__eq__, book.said.append, lambda _: parts
    )
    task = asyncio.create_task(work)
    try:
        while not heard.is_set():
            with suppress(nats.errors.NoRespondersError):
                await asked(book)
            await asyncio.sleep(0.02)
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def test_both_are_heard_and_one_alone_at_once(book: DriverBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking_drivers, "_OTHERS_S", 20.0)

    async def driven() -> None:
        loop = asyncio.get_running_loop()
        async with hearing(book, 2, SignalParts(("a", "b")), 0.0):
            begun = loop.time()
            assert await asked(book) == Followed(2, "", ("a", "b"))
            assert loop.time() - begun < 10, "nobody else is waited for"
        async with hearing(book, 1, REST, 0.3):
            async with hearing(book, 2, BOTH, 0.0):
                found = await asked(book)
                assert (found.devices, found.why, set(found.own)) == (3, "", {"a", "b", "c"})
            async with hearing(book, 0, BOTH, 0.0):
                found = await asked(book)
                assert (found.devices, found.why) == (1, "signal_unable: portfolio: a, b: it is stopped")

    asyncio.run(driven())


def test_who_does_not_answer_is_waited_for_a_bounded_time_and_named(
    book: DriverBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking_drivers, "_OTHERS_S", 0.2)

    async def driven() -> None:
        async with hearing(book, 2, BOTH, 0.0):
            assert await asked(book) == Followed(
                2, "signal_unheard: nobody answered for c", ("a", "b"), ("c",)
            )

    asyncio.run(driven())


def test_who_holds_nothing_of_it_says_nothing_of_it_where_another_does() -> None:
    waits = Followed(0, "signal_unable: a: its lease is another's", (), ("a",))
    assert together([waits, Followed(1, "", ("a",))]) == Followed(1, "", ("a",))
    assert together([waits]).why == f"{waits.why}; signal_unheard: nobody answered for a"


def test_a_driver_knows_its_part_and_the_other_s(book: DriverBook) -> None:
    with peer("bess_swapped", "--count", "2") as running:
        a, b = (storage(name, port) for name, port in zip("ab", running.ports, strict=True))
        book.furnish((a,))
        book.second_site("b")
        book.commission(b)

        async def driven() -> None:
            async with book.driving(a) as first:
                await book.until(lambda: first.fleet is not None and ready(first))
                book.folder = DriverFolder(book.folder.path.parent / "second")
                async with book.driving(b) as second:
                    await book.until(lambda: second.fleet is not None and ready(second))
                    assert second.fleet is not None
                    fleet = second.fleet
                    await book.until(lambda: bool(signal_parts(fleet, "vpp").own))
                    assert signal_parts(fleet, "vpp") == (("b",), ("a",))
                    assert signal_parts(fleet, "S1") == ((), ("a",))
                    assert signal_parts(fleet, "S2") == (("b",), ())

        def ready(role: DrivingRole) -> bool:
            assert role.fleet is not None
            return all(one.executor.keeper.held() for one in role.fleet.storages.values())

        asyncio.run(driven())
