"""What sites would earn and cost by themselves, against what they do together (DOMAIN.md 2.1 Q16)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from ledger.clauses.flow import exact_text
from ledger.kpi.comparison import Comparison, Standalone, compare
from ledger.kpi.economics import Economics
from ledger.kpi.economy import PerKwh, per_kwh
from ledger.kpi.kpi import Kpi, KpiInput, KpiName
from ledger.kpi.month_figures import NOT_STATED, SiteMonth
from ledger.kpi.tax_basis import with_tax
from ledger.quantity import Money
from ledger.settlement.line import Line
from ledger.stream import BILL_EFFECT


class Aggregation(NamedTuple):
    """`compared` are figures of both; `missing` say what could not be compared, and why."""

    compared: tuple[Comparison, ...]
    missing: tuple[Kpi, ...]


def aggregation(
    sites: Sequence[SiteMonth], lines: Iterable[Line], economics: Economics | None
) -> Aggregation:
    """Revenue and cost per nameplate kWh, and the power that it takes to enter a market.

    By itself a site has its bill's saving, and what markets paid only where its own power is enough to
    enter one; together all sites have all of it. What a market's energy took from the bill's saving is not
    given back to a site by itself, so the comparison favours neither where spot is settled.
    """
    own, market = _earned(lines)
    entry = None if economics is None else economics.entry_power_w
    compared: list[Comparison] = []
    missing: list[Kpi] = []
    currency = next((money.currency for money in (*own.values(), *market.values())), "")
    if entry is None and any(money.minor for money in market.values()):
        missing.append(
            _none("aggregated_multiple", f"{NOT_STATED}the power at which a site enters a market by itself")
        )
    elif currency:
        alone = {
            one.site: own.get(one.site, Money.zero(currency))
            + (
                market.get(one.site, Money.zero(currency))
                if entry is None or one.power_w >= entry
                else Money.zero(currency)
            )
            for one in sites
        }
        total = sum((*own.values(), *market.values()), Money.zero(currency))
        compared.append(_per_nameplate("revenue_per_kwh_capacity", sites, alone, total))
    if entry is not None:
        compared.append(_entry(sites, entry))
    costs = None if economics is None else _costs(sites, economics)
    if costs is None:
        missing.append(
            _none("cost_per_kwh_capacity", f"{NOT_STATED}what each site would cost by itself", "-/kWh")
        )
    else:
        compared.append(costs)
    return Aggregation(tuple(compared), tuple(missing))


def _none(name: KpiName, why: str, unit: str = "times") -> Kpi:
    return Kpi(name, None, unit, "", (), why)


def _earned(lines: Iterable[Line]) -> tuple[dict[str, Money], dict[str, Money]]:
    """What each site earned behind its meter, and on markets."""
    own: dict[str, Money] = {}
    market: dict[str, Money] = {}
    for line in lines:
        if line.kind == "stream" and line.site is not None:
            sums = own if line.code in BILL_EFFECT else market
            sums[line.site] = sums.get(line.site, Money.zero(line.amount.currency)) + with_tax(line)
    return own, market


def _per_nameplate(
    name: PerKwh, sites: Sequence[SiteMonth], alone: dict[str, Money], together: Money
) -> Comparison:
    singles = [
        Standalone(one.site, one.nameplate_wh, per_kwh(name, alone[one.site], one.nameplate_wh))
        for one in sites
    ]
    return compare(singles, per_kwh(name, together, sum(one.nameplate_wh for one in sites)))


def _entry(sites: Sequence[SiteMonth], entry_power_w: int) -> Comparison:
    """A market's entry power for each site by itself; together the smallest site that takes part."""
    needed = exact_text(Fraction(entry_power_w, 1000))
    alone = Kpi("entry_capacity", needed, "kW", "entry", (KpiInput("entry", needed, "kW"),))
    least = exact_text(Fraction(min(one.power_w for one in sites), 1000))
    aggregated = Kpi(
        "entry_capacity", least, "kW", "smallest_site", (KpiInput("smallest_site", least, "kW"),)
    )
    return compare([Standalone(one.site, one.nameplate_wh, alone) for one in sites], aggregated)


def _costs(sites: Sequence[SiteMonth], economics: Economics) -> Comparison | None:
    names = [one.site for one in sites]
    if economics.missing(names):
        return None
    alone: dict[str, Money] = {}
    for name in names:
        text = economics.site(name).operating_cost_alone
        if text is None:
            return None
        alone[name] = Money.parse(text, economics.currency)
    return _per_nameplate("cost_per_kwh_capacity", sites, alone, economics.operating_cost(names))
