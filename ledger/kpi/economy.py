"""What the storage earned for what it cost: saving, simple return, payback, and appraised figures."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, get_args

from ledger.appraisal.finance import Answer
from ledger.capital.party_return import OVER_DAYS
from ledger.clauses.flow import exact_text
from ledger.kpi.kpi import Kpi, KpiInput, quantity, quotient
from ledger.quantity import Money
from ledger.refusal import Refused

Appraised = Literal["irr", "npv", "lcoe"]
PerKwh = Literal["revenue_per_kwh_discharged", "revenue_per_kwh_capacity", "cost_per_kwh_capacity"]


def bill_saving(without: Money, with_storage: Money) -> Kpi:
    """What the storage takes off the bill without it (DOMAIN.md 2.1 Q14), in %; below zero it costs.

    Raises:
        Refused: `currency`.
    """
    _same(without, with_storage)
    formula = "100 * (bill_without - bill_with) / bill_without"
    inputs = (_money("bill_without", without), _money("bill_with", with_storage))
    if without.minor <= 0:
        return Kpi("bill_saving", None, "%", formula, inputs, "the bill without storage is not above zero")
    share = Fraction(100 * (without.minor - with_storage.minor), without.minor)
    return Kpi("bill_saving", exact_text(share), "%", formula, inputs)


def simple_return(net_per_year: Money, capital: Money) -> Kpi:
    """A year's net income over the capital, in % a year: one over the payback, not an internal rate of
    return (DOMAIN.md 2.1 Q12).

    Raises:
        Refused: `currency`.
    """
    _same(net_per_year, capital)
    return quotient(
        "simple_return",
        "%/year",
        _money("net_per_year", net_per_year),
        _money("capital", capital),
        percent=True,
        otherwise="the capital is not above zero",
    )


def payback(capital: Money, net_per_year: Money) -> Kpi:
    """The years in which equal yearly net incomes return the capital, undiscounted.

    Raises:
        Refused: `currency`.
    """
    _same(capital, net_per_year)
    return quotient(
        "payback",
        "years",
        _money("capital", capital),
        _money("net_per_year", net_per_year),
        otherwise="the net income is not above zero: the capital never returns",
    )


def per_kwh(name: PerKwh, amount: Money, energy_wh: int) -> Kpi:
    """Money per kWh that was discharged, or of nameplate capacity: two figures with two names.

    Raises:
        Refused: `not_allowed`.
    """
    if name not in get_args(PerKwh):
        raise Refused("not_allowed", f"{name!r} is not one of {', '.join(get_args(PerKwh))}", place="name")
    return quotient(
        name,
        f"{amount.currency}/kWh",
        _money("amount", amount),
        quantity("energy", Fraction(energy_wh, 1000), "kWh"),
        otherwise="there is no energy",
    )


def appraised(name: Appraised, answer: Answer, *, note: str = "") -> Kpi:
    """A figure of an investment appraisal beside the others; what it was computed with is in its note.

    A yearly rate is shown in % a year, the return over less than a year in %.

    Raises:
        Refused: `not_allowed`.
    """
    if name not in get_args(Appraised):
        raise Refused("not_allowed", f"{name!r} is not one of {', '.join(get_args(Appraised))}", place="name")
    why = "; ".join(text for text in (answer.working, note) if text)
    if answer.unit in ("1/year", OVER_DAYS):
        unit = "%/year" if answer.unit == "1/year" else "%"
        return Kpi(name, exact_text(100 * answer.value), unit, f"100 x ({answer.formula})", (), why)
    return Kpi(name, exact_text(answer.value), answer.unit, answer.formula, (), why)


def _money(name: str, money: Money) -> KpiInput:
    return KpiInput(name, str(money), money.currency)


def _same(one: Money, other: Money) -> None:
    if one.currency != other.currency:
        raise Refused("currency", f"{one.currency} and {other.currency} do not compare")
