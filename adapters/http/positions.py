"""A trading unit's positions and its profit and loss, day by day."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from adapters.desk.unit_results import unit_positions, unit_profit
from adapters.http.problem import READ_PROBLEMS
from adapters.http.register import Name
from adapters.http.view import View
from trading.position import UnitPositions
from trading.profit import Profit

First = Annotated[date, QueryParameter(description="From this delivery day on")]
Last = Annotated[
    date | None, QueryParameter(description="Up to and with this one; that day alone, if not stated")
]


class PositionsAnswer(msgspec.Struct, frozen=True):
    """Days in order. Energies are Wh above zero toward the grid; money and prices per kWh are exact text."""

    position: int
    days: tuple[UnitPositions, ...]


class ProfitAnswer(msgspec.Struct, frozen=True):
    position: int
    profit: Profit


@get(
    "/trading-units/{name:str}/positions",
    summary="Offered, awarded, metered and deviated, by quarter-hour",
    responses=READ_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def show_positions(
    view: NamedDependency[View], name: Name, first_day: First, last_day: Last = None
) -> PositionsAnswer:
    with view.reading() as (connection, position):
        book = view.service.book
        days = unit_positions(connection, book, position, name, first_day, last_day or first_day)
    return PositionsAnswer(position, tuple(days))


@get(
    "/trading-units/{name:str}/profit",
    summary="What day-ahead trading earned, and where money was lost against the best that was possible",
    responses=READ_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def show_profit(
    view: NamedDependency[View], name: Name, first_day: First, last_day: Last = None
) -> ProfitAnswer:
    with view.reading() as (connection, position):
        book = view.service.book
        profit = unit_profit(connection, book, position, name, first_day, last_day or first_day)
    return ProfitAnswer(position, profit)


ROUTES: Final[tuple[Any, ...]] = (show_positions, show_profit)
