"""What is another driver's to give and to answer: plans of sites and signals of portfolios without a storage
here."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec
import nats.errors
import pytest

from adapters.driving import regulating
from adapters.driving.regulating import AgcSignal, Followed, hear_signals, signal_subject
from ledger.refusal import Refused
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.driving.driver_book import (
    KW,
    DriverBook,
    grid_meter,
    now,
    storage,
)  # fmt: skip
from tests.adapters.driving.test_fleet import stands

METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))
NEVER_S = 10_000.0


async def answered(book: DriverBook, portfolio: str, within_s: float = 20.0) -> Followed:
    given = AgcSignal(portfolio=portfolio, signal_ppm=0, rule="agc", product="agc", at=now())
    subject = signal_subject(book.bench.book, portfolio)
    asked = book.stack.client.request(subject, msgspec.json.encode(given), timeout=within_s)
    answer = await asyncio.to_thread(book.stack.client.run, asked)
    return msgspec.json.decode(answer.data, type=Followed)


async def refuses(signal: AgcSignal) -> Followed:
    raise Refused("signal_portfolio", f"no storage of {signal.portfolio} is driven here", place="portfolio")


async def follows(signal: AgcSignal) -> Followed:
    await asyncio.sleep(0.3)
    return Followed(2) if signal.portfolio == "vpp" else await refuses(signal)


def test_whoever_drives_the_portfolio_is_heard_first(
    book: DriverBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def heard() -> None:
        client, name, loop = book.stack.client, book.bench.book, asyncio.get_running_loop()
        other = asyncio.create_task(hear_signals(client, name, refuses, lambda _: False, book.said.append))
        nobody, begun = None, loop.time()
        while nobody is None:
            # Before it has subscribed nobody answers.
            with suppress(nats.errors.NoRespondersError):
                begun = loop.time()
                nobody = await answered(book, "vpp")
        assert nobody == Followed(0, "signal_portfolio: portfolio: no storage of vpp is driven here")
        assert loop.time() - begun >= 0.4, "others were heard before, if there were any"
        monkeypatch.setattr(regulating, "_OTHERS_FIRST_S", NEVER_S)
        own = asyncio.create_task(hear_signals(client, name, follows, "vpp".__eq__, book.said.append))
        # A signal of before it has subscribed is not answered: it is sent again.
        while True:
            with suppress(TimeoutError):
                assert await answered(book, "vpp", within_s=2.0) == Followed(2)
                break
        waiting = asyncio.create_task(answered(book, "elsewhere", within_s=6.0))
        await book.until(lambda: sum("elsewhere: signal not followed" in line for line in book.said) == 2)
        assert await answered(book, "vpp") == Followed(2), "whatever is to be answered late"
        for task in (other, own, waiting):
            task.cancel()
        done, _ = await asyncio.wait((other, own), timeout=20)
        assert done == {other, own}, "what was to be answered late ends with the driver"

    asyncio.run(heard())


def test_a_plan_of_a_site_whose_meter_alone_is_read_is_others_to_give(book: DriverBook) -> None:
    """Nothing of it is missing here, nor given here in another's place."""
    with peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        grid, others = (grid_meter(running.ports[0], number) for number in ("", "2"))
        book.furnish((a,))
        book.second_site("b")
        book.plan_unit(20 * KW, S1=50 * KW, S2=60 * KW)

        async def driven() -> None:
            async with book.driving(a, grid, others) as role:
                told = (50 * KW, 110 * KW)
                await book.until(lambda: any(stands(role, "a", power_w) for power_w in told), 30)
                await asyncio.sleep(7)
                assert stands(role, "a", 50 * KW), "its own site's plan"
                assert role.fleet is not None
                assert role.fleet.turned is not None
                assert role.fleet.turned.missing_w == {"vpp": 0}
                assert [one for one in ("vpp", "S1", "S2") if role.fleet.drives(one)] == ["vpp", "S1"]

        async def read() -> None:
            async with book.driving(others) as role:
                await book.until(lambda: role.fleet is not None and role.fleet.turned is not None, 30)
                assert role.fleet is not None
                plans = role.fleet.plans
                await book.until(lambda: plans.of("S2", now()) is not None)
                await asyncio.sleep(7)
                assert not role.fleet.drives("vpp")

        asyncio.run(driven())
        said = len(book.said)
        asyncio.run(read())
    assert not [line for line in book.said if "regulation at S2" in line], book.said
    assert not [line for line in book.said[said:] if "given by nobody" in line], book.said
