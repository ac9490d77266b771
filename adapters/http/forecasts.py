"""Forecasts as they were issued: by subject, with their members, quantiles and scores; and one asked for."""

from __future__ import annotations

import threading
from datetime import date
from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from adapters.http.intake import Intake, replayable
from adapters.http.one_at_a_time import one_at_a_time
from adapters.http.paging import LIMIT, Cursor, Limit
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import Effective, RecordedVersion, bodies, history, listed
from adapters.http.service import Service
from adapters.http.view import WAIT_S, View
from adapters.queries.as_of import recorded_at_max
from adapters.settling import lowest_position, wait_until
from dispatch.forecasts.forecast import Drift, Forecast, MemberShare, Scores, Subject, Unit
from dispatch.forecasts.issued import IssueForecast

ForecastName = Annotated[
    str,
    PathParameter(
        pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,299}$",
        description="Its subject's id, such as load_S1 or price_MARKET_NODE_day_ahead",
    ),
]

SECONDS: Final = 120.0
"""Members of two years of quarter-hours learn for half a minute."""
_FORECASTING: Final = threading.Lock()


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


class ForecastAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of whom so many local days from `first` on."""

    subject: Annotated[
        str,
        msgspec.Meta(
            max_length=300,
            description="load:SITE, pv:SITE, revenue:SITE or price:MARKET:NODE:PRODUCT",
            examples=["load:S1"],
        ),
    ]
    first: date
    days: Annotated[int, msgspec.Meta(ge=1, le=7)] = 1


class ForecastMade(msgspec.Struct, frozen=True, kw_only=True):
    """The subject's `version`, which is event `sequence`; its values are read under `id`.

    `unit` (of `currency`, where it is money) is that of the values and of the scores' `error` and `pinball`.
    """

    id: str
    version: int
    sequence: int
    model: str
    trained_through: int
    unit: Unit
    currency: str
    members: tuple[MemberShare, ...]
    scores: Scores | None
    drift: Drift | None
    cold_start: str
    notes: tuple[str, ...]


@post(
    "/forecasts",
    summary="Forecast a subject now, from what the book knows, and put the forecast on record",
    responses=WRITE_PROBLEMS,
    tags=["Dispatch"],
    sync_to_thread=True,
)
def make_forecast(intake: NamedDependency[Intake], data: JSONBody[ForecastAsked]) -> Response[ForecastMade]:
    answer, repeated = intake.once(data, ForecastMade, lambda: _made(intake.service, intake.actor, data))
    return replayable(answer, repeated=repeated)


def _made(service: Service, actor: str, data: ForecastAsked) -> ForecastMade:
    """Raises:
    Refused: `planner_busy`, `work_stopped`; as `asked_request`, `make` and `IssueForecast`.
    Behind: the projections did not come up in time."""
    # The optimiser and the members take a second to import: no other route waits for it.
    from adapters.planning.forecasting import asked_request
    from adapters.planning.own_process import in_own_process
    from adapters.queries.forecast_inputs import Wanted
    from dispatch.forecasts.make import make

    subject = Subject.parse(data.subject)
    with one_at_a_time(_FORECASTING, "forecast", "subject"):
        wait_until(service.database, service.book, service.last_sequence(), WAIT_S)
        with service.database.reading(service.book) as connection:
            position = lowest_position(connection)
            issued_at = max(service.clock(), recorded_at_max(connection, position))
            wanted = Wanted(subject, data.first, data.days, position, issued_at)
            request = asked_request(connection, service.book, wanted)
        made = in_own_process(make, request, SECONDS)
        receipt = service.door.record(IssueForecast(made), actor=actor)
    return ForecastMade(
        id=subject.id,
        version=receipt.version,
        sequence=receipt.sequence,
        model=made.model,
        trained_through=made.trained_through,
        unit=made.unit,
        currency=made.currency,
        members=made.members,
        scores=made.scores,
        drift=made.drift,
        cold_start=made.cold_start,
        notes=made.notes,
    )


ROUTES: Final = (list_forecasts, show_forecast, make_forecast)
