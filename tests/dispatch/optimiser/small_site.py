"""One plain site to vary: flat load, two prices, a storage of 100 kW and 200 kWh."""

from __future__ import annotations

from typing import Any

import numpy as np

from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.site import Site, Storage


def storage(count: int, **given: Any) -> Storage:
    """100 kW, 200 kWh, empty, 90 % each way, without wear; what is given replaces that."""
    fields: dict[str, Any] = {
        "charge_kw": 100.0, "discharge_kw": 100.0, "floor_kwh": 0.0, "ceiling_kwh": 200.0,
        "start_kwh": 0.0, "end_kwh": 0.0, "charge_efficiency": 0.9, "discharge_efficiency": 0.9,
        "availability": np.ones(count), "reserve_kwh": np.zeros(count),
    }  # fmt: skip
    return Storage(**(fields | given))


def site(count: int = 8, stored: Storage | None = None, **given: Any) -> Site:
    """A load of 300 kW; 0.3 a kWh in the first half, 1.2 in the second; no PV and no export."""
    half = count // 2
    fields: dict[str, Any] = {
        "id": "S1",
        "load_kw": np.full(count, 300.0),
        "pv_kw": np.zeros(count),
        "buy_price": np.array([0.3] * half + [1.2] * (count - half)),
        "sell_price": np.zeros(count),
        "import_kw_max": np.full(count, 1000.0),
        "export_kw_max": np.zeros(count),
        "storage": storage(count) if stored is None else stored,
    }
    return Site(**(fields | given))


def request(*sites: Site, **given: Any) -> PlanRequest:
    """Hourly intervals, no market."""
    return PlanRequest(sites=sites, **({"interval_h": 1.0} | given))
