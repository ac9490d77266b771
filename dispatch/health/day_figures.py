"""What a day's samples of a device tell of its health, in one pass over them.

Available is the time between two good readings of its power that are no more than `SEEN_S` apart, while it
told no fault: nothing is made up across a gap.

A cell is warmer than the air by the heat of its losses, which goes with the square of the power. `rise_mk` is
the day's sum of rises over the day's sum of (power / full power)^2, so thousandths of a degree at full power:
it grows when the resistance or the cooling gets worse, and not because the storage is used more. What a cell
stores of heat goes in and out within the day. A day on which the mean square is below `USE_PPM_MIN` has none.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Final

from dispatch.health.cells import spread_mv
from dispatch.health.record import EnergyRead, HealthDay
from dispatch.telemetry.sample import Sample
from ledger.interval import Interval

SEEN_S: Final = 10
USE_PPM_MIN: Final = 10_000
"""A hundredth of full power squared: a tenth of full power all day."""
RISES_MIN: Final = 100
_NEAR_MS: Final = 120_000
_STORED_STEP_MS: Final = 30_000
_SOC_WHOLE: Final = 100_000


class DayFigures:
    """One device's day. `power_w` and `energy_wh` are its nameplate; `faulty` answers of the raw state that
    it is one in which the device gives nothing."""

    def __init__(
        self, day: date, interval: Interval, power_w: int, energy_wh: int, faulty: Callable[[int], bool]
    ) -> None:
        assert power_w > 0, "a storage has a power"
        self._day = day
        self._interval = interval
        self._power_w = power_w
        self._energy_wh = energy_wh
        self._faulty = faulty
        self._samples = 0
        self._available_ms = 0
        self._seen: tuple[int, int] | None = None
        self._state_faulty = False
        self._spreads: list[int] = []
        self._rise_mc = self._square_ppm = self._rises = 0
        self._stored: list[tuple[int, int]] = []
        self._opened: tuple[int, int, int] | None = None
        self._closed: tuple[int, int, int] | None = None

    def take(self, sample: Sample) -> None:
        """The device's next sample, in the order in which they were read."""
        self._samples += 1
        state, power = sample.value("state"), sample.value("active_power")
        if state is not None:
            self._state_faulty = self._faulty(state)
        if "active_power" in sample.readings or sample.lost:
            self._look(sample.at_ms, power)
        spread = spread_mv(sample, self._power_w // 50)
        if spread is not None:
            self._spreads.append(spread)
        self._warm(sample)
        self._hold(sample)

    def meter(self, sample: Sample) -> None:
        """The next sample of the revenue meter that sees the device alone, which may be the device itself."""
        charge, discharge = sample.value("meter_import_wh"), sample.value("meter_export_wh")
        if charge is None or discharge is None:
            return
        read = (sample.at_ms, charge, discharge)
        self._opened = self._opened or read
        self._closed = read

    def _look(self, at_ms: int, power: int | None) -> None:
        before, self._seen = self._seen, None
        if power is None or self._state_faulty:
            return
        self._seen = (at_ms, power)
        if before is not None and 0 < at_ms - before[0] <= SEEN_S * 1000:
            self._available_ms += at_ms - before[0]

    def _warm(self, sample: Sample) -> None:
        hot, air = sample.value("cell_temperature_max"), sample.value("ambient_temperature")
        if hot is None or air is None or self._seen is None or sample.at_ms - self._seen[0] > SEEN_S * 1000:
            return
        self._rises += 1
        self._rise_mc += hot - air
        self._square_ppm += self._seen[1] ** 2 * 1_000_000 // self._power_w**2

    def _hold(self, sample: Sample) -> None:
        if self._stored and sample.at_ms - self._stored[-1][0] < _STORED_STEP_MS:
            return
        stored, soc = sample.value("stored_wh"), sample.value("soc")
        if stored is None and soc is not None and self._energy_wh > 0:
            stored = soc * self._energy_wh // _SOC_WHOLE
        if stored is not None:
            self._stored.append((sample.at_ms, stored))

    def figures(self) -> HealthDay | None:
        """The day; None where it has no sample."""
        if not self._samples:
            return None
        used = self._rises >= RISES_MIN and self._square_ppm >= USE_PPM_MIN * self._rises
        spreads = sorted(self._spreads)
        length = self._interval.end - self._interval.start
        whole_s = length.days * 86_400 + length.seconds
        return HealthDay(
            day=self._day,
            start=self._interval.start,
            end=self._interval.end,
            samples=self._samples,
            available_s=min(self._available_ms // 1000, whole_s),
            spread_mv=spreads[len(spreads) // 2] if spreads else None,
            rise_mk=self._rise_mc * 1_000_000 // self._square_ppm if used else None,
            opened=None if self._opened is None else self._energy(self._opened),
            closed=None if self._closed is None else self._energy(self._closed),
        )

    def _energy(self, read: tuple[int, int, int]) -> EnergyRead:
        at_ms, charge_wh, discharge_wh = read
        at = datetime.fromtimestamp(at_ms // 1000, UTC)
        stored = self._stored_at(at_ms)
        return EnergyRead(at=at, charge_wh=charge_wh, discharge_wh=discharge_wh, stored_wh=stored)

    def _stored_at(self, at_ms: int) -> int | None:
        place = bisect_left(self._stored, (at_ms, 0))
        near = [(abs(one[0] - at_ms), one[1]) for one in self._stored[max(place - 1, 0) : place + 1]]
        return min(near)[1] if near and min(near)[0] <= _NEAR_MS else None
