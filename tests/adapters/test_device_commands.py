"""Leases, setpoints, emergencies and fallbacks through the front door of a real book, and in its story."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from adapters.front_door import Receipt
from adapters.queries.story.sentence import sentence
from dispatch.control.command_life import DeviceDay, SetpointRefused, command_aggregate
from dispatch.control.command_records import RecordReadBack, RecordSeen, RecordWritten, RecordWrittenFirst
from dispatch.control.command_steps import IntendSetpoint, LeaseSetpoint, RefuseSetpoint, SettleCommands
from dispatch.control.emergency import EmergencyOrder, EndEmergency, OrderEmergency, Scope
from dispatch.control.fallback import AcknowledgeFallback, FallbackSchedule, StoreFallback
from dispatch.control.lease import TakeLease, first_token
from dispatch.control.regulation_measure import Instruction, Samples, Subject, instructions_fact
from dispatch.control.setpoint import Setpoint, reaction_id, step_id
from ledger.device import Device, RegisterDevice
from ledger.effective import Period
from ledger.interval import Interval
from ledger.market_fact import PublishMarketRule, RecordMarketFact
from ledger.market_rule_file import parse
from ledger.refusal import Refused
from ledger.streams.regulation import RegulationRule
from tests.adapters import sample
from tests.adapters.conftest import Bench

NOON = datetime(2026, 8, 3, 12, tzinfo=UTC)
DAY = NOON.date()
KW = 1000


@pytest.fixture
def floor(bench: Bench) -> Bench:
    """Two batteries at a site with its storage's meter, at noon."""
    since = Period(datetime(2026, 1, 1, tzinfo=UTC))
    bench.now = NOON
    commands: list[Any] = [sample.found_book(), sample.register_party(), sample.register_site()]
    commands += [RegisterDevice(since, Device(name, "S1", "battery", 250 * KW, 500 * KW)) for name in "ab"]
    commands.append(sample.register_meter())
    for number, command in enumerate(commands):
        bench.door.execute(command, command_id=f"furnish-{number}", actor="anna")
    bench.now = NOON
    return bench


def setpoint(power_w: int, origin: Any = "plan") -> Setpoint:
    return Setpoint(
        setpoint_w=power_w, expires_at=NOON + timedelta(minutes=15), origin=origin, cause="plan 1"
    )


def do(bench: Bench, command: Any, command_id: str) -> Receipt:
    return bench.door.execute(command, command_id=command_id, actor="driver")


def code_of(bench: Bench, command: Any, command_id: str) -> str:
    with pytest.raises(Refused) as refused:
        do(bench, command, command_id)
    return refused.value.code


def step(sequence: int, name: str) -> str:
    return step_id("a", DAY.isoformat(), sequence, name)


def test_a_setpoint_from_intent_to_settlement_each_step_told_twice(floor: Bench) -> None:
    steps: list[tuple[Any, str]] = [
        (TakeLease("a", "driver-1", DAY, 600, 500), "take-1"),
        (IntendSetpoint("a", DAY, setpoint(200 * KW), "planner"), reaction_id("follow-plan", 17, "a")),
        (LeaseSetpoint("a", DAY, 1, "driver-1", first_token(DAY)), step(1, "leased")),
        (
            RecordWritten("a", DAY, 1, first_token(DAY), 0, NOON + timedelta(seconds=3), "no answer"),
            step(1, "written"),
        ),
        (RecordReadBack("a", DAY, 1, 200 * KW, NOON + timedelta(seconds=4)), step(1, "read")),
        (RecordSeen("a", DAY, 1, "M1", 199 * KW, NOON + timedelta(seconds=6), 5 * KW), step(1, "seen")),
        (SettleCommands("a", DAY, "C_2026-08_1", (1,)), "settle-a"),
    ]
    for command, name in steps:
        first, again = do(floor, command, name), do(floor, command, name)
        assert (again.version, again.sequence, again.repeated) == (first.version, first.sequence, True)
    state = floor.door.state(command_aggregate("a", DAY))
    assert isinstance(state, DeviceDay)
    assert (state.commands[1].status, state.standing_w) == ("settled", 200 * KW)
    floor.project()


def test_one_of_many_takes_the_lease_and_the_loser_writes_nothing(floor: Bench) -> None:
    def take(holder: str) -> str:
        try:
            do(floor, TakeLease("a", holder, DAY, 600, 500), f"take-{holder}")
        except Refused as refused:
            return refused.code
        return "taken"

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(take, [f"driver-{n}" for n in range(8)]))
    assert outcomes == ["lease_held"] * 7 + ["taken"]


def test_an_emergency_stop_holds_for_what_was_intended_before_it(floor: Bench) -> None:
    do(floor, TakeLease("a", "driver-1", DAY, 600, 500), "take")
    do(floor, IntendSetpoint("a", DAY, setpoint(200 * KW), "planner"), "intend-a")
    do(floor, OrderEmergency(EmergencyOrder(kind="stop_all", scope=Scope("book")), "anna", "smoke"), "stop")
    assert (
        code_of(floor, LeaseSetpoint("a", DAY, 1, "driver-1", first_token(DAY)), "lease-1")
        == "emergency_stop"
    )
    assert code_of(floor, IntendSetpoint("b", DAY, setpoint(1), "planner"), "intend-b") == "emergency_stop"
    stopped = NOON + timedelta(seconds=1)
    told = RecordWrittenFirst("a", DAY, setpoint(0, "emergency"), "j-1", 200 * KW, stopped, "driver-1")
    do(floor, told, "journal-driver-1-j-1")
    state = floor.door.state(command_aggregate("a", DAY))
    assert isinstance(state, DeviceDay)
    assert (state.commands[1].status, state.commands[2].written_at) == ("superseded", stopped)
    assert code_of(floor, EndEmergency(1, "anna", "over"), "end-1") == "four_eyes"
    do(floor, EndEmergency(1, "bert", "over"), "end-2")
    do(floor, IntendSetpoint("b", DAY, setpoint(1), "planner"), "intend-b2")


def test_fallbacks_and_refused_setpoints_are_on_record_and_told(floor: Bench) -> None:
    night = FallbackSchedule(device="a", start=NOON, interval_s=900, setpoint_w=(-100 * KW, 0))
    do(floor, StoreFallback(night, "anna"), "store")
    assert code_of(floor, AcknowledgeFallback("a", "0" * 64), "ack-0") == "fallback_digest"
    do(floor, AcknowledgeFallback("a", night.digest), "ack")
    do(floor, IntendSetpoint("a", DAY, setpoint(9), "planner"), "intend")
    do(floor, RefuseSetpoint("a", DAY, 1, ("soc_low", "telemetry_stale")), "refuse")
    floor.project()
    state = floor.door.state(command_aggregate("a", DAY))
    assert isinstance(state, DeviceDay)
    event = SetpointRefused(1, state.commands[1].interlocks, NOON)
    assert sentence(event, "command.a_2026-08-03", 2, "en") == (
        "Command 1 of a_2026-08-03 was not written at 2026-08-03T12:00Z: telemetry stale, soc low."
    )
    assert "遥测过旧、荷电状态过低" in sentence(event, "command.a_2026-08-03", 2, "zh")


def test_what_we_measured_stands_until_the_market_tells_its_own(floor: Bench) -> None:
    file = Path(__file__).parents[2] / "examples/market_rules/regulation_hunan.toml"
    rule = parse(file.read_bytes())
    assert isinstance(rule, RegulationRule)
    hour = Interval(NOON, NOON + timedelta(hours=1))
    whose = Subject("agc-S1-12", rule.id, "S1", rule.products[0], hour)
    power = np.array([0, 0, 50 * KW, *([100 * KW] * 17)], dtype=np.int64)
    samples = Samples(np.arange(20, dtype=np.int64) * 1000, power)
    fact = instructions_fact(whose, rule, [Instruction(0, 20_000, 100 * KW)], samples, 250 * KW)
    do(floor, PublishMarketRule(sample.FROM_2026, rule), "rule")
    do(floor, RecordMarketFact(fact), "measured")
    other = msgspec.structs.replace(fact, mileage_w=(99 * KW,))
    assert code_of(floor, RecordMarketFact(other), "measured-again") == "correction"
    told = msgspec.structs.replace(other, run="market-1")
    do(floor, RecordMarketFact(told), "told")
    assert floor.door.state("market_fact.agc-S1-12") == told
