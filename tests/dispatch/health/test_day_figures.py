"""A day's telemetry as a line of a device's health, and the figures of many days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from dispatch.devices.quality import Reading
from dispatch.devices.role import Role
from dispatch.health.day_figures import DayFigures
from dispatch.health.efficiency import daily_ppm, life_discharge_wh, throughput
from dispatch.health.record import (
    EnergyRead,
    HealthDay,
    HealthRecord,
    RecordCapacityTest,
    RecordHealthDay,
    WithdrawCapacityTest,
)
from dispatch.telemetry.sample import Sample
from ledger.device import Device
from ledger.effective import History, Period
from ledger.interval import Interval
from ledger.refusal import Refused

DAY = date(2026, 8, 3)
START = datetime(2026, 8, 3, tzinfo=UTC)
START_MS = int(START.timestamp()) * 1000
FAULT = 5


def sample(second: int, *, lost: str = "", quality: str = "good", **values: int) -> Sample:
    at_ms = START_MS + 1000 * second
    readings: dict[Role, Reading] = {
        role: Reading(value if quality == "good" else None, quality)  # type: ignore[arg-type, misc]
        for role, value in values.items()
    }
    return Sample(device="B1", run="r", number=second + 1, at_ms=at_ms, readings=readings, lost=lost)


def figures() -> DayFigures:
    """Of a storage of 100 kW and 200 kWh."""
    return DayFigures(
        DAY, Interval(START, START + timedelta(days=1)), 100_000, 200_000, lambda raw: raw == FAULT
    )


def day_of(*samples: Sample) -> HealthDay:
    made = figures()
    for one in samples:
        made.take(one)
        made.meter(one)
    found = made.figures()
    assert found is not None
    return found


def test_nothing_is_available_across_a_gap_in_a_fault_or_unread() -> None:
    steady = [sample(second, active_power=0) for second in range(0, 61, 5)]
    assert day_of(*steady).available_s == 60
    gap = [sample(second, active_power=0) for second in (0, 5, 10, 21, 26)]
    assert day_of(*gap).available_s == 15, "eleven seconds that nobody saw"
    lost = [sample(0, active_power=0), sample(5, lost="no answer"), sample(10, active_power=0)]
    assert day_of(*lost).available_s == 0
    bad = [sample(0, active_power=0), sample(5, active_power=0, quality="bad"), sample(10, active_power=0)]
    assert day_of(*bad).available_s == 0
    fault = [sample(second, active_power=0, state=FAULT if 10 <= second < 20 else 2) for second in range(31)]
    assert day_of(*fault).available_s == 9 + 10
    assert figures().figures() is None, "a day without samples is none"


def test_spread_is_the_middle_one_at_rest() -> None:
    def cell(second: int, power: int, spread: int) -> Sample:
        return sample(second, active_power=power, cell_voltage_max=3_300 + spread, cell_voltage_min=3_300)

    at_rest = [cell(second, 0, spread) for second, spread in enumerate((9, 10, 90))]
    assert day_of(*at_rest, cell(4, 90_000, 200)).spread_mv == 10
    assert day_of(cell(0, 90_000, 200)).spread_mv is None


def test_the_rise_is_of_full_power_however_much_it_was_used() -> None:
    """20 K at full power: 5 K at half of it, and the day's value is 20 K in both."""

    def warm(power: int, rise: int) -> list[Sample]:
        heat = {"cell_temperature_max": 25_000 + rise, "ambient_temperature": 25_000}
        return [sample(second, active_power=power, **heat) for second in range(200)]

    assert day_of(*warm(100_000, 20_000)).rise_mk == 20_000
    assert day_of(*warm(-50_000, 5_000)).rise_mk == 20_000
    assert day_of(*warm(9_000, 162)).rise_mk is None, "too little use to tell"
    assert day_of(*warm(100_000, 20_000)[:99]).rise_mk is None, "too few"
    bare = [sample(second, active_power=100_000, cell_temperature_max=45_000) for second in range(200)]
    assert day_of(*bare).rise_mk is None, "without the air's temperature there is no rise"


def test_registers_are_read_at_both_ends_with_what_was_stored_then() -> None:
    found = day_of(
        sample(0, active_power=0, soc=40_000, meter_import_wh=1_000, meter_export_wh=500),
        sample(40, active_power=0, soc=41_000),
        sample(80, active_power=0, soc=55_000, meter_import_wh=41_000, meter_export_wh=5_500),
        sample(400, active_power=0, meter_import_wh=41_500),
    )
    assert found.opened == EnergyRead(at=START, charge_wh=1_000, discharge_wh=500, stored_wh=80_000)
    assert found.closed is not None
    closed = found.closed
    assert (closed.charge_wh, closed.discharge_wh, closed.stored_wh) == (41_000, 5_500, 110_000)
    late = day_of(
        sample(0, active_power=0, soc=40_000),
        sample(121, active_power=0, meter_import_wh=1_000, meter_export_wh=500),
    )
    assert late.opened is not None
    assert late.opened.stored_wh is None, "two minutes ago is not then"


def day(number: int, *reads: tuple[int, int, int | None]) -> HealthDay:
    """A day with its first and last read: charge, discharge, stored."""
    start = START + timedelta(days=number)
    made = [
        EnergyRead(at=start, charge_wh=charge, discharge_wh=discharge, stored_wh=stored)
        for charge, discharge, stored in reads
    ]
    opened, closed = (made[0], made[-1]) if made else (None, None)
    return HealthDay(
        day=DAY + timedelta(days=number), start=start, end=start + timedelta(days=1), samples=1,
        available_s=86_400, opened=opened, closed=closed,
    )  # fmt: skip


def test_efficiency_is_corrected_for_what_stayed_in_the_storage() -> None:
    """300 kWh in, 170 kWh out, 100 kWh more held at the end: 170 of 200 passed, 85 %."""
    days = [day(0, (0, 0, 50_000), (200_000, 85_000, 60_000)), day(1, (200_000, 85_000, 60_000),
            (300_000, 170_000, 150_000))]  # fmt: skip
    used = throughput(days)
    assert used is not None
    assert used.efficiency.exact == 85
    unknown = throughput([day(0, (0, 0, None), (200_000, 150_000, 60_000))])
    assert unknown is not None
    assert unknown.efficiency.exact == 75
    assert "not measured" in unknown.efficiency.note
    assert throughput([day(0)]) is None
    assert throughput([*days, day(2, (10, 10, 0), (20, 20, 0))]) is None, "another meter"
    assert daily_ppm(days[0], 100_000) == 85_000 * 1_000_000 // 190_000
    assert daily_ppm(days[0], 200_000) is None, "less than half a cycle"
    assert daily_ppm(day(0, (0, 0, None), (200_000, 150_000, 60_000)), 100_000) is None


def test_energy_over_a_replaced_meter_is_that_of_both() -> None:
    days = [day(0, (0, 500, 0), (9, 900, 0)), day(1, (9, 950, 0), (9, 1_000, 0)), day(2),
            day(3, (0, 20, 0), (0, 120, 0))]  # fmt: skip
    assert life_discharge_wh(days) == 400 + 50 + 50 + 100


OTHERS = {"device.B1": History[Device]().with_version(Period(START), Device("B1", "S1", "battery", 1, 100))}
NOW = START + timedelta(days=10)


def test_days_are_recorded_in_order_and_once() -> None:
    (event,) = RecordHealthDay("B1", day(3)).decide_at(NOW, None, OTHERS)
    state = event.apply(None)
    for number in (3, 2):
        with pytest.raises(Refused, match="later day") as refused:
            RecordHealthDay("B1", day(number)).decide_at(NOW, state, OTHERS)
        assert refused.value.code == "health_day"
    with pytest.raises(Refused, match="not over"):
        RecordHealthDay("B1", day(10)).decide_at(NOW, state, OTHERS)
    with pytest.raises(Refused, match="B2"):
        RecordHealthDay("B2", day(4)).decide_at(NOW, None, {})
    (later,) = RecordHealthDay("B1", day(5)).decide_at(NOW, state, OTHERS)
    assert [one.day.day for one in later.apply(state).days] == [6, 8]


def test_a_capacity_test_has_energy_an_instant_and_evidence() -> None:
    def test(state: HealthRecord | None = None, **given: object) -> HealthRecord:
        fields: dict[str, object] = {"usable_wh": 90, "tested_at": START, "by": "ada", "evidence": "report 7"}
        command = RecordCapacityTest("B1", **(fields | given))  # type: ignore[arg-type]
        (event,) = command.decide_at(NOW, state, OTHERS)
        return event.apply(state)

    state = test()
    assert [one.usable_wh for one in test(state, tested_at=NOW, usable_wh=80).tests] == [90, 80]
    for given, code in (
        ({"usable_wh": 0}, "capacity_test"),
        ({"tested_at": NOW, "usable_wh": 131}, "capacity_test"),
        ({"tested_at": NOW + timedelta(seconds=1)}, "time_ahead"),
        ({"tested_at": START}, "capacity_test"),
        ({"tested_at": datetime(2026, 8, 4)}, "naive_time"),
        ({"tested_at": NOW, "evidence": " "}, "evidence"),
    ):
        with pytest.raises(Refused) as refused:
            test(state, **given)  # type: ignore[arg-type]
        assert refused.value.code == code


def test_a_test_beyond_the_nameplate_names_what_is_allowed() -> None:
    """130 of 100 Wh is taken: cells are sold with a reserve."""
    fields: dict[str, Any] = {"tested_at": START, "by": "ada", "evidence": "report 7"}
    RecordCapacityTest("B1", usable_wh=130, **fields).decide_at(NOW, None, OTHERS)
    with pytest.raises(Refused, match="nameplate is 100 Wh: at most 130 % of that, 130 Wh"):
        RecordCapacityTest("B1", usable_wh=50_000_000_000, **fields).decide_at(NOW, None, OTHERS)
    since = Period(NOW - timedelta(days=1))
    larger = OTHERS["device.B1"].with_version(since, Device("B1", "S1", "battery", 1, 200))
    others = {"device.B1": larger}
    RecordCapacityTest("B1", usable_wh=260, **fields | {"tested_at": NOW}).decide_at(NOW, None, others)
    with pytest.raises(Refused, match="nameplate is 100 Wh"):
        RecordCapacityTest("B1", usable_wh=260, **fields).decide_at(NOW, None, others)


def test_a_withdrawn_test_does_not_count_and_stays_on_record() -> None:
    def test(usable_wh: int, at: datetime, state: HealthRecord | None) -> HealthRecord:
        command = RecordCapacityTest("B1", usable_wh=usable_wh, tested_at=at, by="ada", evidence="report 7")
        (event,) = command.decide_at(NOW, state, OTHERS)
        return event.apply(state)

    def withdraw(at: datetime, state: HealthRecord | None, reason: str = "another device") -> HealthRecord:
        command = WithdrawCapacityTest("B1", tested_at=at, by="bob", reason=reason)
        (event,) = command.decide(state, OTHERS)
        assert (event.withdrawn_for, event.withdrawn_by, event.test.by) == ("another device", "bob", "ada")
        return event.apply(state)

    later = START + timedelta(hours=1)
    state = test(95, later, test(90, START, None))
    left = withdraw(later, state)
    assert [one.usable_wh for one in left.tests] == [90]
    assert [one.usable_wh for one in left.withdrawn] == [95]
    again = test(85, later, left)
    assert [one.usable_wh for one in again.tests] == [90, 85]
    kept = withdraw(START, again)
    assert [one.usable_wh for one in kept.tests] == [85]
    for at, held, code in (
        (NOW, state, "unknown_test"),
        (START, None, "unknown_test"),
        (later, left, "already_withdrawn"),
    ):
        with pytest.raises(Refused) as refused:
            withdraw(at, held)
        assert refused.value.code == code
    with pytest.raises(Refused, match="why"):
        withdraw(START, state, " ")
