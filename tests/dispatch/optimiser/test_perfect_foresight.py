"""What prices known beforehand were worth: by hand, and never less than any schedule earns."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.optimiser import perfect_foresight as foresight
from dispatch.optimiser.lp import Lp, Solver, Values
from dispatch.optimiser.perfect_foresight import Foresight, perfect_foresight
from dispatch.optimiser.series import Series
from ledger.refusal import Refused
from tests.dispatch.optimiser.small_site import storage

PRICE = np.array([0.3, 0.3, 0.3, 0.3, 1.2, 1.2, 1.2, 1.2])


def test_two_prices_by_hand() -> None:
    """180 kWh at 1.2 less 222.2222 at 0.3: 149.3333; with wear 0.06 on 402.2222 / 2: 137.2667."""
    found = perfect_foresight(storage(8), 1.0, PRICE)
    assert found.value_micro == 149_333_333
    assert found.real_time_w.clip(0).sum() == 180_000
    assert found.stored_wh.max() == 200_000
    worn = perfect_foresight(storage(8, wear_price=0.06), 1.0, PRICE)
    assert worn.value_micro == 137_266_667
    assert worn.energy_micro == 149_333_333
    assert worn.wear_micro == 12_066_667


def test_two_settlements_by_hand() -> None:
    """Real time at 2.0 for an hour after a day-ahead price of 0.5: sold there, and bought back a position
    short of 50 kW at the day-ahead's 0.9 where real time is 0.4."""
    day_ahead, real_time = np.array([0.5, 0.9]), np.array([2.0, 0.4])
    stored = storage(2, start_kwh=100.0)
    found = perfect_foresight(stored, 1.0, day_ahead, real_time, position_kw_max=50.0)
    by_hand = 90 * 2.0 - 50 * (0.5 - 2.0) * -1 * -1 + 50 * (0.9 - 0.4)
    assert found.value_micro == round(by_hand * 1e6)
    assert found.day_ahead_w.tolist() == [-50_000, 50_000]
    assert found.real_time_w.tolist() == [90_000, 0]
    dear = perfect_foresight(stored, 1.0, day_ahead, real_time, position_kw_max=50.0, deviation_price=9.0)
    assert np.array_equal(dear.day_ahead_w, dear.real_time_w) or dear.value_micro < found.value_micro


def test_the_end_is_kept_and_cycles_and_ramp_hold() -> None:
    kept = perfect_foresight(storage(8, start_kwh=150.0, end_kwh=150.0), 1.0, np.full(8, 0.5))
    assert kept.value_micro == 0
    assert kept.stored_wh[-1] == 150_000
    few = perfect_foresight(storage(8, discharge_kwh_max=(50.0,)), 1.0, PRICE)
    assert few.real_time_w.clip(0).sum() == 45_000
    slow = perfect_foresight(storage(8, ramp_kw=30.0), 1.0, PRICE)
    assert np.abs(np.diff(slow.real_time_w, prepend=0)).max() <= 30_001


def test_negative_prices_fill_the_storage_once() -> None:
    found = perfect_foresight(storage(4), 1.0, np.array([-1.0, -1.0, -1.0, 0.5]))
    assert found.energy_micro == round((200 / 0.9 * 1.0) * 1e6) or found.value_micro > 222_000_000
    assert (found.stored_wh <= 200_000).all()


@pytest.mark.parametrize(("deviation", "sold"), [(None, 0), (0.0, 0), (0.05, 0), (0.05, 60)])
def test_a_day_below_zero_is_not_searched(
    monkeypatch: pytest.MonkeyPatch, deviation: float | None, sold: int
) -> None:
    """A search through the choices of 96 such quarter-hours takes half a minute; hours are its yardstick."""
    draw = np.random.default_rng(11)
    for _ in range(6):
        wave = np.sin(np.arange(24) / 12 * 2 * np.pi)
        day_ahead = -0.3 + 0.15 * wave + 0.05 * draw.standard_normal(24)
        real_time = None if deviation is None else day_ahead + 0.05 * draw.standard_normal(24)
        prices = day_ahead, real_time, deviation or 0.0, np.tile([-sold, sold / 2], 12) if sold else None
        found, best = (_value(monkeypatch, most, *prices) for most in (12, 24))
        assert best > 0
        assert 0.998 * best <= found <= best + 2


def _value(
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    day_ahead: Series,
    real_time: Series | None,
    deviation: float,
    sold_kw: Series | None,
) -> int:
    whole: list[bool] = []
    keep = Solver.__init__

    def watched(self: Solver, lp: Lp, costs: Values) -> None:
        whole.append(lp.is_integer)
        keep(self, lp, costs)

    monkeypatch.setattr(foresight, "SEARCHED_MAX", most)
    monkeypatch.setattr(Solver, "__init__", watched)
    found = perfect_foresight(
        storage(24), 1.0, day_ahead, real_time, deviation_price=deviation, sold_kw=sold_kw
    )
    monkeypatch.undo()
    assert whole == [most == 24]
    return found.value_micro


@settings(derandomize=True, max_examples=40, deadline=None, database=None)
@given(st.integers(0, 10_000), st.floats(0, 0.3))
def test_no_schedule_earns_more(seed: int, deviation: float) -> None:
    """Any feasible schedule with any position within the limits is worth at most the found value."""
    draw = np.random.default_rng(seed)
    day_ahead, real_time = draw.normal(0.4, 0.4, 12), draw.normal(0.4, 0.5, 12)
    stored = storage(12, start_kwh=60.0, wear_price=0.02)
    found = perfect_foresight(stored, 0.5, day_ahead, real_time, deviation_price=deviation)
    assert value(
        found.real_time_w / 1e3, found.day_ahead_w / 1e3, day_ahead, real_time, deviation
    ) == pytest.approx(found.value_micro / 1e6, abs=0.02)
    held = 60.0
    done, position = np.zeros(12), draw.uniform(-100, 100, 12)
    for t in range(12):
        wish = draw.uniform(-100, 100)
        done[t] = min(wish, held * 0.9 / 0.5) if wish > 0 else max(wish, -(200 - held) / 0.9 / 0.5)
        held += -0.5 * done[t] / 0.9 if done[t] > 0 else -0.5 * done[t] * 0.9
    assert value(done, position, day_ahead, real_time, deviation) <= found.value_micro / 1e6 + 0.02


def value(
    done: np.ndarray, position: np.ndarray, day_ahead: np.ndarray, real_time: np.ndarray, dev: float
) -> float:
    paid = position * day_ahead + (done - position) * real_time - dev * np.abs(done - position)
    return float(0.5 * (paid - 0.02 * np.abs(done) / 2).sum())


def test_what_is_no_series_is_refused() -> None:
    for wrong in (np.ones(7), np.array([np.nan] * 8)):
        with pytest.raises(Refused):
            perfect_foresight(storage(8), 1.0, wrong)
    with pytest.raises(Refused):
        perfect_foresight(msgspec.structs.replace(storage(8), ceiling_kwh=0.0), 1.0, PRICE)
    assert isinstance(perfect_foresight(storage(8), 1.0, PRICE, PRICE), Foresight)
