"""What is stored at sites and what runs as a plan begins, and who says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from adapters.planning.known_sites import KnownSite
from adapters.planning.seen_storage import seen_at, stored_at
from adapters.postgres.database import Connection
from adapters.queries.recorded_plans import plan_at
from ledger.refusal import Refused


class Start(NamedTuple):
    """Wh in the cells, W at the AC side just before (above 0 discharging), and who says so."""

    stored_wh: int
    setpoint_w: int
    source: str


class Starts:
    """Of a portfolio's sites: by telemetry, what a driver saw, the plan before, or the terms.

    `told` is what telemetry says is stored, before all others. `holding` is the plan that holds at the start,
    `leading` the one that leads up to it.
    """

    def __init__(
        self,
        connection: Connection,
        portfolio: str,
        sites: Sequence[str],
        start: datetime,
        position: int,
        told: Mapping[str, int],
    ) -> None:
        self._start, self._told = start, told
        self._seen = seen_at(connection, position, sites, start)
        self.holding = plan_at(connection, position, portfolio, start)
        self.leading = plan_at(connection, position, portfolio, start, leading=True)

    def of(self, one: KnownSite) -> Start:
        """Raises:
        Refused: `stored_energy` where telemetry says more than the nameplate, or less than nothing."""
        name, start, led = one.site.id, self._start, self.leading
        told = self._told.get(name)
        planned = None if led is None else led.of(name)
        last = None if led is None or planned is None else led.at(start) - 1
        setpoint = 0 if planned is None or last is None else planned.setpoint_w[last]
        if told is not None:
            most = one.site.document.storage_energy_wh
            if not 0 <= told <= most:
                wrong = f"{told} Wh are said to be stored; 0 to the nameplate's {most} can be"
                raise Refused("stored_energy", wrong, place=f"site {name}")
            return Start(told, setpoint, f"start of {name}: telemetry, {told} Wh")
        seen = self._seen.get(name)
        if seen is not None:
            moved = led if seen.stored.at <= start else self.holding
            stored = stored_at(
                seen.stored, start, moved, name, one.terms.document, one.site.document.storage_energy_wh
            )
            return Start(stored, setpoint, f"start of {name}: {seen.name}, {stored} Wh")
        if led is not None and planned is not None and last is not None:
            stored = max(0, planned.stored_wh[last])
            return Start(stored, setpoint, f"start of {name}: {led.name}, {stored} Wh")
        stored = one.terms.document.end_wh
        return Start(stored, 0, f"start of {name}: its terms' end_wh, {stored} Wh; no plan leads up to it")
