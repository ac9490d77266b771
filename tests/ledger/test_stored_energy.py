"""Stored energy by source: both methods against a plain queue or mixture, and what must always hold."""

from __future__ import annotations

from collections import deque
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.stored_energy import Method, Stored, Tagged, tag

WH = st.integers(0, 500)
MONTHS = st.lists(st.tuples(WH, WH, WH), min_size=1, max_size=40)


def one(rows: list[tuple[int, int, int]], method: Method, opening: Stored = Stored()) -> Tagged:  # noqa: B008
    charge, discharge, surplus = (np.array([column], dtype=np.int64) for column in zip(*rows, strict=True))
    return tag(charge, discharge, surplus, [opening], method)


def test_pv_energy_is_what_the_surplus_covers() -> None:
    tagged = one([(100, 0, 40), (100, 0, 300), (100, 0, -5), (0, 300, 0)], "proportional")
    assert tagged.pv_charge_wh.tolist() == [[40, 100, 0, 0]]
    assert tagged.pv_discharge_wh.tolist() == [[0, 0, 0, 140]]
    assert (tagged.lost_wh, tagged.closing) == ([0], [Stored(0, 0)])


def test_losses_fall_on_both_sources_alike() -> None:
    """100 PV and 300 grid charged, 360 discharged: a tenth of each is lost."""
    for method in ("proportional", "fifo"):
        tagged = one([(100, 0, 100), (300, 0, 0), (0, 360, 0)], method)  # type: ignore[arg-type]
        assert tagged.pv_discharge_wh.tolist() == [[0, 0, 90]]
        assert (tagged.lost_wh, tagged.lost_pv_wh) == ([40], [10])


def test_first_in_first_out_differs_from_the_mixture() -> None:
    rows = [(100, 0, 100), (100, 0, 0), (0, 100, 0), (0, 100, 0)]
    assert one(rows, "proportional").pv_discharge_wh.tolist() == [[0, 0, 50, 50]]
    assert one(rows, "fifo").pv_discharge_wh.tolist() == [[0, 0, 100, 0]]


def test_what_the_month_opened_with_leaves_too() -> None:
    tagged = one([(0, 150, 0)], "fifo", Stored(pv_wh=100, grid_wh=100))
    assert tagged.pv_discharge_wh.tolist() == [[75]]
    assert tagged.closing == [Stored(25, 25)]


def test_more_out_than_in_is_grid_energy() -> None:
    for method in ("proportional", "fifo"):
        tagged = one([(50, 0, 50), (0, 80, 0)], method)  # type: ignore[arg-type]
        assert tagged.pv_discharge_wh.tolist() == [[0, 50]]
        assert tagged.closing == [Stored(0, 0)]


@pytest.mark.parametrize("method", ["proportional", "fifo"])
@settings(max_examples=300)
@given(rows=MONTHS, pv=WH, grid=WH)
def test_what_always_holds(method: Method, rows: list[tuple[int, int, int]], pv: int, grid: int) -> None:
    opening = Stored(pv, grid)
    tagged = one(rows, method, opening)
    charge, discharge, surplus = (np.array(column) for column in zip(*rows, strict=True))
    (out,), (into,) = tagged.pv_discharge_wh, tagged.pv_charge_wh
    assert (out >= 0).all()
    assert (out <= discharge).all()
    assert (into <= charge).all()
    assert (into <= np.maximum(surplus, 0)).all()
    assert out.sum() <= pv + into.sum(), "no PV energy comes from nowhere"
    assert tagged.lost_wh[0] == charge.sum() - min(charge.sum(), discharge.sum())
    both = tag(*(np.stack([a, a]) for a in (charge, discharge, surplus)), [opening, opening], method)
    assert (both.pv_discharge_wh[1] == out).all(), "sites do not touch each other"


@settings(max_examples=200)
@given(rows=MONTHS)
def test_first_in_first_out_against_a_queue(rows: list[tuple[int, int, int]]) -> None:
    """Exact fractions in a queue, one entry a charge: three running totals are rounded, each by less
    than a Wh."""
    tagged = one(rows, "fifo")
    charged, discharged = (sum(row[i] for row in rows) for i in (0, 1))
    scale = Fraction(min(charged, discharged), charged) if charged else Fraction(0)
    queue: deque[list[Fraction]] = deque()
    total = Fraction(0)
    untagged = False
    for number, (charge, discharge, surplus) in enumerate(rows):
        if charge:
            pv = Fraction(min(charge, max(surplus, 0)), charge)
            queue.append([charge * scale, pv])
        left = Fraction(discharge)
        while left > 0 and queue:
            taken = min(left, queue[0][0])
            total += taken * queue[0][1]
            left -= taken
            queue[0][0] -= taken
            if queue[0][0] == 0:
                queue.popleft()
        untagged = untagged or left > 0
        if not untagged:
            assert abs(total - int(tagged.pv_discharge_wh[0][: number + 1].sum())) < 3
