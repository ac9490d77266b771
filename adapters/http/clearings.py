"""What markets cleared: recorded with the awards of our bids, and every run of it kept."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter

from adapters.desk.bid_csv import price_text
from adapters.desk.desk import Desk
from adapters.front_door import Receipt
from adapters.http.intake import Intake, replayable
from adapters.http.paging import LIMIT, Cursor, Limit, cursor_of
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import ID_PATTERN
from adapters.http.view import View
from adapters.postgres.database import Connection
from adapters.queries import clearings
from adapters.queries.clearings import ClearingFilter
from adapters.queries.market_gates import market_on
from adapters.queries.registered_page import Entry
from ledger.refusal import Refused
from trading.clearing import Clearing, ClearingState

ClearingName = Annotated[
    str,
    PathParameter(
        pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,299}$",
        description="Its id, as the answer to its recording and the list have it",
    ),
]


class ClearingBody(msgspec.Struct, frozen=True):
    """One run. `prices` are those of `clearing`, as decimals in `currency` per `price_unit`."""

    id: str
    version: int
    sequence: int
    currency: str
    price_unit: str
    prices: tuple[str, ...]
    clearing: Clearing


class ClearingPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[ClearingBody, ...]
    next_cursor: str | None


class ClearingRuns(msgspec.Struct, frozen=True):
    """Oldest first; the last run is in force."""

    position: int
    id: str
    runs: tuple[ClearingBody, ...]


class ClearingStored(msgspec.Struct, frozen=True):
    """Where the fact is, and the SHA-256 of what it says."""

    clearing: str
    run: str
    digest: str
    aggregate: str
    version: int
    sequence: int


@get(
    "/clearings",
    summary="Clearings by id, each in the run that is in force",
    responses=READ_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def list_clearings(
    view: NamedDependency[View],
    market: Annotated[str | None, QueryParameter(pattern=ID_PATTERN)] = None,
    product: Annotated[str | None, QueryParameter(pattern=ID_PATTERN)] = None,
    first_day: Annotated[
        date | None, QueryParameter(description="From this delivery day on (effective time)")
    ] = None,
    last_day: Annotated[
        date | None, QueryParameter(description="Up to this delivery day (effective time)")
    ] = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> ClearingPage:
    wanted = ClearingFilter(market=market, product=product, first_day=first_day, last_day=last_day)
    with view.page(cursor, str, "") as (connection, position, after):
        found = clearings.page(connection, position, wanted, after=after, limit=limit + 1)
        items = tuple(_body(connection, entry) for entry in found[:limit])
    more = cursor_of(position, found[limit - 1].id) if len(found) > limit else None
    return ClearingPage(position, items, more)


@get(
    "/clearings/{name:str}",
    summary="All runs of a clearing, as the market told them",
    responses=READ_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def show_clearing(view: NamedDependency[View], name: ClearingName) -> ClearingRuns:
    with view.reading() as (connection, position):
        found = clearings.runs(connection, position, name)
        runs = tuple(_body(connection, entry) for entry in found)
    return ClearingRuns(position, name, runs)


@post(
    "/clearings",
    summary="Record a market's clearing with what each of our bids was awarded, or a run that corrects it",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def record_clearing(intake: NamedDependency[Intake], data: JSONBody[Clearing]) -> Response[ClearingStored]:
    desk = Desk(intake.service.door, intake.service.database)
    before = _accepted(desk, data, intake.command_id)
    receipt = before or desk.record_clearing(data, command_id=intake.command_id, actor=intake.actor)
    answer = ClearingStored(
        data.id, data.run, data.digest, receipt.aggregate, receipt.version, receipt.sequence
    )
    return replayable(answer, repeated=receipt.repeated)


def _accepted(desk: Desk, clearing: Clearing, command_id: str) -> Receipt | None:
    """A run recorded before under the same key: the bids may have changed since, its answer has not.

    Raises:
        Refused: `command_id_reused`.
    """
    before = desk.door.accepted(f"clearing.{clearing.id}", command_id)
    if before is None:
        return None
    state = desk.door.state(f"clearing.{clearing.id}")
    if not isinstance(state, ClearingState) or state.runs.get(clearing.run) != clearing.digest:
        raise Refused("command_id_reused", f"command id {command_id!r} asked for something else")
    return before


def _body(connection: Connection, entry: Entry[Clearing]) -> ClearingBody:
    """By the rules that were known when it was recorded, whatever was published since."""
    one = entry.document
    market, _ = market_on(connection, entry.sequence, one.market, one.day)
    product = market.product(one.product)
    prices = tuple(price_text(product, price) for price in one.price_u)
    return ClearingBody(
        entry.id, entry.version, entry.sequence, market.currency, product.price_unit, prices, one
    )


ROUTES: Final = (list_clearings, show_clearing, record_clearing)
