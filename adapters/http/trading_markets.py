"""The markets that are bid in: their products as their files state them, and the gates of a delivery day."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter, RawBody

from adapters.http.intake import Stored
from adapters.http.problem import READ_PROBLEMS
from adapters.http.publishing import PUBLISH_PROBLEMS, TAKES_TOML, Checked, Publishing
from adapters.http.register import Name, RecordedVersion
from adapters.http.registered_routes import registered_routes
from adapters.http.view import View
from adapters.queries.market_gates import DayGates, day_gates
from ledger.effective import Period
from trading import market_file
from trading.product import Market
from trading.published_market import PublishMarket

Day = Annotated[date, PathParameter(description="The delivery day, of the market (effective time)")]


class MarketVersion(RecordedVersion, frozen=True, kw_only=True):
    document: Market


@get(
    "/markets/{name:str}/gates/{day:str}",
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


ROUTES: Final = (
    *registered_routes(
        "/markets",
        "market",
        Market,
        MarketVersion,
        lists=("list_markets", "Markets by id, each with the version recorded last"),
        shows=("show_market", "All recorded versions of a market: its products and their rules"),
        tag="Trading desk",
    ),
    show_gates,
    publish_market,
)
