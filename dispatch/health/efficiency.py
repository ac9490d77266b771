"""What came out of a storage of what went in, from its revenue meter's registers and what it held at both
ends. The key figure itself is ledger.kpi.operation's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from dispatch.health.record import EnergyRead, HealthDay
from ledger.kpi.kpi import Kpi
from ledger.kpi.operation import round_trip_efficiency


class Throughput(NamedTuple):
    """Between two reads, Wh. `stored_change_wh` is None where the storage did not tell what it held."""

    charge_wh: int
    discharge_wh: int
    stored_change_wh: int | None

    @property
    def efficiency(self) -> Kpi:
        return round_trip_efficiency(self.discharge_wh, self.charge_wh, self.stored_change_wh)


def throughput(days: Sequence[HealthDay]) -> Throughput | None:
    """From the first read of these days to the last one; None without any, or where a register went back."""
    reads = [read for one in days for read in (one.opened, one.closed) if read is not None]
    if not reads or any(_went_back(early, late) for early, late in pairwise(reads)):
        return None
    first, last = reads[0], reads[-1]
    change = None if first.stored_wh is None or last.stored_wh is None else last.stored_wh - first.stored_wh
    return Throughput(last.charge_wh - first.charge_wh, last.discharge_wh - first.discharge_wh, change)


def life_discharge_wh(days: Iterable[HealthDay]) -> int:
    """What the registers told to have come out since the first day on record; where a register went back (a
    meter was replaced), what came out between its last read and the new one's first is not known and not in
    it."""
    reads = [read for one in days for read in (one.opened, one.closed) if read is not None]
    return sum(
        late.discharge_wh - early.discharge_wh
        for early, late in pairwise(reads)
        if not _went_back(early, late)
    )


def daily_ppm(day: HealthDay, energy_wh: int) -> int | None:
    """A day's efficiency in millionths, corrected for stored energy; None for a day of less than half a
    cycle, on which a percent of the state of charge would be percents of efficiency."""
    found = throughput([day])
    if found is None or found.stored_change_wh is None or 2 * found.discharge_wh < energy_wh:
        return None
    passed = found.charge_wh - found.stored_change_wh
    return None if passed <= 0 else found.discharge_wh * 1_000_000 // passed


def _went_back(early: EnergyRead, late: EnergyRead) -> bool:
    return late.charge_wh < early.charge_wh or late.discharge_wh < early.discharge_wh
