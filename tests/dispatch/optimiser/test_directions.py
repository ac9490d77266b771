"""Directions found on a grid of stored energy cost next to nothing beside a search of every choice."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from dispatch.optimiser.directions import Meter, burning, directed, directions
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.site import Site, Storage
from dispatch.optimiser.solve import solve
from tests.dispatch.optimiser.small_site import storage


def at_spot(price: np.ndarray, stored: Storage, load: np.ndarray | None = None) -> Site:
    count = len(price)
    none = np.zeros(count)
    return Site(
        id="S1", load_kw=none if load is None else load, pv_kw=none, buy_price=price, sell_price=price - 0.01,
        import_kw_max=np.full(count, 350.0), export_kw_max=np.full(count, 150.0), storage=stored,
    )  # fmt: skip


def cost(site: Site) -> float:
    return solve(PlanRequest(sites=(site,), interval_h=1.0)).objective_micro / 1e6


def test_paid_to_take_energy_it_charges_and_discharges_in_turn() -> None:
    """200 kWh to fill by 90 an hour: charged twice at -1, emptied where it costs least, and charged again."""
    stored = storage(5)
    price = np.array([-1.0, -1.0, -0.1, -1.0, -1.0])
    meter = Meter(price[None], price[None], np.zeros((1, 5)))
    assert directions(stored, 1.0, meter)[0].tolist() == [1, 1, -1, 1, 1]
    dear = directions(stored, 1.0, meter, extra_wear=100.0)[0]
    assert dear.tolist() == [0] * 5


def test_only_intervals_in_which_burning_pays_are_directed() -> None:
    price = np.array([0.5, -1.0, -1.0, 0.5])
    site = at_spot(price, storage(4))
    found = directed(site, 1.0)
    assert burning(site).tolist() == [False, True, True, False]
    both = found.storage.availability * found.storage.discharging > 0
    assert both.tolist() == [True, False, False, True]


@pytest.mark.parametrize("wear", [0.0, 0.01])
@pytest.mark.parametrize("load_kw", [0.0, 100.0])
def test_next_to_nothing_is_left_of_what_a_search_finds(wear: float, load_kw: float) -> None:
    """Days of hours, most of them below 0, as a search of every choice solves them to the end."""
    draw = np.random.default_rng(7)
    for _ in range(8):
        price = -0.25 + 0.2 * np.sin(np.arange(24) / 12 * 2 * np.pi) + 0.08 * draw.standard_normal(24)
        stored = storage(24, start_kwh=50.0, end_kwh=100.0, wear_price=wear)
        site = at_spot(price, stored, np.maximum(load_kw * (1 + draw.standard_normal(24)), 0.0))
        still = msgspec.structs.replace(stored, availability=np.full(24, 1e-6), end_kwh=50.0)
        idle, best = cost(msgspec.structs.replace(site, storage=still)), cost(site)
        found = cost(directed(site, 1.0))
        assert best - 1e-4 <= found <= best + 0.002 * (idle - best)
