"""A regulation signal followed on real storages within the band on record, and measured to the watt."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

import adapters.driving.role as role_module
import tests.adapters.driving.driver_book as driver_book_module
from adapters.awaited_door import AwaitedDoor
from adapters.driving.device_state import millis
from adapters.driving.regulating import AgcSignal, Followed, RegulationTrace, measured, signal_subject
from adapters.driving.role import DrivingRole
from adapters.driving.watched_door import WatchedDoor
from dispatch.control.regulation_measure import OWN_RUN, Instruction, Samples
from ledger.market_fact import PublishMarketRule
from ledger.market_rule_file import parse
from ledger.refusal import Refused
from ledger.streams.regulation import AgcInstructions, RegulationPerformance, RegulationRule
from tests.adapters import sample
from tests.adapters.bess_peer.running_peer import EXAMPLES, peer
from tests.adapters.conftest import Bench
from tests.adapters.driving.driver_book import KW, SINCE, DriverBook, driver_book, grid_meter, now, storage
from tests.adapters.http.conftest import Api, problem

METER = ("--meter", str(EXAMPLES / "meter_import_export.toml"))
RULE = "hunan-regulation-2025"
HOUR = datetime(2026, 8, 3, 12, tzinfo=UTC)


def hunan() -> RegulationRule:
    file = Path(__file__).parents[3] / "examples/market_rules/regulation_hunan.toml"
    rule = parse(file.read_bytes())
    assert isinstance(rule, RegulationRule)
    return rule


def signal(ppm: int, at: datetime, **given: Any) -> AgcSignal:
    fields = {"portfolio": "S1", "rule": RULE, "product": "regulation", **given}
    return AgcSignal(signal_ppm=ppm, at=at, **fields)


async def send(book: DriverBook, ppm: int) -> None:
    body = msgspec.json.encode(signal(ppm, now()))
    subject = signal_subject(book.bench.book, "S1")
    await asyncio.to_thread(book.stack.client.run, book.stack.client.publish(subject, body))


def test_a_signal_is_followed_within_the_band_without_another_intent(book: DriverBook) -> None:
    with peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))
        book.do(PublishMarketRule(SINCE, hunan()))
        book.plan(50 * KW, 50 * KW, regulation_w=(40 * KW, 40 * KW))

        def told(role: DrivingRole) -> int | None:
            standing = role.fleet.storages["a"].executor.standing if role.fleet else None
            return standing.target_w if standing is not None and standing.confirmed else None

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0])) as role:
                await book.until(lambda: told(role) == 50 * KW)
                assert role.fleet is not None
                before = role.fleet.storages["a"].executor.standing
                assert before is not None
                assert (before.setpoint.band_w, before.setpoint.origin) == (40 * KW, "regulation")
                for ppm, power_w in ((500_000, 70 * KW), (-1_000_000, 10 * KW)):
                    await send(book, ppm)
                    took = await book.until(lambda power_w=power_w: told(role) == power_w)  # type: ignore[misc]
                    assert took < 2.0
                    assert running.truth()["setpoint_w"] == power_w
                after = role.fleet.storages["a"].executor.standing
                assert after is not None
                assert after.sequence == before.sequence, "its intent covers the band"
                await asyncio.to_thread(
                    book.stack.client.run,
                    book.stack.client.publish(signal_subject(book.bench.book, "S1"), b"{}"),
                )
                await book.until(lambda: any("no signal" in line for line in book.said))
                assert told(role) == 10 * KW

        asyncio.run(driven())


def test_what_may_not_be_raised_does_not_go_on_against_the_signal(book: DriverBook) -> None:
    """Its clock is an hour behind: what asks it to charge is forbidden, and it stops discharging."""
    with peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))
        book.do(PublishMarketRule(SINCE, hunan()))
        book.plan(10 * KW, 10 * KW, regulation_w=(40 * KW, 40 * KW))

        def told(role: DrivingRole) -> int | None:
            standing = role.fleet.storages["a"].executor.standing if role.fleet else None
            return standing.target_w if standing is not None and standing.confirmed else None

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0])) as role:
                await book.until(lambda: told(role) == 10 * KW)
                await send(book, 1_000_000)
                await book.until(lambda: told(role) == 50 * KW)
                running.fault("clock", seconds=-3600)
                assert role.fleet is not None
                one = role.fleet.storages["a"].executor
                await book.until(lambda: abs(one.snapshot.clock_ms or 0) > 3_000_000)
                await send(book, -1_000_000)
                assert await book.until(lambda: running.truth()["setpoint_w"] == 0) < 4.0
                await send(book, 1_000_000)
                await asyncio.sleep(2)
                assert running.truth()["setpoint_w"] == 0

        asyncio.run(driven())


def test_why_a_signal_is_not_followed_is_answered_and_said_once(
    book: DriverBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    with peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))
        book.do(PublishMarketRule(SINCE, hunan()))
        book.plan(50 * KW, 50 * KW)

        async def answered(given: AgcSignal) -> tuple[int, str]:
            subject = signal_subject(book.bench.book, given.portfolio)
            asked = book.stack.client.request(subject, msgspec.json.encode(given), timeout=5.0)
            answer = await asyncio.to_thread(book.stack.client.run, asked)
            found = msgspec.json.decode(answer.data, type=Followed)
            return found.devices, found.why.partition(":")[0]

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0])) as role:

                def stands(band_w: int) -> bool:
                    standing = role.fleet.storages["a"].executor.standing if role.fleet else None
                    return standing is not None and standing.confirmed and standing.setpoint.band_w == band_w

                await book.until(lambda: stands(0))
                assert role.fleet is not None
                before = now() - timedelta(seconds=1)
                assert await answered(signal(0, before)) == (0, "signal_no_band")
                assert await answered(signal(0, before)) == (0, "signal_repeated")
                assert await answered(signal(0, now() - timedelta(minutes=1))) == (0, "signal_old")
                assert await answered(signal(0, now() + timedelta(minutes=1))) == (0, "signal_ahead")
                assert await answered(signal(0, now(), rule="agc")) == (0, "unknown_market_rule")
                assert await answered(signal(0, now(), product="reserve")) == (0, "unknown_product")
                assert await answered(signal(0, now(), portfolio="S9")) == (0, "signal_portfolio")
                for _ in range(2):
                    assert await answered(signal(0, now())) == (0, "signal_no_band")
                assert not role.fleet.regulation.traces, "nothing was sold"
                said = [line for line in book.said if "signal not followed (signal_no_band)" in line]
                assert len(said) == 2, "once, and again after another reason"
                assert "no plan of S1 that is in force offers regulation" in said[0]
                book.plan(50 * KW, 50 * KW, regulation_w=(40 * KW, 40 * KW))
                await book.until(lambda: stands(40 * KW))
                assert await answered(signal(0, now())) == (1, "")
                assert role.fleet is not None
                role.fleet.storages["a"].still.why = "it stays"
                with pytest.raises(Refused, match="a: it stays") as refused:
                    role.fleet.regulation.follow(signal(0, now()))
                assert refused.value.code == "signal_unable"
                monkeypatch.setattr(role.fleet.plans, "portfolio", lambda _: "unit")
                with pytest.raises(Refused, match="S1 is planned as part of unit: signal that") as refused:
                    role.fleet.regulation.follow(signal(0, now()))
                assert refused.value.code == "signal_portfolio"

        asyncio.run(driven())


@pytest.mark.parametrize(("soc", "cause"), [(95_000, "it stores 95 %, its ceiling is"), (0, "its floor is")])
def test_what_was_sold_is_on_record_as_asked_where_nobody_can_follow(
    book: DriverBook, soc: int, cause: str
) -> None:
    """A storage at the end of its range has no band on both sides: the signal was given nonetheless."""
    with peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))
        book.do(PublishMarketRule(SINCE, hunan()))
        book.plan(0, 0, regulation_w=(30 * KW, 30 * KW))

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0])) as role:
                await book.until(lambda: any("given by nobody: a: " in line for line in book.said))
                said = [
                    line
                    for line in book.said
                    if line.startswith("regulation at S1: 30000 W of the 30000 W band")
                ]
                assert len(said) == 1, book.said
                assert cause in said[0]
                assert role.fleet is not None
                begun = now()
                with pytest.raises(Refused, match=cause) as refused:
                    role.fleet.regulation.follow(signal(-500_000, begun))
                assert refused.value.code == "signal_unable"
                start = millis(begun) - millis(begun) % 3_600_000
                instructions, _ = role.fleet.regulation.traces["S1"].hour(RULE, "regulation", start)
                assert [one.target_w for one in instructions] == [-15 * KW]
                one, trace = role.fleet.storages["a"].executor, role.fleet.regulation.traces["S1"]
                await trace.tell(one.door, start + 3_604_000, book.said.append)
                assert "is not on record (telemetry_gap)" in one.alarms["hour_unrecorded"], "an alarm"

        running.ask(do="put", storage=0, soc=soc)
        asyncio.run(driven())


def test_a_band_that_is_less_than_what_was_sold_is_said_and_measured_against_what_was_sold(
    book: DriverBook,
) -> None:
    with peer("bess_swapped", *METER) as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))
        book.do(PublishMarketRule(SINCE, hunan()))
        book.plan(245 * KW, 245 * KW, regulation_w=(30 * KW, 30 * KW))

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0])) as role:

                def standing() -> int | None:
                    found = role.fleet.storages["a"].executor.standing if role.fleet else None
                    return None if found is None or not found.confirmed else found.setpoint.band_w

                await book.until(lambda: standing() == 5 * KW)
                await book.until(lambda: any("25000 W of the 30000 W band" in line for line in book.said))
                assert any("245000 W leaves room for 5000 W" in line for line in book.said), book.said
                assert role.fleet is not None
                regulation, begun = role.fleet.regulation, now()
                little = regulation.follow(signal(100_000, begun))
                assert little == Followed(1), "3 kW of 30 are within the 5 that there are"
                much = regulation.follow(signal(1_000_000, begun + timedelta(milliseconds=1)))
                assert much.devices == 1
                assert much.why.startswith("signal_short: 25000 W of the 30000 W asked for"), much
                start = millis(begun) - millis(begun) % 3_600_000
                instructions, _ = regulation.traces["S1"].hour(RULE, "regulation", start)
                assert instructions[-1].target_w == 275 * KW, "what was sold"

        asyncio.run(driven())


@pytest.mark.fault
def test_a_device_that_acknowledges_the_signal_and_does_nothing_leaves_the_band_to_others(
    book: DriverBook,
) -> None:
    with peer("bess_swapped", *METER, "--count", "2") as running:
        a, b = (storage(name, port) for name, port in zip("ab", running.ports, strict=True))
        book.furnish((a, b))
        book.do(PublishMarketRule(SINCE, hunan()))
        book.plan(60 * KW, 60 * KW, regulation_w=(80 * KW, 80 * KW))

        async def driven() -> None:
            async with book.driving(a, b, grid_meter(running.ports[0])) as role:

                def bands() -> tuple[int, ...]:
                    found = [] if role.fleet is None else [*role.fleet.storages.values()]
                    standing = [one.executor.standing for one in found]
                    return tuple(one.setpoint.band_w for one in standing if one is not None and one.confirmed)

                async def signals() -> None:
                    while True:
                        await send(book, 500_000)
                        await asyncio.sleep(4)

                await book.until(lambda: bands() == (40 * KW, 40 * KW))
                await book.until(lambda: running.truth(0)["power_w"] == 30 * KW)
                running.fault("acknowledge_only")
                sending = asyncio.create_task(signals())
                try:
                    await book.until(lambda: bands() == (0, 80 * KW), 60)
                    await book.until(lambda: running.truth(1)["power_w"] == 70 * KW)
                    assert running.truth(0)["power_w"] <= 30 * KW, "its watchdog has ended it, or not yet"
                    await book.until(
                        lambda: any("a: alarm meter_disagrees" in line for line in book.said), 60
                    )
                finally:
                    sending.cancel()
                assert not any("b: alarm" in line for line in book.said)
                assert role.fleet is not None
                why = role.fleet.storages["a"].still.why
                assert re.match(r"it stayed at \d+ W while a signal asked for", why), "less: its watchdog"

        asyncio.run(driven())


@pytest.mark.fault
def test_an_hour_is_on_record_and_signals_come_by_http(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of the test begins 28 s before an hour ends, and is set once by less than a driver minds; the
    storage has no clock of its own."""
    begun = datetime.now(UTC)
    turned = [begun.replace(minute=59, second=32, microsecond=0) - begun]
    monkeypatch.setattr(driver_book_module, "now", lambda: datetime.now(UTC) + turned[0])
    monkeypatch.setattr(role_module, "_MEASURED_S", 0.5)
    hour = begun.replace(minute=0, second=0, microsecond=0)
    end = hour + timedelta(hours=1)
    with driver_book(bench, tmp_path) as book, peer("bess_single", *METER) as running:
        a = storage("a", running.ports[0], "bess_single")
        book.furnish((a,))
        book.do(PublishMarketRule(SINCE, hunan()))
        book.plan(*(25 * KW,) * 4, regulation_w=(20 * KW,) * 4)
        api = Api(bench)
        clock = driver_book_module.now

        def send(ppm: int, **given: Any) -> httpx.Response:
            bench.now = clock() - timedelta(seconds=1)
            told = {"portfolio": "S1", "rule": "hunan-regulation-2025", "product": "regulation"}
            at = f"{clock():%Y-%m-%dT%H:%M:%S.%fZ}"
            return api.post("/v1/regulation-signals", told | {"signal_ppm": ppm, "at": at} | given, "gateway")

        def stands(role: DrivingRole, power_w: int) -> bool:
            standing = role.fleet.storages["a"].executor.standing if role.fleet else None
            return standing is not None and standing.confirmed and standing.target_w == power_w

        async def driven() -> None:
            async with book.driving(a, grid_meter(running.ports[0])) as role:
                await book.until(lambda: stands(role, 25 * KW) and running.truth()["power_w"] == 25 * KW)
                await asyncio.sleep(2)
                answer = await asyncio.to_thread(send, 500_000)
                assert (answer.status_code, answer.json()) == (
                    200,
                    {"heard": True, "devices": 1, "why": ""},
                ), answer.text
                await book.until(lambda: stands(role, 35 * KW))
                await asyncio.sleep(3)
                assert (await asyncio.to_thread(send, -500_000)).json()["devices"] == 1
                await book.until(lambda: stands(role, 15 * KW))
                old = f"{clock() - timedelta(seconds=13):%Y-%m-%dT%H:%M:%SZ}"
                problem(await asyncio.to_thread(partial(send, 0, at=old)), 422, "signal_old", "at")
                ahead = f"{clock() + timedelta(seconds=60):%Y-%m-%dT%H:%M:%SZ}"
                problem(await asyncio.to_thread(partial(send, 0, at=ahead)), 422, "signal_ahead", "at")
                problem(await asyncio.to_thread(send, 1_000_001), 422, "signal", "signal_ppm")
                wrong = await asyncio.to_thread(partial(send, 0, rule="agc"))
                problem(wrong, 422, "unknown_market_rule", "rule")
                wrong = await asyncio.to_thread(partial(send, 0, product="reserve"))
                problem(wrong, 422, "unknown_product", "product")
                turned[0] += max(end - timedelta(seconds=1) - clock(), timedelta())
                await book.until(lambda: any("measured as" in line for line in book.said))
                few = "a: writes: its profile allows 20000 writes a day, a signal each 4 s needs 21600"
                assert book.said.count(few) == 1

        try:
            assert send(0).json() == {"heard": False, "devices": 0, "why": ""}
            asyncio.run(driven())
            fact = bench.door.state(f"market_fact.agc-S1-regulation-{hour:%Y%m%dT%H}")
        finally:
            api.close()
    assert isinstance(fact, AgcInstructions)
    assert fact.run == OWN_RUN
    assert len(fact.mileage_w) <= 1, "the second one's telemetry has a gap"
    assert all(0 < one <= 10 * KW for one in fact.mileage_w), "25 to 35 kW, from its first sample on"


def test_an_hour_is_measured_once_over_and_forgotten() -> None:
    trace, start = RegulationTrace("S1", 250 * KW, lambda _: None), millis(HOUR)
    for second in range(0, 40, 4):
        trace.asked(signal(400_000, HOUR), 100 * KW, millis(HOUR + timedelta(seconds=second)))
    trace.asked(signal(0, HOUR), 0, start + 40_000)
    trace.asked(signal(0, HOUR), 60 * KW, start + 3_600_000)
    for second in range(3600):
        ramp = min(50 * KW * second, 100 * KW) if second < 40 else 0
        trace.sampled(start + second * 1000, ramp)
    assert trace.over(start + 3_600_000) == [], "the last samples may be on their way"
    assert trace.over(start + 3_604_000) == [(RULE, "regulation", start)]
    instructions, samples = trace.hour(RULE, "regulation", start)
    assert instructions == [Instruction(0, 40_000, 100 * KW), Instruction(40_000, 3_600_000, 0)]
    fact = measured(hunan(), "regulation", "S1", start, instructions, samples, 250 * KW)
    assert isinstance(fact, AgcInstructions)
    assert (fact.run, fact.mileage_w) == (OWN_RUN, (100 * KW,))
    assert fact.started_s == (0,), "by the second the power was there already: nothing to measure"
    trace.forget(RULE, "regulation", start)
    assert trace.over(start + 2 * 3_604_000) == [(RULE, "regulation", start + 3_600_000)], (
        "the next hour's is left"
    )


def test_nothing_is_measured_over_a_gap() -> None:
    at = np.array([0, 1000, 20_000, 21_000], dtype=np.int64)
    samples = Samples(at, np.array([0, 50 * KW, 100 * KW, 100 * KW], dtype=np.int64))
    with pytest.raises(Refused) as refused:
        measured(
            hunan(), "regulation", "S1", millis(HOUR), [Instruction(0, 22_000, 100 * KW)], samples, 250 * KW
        )
    assert refused.value.code == "telemetry_gap"


def test_an_hour_with_a_gap_is_measured_in_part_and_one_without_telemetry_is_an_alarm(bench: Bench) -> None:
    file = Path(__file__).parents[3] / "examples/market_rules/regulation_pjm.toml"
    pjm = parse(file.read_bytes())
    assert isinstance(pjm, RegulationRule)
    commands: tuple[Any, ...] = (
        sample.found_book(),
        sample.register_party(),
        sample.register_site(),
        PublishMarketRule(SINCE, pjm),
    )
    for number, command in enumerate(commands):
        bench.door.execute(command, command_id=f"c{number}", actor="anna")
    alarms, said = list[str](), list[str]()
    trace, start = RegulationTrace("S1", 250 * KW, alarms.append), millis(HOUR)
    for minute in range(120):
        power_w = 100 * KW if minute % 2 else -100 * KW
        trace.asked(signal(0, HOUR, rule=pjm.id), power_w, start + minute * 60_000)
    for second in range(3600, 7200):
        if not 4210 <= second < 4240:
            trace.sampled(start + second * 1000, 100 * KW if second // 60 % 2 else -100 * KW)

    async def told() -> None:
        door = WatchedDoor(AwaitedDoor(bench.door), "driver")
        await trace.tell(door, start + 2 * 3_604_000, said.append)
        await door.close()

    asyncio.run(told())
    assert [("telemetry_gap" in one) for one in alarms] == [True, False], alarms
    assert said[0].startswith("regulation at S1, 2026-08-03T12:00Z: refused (telemetry_gap)")
    assert "59 of 60 instructions, 98 % of their time, measured as agc-S1-regulation-20260803T13" in said[1]
    fact = bench.door.state("market_fact.agc-S1-regulation-20260803T13")
    assert isinstance(fact, RegulationPerformance)
    assert (fact.instructions, fact.score) == ((59,), (10_000,))


def test_a_signal_beyond_its_range_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        signal(1_000_001, HOUR)
    assert (refused.value.code, refused.value.place) == ("signal", "signal_ppm")
