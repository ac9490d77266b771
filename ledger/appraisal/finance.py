"""Returns of a project in exact fractions, each answer with its formula as text.

Cash flows are one a year in major units, the year of the investment first; money paid is below zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import lcm
from typing import Final, Literal

import msgspec

from ledger.quantity import decimal_text, round_half_away
from ledger.refusal import Refused

IRR_DIGITS: Final = 10
"""An internal rate is the last multiple of 10^-IRR_DIGITS at which the present value is not below zero."""

_IRR_MAX: Final = 1_000_000
"""100,000,000 % a year; above it there is no rate to speak of."""

Repayment = Literal["annuity", "equal_principal"]


class Answer(msgspec.Struct, frozen=True):
    """`value` exactly, in `unit`; `formula` says what was computed and `working` with which numbers."""

    value: Fraction
    unit: str
    formula: str
    working: str

    def shown(self, places: int) -> str:
        """The value rounded half away from zero, for people."""
        return rounded(self.value, places)


def rounded(value: Fraction, places: int) -> str:
    """A decimal of so many places, rounded half away from zero.

    >>> rounded(Fraction(2, 3), 4), rounded(Fraction(-1, 200), 2)
    ('0.6667', '-0.01')
    """
    return decimal_text(round_half_away(value * 10**places), places)


def simple_return(annual: Fraction, investment: Fraction) -> Answer:
    """What a year earns of what was invested; not an internal rate of return.

    Raises:
        Refused: `investment` unless it is above zero.
    """
    _above_zero(investment)
    value = annual / investment
    return Answer(
        value, "1/year", "annual net cash / investment", f"{rounded(annual, 2)} / {rounded(investment, 2)}"
    )


def payback(cash_flows: Sequence[Fraction]) -> Answer:
    """The years after which what was paid in has come back, not discounted, linear within a year.

    >>> payback([Fraction(-100), Fraction(40), Fraction(40), Fraction(40)]).value
    Fraction(5, 2)

    Raises:
        Refused: `cash_flows` for none, or a first one that is not below zero; `not_paid_back`.
    """
    _check_flows(cash_flows)
    left = -cash_flows[0]
    for year, cash in enumerate(cash_flows[1:], 1):
        if cash >= left:
            value = year - 1 + left / cash
            return Answer(
                value,
                "year",
                "full years before the balance turns + balance left / cash of that year",
                f"{year - 1} + {rounded(left, 2)} / {rounded(cash, 2)}",
            )
        left -= cash
    raise Refused(
        "not_paid_back",
        f"{rounded(left, 2)} is still out after {len(cash_flows) - 1} years",
        place="cash_flows",
    )


def net_present_value(rate: Fraction, cash_flows: Sequence[Fraction]) -> Answer:
    """The sum of the cash flows, each discounted to the year of the investment.

    Raises:
        Refused: `cash_flows` for none; `rate` at -100 % or less.
    """
    if not cash_flows:
        raise Refused("cash_flows", "there is no cash flow", place="cash_flows")
    if rate <= -1:
        raise Refused("rate", "a discount rate is above -100 %", place="rate")
    value = Fraction(0)
    for cash in reversed(cash_flows):
        value = value / (1 + rate) + cash
    return Answer(
        value,
        "major unit",
        "sum over years t = 0 .. n of cash_t / (1 + rate)^t",
        f"rate {rounded(rate * 100, 4)} %, {len(cash_flows)} cash flows from {rounded(cash_flows[0], 2)}",
    )


def internal_rate(cash_flows: Sequence[Fraction]) -> Answer:
    """The yearly rate at which the net present value is zero, to IRR_DIGITS decimals, cut off.

    Bisection over whole multiples of 10^-IRR_DIGITS, the present value's sign in exact integers: no float
    and no tolerance. The rate lies in [value, value + 10^-IRR_DIGITS).

    >>> internal_rate([Fraction(-100), Fraction(110)]).value
    Fraction(1, 10)

    Raises:
        Refused: `cash_flows` for none, or a first one that is not below zero; `irr_not_unique` unless the
            signs change exactly once, because then there may be no rate or several; `irr_range`.
    """
    _check_flows(cash_flows)
    signs = [cash > 0 for cash in cash_flows if cash]
    changes = sum(1 for before, after in pairwise(signs) if before != after)
    if changes != 1:
        raise Refused(
            "irr_not_unique",
            f"the cash flows change their sign {changes} times; a rate is unique only when they do once",
            place="cash_flows",
        )
    scale = 10**IRR_DIGITS
    unit = lcm(*(cash.denominator for cash in cash_flows))
    whole = [int(cash * unit) for cash in cash_flows]
    low, high = -scale + 1, scale
    while _value_sign(whole, high) >= 0:
        low, high = high, 2 * high
        if high > _IRR_MAX * scale:
            raise Refused("irr_range", f"the rate is above {_IRR_MAX} a year", place="cash_flows")
    if _value_sign(whole, low) < 0:
        raise Refused("irr_range", "the rate is below -99.99999999 % a year", place="cash_flows")
    while high - low > 1:
        middle = (low + high) // 2
        if _value_sign(whole, middle) >= 0:
            low = middle
        else:
            high = middle
    return Answer(
        Fraction(low, scale),
        "1/year",
        "the rate r with sum over years t = 0 .. n of cash_t / (1 + r)^t = 0",
        f"bisection in exact integers to 10^-{IRR_DIGITS}, cut off; {len(cash_flows)} cash flows from"
        f" {rounded(cash_flows[0], 2)}",
    )


def _value_sign(cash_flows: Sequence[int], rate: int) -> int:
    """The sign of the value at the end of the last year, at `rate` x 10^-IRR_DIGITS."""
    scale = 10**IRR_DIGITS
    growth = scale + rate
    total, unit = 0, 1
    for cash in cash_flows:
        total = total * growth + cash * unit
        unit *= scale
    return (total > 0) - (total < 0)


def annuity(principal: Fraction, rate: Fraction, years: int) -> Answer:
    """The same payment at the end of each year that repays a loan with its interest.

    Raises:
        Refused: `years` below one; `rate` below zero.
    """
    _check_loan(rate, years)
    if rate == 0:
        value = principal / years
    else:
        growth = (1 + rate) ** years
        value = principal * rate * growth / (growth - 1)
    return Answer(
        value,
        "major unit/year",
        "principal x rate / (1 - (1 + rate)^-years)",
        f"{rounded(principal, 2)} x {rounded(rate, 6)} / (1 - {rounded(1 + rate, 6)}^-{years})",
    )


def debt_service(principal: Fraction, rate: Fraction, years: int, repayment: Repayment) -> list[Fraction]:
    """Interest and principal paid in each year of a loan, the first year first.

    Raises:
        Refused: `years` below one; `rate` below zero.
    """
    _check_loan(rate, years)
    match repayment:
        case "annuity":
            return [annuity(principal, rate, years).value] * years
        case "equal_principal":
            part = principal / years
            return [part + (principal - part * year) * rate for year in range(years)]


def faded(first_year: Fraction, fade: Fraction, years: int) -> list[Fraction]:
    """A quantity that loses the share `fade` of itself every year after the first.

    Raises:
        Refused: `years` below one; `fade` outside 0 to 1.
    """
    if years < 1:
        raise Refused("years", f"{years} is not at least 1", place="years")
    if not 0 <= fade < 1:
        raise Refused("fade", f"{rounded(fade, 4)} is not from 0 up to 1", place="fade")
    return [first_year * (1 - fade) ** year for year in range(years)]


def levelised_cost(
    cost_present_value: Fraction,
    first_year_kwh: Fraction,
    fade: Fraction,
    years: int,
    *,
    energy_discount: Fraction,
) -> Answer:
    """Cost per kWh over the life: present value of all costs over the energy, which fades every year.

    `energy_discount` is the rate at which the energy is discounted; the usual definition takes the costs'
    rate, and 0 leaves the energy as it is.

    Raises:
        Refused: `years`, `fade`; `rate` for a discount below zero; `energy` unless above zero.
    """
    if first_year_kwh <= 0:
        raise Refused("energy", "a year's energy is above zero", place="first_year_kwh")
    if energy_discount < 0:
        raise Refused("rate", "a discount rate is not below zero here", place="energy_discount")
    yearly = faded(first_year_kwh, fade, years)
    energy = sum((kwh / (1 + energy_discount) ** year for year, kwh in enumerate(yearly, 1)), Fraction(0))
    return Answer(
        cost_present_value / energy,
        "major unit/kWh",
        "present value of costs / sum over years y = 1 .. n of"
        " energy_1 x (1 - fade)^(y - 1) / (1 + energy_discount)^y",
        f"{rounded(cost_present_value, 2)} / {rounded(energy, 0)} kWh"
        f" ({rounded(first_year_kwh, 0)} kWh the first year, fade {rounded(fade * 100, 2)} %/y,"
        f" {years} years, energy discounted at {rounded(energy_discount * 100, 2)} %)",
    )


def _check_flows(cash_flows: Sequence[Fraction]) -> None:
    if not cash_flows or cash_flows[0] >= 0:
        raise Refused("cash_flows", "the first cash flow is the investment, below zero", place="cash_flows")


def _check_loan(rate: Fraction, years: int) -> None:
    if years < 1:
        raise Refused("years", f"{years} is not at least 1", place="years")
    if rate < 0:
        raise Refused("rate", "a loan's rate is not below zero", place="rate")


def _above_zero(investment: Fraction) -> None:
    if investment <= 0:
        raise Refused("investment", "an investment is above zero", place="investment")
