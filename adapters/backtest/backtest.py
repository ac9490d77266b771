"""A contract's month run again by other ways, each settled by the settlement's own code.

Perfect foresight, a plan a day from what was known then, the time-of-use rule, and doing nothing. Nothing is
recorded; whoever imports the readings of a way into a book and settles it gets the same money.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Final, Literal, NamedTuple, get_args

import numpy as np

from adapters.backtest.priced_day import Timing
from adapters.backtest.site_case import SiteCaseOf, SiteKnown, site_case
from dispatch.plan_check import Whole
from dispatch.value.losses import Way
from dispatch.value.report import EnergyRow, ValueReport, value_rows
from dispatch.value.settled_way import StorageWay, Worths, covered_intervals, settled, worths
from dispatch.value.simulated import Expected, Prices, by_rule_w, perfect_w, planned, whole_wh
from ledger.interval import midnight, zone_of
from ledger.settlement.inputs import Inputs
from ledger.settlement.result import Result

Run = Literal["perfect", "plan", "rule", "idle"]
"""`plan` is what is delivered of what was planned, under the guard; sold is what was planned."""

COMPARED: Final[tuple[Run, ...]] = get_args(Run)


class Backtest(NamedTuple):
    """What each run would have settled to, its readings by site, and the report of the plan's."""

    results: dict[Run, Result]
    readings: dict[Run, dict[str, StorageWay]]
    report: ValueReport


def backtest(
    inputs: Inputs,
    known: Mapping[str, SiteKnown],
    timing: Timing,
    progress: Callable[[int, int], None] | None = None,
) -> Backtest:
    """Run the month of the `known` sites of a contract by every way, and settle each; others as they ran.

    The plan of a day is made from the loads until its midnight and the prices published by then; a plan that
    is sold at spot is awarded as it is. Storages begin with what a day may end with, and do as they are told.

    Raises:
        Refused: what `site_case` and `settle` refuse.
    """
    runs: dict[Run, dict[str, StorageWay]] = {run: {} for run in COMPARED}
    notes: list[str] = []
    tested = [site for site in inputs.sites if site.site.id in known]
    for place, site in enumerate(tested):
        name = site.site.id
        case = site_case(inputs, site, known[name], timing)
        prices = case.prices
        if progress is not None:
            days = case.month.days
            prices = _counted(prices, progress, place * days, len(tested) * days)
        done = planned(case.month, prices)
        notes += stood_still(case, done.unknown)
        plan = way_of(inputs, case, done.plan_w)
        delivered = way_of(inputs, case, done.delivered_w)
        runs["perfect"][name] = way_of(inputs, case, perfect_w(case.month))
        runs["plan"][name] = delivered._replace(award=plan[:2])
        runs["rule"][name] = way_of(inputs, case, by_rule_w(case.month, case.rule_micro))
        runs["idle"][name] = way_of(inputs, case, np.zeros_like(done.plan_w))
    results = {run: settled(inputs, ways) for run, ways in runs.items()}
    worth = {run: worth_of(inputs, runs[run], result) for run, result in results.items()}
    return Backtest(results, runs, _report(inputs, runs, results["plan"], worth, notes))


def _counted(prices: Prices, progress: Callable[[int, int], None], before: int, days: int) -> Prices:
    """The same prices; of each day whose plan asks for them is told how many of all `days` went before."""

    def asked(number: int, part: slice) -> Expected | None:
        progress(before + number, days)
        return prices(number, part)

    return asked


def way_of(inputs: Inputs, case: SiteCaseOf, setpoint_w: Whole) -> StorageWay:
    """Setpoints of the contract's days as readings of the whole month."""
    length = next(len(one.charge_wh) for one in inputs.sites if one.site.id == case.month.id)
    charge, discharge = (np.zeros(length, dtype=np.int64) for _ in range(2))
    charge[case.covered], discharge[case.covered] = whole_wh(setpoint_w, case.month.interval_s)
    return StorageWay(charge, discharge)


def worth_of(inputs: Inputs, ways: Mapping[str, StorageWay], result: Result) -> Worths:
    """What the sites that ran otherwise are worth in a result of it."""
    sites = tuple(
        one._replace(charge_wh=ways[one.site.id].charge_wh, discharge_wh=ways[one.site.id].discharge_wh)
        for one in inputs.sites
        if one.site.id in ways
    )
    found = worths(inputs._replace(sites=sites), result)
    return {key: one for key, one in found.items() if key[0] in ways}


def _report(
    inputs: Inputs,
    runs: Mapping[Run, Mapping[str, StorageWay]],
    result: Result,
    worth: Mapping[Run, Worths],
    notes: list[str],
) -> ValueReport:
    # A driver gives no device a setpoint of the plan alone: the plan is worth what it is under the guard.
    planned_on: tuple[Way, ...] = ("plan", "award", "available", "delivered")
    of_ways: dict[Way, Worths] = {"perfect": worth["perfect"], **dict.fromkeys(planned_on, worth["plan"])}
    energy = [
        EnergyRow(name, day, sums[0], sums[0], sums[1])
        for name, way in runs["plan"].items()
        for day, sums in energy_by_day(inputs, name, (StorageWay(*way.sold), way))
    ]
    return ValueReport(
        contract=inputs.contract.id,
        month=str(inputs.month),
        through="" if inputs.through is None else inputs.through.isoformat(),
        currency=result.currency,
        rows=value_rows(of_ways, {"rule": worth["rule"], "idle": worth["idle"]}),
        energy=tuple(energy),
        notes=(*notes, *(notice.message for notice in result.warnings)),
    )


def energy_by_day(
    inputs: Inputs, name: str, ways: tuple[StorageWay, ...]
) -> Iterator[tuple[str, tuple[tuple[int, int], ...]]]:
    """For each of the contract's days charged and discharged Wh of each way."""
    site = next(one for one in inputs.sites if one.site.id == name)
    covered = covered_intervals(inputs, site)
    first, end = inputs.contract.days_in(inputs.month)
    day, at = first, covered.start
    zone = zone_of(site.site.zone)
    while day < end:
        seconds = (midnight(day + timedelta(days=1), zone) - midnight(day, zone)).total_seconds()
        part = slice(at, at + int(seconds) // site.interval_s)
        yield (
            day.isoformat(),
            tuple((int(one.charge_wh[part].sum()), int(one.discharge_wh[part].sum())) for one in ways),
        )
        day, at = day + timedelta(days=1), part.stop


def stood_still(case: SiteCaseOf, numbers: tuple[int, ...]) -> list[str]:
    """A note of the days of which nothing was known beforehand."""
    if not numbers:
        return []
    days = ", ".join(str(case.month.first_day + timedelta(days=number)) for number in numbers)
    return [f"{case.month.id}: nothing was known beforehand, and it stood still, on {days}"]
