"""A month that is not over: its contract as it stands up to a day, and what that leaves open.

Nothing is payable on it. It is accrued, and the month's initial run takes its place (DOMAIN.md 3.10).
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import msgspec

from ledger.clauses.flow import Notice
from ledger.contract import Contract
from ledger.interval import Month
from ledger.refusal import Refused

_DAY: Final = timedelta(days=1)


def check_through(month: Month, through: date) -> None:
    """That the last day of a provisional run is one of its month.

    Raises:
        Refused: `through`.
    """
    if Month.of(through) != month:
        last = month.next().first_day - _DAY
        raise Refused("through", f"{through} is not a day from {month.first_day} to {last}", place="through")


def check_over(month: Month, through: date | None, today: date) -> None:
    """That what is settled is over on the book's day `today`: the month, or its days up to `through`.

    Raises:
        Refused: `month_not_over`, `through`.
    """
    last = month.next().first_day - _DAY
    if (last if through is None else through) < today:
        return
    over = min(today, month.next().first_day) - _DAY
    days = f"settle the days up to {over} provisionally, with that as `through`"
    if over < month.first_day:
        days = f"none of its days is over on {today}"
    if through is None:
        text = f"{month} ends with {last} and has not ended: {days}"
        raise Refused("month_not_over", text, place="month")
    raise Refused("through", f"{through} is not over on {today}: {days}", place="through")


def to_date(contract: Contract, through: date) -> Contract:
    """The contract as if it ended with the day `through`, so that every clause counts the days to date.

    A termination that is still to come pays nothing yet. Clauses that count by days are pro rata; those that
    count whole months count this one whole.

    Raises:
        Refused: `not_in_force` when the contract has no day of the month up to then.
    """
    if contract.effective_from > through:
        text = f"contract {contract.id} begins on {contract.effective_from}, after {through}"
        raise Refused("not_in_force", text, place="through")
    end = through + _DAY
    if (contract.terminated_on or contract.effective_to) <= end:
        return contract
    clauses = tuple(clause for clause in contract.clauses if clause.ends() is None)
    return msgspec.structs.replace(contract, effective_to=end, clauses=clauses)


def notice(through: date) -> Notice:
    """What a reader of a provisional run must know."""
    return Notice(
        "provisional",
        f"provisional, with the days up to {through}: nothing is payable on it. Demand charges rest on the"
        " highest demand of these days and are whole; what counts by days is pro rata, what counts by months"
        " counts a whole one; market items of the whole month rest on what is known of them by now",
    )
