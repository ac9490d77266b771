"""What markets cleared: recorded with the awards of our bids, and every run of it kept."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final, Literal

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
from trading.clearing import Clearing
from trading.posted_clearing import PostedClearing, posted_aggregate

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]

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


class PostedBody(msgspec.Struct, frozen=True):
    """What waits for a second person; it is approved by its digest."""

    digest: str
    posted_by: str
    clearing: Clearing


class ClearingRuns(msgspec.Struct, frozen=True):
    """Oldest first; the last run is in force. `posted` is not, until another person approves it."""

    position: int
    id: str
    runs: tuple[ClearingBody, ...]
    posted: PostedBody | None


class ClearingApproval(msgspec.Struct, frozen=True):
    """`digest` says what was read."""

    digest: Sha256


class ClearingStored(msgspec.Struct, frozen=True):
    """Where the fact is, and the SHA-256 of what it says. What `waits` is in force once another person
    approves it; what is `recorded`, `wattledger trade` shares out and hands over, or `sharing out` does."""

    clearing: str
    run: str
    digest: str
    status: Literal["recorded", "waits"]
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
        runs, posted = clearings.known(connection, position, name)
        bodies = tuple(_body(connection, entry) for entry in runs)
    waits = None if posted is None else PostedBody(posted.clearing.digest, posted.by, posted.clearing)
    return ClearingRuns(position, name, bodies, waits)


@post(
    "/clearings",
    summary="Record a market's clearing with what each of our bids was awarded, or a run that corrects it",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def record_clearing(intake: NamedDependency[Intake], data: JSONBody[Clearing]) -> Response[ClearingStored]:
    posted = _desk(intake).post_clearing(data, command_id=intake.command_id, actor=intake.actor)
    return _stored(data, posted.receipt, "waits" if posted.waits else "recorded")


@post(
    "/clearings/{name:str}/approve",
    summary="Let a posted clearing take effect, as a second person",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def approve_clearing(
    intake: NamedDependency[Intake], name: ClearingName, data: JSONBody[ClearingApproval]
) -> Response[ClearingStored]:
    desk = _desk(intake)
    receipt = desk.approve_clearing(name, data.digest, command_id=intake.command_id, actor=intake.actor)
    state = desk.door.state(posted_aggregate(name))
    assert isinstance(state, PostedClearing), "what was approved was posted"
    return _stored(state.clearing, receipt, "recorded")


def _desk(intake: Intake) -> Desk:
    return Desk(intake.service.door, intake.service.database)


def _stored(
    clearing: Clearing, receipt: Receipt, status: Literal["recorded", "waits"]
) -> Response[ClearingStored]:
    answer = ClearingStored(
        clearing.id,
        clearing.run,
        clearing.digest,
        status,
        receipt.aggregate,
        receipt.version,
        receipt.sequence,
    )
    return replayable(answer, repeated=receipt.repeated)


def _body(connection: Connection, entry: Entry[Clearing]) -> ClearingBody:
    """By the rules that were known when it was recorded, whatever was published since."""
    one = entry.document
    market, _ = market_on(connection, entry.sequence, one.market, one.day)
    product = market.product(one.product)
    prices = tuple(price_text(product, price) for price in one.price_u)
    return ClearingBody(
        entry.id, entry.version, entry.sequence, market.currency, product.price_unit, prices, one
    )


ROUTES: Final = (list_clearings, show_clearing, record_clearing, approve_clearing)
