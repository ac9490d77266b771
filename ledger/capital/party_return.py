"""The internal rate of return of one party: its capital and what settlements gave it (DOMAIN.md 2.1 Q14)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from fractions import Fraction

from ledger.appraisal.finance import Answer, internal_rate
from ledger.capital.account import CashFlow
from ledger.refusal import Refused


def yearly(flows: Iterable[CashFlow]) -> list[Fraction]:
    """The sum of each year in major units; year 0 is the day of the first flow alone.

    A flow counts at the end of its year: year 1 holds what came after that day, up to and with its first
    anniversary.

    >>> from ledger.quantity import Money
    >>> yearly([CashFlow(date(2026, 1, 1), Money(-10000, "CNY")),
    ...         CashFlow(date(2026, 7, 1), Money(500, "CNY")),
    ...         CashFlow(date(2027, 1, 1), Money(10500, "CNY"))])
    [Fraction(-100, 1), Fraction(110, 1)]

    Raises:
        Refused: `cash_flows` for none, `currency` for two.
    """
    ordered = sorted(flows, key=lambda flow: flow.on)
    if not ordered:
        raise Refused("cash_flows", "a return needs cash flows", place="cash_flows")
    first = ordered[0]
    for flow in ordered:
        if flow.amount.currency != first.amount.currency:
            text = f"{first.amount.currency} and {flow.amount.currency} do not add"
            raise Refused("currency", text, place="cash_flows")
    sums = [Fraction(0)] * (_year(first.on, ordered[-1].on) + 1)
    for flow in ordered:
        sums[_year(first.on, flow.on)] += flow.amount.exact
    return sums


def party_return(flows: Iterable[CashFlow]) -> Answer:
    """The yearly rate at which the flows are worth nothing; see `internal_rate`.

    Raises:
        Refused: `cash_flows`, `currency`, and what `internal_rate` refuses.
    """
    return internal_rate(yearly(flows))


def _year(first: date, day: date) -> int:
    """How many anniversaries of `first` have begun on `day`, the next one included."""
    years = day.year - first.year
    return years + ((day.month, day.day) > (first.month, first.day))
