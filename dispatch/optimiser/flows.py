"""What the solver chose, in kW and kWh, before it becomes whole W and Wh."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dispatch.optimiser.fleet import Fleet
from dispatch.optimiser.lp import Index, Mask, Values
from dispatch.optimiser.portfolio_rows import PortfolioRows
from dispatch.optimiser.site_rows import SiteRows

_BOTH_KW = 1e-5
"""Charging and discharging at once below this is the solver's rounding."""
_ROOM_KWH = 1e-5


class Flows(NamedTuple):
    """Sites x intervals, blocks or slots; the portfolio's per block or slot. Setpoints above 0 discharge."""

    setpoint: Values
    curtailed: Values
    spot: Values
    """What of the setpoint is settled at spot."""
    regulation: Values
    reduced: Values
    offered: Values
    committed: Values
    shortfall: Values


def flows_of(values: Values, fleet: Fleet, rows: SiteRows, portfolio: PortfolioRows | None) -> Flows:
    """Read the sites' and portfolio's columns off a solution."""
    regulation, response = fleet.request.regulation, fleet.request.response
    count = fleet.shape[0]
    blocks = 0 if regulation is None else len(regulation.price)
    slots = 0 if response is None else len(response.slot)
    found = Flows(
        setpoint=values[rows.discharge] - values[rows.charge],
        curtailed=values[rows.curtailed],
        spot=np.zeros(fleet.shape),
        regulation=np.zeros((count, blocks)),
        reduced=np.zeros((count, slots)),
        offered=np.zeros(blocks) if portfolio is None else values[portfolio.offered],
        committed=np.zeros(slots) if portfolio is None else values[portfolio.committed],
        shortfall=np.zeros(slots) if portfolio is None else values[portfolio.shortfall],
    )
    if rows.spot_charge.size:
        found.spot[fleet.spot_at] = values[rows.spot_discharge] - values[rows.spot_charge]
    if rows.regulation.size:
        found.regulation[fleet.regulation_at] = values[rows.regulation]
    if rows.reduced.size:
        found.reduced[fleet.response_at] = values[rows.reduced]
    return found


def stored_after(fleet: Fleet, setpoint: Values) -> Values:
    """Stored kWh at each interval's end when the storages follow the setpoints."""
    hours = fleet.request.interval_h
    charge, discharge = np.maximum(-setpoint, 0.0), np.maximum(setpoint, 0.0)
    gain = charge * fleet.charge_efficiency[:, None] - discharge / fleet.discharge_efficiency[:, None]
    stored = np.empty(fleet.shape)
    now = fleet.start
    for interval in range(fleet.shape[1]):
        now = fleet.kept * now + hours * gain[:, interval]
        stored[:, interval] = now
    return stored


def burnt(values: Values, fleet: Fleet, rows: SiteRows) -> tuple[Index, Index] | None:
    """Where a solution charges and discharges at once to be rid of energy; None where netting does as well.

    Netting leaves the meter as it is and stores more, which fits unless the storage is full.
    """
    charge, discharge = values[rows.charge], values[rows.discharge]
    both: Mask = np.asarray(np.minimum(charge, discharge) > _BOTH_KW)
    if not both.any():
        return None
    stored = stored_after(fleet, discharge - charge)
    ceiling = np.repeat(fleet.stored_max[:, None], fleet.shape[1], axis=1)
    terms = fleet.request.regulation
    if terms is not None and rows.regulation.size:
        at = fleet.regulation_at
        above = terms.sustain_h * fleet.charge_efficiency[at, None]
        ceiling[at] -= above * values[rows.regulation][:, terms.block]
    full: Mask = np.asarray((stored > ceiling + _ROOM_KWH).any(axis=1))
    sites, intervals = np.nonzero(both & full[:, None])
    return (sites, intervals) if len(sites) else None
