"""What a site's month was worth, from plan to settlement, and where money was lost against the best."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from adapters.backtest.backtest import energy_by_day, way_of, worth_of
from adapters.backtest.book import FromBook, Question, imposed, load
from adapters.backtest.recorded_day import PlannedDays, planned_days
from adapters.backtest.site_case import SiteCaseOf, site_case
from adapters.postgres.database import Connection
from adapters.queries import statements
from dispatch.plan_check import Whole
from dispatch.planning.following import follow
from dispatch.value.losses import Way
from dispatch.value.report import EnergyRow, ValueReport, value_rows
from dispatch.value.settled_way import StorageWay, Worths, settled, spot_rule
from dispatch.value.simulated import by_rule_w, perfect_w
from ledger.settlement.run import PROVISIONAL
from ledger.settlement.settle import settle
from ledger.streams.spot import SpotClearing


def value(connection: Connection, book: str, asked: Question) -> ValueReport:
    """A site's month: each way settled by the settlement's own code, and the losses between them.

    Raises:
        Refused: what `load`, `site_case` and `settle` refuse.
        Discontinuity: a row that is read was changed.
    """
    return value_of(connection, book, asked, load(connection, book, asked))


def value_of(connection: Connection, book: str, asked: Question, found: FromBook) -> ValueReport:
    """The same of what was loaded before.

    Raises:
        Refused: what `site_case` and `settle` refuse.
    """
    case = site_case(found.inputs, found.site, found.known, asked.timing)
    plans = planned_days(connection, book, found, case.month)
    notes = _recorded_run(connection, found)
    ways = _ways(connection, found, case, plans, notes)
    result = settle(found.inputs)
    own = {found.site.site.id: StorageWay(found.site.charge_wh, found.site.discharge_wh)}
    worth: dict[Way, Worths] = {way: _settled(found, one) for way, one in ways.items() if way != "delivered"}
    worth["delivered"] = worth_of(found.inputs, own, result)
    rule = way_of(found.inputs, case, by_rule_w(case.month, case.rule_micro))
    idle = way_of(found.inputs, case, np.zeros_like(case.month.load_w))
    notes += [notice.message for notice in result.warnings]
    return ValueReport(
        contract=found.inputs.contract.id,
        month=str(asked.month),
        through="" if asked.through is None else asked.through.isoformat(),
        currency=result.currency,
        rows=value_rows(worth, {"rule": _settled(found, rule), "idle": _settled(found, idle)}),
        energy=_energy(found, ways),
        notes=tuple(notes),
    )


def _settled(found: FromBook, way: StorageWay) -> Worths:
    ways = {found.site.site.id: way}
    return worth_of(found.inputs, ways, settled(found.inputs, ways))


def _ways(
    connection: Connection, found: FromBook, case: SiteCaseOf, plans: PlannedDays, notes: list[str]
) -> dict[Way, StorageWay]:
    """How the storage ran, from the best to what was metered; what is not known is left out."""
    month, inputs = case.month, found.inputs
    delivered = StorageWay(found.site.charge_wh, found.site.discharge_wh)
    ways: dict[Way, StorageWay] = {"perfect": way_of(inputs, case, perfect_w(month))}
    sold = _award(found, case) if spot_rule(found.site) is not None else None
    award_w: Whole | None = None if sold is None else _watts(case, sold)
    if len(plans.unplanned) < month.days:
        plan_w = plans.plan_w.copy()
        instead = award_w if award_w is not None else _watts(case, delivered)
        for number in plans.unplanned:
            part = month.of_day(number)
            plan_w[part] = instead[part]
        notes += _unplanned(case, plans.unplanned, "awarded" if sold is not None else "metered")
        notes += [f"{month.id}: planned by {text}" for text in plans.rests_on]
        ways["plan"] = way_of(inputs, case, plan_w)
        award_w = plan_w if award_w is None else award_w
    else:
        notes.append(f"{month.id}: there is no plan on record of any day: forecast is not told apart")
    if award_w is not None:
        ways["award"] = sold or way_of(inputs, case, award_w)
        whole = slice(0, len(month.load_w))
        limits = month.limits(whole, month.load_w, month.start_wh, imposed(connection, found, month))
        could = way_of(inputs, case, follow(limits, award_w).setpoint_w)
        ways["available"] = could._replace(award=None if sold is None else sold[:2])
    ways["delivered"] = delivered
    return ways


def _award(found: FromBook, case: SiteCaseOf) -> StorageWay:
    """What was cleared for the site, in Wh of its meter's intervals."""
    market = found.site.market
    assert market is not None, "a month at spot has its market"
    charge, discharge = (np.zeros(len(found.site.charge_wh), dtype=np.int64) for _ in range(2))
    for fact in market.facts:
        if not isinstance(fact, SpotClearing) or not fact.interval.overlaps(market.interval):
            continue
        first = case.covered.start
        first += int((fact.interval.start - found.start).total_seconds()) // found.site.interval_s
        for row, told in ((discharge, fact.injected_wh), (charge, fact.withdrawn_wh)):
            spread = _spread(told, fact.step_s, found.site.interval_s)
            row[first : first + len(spread)] = spread
    return StorageWay(charge, discharge)


def _spread(wh: Sequence[int], step_s: int, interval_s: int) -> Whole:
    """Energies of a market's intervals in shorter ones of the meter, which sum to them."""
    parts = max(1, step_s // interval_s)
    ends = np.array(wh, dtype=np.int64)[:, None] * np.arange(parts + 1) // parts
    found: Whole = np.diff(ends, axis=1).ravel()
    return found


def _watts(case: SiteCaseOf, way: StorageWay) -> Whole:
    net: Whole = (way.discharge_wh - way.charge_wh)[case.covered] * 3600 // case.month.interval_s
    return net


def _unplanned(case: SiteCaseOf, numbers: tuple[int, ...], instead: str) -> list[str]:
    if not numbers:
        return []
    days = ", ".join(str(case.month.first_day + timedelta(days=number)) for number in numbers)
    return [f"{case.month.id}: no plan is on record of {days}: what was {instead} stands in"]


def _recorded_run(connection: Connection, found: FromBook) -> list[str]:
    """Which run the settled column is of, or would be."""
    contract, month = found.inputs.contract.id, str(found.inputs.month)
    runs = statements.runs(connection, found.position, month=month, contract=contract)
    paying = [one for one in runs if one.run_kind != PROVISIONAL or found.inputs.through is not None]
    if not paying:
        return [f"{contract} {month} is not settled: settled is what settling now would give"]
    return [f"{contract} {month}: run {paying[-1].run}; settled is what settling the same readings gives now"]


def _energy(found: FromBook, ways: dict[Way, StorageWay]) -> tuple[EnergyRow, ...]:
    names: tuple[Way, ...] = ("plan", "award", "delivered")
    known = tuple(ways[way] for way in names if way in ways)
    name = found.site.site.id
    rows: list[EnergyRow] = []
    for day, sums in energy_by_day(found.inputs, name, known):
        told = dict(zip((way for way in names if way in ways), sums, strict=True))
        rows.append(EnergyRow(name, day, told.get("plan"), told.get("award"), told["delivered"]))
    return tuple(rows)
