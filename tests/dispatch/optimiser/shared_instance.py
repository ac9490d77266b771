"""The shared instances: portfolios whose optima two separately written models found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dispatch.optimiser.market_terms import Regulation, Response, Spot
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.site import Site, Storage

FOLDER = Path(__file__).parents[4] / "shared" / "optimiser"


def optima() -> list[dict[str, object]]:
    """Instance, streams, whether integer, and the objective; empty where the data is absent."""
    found = FOLDER / "optima.json"
    return json.loads(found.read_text(encoding="utf-8")) if found.exists() else []


def request_of(name: str, streams: str, *, integer: bool) -> PlanRequest:
    """The instance with those streams: r(egulation), d(emand response), s(pot)."""
    path = FOLDER / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"the shared instance {name} is not in ../shared/optimiser")
    with np.load(path) as z:
        data = {key: z[key] for key in z.files}
    count, hours = int(data["T"]), float(data["dt"])
    sites = tuple(_site(data, i, streams, count) for i in range(int(data["N"])))
    regulation = Regulation(
        block=np.arange(count, dtype=np.int64) * int(data["H"]) // count,
        price=data["regp"].copy(),
        sustain_h=float(data["tau"]),
        call_kwh=float(data["phi"]),
        kw_min=float(data["Rmin"]),
    )
    slots = len(data["W"])
    response = Response(
        slot=data["W"].astype(np.int64),
        price=np.full(slots, float(data["drp"])),
        shortfall_price=np.full(slots, float(data["drpen"])),
        kw_min=float(data["Kmin"]),
        kw_max=float(data["Kmax"]),
    )
    return PlanRequest(
        sites=sites,
        interval_h=hours,
        regulation=regulation if "r" in streams else None,
        response=response if "d" in streams else None,
        spot=Spot(price=data["lam"].copy(), kw_max=float(data["Smax"])) if "s" in streams else None,
        integer=integer,
    )


def _site(data: dict[str, np.ndarray], i: int, streams: str, count: int) -> Site:
    storage = Storage(
        charge_kw=float(data["Pc"][i]),
        discharge_kw=float(data["Pd"][i]),
        floor_kwh=float(data["Emin"][i]),
        ceiling_kwh=float(data["Emax"][i]),
        start_kwh=float(data["e0"][i]),
        end_kwh=float(data["eT"][i]),
        charge_efficiency=float(data["nc"][i]),
        discharge_efficiency=float(data["nd"][i]),
        availability=np.ones(count),
        reserve_kwh=np.zeros(count),
        loss_per_interval=float(data["sig"]),
        wear_price=float(data["deg"][i]),
        discharge_kwh_max=(float(data["cyc"][i]),),
    )
    return Site(
        id=f"S{i + 1}",
        load_kw=data["L"][i].copy(),
        pv_kw=data["PV"][i].copy(),
        buy_price=data["pb"][i].copy(),
        sell_price=data["ps"][i].copy(),
        import_kw_max=np.full(count, float(data["Gi"][i])),
        export_kw_max=np.full(count, float(data["Gx"][i])),
        storage=storage,
        peak_kw=float(data["M0"][i]),
        peak_price=float(data["dc"]),
        regulation_kw_max=float(data["regmax"][i]) if "r" in streams else 0.0,
        baseline_kw=data["base"][i].copy() if "d" in streams else None,
        spot=bool(data["mkt"][i]),
    )
