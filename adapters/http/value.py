"""What a month of a site or trading unit was worth, from plan to settlement; nothing of it is recorded."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from adapters.http.instant import month_of
from adapters.http.problem import READ_PROBLEMS
from adapters.http.register import Name
from adapters.http.settlements import MonthName
from adapters.http.view import View
from dispatch.value.report import ValueReport
from ledger.interval import Month

Through = Annotated[
    date | None, QueryParameter(description="The last day, of a month that is not over (effective time)")
]


class ValueAnswer(msgspec.Struct, frozen=True):
    """Money in minor units of the report's currency; the parts of each row add up to perfect less settled."""

    position: int
    report: ValueReport


@get(
    "/sites/{name:str}/value/{month:str}",
    summary="What a site's month was worth: planned, awarded, delivered, settled, and what was lost where",
    responses=READ_PROBLEMS,
    tags=["Dispatch"],
    sync_to_thread=True,
)
def show_value(
    view: NamedDependency[View], name: Name, month: MonthName, through: Through = None
) -> ValueAnswer:
    # The optimiser takes a second to import: no other route waits for it.
    from adapters.backtest.book import Question
    from adapters.backtest.unit_value import value_of_any

    with view.reading() as (connection, position):
        asked = Question(name, Month.parse(month_of(month)), position, through)
        report = value_of_any(connection, view.service.book, asked)
    return ValueAnswer(position, report)


ROUTES: Final = (show_value,)
"""Reading alone."""
