"""The terms of the direct form explain its money exactly, whatever the energies."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import tariff_file
from ledger.clauses.flow import exact_text
from ledger.grid_account import Account
from ledger.interval import Month
from ledger.settlement.behind_the_meter import earnings
from ledger.settlement.inputs import SiteInputs
from ledger.site import Site
from ledger.tariff import prices_of_month

FILE = Path(__file__).parents[3] / "examples/tariffs/shanghai_single_part_1-10kv.toml"
TARIFF = tariff_file.parse_tariff(FILE.read_text(encoding="utf-8"), name=FILE.name)
AUGUST = Month(2026, 8)
ZONE = "Asia/Shanghai"
SITE = Site(
    "S1", "Plant", ZONE, 1_000_000, 500_000, TARIFF.id, Account(id="A", zone=ZONE, parts="single_part")
)


@settings(max_examples=30)
@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1), st.integers(0, 2975), st.booleans())
def test_terms_are_energy_times_price_and_sum_to_the_line(
    charge: int, discharge: int, where: int, with_load: bool
) -> None:
    """DOMAIN.md 3.1: each discharged kWh at the import price less each charged kWh at it."""
    charged, discharged = np.zeros(2976, dtype=np.int64), np.zeros(2976, dtype=np.int64)
    charged[where], discharged[2975 - where], discharged[where // 2] = charge, discharge, 1
    load = np.full(2976, 2**31, dtype=np.int64) if with_load else None
    (site,) = earnings([SiteInputs(SITE, TARIFF, 900, load, charged, discharged, None, ())], AUGUST)
    arbitrage = site.earned[0]
    prices = prices_of_month(TARIFF, AUGUST, 900)
    by_interval = sum(
        int(wh) * int(mantissa) for wh, mantissa in zip(discharged - charged, prices.mantissa, strict=True)
    )
    assert arbitrage.exact == Fraction(by_interval, 1000 * 10**prices.scale)
    for term in arbitrage.basis:
        sign = 1 if term.label.startswith("discharged") else -1
        assert term.exact == exact_text(sign * Fraction(int(term.quantity), 1000) * Fraction(term.price))
    assert sum(Fraction(term.exact) for term in arbitrage.basis) == arbitrage.exact
