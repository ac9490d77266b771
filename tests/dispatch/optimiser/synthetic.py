"""Portfolios drawn from a seed: three price levels, an evening response, regulation, a noon dip at spot."""

from __future__ import annotations

import numpy as np

from dispatch.optimiser.market_terms import Regulation, Response, Spot
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.site import Site, Storage


def portfolio(seed: int, sites: int, streams: str, *, count: int = 96, integer: bool = True) -> PlanRequest:
    """`sites` sites over `count` quarter-hours, with the streams r, d and s that are named."""
    rng = np.random.default_rng(seed)
    hour = np.arange(count) * 24 / count
    found = tuple(_site(rng, i, hour, streams) for i in range(sites))
    power = sum(site.storage.discharge_kw for site in found)
    per = 4 if count % 4 == 0 else 1
    blocks = count // per
    slots = np.flatnonzero((hour >= 18) & (hour < 20)).astype(np.int64)
    regulation = Regulation(
        block=np.arange(count, dtype=np.int64) // per,
        price=0.012
        + 0.018 * np.exp(-(((np.arange(blocks) * 24 / blocks) - 18) ** 2) / 8) * rng.uniform(0.8, 1.2),
        sustain_h=0.5,
        call_kwh=0.15,
        kw_min=round(0.1 * power),
    )
    response = Response(
        slot=slots,
        price=np.full(len(slots), 3.0),
        shortfall_price=np.full(len(slots), 4.5),
        kw_min=0.05 * power,
        kw_max=0.6 * power,
    )
    market = sum(site.storage.discharge_kw for site in found if site.spot)
    dip = 0.35 - 0.35 * np.exp(-((hour - 13) ** 2) / 4) + 0.6 * np.exp(-((hour - 19) ** 2) / 3)
    spot = Spot(price=np.maximum(dip + rng.normal(0, 0.05, count), 0.0), kw_max=round(0.8 * market))
    return PlanRequest(
        sites=found,
        interval_h=0.25,
        regulation=regulation if "r" in streams else None,
        response=response if "d" in streams else None,
        spot=spot if "s" in streams else None,
        integer=integer,
    )


def _site(rng: np.random.Generator, i: int, hour: np.ndarray, streams: str) -> Site:
    count = len(hour)
    power = float(rng.integers(20, 300) * 5)
    load = power * rng.uniform(0.7, 2.5) * (0.6 + 0.5 * np.exp(-((hour - rng.uniform(9, 17)) ** 2) / 18))
    load = load * rng.normal(1, 0.05, count).clip(0.7, 1.3)
    pv = power * rng.uniform(0, 0.9) * (rng.random() < 0.5) * np.maximum(np.sin((hour - 6) / 12 * np.pi), 0)
    low, middle, high = 0.29 + 0.1 * rng.random(), 0.65 + 0.1 * rng.random(), 1.2 + 0.2 * rng.random()
    price = np.where(
        hour < 8, low, np.where((hour >= 10) & (hour < 12) | (hour >= 15) & (hour < 20), high, middle)
    )
    slots = (hour >= 18) & (hour < 20)
    net = np.maximum(load - pv, 0)
    return Site(
        id=f"S{i + 1}",
        load_kw=load,
        pv_kw=pv,
        buy_price=price,
        sell_price=np.full(count, 0.36).clip(None, price * 0.98),
        import_kw_max=np.full(count, 1.15 * net.max()),
        export_kw_max=np.full(count, 0.8 * power * float(rng.random() < 0.4)),
        storage=Storage(
            charge_kw=power,
            discharge_kw=power,
            floor_kwh=0.2 * power,
            ceiling_kwh=1.9 * power,
            start_kwh=power * rng.uniform(0.3, 1.4),
            end_kwh=0.4 * power,
            charge_efficiency=0.955,
            discharge_efficiency=0.955,
            availability=np.ones(count),
            reserve_kwh=np.zeros(count),
            loss_per_interval=0.0005,
            wear_price=0.06,
            discharge_kwh_max=(4 * power,),
        ),
        peak_kw=0.95 * net.max(),
        peak_price=40.0,
        regulation_kw_max=0.5 * power if "r" in streams else 0.0,
        baseline_kw=net[slots] * rng.uniform(0.97, 1.03) if "d" in streams else None,
        spot=bool(rng.random() < 0.45),
    )
