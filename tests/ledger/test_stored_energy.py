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


def kept_part(rows: list[tuple[int, int, int]], held: int) -> Fraction:
    """What of a charged Wh comes out: the stock was used up once, and never below nothing, since half of what
    went in before the last discharge had gone in. At most all, and all where that says nothing."""
    moments, charged, discharged, before_last = [], 0, 0, 0
    for charge, discharge, _ in rows:
        charged, discharged = charged + charge, discharged + discharge
        moments.append((charged, discharged - held))
        before_last = charged if discharge else before_last
    if not before_last:
        return Fraction(1)
    told = [Fraction(out, into) for into, out in moments if into and 2 * into >= before_last]
    return min(Fraction(1), max(Fraction(0), *told))


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


@pytest.mark.parametrize("method", ["proportional", "fifo"])
def test_what_was_not_discharged_yet_opens_the_next_month(method: Method) -> None:
    """200 PV in and 180 out are a tenth lost; 100 PV more have lost theirs, and 90 come out next month."""
    august = one([(200, 0, 200), (0, 180, 0), (100, 0, 100)], method)
    assert (august.closing, august.lost_pv_wh) == ([Stored(90, 0)], [30])
    september = one([(0, 90, 0), (100, 0, 0), (0, 90, 0)], method, august.closing[0])
    assert september.pv_discharge_wh.tolist() == [[90, 0, 0]]
    assert (september.closing, september.lost_pv_wh) == ([Stored(0, 0)], [0])


def test_nothing_discharged_shows_no_loss_and_no_more_is_left_than_fits() -> None:
    rows = [(100, 0, 50), (100, 0, 100)]
    assert one(rows, "fifo").closing == [Stored(150, 50)]
    into = np.array([[100, 100]])
    full = tag(into, np.zeros_like(into), np.array([[50, 100]]), [Stored()], "fifo", [120])
    assert (full.closing, full.lost_wh, full.lost_pv_wh) == ([Stored(90, 30)], [80], [60])


@settings(derandomize=True, max_examples=200)
@given(rows=MONTHS, more=MONTHS, pv=WH)
def test_a_wrong_opening_does_not_grow(
    rows: list[tuple[int, int, int]], more: list[tuple[int, int, int]], pv: int
) -> None:
    """However wrong the stock at the start was, what it is wrong by at the end is no more."""
    months = [*rows, *more]
    right, wrong = (one(months, "fifo", Stored(wh, 0)).closing[0] for wh in (0, pv))
    assert abs(right.pv_wh + right.grid_wh - wrong.pv_wh - wrong.grid_wh) <= max(pv, 1)


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
    (closing,), (lost_pv,), (lost,) = tagged.closing, tagged.lost_pv_wh, tagged.lost_wh
    assert pv + into.sum() == out.sum() + lost_pv + closing.pv_wh, "PV energy is discharged, lost or left"
    assert lost_pv >= 0
    assert lost == charge.sum() - int(charge.sum() * kept_part(rows, pv + grid))
    unknown = int(discharge.sum()) + lost + closing.pv_wh + closing.grid_wh - pv - grid - int(charge.sum())
    assert unknown >= 0, "what no one put in is the only thing that the inventory may add"
    both = tag(*(np.stack([a, a]) for a in (charge, discharge, surplus)), [opening, opening], method)
    assert (both.pv_discharge_wh[1] == out).all(), "sites do not touch each other"


@settings(max_examples=200)
@given(rows=MONTHS)
def test_first_in_first_out_against_a_queue(rows: list[tuple[int, int, int]]) -> None:
    """Exact fractions in a queue, one entry a charge: three running totals are rounded, each by less
    than a Wh."""
    tagged = one(rows, "fifo")
    scale = kept_part(rows, 0)
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
