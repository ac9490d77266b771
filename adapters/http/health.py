"""Is the process alive, and can it answer: for whoever supervises it. No key is needed."""

from __future__ import annotations

import threading
import time
from typing import Final, Literal

import msgspec
import nats.errors
import psycopg
from eventsourcing.persistence import OperationalError
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from adapters.http.service import Service
from adapters.queries import positions

_CONNECT_S: Final = 2.0
_STALLED_S: Final = 10.0

State = Literal["ok", "down", "halted", "stalled", "unknown"]


class Part(msgspec.Struct, frozen=True):
    """One thing that the API needs; `detail` says what is wrong with it."""

    state: State
    detail: str = ""


class Readiness(msgspec.Struct, frozen=True):
    """`behind` is how many events the projections have still to come, None while that is not known."""

    ready: bool
    nats: Part
    postgres: Part
    projector: Part
    behind: int | None


class Alive(msgspec.Struct, frozen=True):
    alive: bool


class Progress:
    """Whether projections that are behind have moved since they were looked at before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lowest = -1
        self._since = 0.0

    def stalled_s(self, lowest: int, last: int) -> float:
        """For how long the projections have been behind without moving; 0 while they move or are level."""
        now = time.monotonic()
        with self._lock:
            if lowest >= last or lowest != self._lowest:
                self._lowest = -1 if lowest >= last else lowest
                self._since = now
            return now - self._since


@get("/health/live", summary="The process runs", tags=["Health"], sync_to_thread=False)
def live() -> Alive:
    return Alive(alive=True)


@get(
    "/health/ready",
    summary="The process can answer: NATS, PostgreSQL and the projector",
    responses={
        503: ResponseSpec(
            Readiness, description="Something is down; each part says so", generate_examples=False
        )
    },
    tags=["Health"],
    sync_to_thread=True,
)
def ready(service: NamedDependency[Service], progress: NamedDependency[Progress]) -> Response[Readiness]:
    last, nats_part = _nats(service)
    lowest, postgres_part = _postgres(service)
    behind = max(0, last - lowest) if last is not None and lowest is not None else None
    projector = _projector(service, progress, last, lowest)
    good = all(part.state == "ok" for part in (nats_part, postgres_part, projector))
    answer = Readiness(good, nats_part, postgres_part, projector, behind)
    return Response(answer, status_code=200 if good else 503)


def _nats(service: Service) -> tuple[int | None, Part]:
    try:
        return service.last_sequence(within=0), Part("ok")
    except (nats.errors.Error, OperationalError, OSError, TimeoutError):
        return None, Part("down", "the event store does not answer")


def _postgres(service: Service) -> tuple[int | None, Part]:
    try:
        with service.database.pool.connection(timeout=_CONNECT_S):
            pass
        with service.database.reading(service.book) as connection:
            return min(positions.reached(connection).values()), Part("ok")
    except psycopg.OperationalError:
        return None, Part("down", "the database does not answer")


def _projector(service: Service, progress: Progress, last: int | None, lowest: int | None) -> Part:
    halted = service.projector_status()
    if halted is not None:
        return Part("halted", halted)
    if last is None or lowest is None:
        return Part("unknown", "not known while a store is down")
    stalled = progress.stalled_s(lowest, last)
    if stalled >= _STALLED_S:
        return Part("stalled", f"behind for {int(stalled)} s without moving; is a projector running?")
    return Part("ok")


ROUTES = (live, ready)
