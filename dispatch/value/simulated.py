"""How a storage would have run through a month: with all known, by plan, by rule.

Each is whole W at the AC side of every interval, above 0 discharging, and keeps to the storage's physics
(`dispatch.planning.following`). A plan sees what was known when its day began, and nothing later.
"""

from __future__ import annotations

from collections.abc import Callable
from math import gcd
from typing import Final, NamedTuple

import msgspec
import numpy as np

from dispatch.fixed_hours_rule import UsualPrices, fixed_hours_w
from dispatch.optimiser.directions import SEARCHED_MAX, burning, directed
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.site import Site
from dispatch.optimiser.solve import solve
from dispatch.plan_check import SiteLimits, Whole
from dispatch.planning.following import follow
from dispatch.planning.guard import Billed, GuardLimits, guard
from dispatch.planning.load_paths import LoadHistory, likely_paths
from dispatch.planning.peak_case import peak_case, peak_storage
from dispatch.planning.peak_target import peak_target
from dispatch.planning.site_case import SiteCase
from dispatch.time_of_use_rule import Storage, schedule
from dispatch.value.site_month import SiteMonth, table_of

HORIZON_DAYS: Final = 2
"""A plan reaches over the day that follows the one it is for, so that a day does not end empty by itself."""
USUAL_DAYS: Final = 28
"""Of so many days before the mean price of an hour is what is usual at it."""
_DRAWN_DAYS: Final = 42
_RULE_PERMILLE: Final = 600
"""Of the last four weeks' highest load: the peak that the rule's guard begins a month with."""
_WEEKS_4: Final = 28
_PPM: Final = 1_000_000
_PERMILLE: Final = 1000
_S_PER_HOUR: Final = 3600
_SATURDAY: Final = 5
_ROUNDS_MAX: Final = 8
_THRIFT: Final = (0.0, 0.25, 0.5, 1.0, 2.0)


class Expected(NamedTuple):
    """What is taken to come in the intervals of a plan's horizon: prices in 10^-6 of money per kWh."""

    buy_micro: Whole
    sell_micro: Whole


Prices = Callable[[int, slice], Expected | None]
"""What was known of the prices of some intervals when the plan of a day (its number) was made; None where
nothing was."""


class Planned(NamedTuple):
    """The setpoints as they were planned day by day, what was delivered of them, and the numbers of the days
    of which nothing was known beforehand, and the storage stood still."""

    plan_w: Whole
    delivered_w: Whole
    unknown: tuple[int, ...]


def perfect_w(site: SiteMonth) -> Whole:
    """The best for the load and prices that came: the whole month planned at once, as all of it is known."""
    whole = slice(0, len(site.load_w))
    case = site.case(whole, site.load_w, site.buy_micro, site.sell_micro, site.start_wh, 0)
    return _through(site, _solved(case))


def known_prices(site: SiteMonth) -> Prices:
    """Prices that are known beforehand, as a tariff's are."""
    return lambda _, part: Expected(site.buy_micro[part], site.sell_micro[part])


def planned(
    site: SiteMonth, prices: Prices, *, horizon_days: int = HORIZON_DAYS, load_known: bool = False
) -> Planned:
    """A plan a day, made at its midnight from the load until then, and how the storage then ran.

    Where demand is charged the plan holds a target and keeps energy for it, and the guard follows the load
    that came (`dispatch.planning`). `load_known` takes the load that came for the expected one.

    Raises:
        Refused: `backtest_history` where not one day before the first is known of a site with a load.
    """
    plan_w, done_w = (np.zeros(len(site.load_w), dtype=np.int64) for _ in range(2))
    stored, peak = site.start_wh, site.least_w
    history = _History(site)
    unknown: list[int] = []
    for number in range(site.days):
        part, ahead = site.of_day(number), site.of_days(number, horizon_days)
        expected = prices(number, ahead)
        paths = site.load_w[None, ahead] if load_known else history.paths(number, ahead)
        if expected is None or paths is None:
            unknown.append(number)
            stored, peak = _still(site, part, stored, peak)
            continue
        mean = np.rint(paths.mean(axis=0)).astype(np.int64)
        case = site.case(ahead, mean, *expected, stored, peak)
        target: int | None = None
        if site.peak_price_micro and not load_known:
            target = _target(site, case, history, number, peak)
            guarded = peak_case(case, paths, target)
            case, target = guarded.case, guarded.target_w
        count = part.stop - part.start
        thought = site.limits(part, mean[:count], stored)
        plan_w[part] = _readable(site, follow(thought, _solved(case)[:count]).setpoint_w)
        limits = site.limits(part, site.load_w[part], stored)
        done = follow(limits, _guarded(limits, plan_w[part], target))
        done_w[part], stored = done.setpoint_w, int(done.stored_wh[-1])
        peak = max(peak, int((site.load_w[part] - done.setpoint_w).max()))
    return Planned(plan_w, _through(site, done_w), tuple(unknown))


def _still(site: SiteMonth, part: slice, stored_wh: int, peak_w: int) -> tuple[int, int]:
    """What is stored after a day of standing still, and the peak so far."""
    limits = site.limits(part, site.load_w[part], stored_wh)
    done = follow(limits, np.zeros(part.stop - part.start, dtype=np.int64))
    return int(done.stored_wh[-1]), max(peak_w, int(site.load_w[part].max()))


def by_rule_w(site: SiteMonth, known_micro: Whole) -> Whole:
    """The time-of-use rule, a day at a time, under the guard where demand is charged; at spot fixed hours.

    `known_micro` has the buying price that the rule looks at for each interval: the tariff's own, or where
    prices are not known beforehand what is usual (`trailing_mean`).
    """
    if site.at_spot:
        return _by_fixed_hours_w(site, known_micro)
    done_w = np.zeros(len(site.load_w), dtype=np.int64)
    power = max(site.terms.charge_w, site.terms.discharge_w)
    step = power * site.interval_s // _S_PER_HOUR
    endless = Storage(
        10**15,
        power,
        max(1, site.terms.charge_ppm * _PERMILLE // _PPM),
        max(1, site.terms.discharge_ppm * _PERMILLE // _PPM),
    )
    target: int | None = None
    if site.peak_price_micro:
        highest = int(site.known_w[-_WEEKS_4:].max(initial=0))
        target = max(highest * _RULE_PERMILLE // _PERMILLE, site.least_w)
    stored = site.start_wh
    for number in range(site.days):
        part = site.of_day(number)
        room = np.full(part.stop - part.start, step, dtype=np.int64)
        asked = schedule(
            endless, room, known_micro[part], site.interval_s, stored_wh=5 * 10**14, ceiling_wh=10**15
        )
        wish: Whole = (asked.discharge_wh - asked.charge_wh) * _S_PER_HOUR // site.interval_s
        limits = site.limits(part, site.load_w[part], stored)
        done = follow(limits, _guarded(limits, wish, target))
        done_w[part], stored = done.setpoint_w, int(done.stored_wh[-1])
        if target is not None:
            target = max(target, int((site.load_w[part] - done.setpoint_w).max()))
    return _through(site, done_w)


def _by_fixed_hours_w(site: SiteMonth, known_micro: Whole) -> Whole:
    wish = np.zeros(len(site.load_w), dtype=np.int64)
    sent = site.sell_micro - site.buy_micro  # what is borne beside the price, which is known beforehand
    for number in range(site.days):
        part = site.of_day(number)
        usual = UsualPrices(known_micro[part], known_micro[part] + sent[part])
        wish[part] = fixed_hours_w(site.terms, usual, site.interval_s)
    return _through(site, wish)


def _through(site: SiteMonth, setpoint_w: Whole) -> Whole:
    """The same days in one run of whole Wh an interval: nothing is stored by rounding, at midnight or by
    meters."""
    limits = site.limits(slice(0, len(site.load_w)), site.load_w, site.start_wh)
    done = _readable(site, follow(limits, setpoint_w).setpoint_w)
    for _ in range(_ROUNDS_MAX):
        again = follow(limits, done).setpoint_w
        if np.array_equal(again, done):
            break
        done = _readable(site, again)
    return done


def _readable(site: SiteMonth, setpoint_w: Whole) -> Whole:
    """The nearest power towards 0 of which a meter's interval is whole Wh."""
    step = _S_PER_HOUR // gcd(_S_PER_HOUR, site.interval_s)
    found: Whole = np.sign(setpoint_w) * (np.abs(setpoint_w) // step * step)
    return found


def trailing_mean(site: SiteMonth, before_micro: Whole) -> Whole:
    """For each interval the mean price of its slot on the last 28 days before, or as many as are known.

    `before_micro` are the days before the first, days x slots. Where no day is known all is 0.
    """
    own = table_of(site.buy_micro, site.day, site.slot, site.slots)
    table = np.concatenate([np.atleast_2d(before_micro), own])
    begins = len(table) - len(own)
    usual = np.zeros_like(own)
    for number in range(site.days):
        past = table[: begins + number][-USUAL_DAYS:]
        if len(past):
            usual[number] = past.sum(axis=0) // len(past)
    found: Whole = usual[site.day, site.slot]
    return found


def whole_wh(setpoint_w: Whole, interval_s: int) -> tuple[Whole, Whole]:
    """What meters read of setpoints: charged and discharged Wh of each interval, cut off to whole Wh where
    they are others than this module's."""
    charge: Whole = np.maximum(-setpoint_w, 0) * interval_s // _S_PER_HOUR
    discharge: Whole = np.maximum(setpoint_w, 0) * interval_s // _S_PER_HOUR
    return charge, discharge


def _solved(case: SiteCase) -> Whole:
    """The plan of least cost; where energy is given away in many intervals, very nearly that.

    A choice an interval is searched through where there are few. Of many one direction an interval is found
    first (`dispatch.optimiser.directions`); where days have a limit of discharge, for some degrees of
    thrift, of which the best counts.
    """
    site, interval_h = case.to_optimise(), case.limits.interval_s / _S_PER_HOUR
    if int(burning(site).sum()) <= SEARCHED_MAX:
        return solve(PlanRequest(sites=(site,), interval_h=interval_h)).sites[0].setpoint_w
    plans = [
        solve(PlanRequest(sites=(directed(site, interval_h, wear),), interval_h=interval_h))
        for wear in _thrift(site)
    ]
    return min(plans, key=lambda plan: plan.objective_micro).sites[0].setpoint_w


def _thrift(site: Site) -> tuple[float, ...]:
    """Wear beside the storage's own that is tried: up to what giving all of a round trip away would earn."""
    storage = site.storage
    if storage.discharge_kwh_max is None:
        return (0.0,)
    n = storage.charge_efficiency * storage.discharge_efficiency
    most = float(np.maximum(-np.minimum(site.buy_price, site.sell_price), 0.0).max()) * (1 / n - n)
    return tuple(most * part for part in _THRIFT)


class _History:
    """The load of the days before a day; nothing of the day itself."""

    def __init__(self, site: SiteMonth) -> None:
        self._site = site
        self._known = np.concatenate([site.known_w, site.day_table()])
        self._before = len(site.known_w)
        first = site.first_day.toordinal() - self._before
        # 1 January of year 1 was a Monday, and has the ordinal 1.
        week = (first - 1 + np.arange(len(self._known))) % 7
        self._kind = np.maximum(0, week - _SATURDAY + 1)
        self._still = not self._known.any()

    def days_w(self, number: int) -> Whole:
        """The last weeks before the day, days x slots."""
        return self._known[: self._before + number][-_DRAWN_DAYS:]

    def paths(self, number: int, ahead: slice) -> Whole | None:
        """Paths x intervals of what may come, never below 0: a surplus is not foreseen. None where no day
        before is known."""
        site = self._site
        if self._still:  # a site without any load
            return np.zeros((1, ahead.stop - ahead.start), dtype=np.int64)
        past = self._known[: self._before + number]
        if not len(past):
            return None
        kind = self._kind[: len(past) + 1]
        history = LoadHistory(load_w=past.ravel(), per_day=site.slots, kind=kind)
        days = int(site.day[ahead.stop - 1]) - number + 1
        found = likely_paths(history, days * site.slots)
        at: Whole = (site.day[ahead] - number) * site.slots + site.slot[ahead]
        return found[:, at]


def _target(site: SiteMonth, case: SiteCase, history: _History, number: int, peak: int) -> int:
    past = np.maximum(history.days_w(number), 0)
    today = site.of_day(number)
    prices = np.zeros(site.slots, dtype=np.int64)
    prices[site.slot[today]] = site.buy_micro[today]
    return peak_target(
        peak_storage(case),
        past,
        prices,
        days_left=site.days - number,
        peak_w=peak,
        peak_price_micro=site.peak_price_micro,
    ).target_w


def _guarded(limits: SiteLimits, wish_w: Whole, target_w: int | None) -> Whole:
    """The wish as the guard corrects it, interval by interval, for the load that came."""
    if target_w is None:
        return wish_w
    guards = GuardLimits(
        interval_s=limits.interval_s,
        target_w=target_w,
        charge_w_max=int(limits.charge_w_max.max()),
        discharge_w_max=int(limits.discharge_w_max.max()),
        floor_wh=int(limits.floor_wh.max()),
        ceiling_wh=limits.ceiling_wh,
        charge_efficiency_ppm=limits.charge_efficiency_ppm,
        discharge_efficiency_ppm=limits.discharge_efficiency_ppm,
        export_w_max=int(limits.export_w_max.max()),
    )
    found, stored = np.zeros_like(wish_w), limits.start_wh
    behind = limits.load_w - limits.pv_w
    for at, wish in enumerate(wish_w.tolist()):
        now = guard(guards, Billed(), wish, int(behind[at]), stored, limits.interval_s).setpoint_w
        one = slice(at, at + 1)
        done = follow(_at(limits, one, stored), np.array([now], dtype=np.int64))
        found[at], stored = int(done.setpoint_w[0]), int(done.stored_wh[0])
    return found


def _at(limits: SiteLimits, part: slice, start_wh: int) -> SiteLimits:
    columns = (
        "load_w",
        "pv_w",
        "import_w_max",
        "export_w_max",
        "charge_w_max",
        "discharge_w_max",
        "floor_wh",
    )
    cut = {name: getattr(limits, name)[part] for name in columns}
    return msgspec.structs.replace(
        limits, **cut, start_wh=start_wh, ramp_w=None, discharge_wh_max=None, day=None
    )
