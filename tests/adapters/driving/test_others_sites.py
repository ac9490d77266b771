"""What is another driver's to give and to answer: plans of sites and signals of portfolios without a storage
here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import nats.errors
import numpy as np
import pytest

from adapters.driving import regulating
from adapters.driving.regulating import AgcSignal, Followed, hear_signals, signal_subject
from adapters.front_door import Wish
from dispatch.plan_check import PlannedSite
from dispatch.planning.plan_record import PlanHead, commands_of
from dispatch.planning.storage_terms import StateStorage
from ledger.device import Device, RegisterDevice
from ledger.meter import Meter, RegisterMeter
from ledger.refusal import Refused
from ledger.trading_unit import Member, RegisterTradingUnit, TradingUnit
from tests.adapters import sample
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.conftest import Bench
from tests.adapters.driving.driver_book import (
    KW,
    SINCE,
    TERMS,
    DriverBook,
    driver_book,
    grid_meter,
    now,
    storage,
)  # fmt: skip
from tests.adapters.driving.test_fleet import stands
from tests.ledger.test_unit_allocation import RESPONSE

METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))
NEVER_S = 10_000.0


@pytest.fixture
def book(bench: Bench, tmp_path: Path) -> Iterator[DriverBook]:
    with driver_book(bench, tmp_path) as made:
        yield made


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


def plan(book: DriverBook, **setpoint_w: int) -> None:
    """Of the unit, two quarter-hours from the one that it is now on; each site offers 20 kW of regulation."""
    start = datetime.fromtimestamp(int(now().timestamp()) // 900 * 900, UTC)
    head = PlanHead(
        portfolio="vpp", day=(start + timedelta(hours=8)).date(), start=start, interval_s=900, count=2,
        trigger="asked", inputs="1", basis="hold", reason="", objective="cost", objective_micro=None,
        bound_micro=None, gap_ppm=None, solver_ms=0,
    )  # fmt: skip
    none, one = np.zeros(2, dtype=np.int64), np.ones(2, dtype=np.int64)
    parts = tuple(
        PlannedSite(
            id=site, setpoint_w=one * power_w, stored_wh=one, curtailed_w=none, spot_w=none,
            regulation_w=one * 20 * KW, response_w=none[:0],
        )
        for site, power_w in setpoint_w.items()
    )  # fmt: skip
    wishes = [Wish(each, f"plan-{n}") for n, each in enumerate(commands_of(head, 1, parts))]
    book.stack.door.execute_all(wishes, actor="planner")


def test_a_plan_of_a_site_whose_meter_alone_is_read_is_others_to_give(book: DriverBook) -> None:
    """Nothing of it is missing here, nor given here in another's place."""
    with peer("bess_swapped", *METER) as running:
        a, grid = storage("a", running.ports[0]), grid_meter(running.ports[0])
        others = msgspec.structs.replace(grid, id="G2", meter="GRID2")
        book.furnish((a,))
        meter = Meter("GRID2", "S2", "grid", ("import", "export"), 900, 2_000 * KW, "Asia/Shanghai")
        unit = TradingUnit(
            id="vpp", name="VPP", market="shandong", unit_code="C", operator="operator", zone="Asia/Shanghai",
            members=tuple(Member(site=site, capability_w=250 * KW) for site in ("S1", "S2")),
            terms=(RESPONSE,), rounding_max="1",
        )  # fmt: skip
        for command in (
            sample.register_site("S2"),
            StateStorage("S2", SINCE, TERMS),
            RegisterDevice(SINCE, Device("b", "S2", "battery", 250 * KW, 500 * KW)),
            RegisterMeter(SINCE, meter),
            RegisterTradingUnit(SINCE, unit),
        ):
            book.do(command)
        plan(book, S1=50 * KW, S2=60 * KW)

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
