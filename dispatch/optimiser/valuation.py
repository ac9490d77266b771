"""What a plan is worth, computed from its setpoints alone, without the model that found them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dispatch.optimiser.fleet import Fleet
from dispatch.optimiser.flows import Flows, stored_after
from dispatch.optimiser.lp import Values


class Worth(NamedTuple):
    """Money, a number a site; what markets pay the portfolio is in `regulation` and `response`."""

    energy: Values
    """Bought less sold behind the meter."""
    demand: Values
    """The demand charge above what the peak so far costs already."""
    wear: Values
    end: Values
    """What the stored energy is worth at the horizon's end."""
    spot: Values
    support_kwh: Values
    regulation: float
    response: float

    @property
    def cost(self) -> float:
        return float((self.energy + self.demand + self.wear - self.end).sum())

    @property
    def revenue(self) -> float:
        return float(self.spot.sum()) + self.regulation + self.response


def worth_of(fleet: Fleet, flows: Flows) -> Worth:
    """The money of every site and of the portfolio when the setpoints are followed."""
    request = fleet.request
    hours, terms = request.interval_h, request.response
    at_meter = fleet.load - fleet.pv + flows.curtailed - flows.setpoint
    retail = at_meter + flows.spot
    bought, sold = np.maximum(retail, 0.0), np.maximum(-retail, 0.0)
    peak = np.maximum(at_meter.max(axis=1), fleet.peak)
    charged = fleet.peak_price > 0
    charged &= np.isin(np.arange(len(fleet.peak)), fleet.peak_at)
    wear = hours * fleet.wear * np.abs(flows.setpoint).sum(axis=1) / 2
    regulation = response = 0.0
    if request.regulation is not None:
        wear = wear + fleet.wear * request.regulation.call_kwh * flows.regulation.sum(axis=1)
        regulation = float(request.regulation.price @ flows.offered)
    if terms is not None:
        paid = terms.price * flows.committed - terms.shortfall_price * flows.shortfall
        response = hours * float(paid.sum())
    price = np.zeros(fleet.shape[1]) if request.spot is None else request.spot.price
    left = stored_after(fleet, flows.setpoint)[:, -1]
    return Worth(
        energy=hours * (fleet.buy * bought - fleet.sell * sold).sum(axis=1),
        demand=np.where(charged, fleet.peak_price * (peak - fleet.peak), 0.0),
        wear=wear,
        end=_end_value(fleet, flows) * left,
        spot=hours * (flows.spot * price).sum(axis=1),
        support_kwh=hours * (flows.setpoint * request.objective.supported(fleet.shape[1])).sum(axis=1),
        regulation=regulation,
        response=response,
    )


def _end_value(fleet: Fleet, flows: Flows) -> Values:
    """Of a kWh left at each site: who trades is at spot, and who stands still may be either."""
    trades = np.isin(np.arange(fleet.shape[0]), fleet.spot_at)
    still = trades & ~flows.setpoint.any(axis=1)
    at_spot = trades & (flows.spot.any(axis=1) | fleet.spot_held)
    either = np.where(still, np.maximum(fleet.end_value, fleet.spot_end_value), fleet.end_value)
    found: Values = np.where(at_spot, fleet.spot_end_value, either)
    return found
