"""What a forecast is worth, by hand, and weights that follow worth and not error."""

from __future__ import annotations

import numpy as np
import pytest

from dispatch.forecasts import worth
from dispatch.forecasts.blend import Blend, chosen, tried_weights, unbeaten, values_of
from dispatch.forecasts.prediction import Prediction
from dispatch.forecasts.rolling_origin import Rolled
from dispatch.forecasts.worth import (
    Arbitrage,
    PeakShaving,
    Pledge,
    best_of,
    captured_permille,
    earned,
    worth_of,
)
from dispatch.optimiser.plan import Plan
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.solve import solve
from tests.dispatch.forecasts.synthetic import FIRST_DAY


def day(**hours: float) -> np.ndarray:
    """A day at 0.5, but for the hours named h0 to h23."""
    values = np.full((1, 24), 0.5)
    for name, value in hours.items():
        values[0, int(name[1:])] = value
    return values


def test_two_hours_bought_and_sold() -> None:
    """2 kWh in the cells cost 2 / 0.955 x 0.1 and bring 2 x 0.955: 1.7006; turned round it loses."""
    price = day(h2=0.1, h3=0.1, h4=0.1, h18=1.0, h19=1.0)
    best = 2 * 0.955 - 2 / 0.955 * 0.1
    assert Arbitrage(1.0).of(price, price)[0] == pytest.approx(best, abs=2e-3)
    turned = 1.1 - price
    assert Arbitrage(1.0).of(turned, price)[0] < -1.0
    flat = np.full((1, 24), 0.5)
    assert Arbitrage(1.0).of(flat, price)[0] == pytest.approx(0.0, abs=1e-9)
    half = day(h2=0.1, h3=0.1, h4=0.1, h18=1.0)
    unit = Arbitrage(1.0)
    assert captured_permille(earned(unit, half, price), best_of(unit, price)) == pytest.approx(
        1000 * (best - 0.4775) / best, abs=15
    )
    assert captured_permille(earned(unit, price, flat), best_of(unit, flat)) is None
    missing = price.copy()
    missing[0, 5] = np.nan
    assert Arbitrage(1.0).of(price, missing)[0] == 0.0


def test_a_peak_that_was_foreseen_is_lowered() -> None:
    """A peak of 100 for an hour over 50: a fifth of it, 20, is shaved; foreseen elsewhere, it stays."""
    load = np.full((1, 24), 50.0)
    load[0, 10] = 100.0
    wrong = np.roll(load, 5, axis=1)
    worth = PeakShaving(1.0)
    assert worth.of(load, load)[0] == pytest.approx(20.0, abs=0.1)
    assert worth.of(wrong, load)[0] <= 0.1
    assert worth.of(load, np.zeros((1, 24)))[0] == 0.0


def test_a_pledge_pays_for_what_is_delivered_less_half_of_what_deviates() -> None:
    assert Pledge().of(np.array([[10.0, 4.0]]), np.array([[8.0, 5.0]])).tolist() == [13.0 - 1.5]
    assert isinstance(worth_of("pv", 900), Pledge)
    assert worth_of("price", 900) == Arbitrage(0.25)


def test_weights_go_to_the_member_that_earns_though_it_errs_more() -> None:
    """One member is 0.4 too high all day and has the shape; the other is close to the mean and has none."""
    draw = np.random.default_rng(5)
    actual = 0.5 + 0.3 * draw.standard_normal((20, 24))
    shape = actual + 0.4
    flat = np.full_like(actual, 0.5) + 0.01 * draw.standard_normal((20, 24))
    assert np.abs(shape - actual).mean() > np.abs(flat - actual).mean()
    parts = tuple(Prediction(one, np.repeat(one[None], 5, axis=0)) for one in (flat, shape))
    seen = Rolled(FIRST_DAY, actual, parts)
    values = values_of(seen, Arbitrage(1.0))
    assert values.shape == (5, 20)
    blend = chosen(values[:, :], 2)
    assert blend.weights.sum() == pytest.approx(1.0)
    best = tried_weights(2)[int(np.argmax(values.sum(axis=1)))]
    assert best[1] >= 0.75
    assert chosen(values[:, :13], 2).weights.tolist() == [0.5, 0.5], "of too few days nothing is chosen"


def test_days_at_one_price_below_zero_earn_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is the same at any hour is searched for longest: nothing of it is searched for."""
    asked: list[PlanRequest] = []

    def counted(request: PlanRequest) -> Plan:
        asked.append(request)
        return solve(request)

    monkeypatch.setattr(worth, "solve", counted)
    floor = np.full((50, 6), -100_000.0)
    floor[7, 2] = 50_000.0
    made = Arbitrage(4.0).of(floor + 1e-9 * np.arange(50)[:, None], floor)
    assert len(asked) == 5
    assert not any(one.integer for one in asked)
    same = np.delete(made, 7)
    assert same == pytest.approx(np.full(49, same[0]), rel=1e-6)
    assert made[7] > made[0] > 0


def test_a_blend_that_a_member_beats_is_not_issued() -> None:
    """Of two members the ways earned 3, 5, 4, 2, 1 by the hour; in the slots themselves it is otherwise."""
    values = np.repeat(np.array([[3.0], [5.0], [4.0], [2.0], [1.0]]), 14, axis=1)
    tried: list[float] = []

    def earned(blend: Blend) -> float:
        tried.append(float(blend.weights[0]))
        return 10 - abs(10 * tried[-1] - 2.5)

    assert unbeaten(values, (0.0, 7.0), earned).weights.tolist() == [0.5, 0.5]
    assert unbeaten(values, (0.0, 9.0), earned).weights.tolist() == [0.25, 0.75], "a mean of three"
    assert unbeaten(values, (0.0, 11.0), earned).weights.tolist() == [0.0, 1.0], "a member beats them all"
    assert tried == [0.5, 0.5, 0.375, 0.25, 0.5, 0.375, 0.25, 0.375, 0.25]


def test_a_usual_peak_is_that_of_the_days_that_are_known() -> None:
    actual = np.full((5, 4), 100.0)
    actual[:, 2] = 200.0
    actual[:3] = np.nan
    known = PeakShaving(6.0).of(np.nan_to_num(actual), actual)
    assert known[:3].tolist() == [0.0] * 3
    assert known[3] == known[4] > 0
