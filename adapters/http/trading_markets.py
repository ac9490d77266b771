"""The markets that are bid in: their products as their files state them, and the gates of a delivery day."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter, RawBody

from adapters.http.intake import Stored
from adapters.http.paging import LIMIT, Cursor, Limit
from adapters.http.problem import READ_PROBLEMS
from adapters.http.publishing import PUBLISH_PROBLEMS, TAKES_TOML, Checked, Publishing
from adapters.http.register import Effective, Name, RecordedVersion, bodies, history, listed
from adapters.http.view import View
from adapters.queries.market_gates import DayGates, day_gates
from ledger.effective import Period
from trading import market_file
from trading.product import Market
from trading.published_market import PublishMarket

Day = Annotated[date, PathParameter(description="The delivery day, of the market (effective time)")]


class MarketVersion(RecordedVersion, frozen=True, kw_only=True):
    document: Market


class MarketPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[MarketVersion, ...]
    next_cursor: str | None


class MarketHistory(msgspec.Struct, frozen=True):
    position: int
    id: str
    versions: tuple[MarketVersion, ...]


@get(
    "/markets",
    summary="Markets by id, each with the version recorded last",
    responses=READ_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def list_markets(
    view: NamedDependency[View], effective: Effective = None, limit: Limit = LIMIT, cursor: Cursor = None
) -> MarketPage:
    position, entries, more = listed(view, "market", Market, cursor, limit, effective)
    return MarketPage(position, bodies(entries, MarketVersion), more)


@get(
    "/markets/{name:str}",
    summary="All recorded versions of a market: its products and their rules",
    responses=READ_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def show_market(view: NamedDependency[View], name: Name, effective: Effective = None) -> MarketHistory:
    position, entries = history(view, "market", Market, name, effective)
    return MarketHistory(position, name, bodies(entries, MarketVersion))


@get(
    "/markets/{name:str}/gates/{day:date}",
    summary="When bids for a delivery day may come in, and when its results are published",
    responses=READ_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def show_gates(
    view: NamedDependency[View],
    name: Name,
    day: Day,
    first: Annotated[
        int,
        QueryParameter(
            ge=0, le=300, description="The first interval bid for, from 0, where the gate follows it"
        ),
    ] = 0,
) -> DayGates:
    with view.reading() as (connection, position):
        return day_gates(connection, position, name, day, first)


@post(
    "/markets",
    summary="Publish a market that is bid in, as its readable TOML file states it",
    responses=PUBLISH_PROBLEMS,
    operation_class=TAKES_TOML,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def publish_market(
    publishing: NamedDependency[Publishing], period: NamedDependency[Period], body: RawBody
) -> Response[Stored | Checked]:
    return publishing.publish(PublishMarket(period, market_file.parse(body)))


ROUTES: Final = (list_markets, show_market, show_gates, publish_market)
