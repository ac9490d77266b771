"""A site's month of one or two plain days for tests, in kW and kWh."""

from __future__ import annotations

from datetime import date

import numpy as np

from dispatch.planning.storage_terms import StorageTerms
from dispatch.value.site_month import SiteMonth

TERMS = StorageTerms(
    charge_w=100_000,
    discharge_w=100_000,
    floor_wh=0,
    ceiling_wh=200_000,
    end_wh=0,
    charge_ppm=900_000,
    discharge_ppm=900_000,
    import_w=10_000_000,
    export_w=0,
)


def month(
    price_micro: list[int],
    load_kw: int = 1000,
    *,
    days: int = 1,
    known_days: int = 0,
    peak_price_micro: int = 0,
    terms: StorageTerms = TERMS,
) -> SiteMonth:
    """Hours; every day has the same prices and a flat load."""
    per_day = len(price_micro)
    count = per_day * days
    slots = np.tile(np.arange(per_day), days)
    price = np.tile(np.array(price_micro, dtype=np.int64), days)
    return SiteMonth(
        id="S1",
        interval_s=3600,
        first_day=date(2026, 8, 3),
        load_w=np.full(count, load_kw * 1000, dtype=np.int64),
        buy_micro=price,
        sell_micro=np.zeros(count, dtype=np.int64),
        day=np.repeat(np.arange(days), per_day),
        slot=slots,
        terms=terms,
        start_wh=0,
        known_w=np.full((known_days, 24), load_kw * 1000, dtype=np.int64),
        peak_price_micro=peak_price_micro,
    )
