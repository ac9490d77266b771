"""Where the printed figures contradict each other: shown with their numbers, never smoothed over."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Final, Literal

import msgspec

from ledger.appraisal.assumption import AssumptionSet
from ledger.appraisal.finance import rounded
from ledger.appraisal.storage import Storage

FindingCode = Literal[
    "revenue_below_cost", "spread_not_its_prices", "demand_saving_on_single_part", "alternatives_not_a_sum"
]


class Quantity(msgspec.Struct, frozen=True):
    """A number of a finding, exactly."""

    label: str
    value: Fraction
    unit: str


class Finding(msgspec.Struct, frozen=True):
    """One contradiction: what does not fit, and the figures that show it."""

    code: FindingCode
    statement: str
    quantities: tuple[Quantity, ...]

    def value(self, label: str) -> Fraction:
        """The quantity of that label."""
        return next(one.value for one in self.quantities if one.label == label)


def findings(given: AssumptionSet) -> tuple[Finding, ...]:
    """Every contradiction that the numbers of the set show; none is assumed."""
    return tuple(found for check in _CHECKS if (found := check(given)) is not None)


def _revenue_below_cost(given: AssumptionSet) -> Finding | None:
    """(a) Undiscounted revenue below the present value of cost, with a rate of return above zero."""
    yearly = given.figure("arbitrage").exact
    cost = given.figure("cost_present_value").exact
    levelised = given.figure("levelised_cost").exact
    rate = given.figure("internal_return").exact
    revenue = yearly * int(given.value("life", "year"))
    per_kwh = yearly / Storage.of(given).delivered_a_year
    if revenue >= cost:
        return None
    return Finding(
        "revenue_below_cost",
        f"arbitrage over the life, not even discounted, is {rounded(revenue, 0)} CNY, below the cost's"
        f" present value of {rounded(cost, 0)}; a delivered kWh earns {rounded(per_kwh, 3)} CNY and costs"
        f" {rounded(levelised, 2)}: yet the internal rate is said to be {rounded(rate * 100, 2)} %",
        (
            Quantity("revenue over the life", revenue, "CNY"),
            Quantity("present value of cost", cost, "CNY"),
            Quantity("delivered a year", Storage.of(given).delivered_a_year, "kWh/year"),
            Quantity("revenue per delivered kWh", per_kwh, "CNY/kWh"),
            Quantity("levelised cost", levelised, "CNY/kWh"),
            Quantity("internal rate", rate, "1/year"),
        ),
    )


def _spread_not_its_prices(given: AssumptionSet) -> Finding | None:
    """(b) A stated spread that is not the difference of the stated prices."""
    stated = given.value("spread_stated", "CNY/kWh")
    prices = given.value("price_sharp", "CNY/kWh") - given.value("price_valley", "CNY/kWh")
    if stated == prices:
        return None
    return Finding(
        "spread_not_its_prices",
        f"the spread is said to be {rounded(stated, 4)} CNY/kWh; the prices differ by {rounded(prices, 4)}",
        (
            Quantity("spread stated", stated, "CNY/kWh"),
            Quantity("sharp less valley price", prices, "CNY/kWh"),
        ),
    )


def _demand_saving_on_single_part(given: AssumptionSet) -> Finding | None:
    """(c) A demand saving, which only a two-part account has, beside single-part prices."""
    parts = given.value("tariff_parts", "1")
    saving = given.figure("demand_charge").exact
    if parts >= 2:
        return None
    return Finding(
        "demand_saving_on_single_part",
        "the prices and bands are of the general commercial class, which is single-part; a demand saving of"
        f" {rounded(saving, 0)} CNY needs a two-part account: the two cannot be the same account",
        (Quantity("tariff parts", parts, "1"), Quantity("demand saving", saving, "CNY")),
    )


def _alternatives_not_a_sum(given: AssumptionSet) -> Finding | None:
    """(d) Streams printed as alternatives; their sum is a number that nobody earns."""
    if len(given.exclusive) < 2:
        return None
    total = sum((given.figure(name).exact for name in given.exclusive), Fraction(0))
    return Finding(
        "alternatives_not_a_sum",
        f"{', '.join(given.exclusive)} are printed as alternatives; their sum, {rounded(total, 0)} CNY, is"
        " earned by nobody and must never be shown as a total",
        (Quantity("sum of the alternatives", total, "CNY"),),
    )


_CHECKS: Final[tuple[Callable[[AssumptionSet], Finding | None], ...]] = (
    _revenue_below_cost,
    _spread_not_its_prices,
    _demand_saving_on_single_part,
    _alternatives_not_a_sum,
)
