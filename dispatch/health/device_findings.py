"""What is found of a device now, kind by kind: it is so, the opposite is, or neither is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from dispatch.health.alarm import AlarmKind
from dispatch.health.alarm_watch import Finding
from dispatch.health.cells import CellLimits, findings, spread_mv
from dispatch.telemetry.sample import Sample

LOST_MS: Final = 3_000
"""Not read well for so long, it is lost (dispatch.control.turn_parts)."""
SKEW_MS: Final = 2_000
_CELLS_MS_MAX: Final = 180_000
"""Three polls of the slowest blocks: what was read of cells before is not known any more."""
_AT_ONCE_MS: Final = 30_000
"""A clock that is so far off lets nothing be activated (docs/commissioning.md)."""

DriverAlarm = Literal[
    "foreign_writer", "device_refused", "unreachable", "meter_disagrees", "watchdog", "record_refused",
    "start", "journal", "intent_refused", "interlock", "hour_unrecorded",
]  # fmt: skip
_OF_DRIVER: Final[Mapping[AlarmKind, tuple[DriverAlarm, ...]]] = MappingProxyType(
    {
        "device_refused": ("device_refused",),
        "driver_fault": ("journal", "record_refused", "intent_refused"),
        "foreign_writer": ("foreign_writer",),
        "hour_unrecorded": ("hour_unrecorded",),
        "interlock": ("interlock",),
        "meter_disagrees": ("meter_disagrees",),
        "start_blocked": ("start",),
        "watchdog": ("watchdog",),
    }
)
"""What the driver finds wrong, as an alarm of the device; `unreachable` is the device's silence."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one device at `now_ms`, our clock in milliseconds since 1970.

    `good_ms`: when it was read well last; None since `begun_ms`, when its driver began. `why`: what the last
    turn without a good reading said. `driver`: what the driver finds wrong, in words. `mode`: the device's,
    None where it is not known. `clock_ms`: by how much its clock is ahead. `cells`: the newest sample of its
    cells. `jumped`: what it tells that cannot be so, "" for nothing.
    """

    now_ms: int
    begun_ms: int
    good_ms: int | None
    why: str
    driver: Mapping[DriverAlarm, str]
    mode: str | None
    clock_ms: int | None
    cells: Sample | None
    jumped: str = ""


def device_findings(seen: Seen, limits: CellLimits) -> Iterator[Finding]:
    """Everything that is watched; a device that is not read well says nothing of itself."""
    known_ms = seen.begun_ms if seen.good_ms is None else seen.good_ms
    silent = seen.now_ms - known_ms > LOST_MS
    if silent or seen.good_ms is not None:
        yield Finding("communication_lost", silent, _silence(seen) if silent else "read again")
    for kind, names in _OF_DRIVER.items():
        wrong = [f"{name}: {seen.driver[name]}" for name in names if name in seen.driver]
        yield Finding(kind, bool(wrong), "; ".join(wrong) or "not found")
    if seen.jumped or not silent:
        yield Finding("value_jumped", bool(seen.jumped), seen.jumped or "no value is doubted")
    if silent or seen.good_ms is None:
        return
    if seen.mode is not None:
        yield Finding("device_fault", seen.mode == "fault", f"the device tells {seen.mode}")
        yield Finding("unavailable", seen.mode in ("off", "local"), f"the device tells {seen.mode}")
    if seen.clock_ms is not None:
        apart = abs(seen.clock_ms)
        severity = "critical" if apart > _AT_ONCE_MS else "warning"
        told = f"the clocks are {seen.clock_ms} ms apart"
        yield Finding("clock_skew", apart > SKEW_MS, told, severity)  # type: ignore[arg-type]
    if seen.cells is not None and seen.now_ms - seen.cells.at_ms <= _CELLS_MS_MAX:
        yield from cell_states(seen.cells, limits)


def cell_states(sample: Sample, limits: CellLimits) -> Iterator[Finding]:
    """Beyond a limit, well within it (`CellLimits.well_within`), or in between."""
    over = {one.kind: one for one in findings(sample, limits)}
    near = {one.kind for one in findings(sample, limits.well_within)}
    known: dict[AlarmKind, int | None] = {
        "cell_spread": spread_mv(sample, limits.rest_w),
        "cell_temperature_high": sample.value("cell_temperature_max"),
        "cell_temperature_low": sample.value("cell_temperature_min"),
    }
    for kind, value in known.items():
        if kind in over:
            yield Finding(kind, True, over[kind].detail, over[kind].severity)
        elif value is not None:
            unit = "mV" if kind == "cell_spread" else "m°C"
            yield Finding(kind, None if kind in near else False, f"{value} {unit}")


def _silence(seen: Seen) -> str:
    if seen.good_ms is None:
        return f"it was not read since its driver began: {seen.why or 'no answer'}"
    return f"no reading of it can be believed: {seen.why or 'no answer'}"
