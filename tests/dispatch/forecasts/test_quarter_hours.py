"""Quarter-hours are learned as hours; what is kept from day to day is learned from what was known."""

from __future__ import annotations

import warnings
from datetime import date, timedelta

import numpy as np
import pytest
from msgspec import structs

from dispatch.forecasts import worth
from dispatch.forecasts.blend import Blend
from dispatch.forecasts.day_table import DayTable, Values
from dispatch.forecasts.hours import in_slots, of_hours
from dispatch.forecasts.learned import KEPT_DAYS, Learned
from dispatch.forecasts.members.lear import _path
from dispatch.forecasts.members.listed import MEMBERS
from dispatch.forecasts.members.member import Member
from dispatch.forecasts.past import Past
from dispatch.forecasts.trained import trained
from dispatch.forecasts.worth import Arbitrage, PeakShaving
from dispatch.optimiser.perfect_foresight import perfect_foresight
from dispatch.optimiser.plan import Plan
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.solve import solve
from ledger.calendars import calendar

FIRST = date(2026, 1, 1)
QUARTER = Arbitrage(0.25)


def past(days: int, seed: int = 5) -> Past:
    """Prices of quarter-hours with a sawtooth in every hour, and a few below 0 at noon on every third day."""
    draw = np.random.default_rng(seed)
    hour = np.arange(96) / 4
    shape = 80 + 50 * np.sin((hour - 9) / 24 * 2 * np.pi) + np.tile([9.0, 3.0, -3.0, -9.0], 24)
    values = shape + 6 * draw.standard_normal((days, 24)).repeat(4, axis=1) + draw.standard_normal((days, 96))
    values[::3, 44:56] -= 150
    return Past(days=DayTable(first=FIRST, values=values * 1000), calendar=calendar("none", "Europe/Berlin"))


def test_hours_are_means_and_slots_keep_their_usual_shape() -> None:
    own = past(40)
    hours = of_hours(own)
    assert hours.days.values.shape == (40, 24)
    assert hours.days.values[3, 7] == pytest.approx(own.days.values[3, 28:32].mean())
    assert of_hours(hours) is hours
    last = own.last
    flat = np.full((2, 24), 7.0)
    found = in_slots(flat, own, last, last + timedelta(days=1), 2)
    assert found.reshape(2, 24, 4).mean(axis=2) == pytest.approx(flat)
    assert (np.diff(found.reshape(2, 24, 4), axis=2) < -1500).all(), "the sawtooth of four weeks"


@pytest.mark.parametrize("member", MEMBERS[2:], ids=lambda one: one.name)
def test_quarters_are_forecast_in_their_own_slots(member: Member) -> None:
    own = past(90)
    known = own.until(own.last - timedelta(days=1))
    found = member.fit(known, 1).predict(known, own.last, own.last)
    assert found.expected.shape == (1, 96)
    off = np.abs(found.expected - own.days.values[-1:])[:, np.r_[0:44, 56:96]]
    assert off.mean() < 9_000, "three quarters of it is the sawtooth, where hours alone are forecast"
    steps = np.diff(found.expected.reshape(24, 4), axis=1)[np.r_[0:11, 14:24]]
    assert (steps < -1500).all()


def test_of_days_with_prices_below_zero_no_choice_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search through one such day of quarter-hours takes half a minute, and a blend asks for thousands."""
    rows = past(30).days.values
    asked: list[PlanRequest] = []

    def watched(request: PlanRequest) -> Plan:
        asked.append(request)
        return solve(request)

    monkeypatch.setattr(worth, "solve", watched)
    best = QUARTER.of(rows, rows)
    assert [len(one.sites) for one in asked] == [10, 10, 10]
    for site in asked[-1].sites:
        below = site.sell_price < 0
        assert below.any()
        assert not (site.storage.availability * site.storage.discharging)[below].any(), "one direction"
    assert not asked[-1].integer
    searched = [float(_searched(row)) for row in rows[:3]]
    assert best[:3] == pytest.approx(searched, rel=1e-3)
    other = QUARTER.of(rows[:6] / 1e6, rows[:6])
    assert other == pytest.approx(best[:6], rel=1e-3), "a price's unit changes no schedule"


def _searched(price: Values) -> float:
    """What the optimiser earns on a day when it searches through every choice."""
    stored = perfect_foresight(worth._storage(len(price), 1.0), 0.25, price / 1e5)
    return float((stored.day_ahead_w * price).sum()) * 0.25 / 1000


def test_no_member_alone_captured_more_than_what_is_issued() -> None:
    """Four weeks of noise in quarter-hours: the mean of the ways that earned most by the hour is beaten."""
    own = past(48, seed=1)
    noise = np.random.default_rng(6).standard_normal(own.days.values.shape)
    loads = np.maximum(own.days.values + 30_000 * noise, 0.0)
    loads[:, 44:56] += 100_000
    site = Past(days=DayTable(first=FIRST, values=loads), calendar=own.calendar)
    found = trained(site, PeakShaving(0.25), 1)
    assert found.scores is not None
    assert found.scores.captured_permille == max(one.captured_permille or 0 for one in found.shares)
    assert [one.weight_permille for one in found.shares].count(1000) == 1


def test_days_that_count_for_nothing_choose_no_weights() -> None:
    """Every third day has no hole: 24 of the 74 that are judged, and of a shorter past under 14."""
    own = past(90)
    values = own.days.values.copy()
    values[1::3, 60] = values[2::3, 30] = np.nan
    known = Past(days=DayTable(first=FIRST, values=values), calendar=own.calendar)
    found = trained(known, QUARTER, 1, MEMBERS[:2])
    assert found.blend.days == 24
    few = trained(known.until(FIRST + timedelta(days=40)), QUARTER, 1, MEMBERS[:2])
    assert few.blend.days < 14
    assert sorted(few.blend.weights.tolist()) in ([0.5, 0.5], [0.0, 1.0])


def trained_and_later(spoilt: bool) -> tuple[Values, Values]:
    """The first and the third forecast of a row of days, whatever came on the last day."""
    own = past(48)
    values = own.days.values.copy()
    if spoilt:
        values[-1:] = values[-1:] * -3 + 1e7
    whole = Past(days=DayTable(first=FIRST, values=values), calendar=own.calendar)
    learned = Learned()
    days = [whole.last - timedelta(days=back) for back in (3, 2, 1)]
    found = [
        learned.of(whole.until(day - timedelta(days=1)), QUARTER, 1).predict(day).expected for day in days
    ]
    return found[0], found[2]


def test_what_is_kept_is_learned_from_what_was_known() -> None:
    honest, spoilt = trained_and_later(spoilt=False), trained_and_later(spoilt=True)
    for mine, theirs in zip(honest, spoilt, strict=True):
        assert mine.tobytes() == theirs.tobytes()


def test_a_model_is_kept_for_a_week_and_never_for_an_earlier_day() -> None:
    own = past(48)
    learned = Learned()
    begin = own.last - timedelta(days=KEPT_DAYS + 1)

    def at(days: int, lead: int = 1) -> object:
        return learned.of(own.until(begin + timedelta(days=days)), QUARTER, lead).blend

    first = at(0)
    assert at(KEPT_DAYS - 1) is first
    second = at(KEPT_DAYS)
    assert second is not first
    third = at(0)
    assert third is not second, "it was learned from days that came later"
    assert at(0, lead=2) is not third


def test_what_a_later_past_learned_is_not_used_for_one_before_it() -> None:
    """Days two ahead are first asked for by the later past, as where a back-test's days are not in turn."""
    own = past(90)
    begin = own.last - timedelta(days=4)
    (lear,) = (one for one in MEMBERS if one.name == "lear")
    simple = trained(past(20), QUARTER, 1, MEMBERS[:2])
    learned = structs.replace(
        simple, past=own.until(begin), members=(lear,), blend=Blend(np.ones(1), 1), fits={}
    )

    def two_ahead(days: int) -> bytes:
        found = learned.later(own.until(begin + timedelta(days=days)))
        return found.predict(found.past.last + timedelta(days=2)).expected.tobytes()

    alone = two_ahead(1)
    learned.fits.clear()
    two_ahead(4)
    assert two_ahead(1) == alone


def test_the_path_converges_where_features_hardly_differ() -> None:
    """Sums of one walk: coordinate descent gives up after 5,000 rounds; the path meets its conditions."""
    draw = np.random.default_rng(7)
    walk = np.cumsum(draw.normal(size=(30, 1)), axis=0)
    x = (walk - walk.mean()) / walk.std() + 0.01 * np.cumsum(draw.normal(size=(30, 40)), axis=0)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    y = (u[:, :12] / s[:12]) @ draw.normal(size=(12, 4))
    y /= y.std(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = _path(x, y)
    most = np.abs(x.T @ y / len(x)).max(axis=0)
    for number, penalty in ((0, 0.5), (7, 0.02)):
        left = x.T @ (y - x @ found[:, :, number]) / len(x) - 1e-3 * found[:, :, number]
        assert np.abs(left).max(axis=0) == pytest.approx(penalty * most, rel=1e-4)
