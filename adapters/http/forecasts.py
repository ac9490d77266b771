"""Forecasts as they were issued: by subject, with their members, quantiles and scores."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import PathParameter

from adapters.http.paging import LIMIT, Cursor, Limit
from adapters.http.problem import READ_PROBLEMS
from adapters.http.register import Effective, RecordedVersion, bodies, history, listed
from adapters.http.view import View
from dispatch.forecasts.forecast import Forecast

ForecastName = Annotated[
    str,
    PathParameter(
        pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,299}$",
        description="Its subject's id, such as load_S1 or price_MARKET_NODE_day_ahead",
    ),
]


class ForecastVersion(RecordedVersion, frozen=True, kw_only=True):
    """One issue; it covers [effective_from, effective_to)."""

    document: Forecast


class ForecastPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[ForecastVersion, ...]
    next_cursor: str | None


class ForecastAnswer(msgspec.Struct, frozen=True):
    """The issue that holds: None where none covers the instant that was asked for."""

    position: int
    id: str
    issue: ForecastVersion | None


@get(
    "/forecasts",
    summary="Subjects by id, each with the forecast issued last",
    responses=READ_PROBLEMS,
    tags=["Dispatch"],
    sync_to_thread=True,
)
def list_forecasts(
    view: NamedDependency[View], effective: Effective = None, limit: Limit = LIMIT, cursor: Cursor = None
) -> ForecastPage:
    position, entries, more = listed(view, "forecast", Forecast, cursor, limit, effective)
    return ForecastPage(position, bodies(entries, ForecastVersion), more)


@get(
    "/forecasts/{name:str}",
    summary="A subject's forecast issued last, or with `effective` the last one that covers an instant",
    responses=READ_PROBLEMS,
    tags=["Dispatch"],
    sync_to_thread=True,
)
def show_forecast(
    view: NamedDependency[View], name: ForecastName, effective: Effective = None
) -> ForecastAnswer:
    position, entries = history(view, "forecast", Forecast, name, effective)
    issues = bodies(entries, ForecastVersion)
    return ForecastAnswer(position, name, issues[-1] if issues else None)


ROUTES: Final = (list_forecasts, show_forecast)
"""Reading alone: forecasts are made at the command line, where training may take its time."""
