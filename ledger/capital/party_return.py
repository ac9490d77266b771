"""The internal rate of return of one party: its capital and what settlements gave it (DOMAIN.md 2.1 Q14)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Context, Decimal
from fractions import Fraction
from itertools import pairwise
from math import lcm
from typing import Final

from ledger.appraisal.finance import IRR_DIGITS, Answer, rounded
from ledger.capital.account import CashFlow
from ledger.refusal import Refused

DAYS_A_YEAR: Final = 365
OVER_DAYS: Final = "1/period"
"""The unit of a return over fewer days than a year has: it is no yearly rate and is not made one."""

_EXACT: Final = Context(prec=60)
_MOST: Final = 1_000_000


def party_return(flows: Iterable[CashFlow]) -> Answer:
    """The rate at which the dated flows are worth nothing on the day of the first, to IRR_DIGITS decimals.

    Each flow counts on its own day: a year has 365 days (XIRR). Flows over less than a year have the return
    over their days instead, which is the same rate with those days for a year.

    >>> from ledger.quantity import Money
    >>> quarter = [CashFlow(date(2026, 1, 1), Money(-10000, "CNY")),
    ...            CashFlow(date(2026, 4, 1), Money(10300, "CNY"))]
    >>> party_return(quarter).shown(4), party_return(quarter).unit
    ('0.0300', '1/period')

    Raises:
        Refused: `cash_flows` for none, or a first one that is not below zero; `currency` for two;
            `irr_not_unique` unless the signs change exactly once, which they never do in one day;
            `irr_range`.
    """
    days = _by_day(flows)
    if days[0][1] >= 0:
        raise Refused("cash_flows", "the first cash flow is not below zero", place="cash_flows")
    signs = [cash > 0 for _, cash in days if cash]
    changes = sum(1 for before, after in pairwise(signs) if before != after)
    if changes != 1:
        text = f"the cash flows change their sign {changes} times; a rate is unique only when they do once"
        raise Refused("irr_not_unique", text, place="cash_flows")
    lasted = days[-1][0]
    yearly = lasted >= DAYS_A_YEAR
    length = DAYS_A_YEAR if yearly else lasted
    value = _rate(days, length)
    return Answer(
        value,
        "1/year" if yearly else OVER_DAYS,
        f"the rate r with sum of cash_d / (1 + r)^(d / {length}) = 0, d days after the first"
        f"{'' if yearly else f'; over {length} days, not a year'}",
        f"bisection to 10^-{IRR_DIGITS}, cut off; {len(days)} days with cash flows from"
        f" {rounded(days[0][1], 2)}, over {lasted} days",
    )


def _by_day(flows: Iterable[CashFlow]) -> list[tuple[int, Fraction]]:
    """Days after the first, and the sum of each in major units; days that sum to nothing are left out."""
    ordered = sorted(flows, key=lambda flow: flow.on)
    if not ordered:
        raise Refused("cash_flows", "a return needs cash flows", place="cash_flows")
    currency = ordered[0].amount.currency
    sums: dict[date, Fraction] = defaultdict(Fraction)
    for flow in ordered:
        if flow.amount.currency != currency:
            text = f"{flow.amount.currency} and {currency} do not add"
            raise Refused("currency", text, place="cash_flows")
        sums[flow.on] += flow.amount.exact
    kept = [(day, cash) for day, cash in sums.items() if cash]
    if not kept:
        raise Refused("cash_flows", "the cash flows of each day sum to nothing", place="cash_flows")
    return [((day - kept[0][0]).days, cash) for day, cash in kept]


def _rate(days: Sequence[tuple[int, Fraction]], length: int) -> Fraction:
    scale = 10**IRR_DIGITS
    low, high = -scale + 1, scale
    while _is_worth_something(days, length, high):
        low, high = high, 2 * high
        if high > _MOST * scale:
            raise Refused("irr_range", f"the rate is above {_MOST}", place="cash_flows")
    if not _is_worth_something(days, length, low):
        raise Refused("irr_range", "the rate is below -99.99999999 %", place="cash_flows")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _is_worth_something(days, length, middle) else (low, middle)
    return Fraction(low, scale)


def _is_worth_something(days: Sequence[tuple[int, Fraction]], length: int, rate: int) -> bool:
    """Whether the flows at `rate` x 10^-IRR_DIGITS are worth zero or more.

    In sixty decimal digits, whose exponentials and logarithms are correctly rounded: the same anywhere.
    """
    growth = Decimal(10**IRR_DIGITS + rate).scaleb(-IRR_DIGITS, _EXACT).ln(_EXACT)
    unit = lcm(*(cash.denominator for _, cash in days))
    total = Decimal(0)
    for day, cash in days:
        left = _EXACT.divide(_EXACT.multiply(growth, Decimal(-day)), Decimal(length)).exp(_EXACT)
        total = _EXACT.add(total, _EXACT.multiply(Decimal(int(cash * unit)), left))
    return total >= 0
