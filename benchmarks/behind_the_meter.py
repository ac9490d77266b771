"""Storage behind the meter under a demand charge: `python -m benchmarks.behind_the_meter`, some minutes.

Fifteen-minute loads of SimBench (scaled to 1 MW), which spike; Shanghai's two-part tariff at 1-10 kV; a
storage of 250 kW and 475 kWh usable, 95.5 % each way. Every month begins empty, with eight weeks
known. A plan a quarter-hour from what was known then, a guard a minute; the load within a quarter-hour is
SIMULATED around its metered mean. The saving is of the month's bill, in % of what
knowing the whole month saves.

Each month is taken twice. From its first minute on, with no peak to hold yet: which peak is to be held is
then most of what there is to know. And underway, with a peak so far that is 95 % of the month's highest load:
the guard has what to hold from the beginning, and the demand charge is lost by a mistake alone.

What is chosen below was chosen on `TUNED` in April and June; figures are of other sites in other months.
"""

from __future__ import annotations

import csv
import gzip
import sys
from calendar import monthrange
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from benchmarks.figure import Figure
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.rolling import RollingPlan
from dispatch.optimiser.solve import solve
from dispatch.plan_check import SiteLimits, Whole
from dispatch.planning.guard import Billed, GuardLimits, guard
from dispatch.planning.load_paths import LoadHistory, likely_paths
from dispatch.planning.peak_case import PeakCase, peak_case, peak_storage
from dispatch.planning.peak_target import peak_target
from dispatch.planning.site_case import SiteCase
from dispatch.time_of_use_rule import Storage, schedule
from ledger import tariff_file
from ledger.interval import Month
from ledger.tariff import prices_of_month

_HOME: Final = Path(__file__).parents[1]
DATA: Final = _HOME.parent / "shared/data/meters/simbench_commercial_15min_2016.csv.gz"
TUNED: Final = ("G0-A", "G1-B", "G2-A", "G4-B", "G5-A")
REPORTED: Final = ("G0-M", "G1-A", "G1-C", "G3-A", "G3-M", "G4-A", "G4-H", "G6-A")
MONTHS: Final = (8, 11)
_WANTED: Final = 93.0
_YEAR: Final = 2016
_QUICK_DAYS: Final = 3
_INTERVAL_S: Final = 900
_A_DAY: Final = 96
_KNOWN_DAYS: Final = 56
_DRAWN_DAYS: Final = 42
_STEP_S: Final = 60
_POWER_W: Final = 250_000
_FLOOR_WH: Final = 25_000
_CEILING_WH: Final = 500_000
_PPM: Final = 955_000
_MILLION: Final = 1_000_000
_UNDERWAY_PERMILLE: Final = 950
_RULE_PERMILLE: Final = 600
"""Of the last four weeks' highest load: the peak that the rule's guard begins a month with, tuned for it."""


class Bill(NamedTuple):
    """Energy and demand charge, in money."""

    energy: float
    demand: float

    @property
    def total(self) -> float:
        return self.energy + self.demand


class SiteMonth(NamedTuple):
    """A site's load: `known_w` of the weeks before, `load_w` of the month, W; `day_micro` a day's prices.

    `kind` is the kind of each day of both: 0 a working day, 1 a Saturday, 2 a Sunday. `peak_w` is the peak
    that the billing period had when the month's first interval began, W.
    """

    name: str
    known_w: Whole
    load_w: Whole
    kind: Whole
    day_micro: Whole
    peak_micro: int
    peak_w: int = 0

    @property
    def buy_micro(self) -> Whole:
        return np.tile(self.day_micro, len(self.load_w) // _A_DAY)

    @property
    def underway(self) -> SiteMonth:
        """The same with a peak that nothing below it can lower any more."""
        return self._replace(peak_w=int(self.load_w.max()) * _UNDERWAY_PERMILLE // 1000)

    def bill(self, net_w: Whole) -> Bill:
        """What the month costs, in money."""
        energy = float((net_w * self.buy_micro).sum()) / 4 / 1000 / _MILLION
        highest = max(float(net_w.max()), self.peak_w)
        return Bill(energy, highest / 1000 * self.peak_micro / _MILLION)

    def saved(self, net_w: Whole) -> Bill:
        """What the month costs less than without a storage."""
        before, after = self.bill(self.load_w), self.bill(net_w)
        return Bill(before.energy - after.energy, before.demand - after.demand)

    def case(self, load_w: Whole, buy_micro: Whole, stored_wh: int, peak_w: int) -> SiteCase:
        count = len(load_w)
        limits = SiteLimits(
            id=self.name,
            interval_s=_INTERVAL_S,
            load_w=load_w,
            pv_w=np.zeros(count, dtype=np.int64),
            import_w_max=np.full(count, 100_000_000),
            export_w_max=np.zeros(count, dtype=np.int64),
            charge_w_max=np.full(count, _POWER_W),
            discharge_w_max=np.full(count, _POWER_W),
            floor_wh=np.full(count, _FLOOR_WH),
            ceiling_wh=_CEILING_WH,
            start_wh=min(stored_wh, _CEILING_WH),
            charge_efficiency_ppm=_PPM,
            discharge_efficiency_ppm=_PPM,
        )
        return SiteCase(
            limits=limits, buy_micro=buy_micro, sell_micro=np.zeros(count, dtype=np.int64), end_wh=_FLOOR_WH,
            peak_w=peak_w, peak_price_micro=self.peak_micro,
        )  # fmt: skip


class Running(msgspec.Struct):
    """A site underway: mWh stored, the month's peak and each interval's mean import, W."""

    stored_mwh: int = _FLOOR_WH * 1000
    peak_w: int = 0
    target_w: int = 0
    net_w: list[int] = []

    def through(self, minutes_w: list[int], wish_w: int, target_w: int) -> None:
        """A quarter-hour under the guard."""
        limits = GuardLimits(
            interval_s=_INTERVAL_S, target_w=target_w, charge_w_max=_POWER_W, discharge_w_max=_POWER_W,
            floor_wh=_FLOOR_WH, ceiling_wh=_CEILING_WH, charge_efficiency_ppm=_PPM,
            discharge_efficiency_ppm=_PPM,
        )  # fmt: skip
        billed = Billed()
        for load_w in minutes_w:
            done = guard(limits, billed, wish_w, load_w, self.stored_mwh // 1000, _STEP_S).setpoint_w
            at_meter = done * _STEP_S * 1000
            if done < 0:
                self.stored_mwh -= -(-at_meter * _PPM // (_MILLION * 3600))
            else:
                self.stored_mwh -= -(-at_meter * _MILLION // (_PPM * 3600))
            billed = billed.after(load_w - done, _STEP_S)
        self.net_w.append(-(-billed.import_ws // _INTERVAL_S))
        self.peak_w = max(self.peak_w, self.net_w[-1])


def perfect(site: SiteMonth) -> Whole:
    """The month's net load when all of it is known."""
    case = site.case(site.load_w, site.buy_micro, _FLOOR_WH, site.peak_w)
    plan = solve(PlanRequest(sites=(case.to_optimise(),), interval_h=0.25))
    found: Whole = site.load_w - plan.sites[0].setpoint_w
    return found


def by_rule(site: SiteMonth) -> Whole:
    """The time-of-use rule's wishes under the guard."""
    endless = Storage(10**12, _POWER_W, 955, 955)
    day = np.full(_A_DAY, _POWER_W // 4)
    asked = schedule(endless, day, site.day_micro, _INTERVAL_S, stored_wh=5 * 10**11, ceiling_wh=10**12)
    wish = 4 * (asked.discharge_wh - asked.charge_wh)
    first = int(site.known_w[-28 * _A_DAY :].max()) * _RULE_PERMILLE // 1000
    state = Running(peak_w=site.peak_w, net_w=[])
    for at, minutes in enumerate(_minutes(site)):
        state.through(minutes, int(wish[at % _A_DAY]), max(first, state.peak_w))
    return np.array(state.net_w, dtype=np.int64)


def planned(sites: list[SiteMonth]) -> list[Whole]:
    """A plan every quarter-hour with target and reserve, all sites in one program, under the guard."""
    states = [Running(peak_w=site.peak_w, net_w=[]) for site in sites]
    minutes = [_minutes(site) for site in sites]
    rolling = RollingPlan()
    for at in range(len(sites[0].load_w)):
        cases = [_case_at(site, state, at) for site, state in zip(sites, states, strict=True)]
        asked = PlanRequest(sites=tuple(one.case.to_optimise() for one in cases), interval_h=0.25)
        plan = rolling.step(asked)
        for state, one, done, load in zip(states, cases, plan.sites, minutes, strict=True):
            state.through(load[at], int(done.setpoint_w[0]), one.target_w)
    return [np.array(state.net_w, dtype=np.int64) for state in states]


def _case_at(site: SiteMonth, state: Running, at: int) -> PeakCase:
    day, slot = divmod(at, _A_DAY)
    seen = np.concatenate([site.known_w, site.load_w[:at]])
    prices = np.roll(site.day_micro, -slot)
    case = site.case(np.zeros(_A_DAY, dtype=np.int64), prices, state.stored_mwh // 1000, state.peak_w)
    if slot == 0:
        left = len(site.load_w) // _A_DAY - day
        past = seen[-_DRAWN_DAYS * _A_DAY :].reshape(-1, _A_DAY)
        state.target_w = peak_target(
            peak_storage(case), past, site.day_micro, days_left=left, peak_w=state.peak_w,
            peak_price_micro=site.peak_micro,
        ).target_w  # fmt: skip
    kind = site.kind[: len(seen) // _A_DAY + 1]
    paths = likely_paths(LoadHistory(load_w=seen, per_day=_A_DAY, kind=kind), _A_DAY)
    return peak_case(case, paths, state.target_w)


def _minutes(site: SiteMonth) -> list[list[int]]:
    """SIMULATED minutes, a tenth up and down, that keep each quarter-hour's metered energy."""
    count = _INTERVAL_S // _STEP_S
    draw = np.random.default_rng(7).normal(0.0, 0.1, (len(site.load_w), count))
    draw -= draw.mean(axis=1, keepdims=True)
    found = np.maximum(np.rint(site.load_w[:, None] * (1 + draw)), 0).astype(np.int64)
    found[:, -1] += site.load_w * count - found.sum(axis=1)
    minutes: list[list[int]] = found.tolist()
    return minutes


def read_months(names: tuple[str, ...], month: int) -> list[SiteMonth]:
    """The named sites in one month."""
    with gzip.open(DATA, "rt", encoding="utf-8") as file:
        rows = {row["local_start"]: row for row in reversed(list(csv.DictReader(file)))}
    first = date(_YEAR, month, 1) - timedelta(days=_KNOWN_DAYS)
    count = _KNOWN_DAYS + monthrange(_YEAR, month)[1]
    begin = datetime.combine(first, datetime.min.time())
    stamps = [begin + timedelta(seconds=_INTERVAL_S * at) for at in range(count * _A_DAY)]
    kept = []
    for stamp in stamps:  # the hour that spring's clocks leave out is taken as the one before it
        key = stamp.isoformat(timespec="minutes")
        kept.append(rows.get(key) or rows[(stamp - timedelta(hours=1)).isoformat(timespec="minutes")])
    kind = np.array([max(0, (first + timedelta(days=day)).weekday() - 4) for day in range(count)])
    day_micro, peak_micro = _prices(month)
    cut = _KNOWN_DAYS * _A_DAY
    loads = [np.array([round(float(row[f"{name}_p"]) * _MILLION) for row in kept]) for name in names]
    return [
        SiteMonth(name, load[:cut], load[cut:], kind, day_micro, peak_micro)
        for name, load in zip(names, loads, strict=True)
    ]


def _prices(month: int) -> tuple[Whole, int]:
    """A day's prices per kWh and the demand charge per kW: the month's periods, at August's prices."""
    file = _HOME / "examples/tariffs/shanghai_two_part_1-10kv.toml"
    tariff = tariff_file.parse_tariff(file.read_text(encoding="utf-8"), name=file.name)
    august = Month(2026, 8)
    table = msgspec.structs.replace(tariff.table_for(august), start=Month(2026, 1), until=Month(2027, 1))
    periods = msgspec.structs.replace(tariff.schedule_for(august), float_rule=None)
    tariff = msgspec.structs.replace(tariff, schedules=(periods,), tables=(table,))
    prices = prices_of_month(tariff, Month(2026, month), _INTERVAL_S)
    return prices.mantissa[:_A_DAY] * _MILLION // 10**prices.scale, 44_800_000


def measure(*, quick: bool) -> list[Figure]:
    """The months that are reported; quick: three days of one site, to see that it runs."""
    if quick:
        return _of_sites(
            [_begun(site, _QUICK_DAYS) for site in read_months(TUNED[:1], 4)], f"{_YEAR}-04, 3 days"
        )
    return [figure for month in MONTHS for figure in of_month(REPORTED, month)]


def of_month(names: tuple[str, ...], month: int) -> list[Figure]:
    """The month's saving of each way, in % of the perfect one, of all sites together and of each."""
    sites = read_months(names, month)
    when = f"{_YEAR}-{month:02d}"
    return [*_of_sites(sites, when), *_of_sites([site.underway for site in sites], f"{when}, underway")]


def _begun(site: SiteMonth, days: int) -> SiteMonth:
    """The month's first days alone."""
    kept = len(site.known_w) // _A_DAY + days
    return site._replace(load_w=site.load_w[: days * _A_DAY], kind=site.kind[:kept])


def _of_sites(sites: list[SiteMonth], when: str) -> list[Figure]:
    best = [site.saved(perfect(site)) for site in sites]
    rule = [site.saved(by_rule(site)) for site in sites]
    plan = [site.saved(net_w) for site, net_w in zip(sites, planned(sites), strict=True)]
    what, unit = f"{when}: saving", "% of the perfect saving"
    whole, beside = _share(plan, best), _share(rule, best)
    found = [
        Figure(f"{what}, plan, reserve, guard", whole, _WANTED, "wanted", unit, whole / _WANTED, 1.0),
        Figure(f"{what}, rule and guard", beside, None, "", unit, beside, None),
    ]
    for part in ("energy", "demand"):
        most = sum(getattr(one, part) for one in best)
        for way, saved in (("plan", plan), ("rule", rule)):
            share = 100 * sum(getattr(one, part) for one in saved) / most
            found.append(Figure(f"{what} of {part} alone, {way}", share, None, "", unit, share, None))
    for site, ours, other, most_of in zip(sites, plan, rule, best, strict=True):
        mine, peer = _share([ours], [most_of]), _share([other], [most_of])
        name = f"{what} at {site.name}"
        found.append(Figure(name, mine, peer, "rule and guard", unit, mine / peer, 1.0))
    return found


def _share(saved: list[Bill], best: list[Bill]) -> float:
    return 100 * sum(one.total for one in saved) / sum(one.total for one in best)


def main() -> None:
    """Measure the months and print the rows."""
    if not DATA.is_file():
        sys.exit(f"the load file is not there: {DATA}")
    months = tuple(int(month) for month in sys.argv[1:2]) or MONTHS
    names = tuple(sys.argv[2:]) or REPORTED
    for month in months:
        for figure in of_month(names, month):
            peer = "" if figure.peer is None else f"({figure.peer_name} {figure.peer:.1f})"
            met = "" if figure.wanted is None else figure.met
            print(f"{figure.what}: {figure.ours:.1f} {figure.unit} {peer} {met}", flush=True)


if __name__ == "__main__":
    main()
