"""One alarm for what is so once, however often it is found, and none for what is not known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.devices.quality import Reading
from dispatch.devices.role import Role
from dispatch.health.alarm import Alarm
from dispatch.health.alarm_watch import AlarmRule, AlarmWatch, Finding
from dispatch.health.cells import cell_limits
from dispatch.health.device_findings import Seen, cell_states, device_findings
from dispatch.telemetry.sample import Sample
from tests.adapters.sample import AUGUST

RULES = {"cell_temperature_high": AlarmRule("critical", 3, 5)}


def at(second: int) -> datetime:
    return AUGUST + timedelta(seconds=second)


def told(holds: Sequence[bool | None], watch: AlarmWatch | None = None) -> list[tuple[int, str, datetime]]:
    """Second by second: what was told, and since when it is so."""
    watch = watch or AlarmWatch(rules=RULES)  # type: ignore[arg-type]
    found = []
    for second, one in enumerate(holds):
        steps = watch.turn([Finding("cell_temperature_high", one, "56 °C")], at(second))
        found += [(second, type(step).__name__, step.since) for step in steps]
    return found


def test_what_lasts_is_raised_once_since_it_began_and_cleared_once() -> None:
    assert told([False] * 2 + [True] * 20 + [False] * 20) == [
        (5, "Raised", at(2)), (27, "Cleared", at(2)),
    ]  # fmt: skip


def test_a_blink_is_no_alarm_and_what_flaps_is_one() -> None:
    assert told([True, True, False] * 10) == []
    flapping = [True] * 4 + [False, False, True] * 20
    assert told(flapping + [False] * 10) == [(3, "Raised", at(0)), (len(flapping) + 5, "Cleared", at(0))]
    around = [True, None] * 10 + [None] * 30 + [False] * 6
    assert told(around) == [(4, "Raised", at(0)), (55, "Cleared", at(0))], "near its limit it is not over"


def test_what_is_not_known_changes_nothing() -> None:
    watch = AlarmWatch(rules=RULES)  # type: ignore[arg-type]
    assert len(told([True] * 5, watch)) == 1
    assert watch.turn([], at(1000)) == ()
    assert watch.phase("cell_temperature_high")


def test_a_watch_that_begins_anew_goes_on_with_what_is_on_record() -> None:
    standing = Alarm(
        kind="cell_temperature_high", since=at(-60), severity="critical", detail="", raised_by="health"
    )
    again = AlarmWatch([standing], {standing.kind: standing.since}, RULES)  # type: ignore[arg-type]
    assert told([True] * 10 + [False] * 10, again) == [(15, "Cleared", at(-60))]
    later = AlarmWatch([], {standing.kind: at(0)}, RULES)  # type: ignore[arg-type]
    (raised,) = told([True] * 5, later)
    assert raised[2] > at(0), "one that is on record is not raised again"


@settings(derandomize=True, max_examples=200)
@given(st.lists(st.sampled_from([True, False, None]), max_size=80))
def test_raised_and_cleared_take_turns_and_never_sooner_than_the_rule(holds: list[bool | None]) -> None:
    found = told(holds)
    assert [name for _, name, _ in found] == ["Raised", "Cleared"] * (len(found) // 2) + ["Raised"] * (
        len(found) % 2
    )
    for second, name, since in found:
        before = 3 if name == "Raised" else 5
        assert not any(one is (name == "Cleared") for one in holds[second - before : second + 1])
        assert since <= at(second)


def cells(**values: int) -> Sample:
    found: dict[Role, Reading] = {"active_power": Reading(0)}
    found |= {role: Reading(value) for role, value in values.items()}  # type: ignore[misc]
    return Sample(device="B1", run="r", number=1, at_ms=1_000_000, readings=found)


def test_a_value_just_inside_its_limit_is_neither_found_nor_over() -> None:
    limits = cell_limits(100_000)

    def states(**values: int) -> dict[str, bool | None]:
        return {one.kind: one.holds for one in cell_states(cells(**values), limits)}

    assert states(cell_temperature_max=55_001) == {"cell_temperature_high": True}
    assert states(cell_temperature_max=54_000) == {"cell_temperature_high": None}
    assert states(cell_temperature_max=53_000) == {"cell_temperature_high": False}
    assert states(cell_voltage_max=3_351, cell_voltage_min=3_300) == {"cell_spread": True}
    assert states(cell_voltage_max=3_346, cell_voltage_min=3_300) == {"cell_spread": None}
    assert states(cell_voltage_max=3_340, cell_voltage_min=3_300) == {"cell_spread": False}
    assert states(cell_temperature_min=-1) == {"cell_temperature_low": True}
    assert states() == {}, "what is not read is not well"


def seen(**given: object) -> Seen:
    fields: dict[str, object] = {
        "now_ms": 1_000_000, "begun_ms": 0, "good_ms": 999_000, "why": "", "driver": {}, "mode": "remote",
        "clock_ms": 0, "cells": None,
    }  # fmt: skip
    return Seen(**(fields | given))  # type: ignore[arg-type]


def test_a_silent_device_says_nothing_of_itself() -> None:
    limits = cell_limits(100_000)
    well = {one.kind: one.holds for one in device_findings(seen(), limits)}
    assert set(well.values()) == {False}
    assert {"communication_lost", "device_fault", "clock_skew", "foreign_writer"} <= set(well)
    silent = {one.kind: one.holds for one in device_findings(seen(good_ms=900_000, mode="fault"), limits)}
    assert silent["communication_lost"]
    assert "device_fault" not in silent
    begun = {one.kind: one.holds for one in device_findings(seen(good_ms=None, begun_ms=999_000), limits)}
    assert "communication_lost" not in begun, "nobody knows yet"
    never = {one.kind: one for one in device_findings(seen(good_ms=None, why="no route"), limits)}
    assert "no route" in never["communication_lost"].detail


def test_the_drivers_findings_are_alarms_with_their_words() -> None:
    limits = cell_limits(100_000)
    driver = {"foreign_writer": "stranger set 5 W", "journal": "disk full", "intent_refused": "exists"}
    found = {one.kind: one for one in device_findings(seen(driver=driver), limits) if one.holds}
    assert set(found) == {"foreign_writer", "driver_fault"}
    assert found["driver_fault"].detail == "journal: disk full; intent_refused: exists"
    skewed = {one.kind: one for one in device_findings(seen(clock_ms=-31_000), limits) if one.holds}
    assert skewed["clock_skew"].severity == "critical"
