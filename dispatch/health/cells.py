"""Cells: how far apart their voltages are, and whether one is too hot or too cold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from dispatch.health.alarm import AlarmKind, Severity
from dispatch.telemetry.sample import Sample
from ledger.refusal import Refused

INSIDE_MC: Final = 2_000
SPREAD_MV: Final = 50
HOTTEST_MC: Final = 55_000
COLDEST_MC: Final = 0
"""What holds of lithium iron phosphate where a device's limits state nothing else."""


class CellLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Spread in mV, temperatures in thousandths of a degree Celsius. `rest_w`: what counts as standing still,
    in which alone spreads are compared."""

    spread_mv: int
    hottest_mc: int
    coldest_mc: int
    rest_w: int

    def __post_init__(self) -> None:
        if self.spread_mv < 1 or self.rest_w < 0 or self.coldest_mc >= self.hottest_mc:
            raise Refused("cell_limits", "a spread above 0, the coldest below the hottest", place="spread_mv")

    @property
    def well_within(self) -> CellLimits:
        """A tenth of the spread and 2 °C inside: where a value is that is no longer at its limit."""
        middle = (self.hottest_mc + self.coldest_mc) // 2
        return msgspec.structs.replace(
            self,
            spread_mv=max(self.spread_mv * 9 // 10, 1),
            hottest_mc=max(self.hottest_mc - INSIDE_MC, middle + 1),
            coldest_mc=min(self.coldest_mc + INSIDE_MC, middle),
        )


def cell_limits(power_w: int, hottest_mc: int | None = None, coldest_mc: int | None = None) -> CellLimits:
    """Of a device of `power_w`, standing still below a fiftieth of it; None: the usual temperature."""
    return CellLimits(
        spread_mv=SPREAD_MV,
        hottest_mc=HOTTEST_MC if hottest_mc is None else hottest_mc,
        coldest_mc=COLDEST_MC if coldest_mc is None else coldest_mc,
        rest_w=power_w // 50,
    )


class CellFinding(NamedTuple):
    kind: AlarmKind
    severity: Severity
    detail: str


def spread_mv(sample: Sample, rest_w: int) -> int | None:
    """Between the highest and the lowest cell voltage, at rest; None under power, or where one is not
    known."""
    high, low = sample.value("cell_voltage_max"), sample.value("cell_voltage_min")
    power = sample.value("active_power")
    if high is None or low is None or power is None or abs(power) > rest_w or high < low:
        return None
    return high - low


def findings(sample: Sample, limits: CellLimits) -> Iterator[CellFinding]:
    """What is wrong with the cells now; a value that is not known is not found wrong."""
    spread = spread_mv(sample, limits.rest_w)
    if spread is not None and spread > limits.spread_mv:
        yield CellFinding("cell_spread", "warning", f"{spread} mV at rest, allowed {limits.spread_mv} mV")
    hot, cold = sample.value("cell_temperature_max"), sample.value("cell_temperature_min")
    if hot is not None and hot > limits.hottest_mc:
        yield CellFinding("cell_temperature_high", "critical", f"{hot} m°C, allowed {limits.hottest_mc} m°C")
    if cold is not None and cold < limits.coldest_mc:
        yield CellFinding("cell_temperature_low", "warning", f"{cold} m°C, allowed {limits.coldest_mc} m°C")
