"""The key figures of a month, from what was metered, settled and stated; what is missing is said by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

import msgspec

from ledger.appraisal.finance import Answer, faded, internal_rate, levelised_cost, net_present_value
from ledger.clauses.flow import exact_text
from ledger.interval import Month
from ledger.kpi.carbon import FactorSet, Method, MonthEnergy, co2_avoided
from ledger.kpi.economics import Economics
from ledger.kpi.economy import Appraised, appraised, payback, per_kwh, simple_return
from ledger.kpi.kpi import Kpi, KpiInput, KpiName, quantity
from ledger.kpi.operation import NodeHours, availability, equivalent_cycles, round_trip_efficiency
from ledger.quantity import Money
from ledger.refusal import Refused

NOT_STATED: Final = "not stated: "
MONTHS_A_YEAR: Final = 12
UNITS: Final[dict[KpiName, str]] = {
    "availability": "%",
    "equivalent_cycles": "cycles",
    "round_trip_efficiency": "%",
    "co2_avoided": "kg",
    "simple_return": "%/year",
    "payback": "years",
    "irr": "%/year",
}
"""Of the key figures whose unit is no currency's."""


class SiteMonth(NamedTuple):
    """What a site's storage did in the month. `charge_wh` and `discharge_wh` are None where intervals are
    missing; `unavailable_s` of `seconds` is None where nobody stated it."""

    site: str
    nameplate_wh: int
    power_w: int
    charge_wh: int | None
    discharge_wh: int | None
    seconds: int
    unavailable_s: int | None


class Earned(NamedTuple):
    """What the streams earned in one settled month, before any contract divided it."""

    month: Month
    amount: Money


class Stated(NamedTuple):
    """What was published for reports: the money of the project and the emission factors."""

    economics: Economics | None = None
    factors: FactorSet | None = None
    co2_method: Method = "net_of_charging"


def month_figures(
    month: Month, sites: Sequence[SiteMonth], earned: Sequence[Earned], stated: Stated
) -> tuple[Kpi, ...]:
    """The key figures of DOMAIN.md 2.1 for these sites together.

    `earned` are the paid months up to `month`, oldest first: the last twelve of them are a year's income.

    Raises:
        Refused: `currency` where the economics are in another one than the earnings.
    """
    names = [one.site for one in sites]
    metered = not _unmetered(sites)
    discharged = sum(one.discharge_wh or 0 for one in sites)
    found = list(operation_figures(month, sites, stated))
    if earned and earned[-1].month == month and metered:
        found.append(per_kwh("revenue_per_kwh_discharged", earned[-1].amount, discharged))
    return (*found, *_investment(names, earned, discharged if metered else None, stated.economics))


def operation_figures(month: Month, sites: Sequence[SiteMonth], stated: Stated) -> tuple[Kpi, ...]:
    """How the storages ran together: availability, cycles, efficiency and CO2; without any money."""
    unmetered = _unmetered(sites)
    charged = sum(one.charge_wh or 0 for one in sites)
    discharged = sum(one.discharge_wh or 0 for one in sites)
    available = _availability(sites)
    if unmetered:
        why = f"readings are missing: {', '.join(unmetered)}"
        missing: tuple[KpiName, ...] = ("equivalent_cycles", "round_trip_efficiency", "co2_avoided")
        return (available, *(_none(name, why) for name in missing))
    return (
        available,
        equivalent_cycles(discharged, sum(one.nameplate_wh for one in sites)),
        round_trip_efficiency(discharged, charged, None),
        _co2(MonthEnergy(month, charged, discharged), stated),
    )


def _unmetered(sites: Sequence[SiteMonth]) -> list[str]:
    return [one.site for one in sites if one.charge_wh is None or one.discharge_wh is None]


def _none(name: KpiName, why: str, unit: str = "") -> Kpi:
    return Kpi(name, None, unit or UNITS[name], "", (), why)


def _availability(sites: Sequence[SiteMonth]) -> Kpi:
    silent = [one.site for one in sites if one.unavailable_s is None]
    if silent:
        return _none("availability", f"{NOT_STATED}unavailable time of {', '.join(silent)}")
    return availability(
        NodeHours(one.site, one.nameplate_wh, one.seconds - (one.unavailable_s or 0), one.seconds)
        for one in sites
    )


def _co2(energy: MonthEnergy, stated: Stated) -> Kpi:
    if stated.factors is None:
        return _none("co2_avoided", f"{NOT_STATED}emission factors; publish a set, or name one of several")
    try:
        return co2_avoided([energy], stated.factors, stated.co2_method)
    except Refused as refused:
        if refused.code != "factor_missing":
            raise
        return _none("co2_avoided", f"{NOT_STATED}{refused.reason}")


class _Project(NamedTuple):
    """A year of the project as it ran: income less cost, and what it is of."""

    economics: Economics
    capital: Money
    cost: Money
    income: Fraction
    months: int
    energy_kwh: Fraction | None

    @property
    def flows(self) -> list[Fraction]:
        """The capital, then a year's income, which fades, less its cost; the residual with the last."""
        terms = self.economics
        incomes = faded(self.income, terms.share("fade"), terms.years)
        flows = [-self.capital.exact, *(income - self.cost.exact for income in incomes)]
        flows[-1] += self.capital.exact * terms.share("residual")
        return flows


_ENERGY_YEAR: Final = "a year's energy = 12 x the month's"


def _investment(
    sites: Sequence[str], earned: Sequence[Earned], discharged_wh: int | None, economics: Economics | None
) -> list[Kpi]:
    currency = "" if economics is None else economics.currency
    units: dict[KpiName, str] = UNITS | {"npv": currency or "-", "lcoe": f"{currency or '-'}/kWh"}
    wanted: tuple[KpiName, ...] = ("simple_return", "payback", "irr", "npv", "lcoe")
    silent = sites if economics is None else economics.missing(sites)
    if economics is None or silent:
        why = f"{NOT_STATED}capital and operating cost of {', '.join(silent)}"
        return [_none(name, why, units[name]) for name in wanted]
    year = list(earned)[-MONTHS_A_YEAR:]
    if not year:
        why = "no month is settled that pays"
        return [_none(name, why, units[name]) for name in wanted]
    total = sum((one.amount for one in year), Money.zero(economics.currency))
    energy = None if discharged_wh is None else Fraction(MONTHS_A_YEAR * discharged_wh, 1000)
    project = _Project(
        economics,
        economics.capital(sites),
        economics.operating_cost(sites),
        total.exact * MONTHS_A_YEAR / len(year),
        len(year),
        energy,
    )
    net = Money.round(project.income - project.cost.exact, economics.currency)
    how = (
        f"net_per_year = {MONTHS_A_YEAR} x {total} / {len(year)} settled months - {project.cost} operating"
        " cost; of the whole project, before contracts divide it"
    )
    return [
        _with_note(simple_return(net, project.capital), how),
        _with_note(payback(project.capital, net), how),
        _appraised("irr", project, how, lambda: internal_rate(project.flows), units["irr"]),
        _appraised(
            "npv",
            project,
            how,
            lambda: net_present_value(economics.share("discount_rate"), project.flows),
            units["npv"],
        ),
        _lcoe(project, units["lcoe"]),
    ]


def _with_note(kpi: Kpi, note: str) -> Kpi:
    return msgspec.structs.replace(kpi, note="; ".join(text for text in (kpi.note, note) if text))


def _appraised(name: Appraised, project: _Project, how: str, answer: Callable[[], Answer], unit: str) -> Kpi:
    """The figure with its inputs, or without a value for the reason that there is none."""
    inputs = _inputs(project)
    try:
        kpi = appraised(name, answer(), note=how)
    except Refused as refused:
        return Kpi(name, None, unit, "", inputs, refused.reason)
    return msgspec.structs.replace(kpi, unit=unit, inputs=inputs)


def _inputs(project: _Project) -> tuple[KpiInput, ...]:
    terms = project.economics
    return (
        KpiInput("capital", str(project.capital), terms.currency),
        KpiInput("income_per_year", exact_text(project.income), terms.currency),
        KpiInput("operating_cost_per_year", str(project.cost), terms.currency),
        quantity("years", terms.years, "years"),
        *(KpiInput(name, getattr(terms, name), "1") for name in ("discount_rate", "fade", "residual")),
    )


def _lcoe(project: _Project, unit: str) -> Kpi:
    """The present value of capital and operating cost less the residual, over the energy that fades, both
    discounted at the stated rate."""
    terms = project.economics
    if not project.energy_kwh:
        return Kpi("lcoe", None, unit, "", _inputs(project), "there is no discharged energy")
    rate = terms.share("discount_rate")
    costs = [project.capital.exact, *[project.cost.exact] * terms.years]
    costs[-1] -= project.capital.exact * terms.share("residual")
    cost = net_present_value(rate, costs).value
    first = project.energy_kwh
    found = _appraised(
        "lcoe",
        project,
        f"present value of costs = capital + operating cost of each year - residual; {_ENERGY_YEAR}",
        lambda: levelised_cost(cost, first, terms.share("fade"), terms.years, energy_discount=rate),
        unit,
    )
    inputs = (*found.inputs, quantity("energy_first_year", first, "kWh"))
    return msgspec.structs.replace(found, inputs=inputs)
