"""What was read of a device."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

from litestar import get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from adapters.http.instant import instant_of
from adapters.http.problem import READ_PROBLEMS
from adapters.http.register import ID_PATTERN
from adapters.http.service import Service
from adapters.nats.telemetry_stream import Channel
from adapters.settling import lowest_position
from adapters.telemetry.history import History
from adapters.telemetry.shown import LIMIT_MAX, TelemetryShown, check_known, shown
from ledger.interval import Interval

_SPAN: Final = timedelta(minutes=10)


@get(
    "/telemetry/{name:str}",
    summary="The newest samples of a device, the quality of each value, and the gaps between them",
    responses=READ_PROBLEMS,
    tags=["Devices"],
    sync_to_thread=True,
)
def show_telemetry(
    service: NamedDependency[Service],
    name: Annotated[str, PathParameter(pattern=ID_PATTERN, description="A device's id")],
    start: Annotated[
        str | None,
        QueryParameter(
            name="from",
            max_length=64,
            description="From this instant on; if not stated 10 minutes before `to`",
        ),
    ] = None,
    end: Annotated[
        str | None,
        QueryParameter(name="to", max_length=64, description="Up to this instant; if not stated now"),
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX, description="The newest samples at most")] = 100,
    channel: Annotated[
        Channel, QueryParameter(description="The fast one is of minutes and never settled from")
    ] = "seconds",
) -> TelemetryShown:
    until = service.clock() if end is None else instant_of(end, "to")
    since = until - _SPAN if start is None else instant_of(start, "from")
    history = History(service.log.client, service.book, channel)
    found = shown(history, name, Interval(since, until), limit)
    if not found.samples:
        with service.database.reading(service.book) as connection:
            check_known(service.log.client, service.book, connection, lowest_position(connection), name)
    return found


ROUTES: Final = (show_telemetry,)
