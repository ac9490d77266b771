"""Is the process alive, and can it answer: for whoever supervises it. No key is needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Literal

import msgspec
import nats.errors
import psycopg
from eventsourcing.persistence import OperationalError
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from adapters import continuity
from adapters.access_log import AccessLog
from adapters.continuity import Discontinuity
from adapters.http.service import Service
from adapters.integrity import known_damage
from adapters.integrity.fault import Fault
from adapters.nats import stream
from adapters.nats.stream import StreamError, WeakStream
from adapters.queries import positions

_CONNECT_S: Final = 2.0
_STALLED_S: Final = 10.0

_AWAY: Final = (nats.errors.Error, OperationalError, OSError, TimeoutError)

State = Literal["ok", "down", "halted", "stalled", "unknown", "unsafe"]


class Part(msgspec.Struct, frozen=True):
    """One thing that the API needs; `detail` says what is wrong with it."""

    state: State
    detail: str = ""


class Readiness(msgspec.Struct, frozen=True):
    """`nats` is unsafe where the book's stream is not as it was made, so that commands are refused, and
    `access_log` where reads are. `behind` is how many events the projections have still to come, None while
    that is not known."""

    ready: bool
    nats: Part
    access_log: Part
    postgres: Part
    projector: Part
    behind: int | None


class Alive(msgspec.Struct, frozen=True):
    alive: bool


class Progress:
    """Whether projections that are behind have moved since they were looked at before; at the first look, for
    how long the event that is due next has waited."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lowest: int | None = None
        self._since = 0.0

    def stalled_s(self, lowest: int, waited: Callable[[], float]) -> float:
        """For how long the projections have been behind without moving; `waited` is asked where they have not
        been looked at before."""
        with self._lock:
            known = self._lowest
        since = time.monotonic() - (waited() if known is None else 0.0)
        with self._lock:
            if lowest != self._lowest:
                self._lowest, self._since = lowest, since
            return time.monotonic() - self._since

    def level(self) -> None:
        """They are not behind."""
        with self._lock:
            self._lowest = None


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
def ready(
    service: NamedDependency[Service], progress: NamedDependency[Progress], access: NamedDependency[AccessLog]
) -> Response[Readiness]:
    last, nats_part = _nats(service)
    access_part = _access(access)
    lowest, alien, postgres_part = _postgres(service)
    behind = max(0, last - lowest) if last is not None and lowest is not None else None
    projector = _projector(service, progress, last, lowest, alien)
    good = all(part.state == "ok" for part in (nats_part, access_part, postgres_part, projector))
    answer = Readiness(good, nats_part, access_part, postgres_part, projector, behind)
    return Response(answer, status_code=200 if good else 503)


def _nats(service: Service) -> tuple[int | None, Part]:
    """The stream's last sequence, and whether it is one that commands may append to."""
    log = service.log
    try:
        standing = stream.standing(log.client, log.book, within=0)
        continuity.check_strong(standing, log.book)
        continuity.check_whole(log, standing)
    except Discontinuity as found:
        return None, Part("unsafe", str(found.fault))
    except WeakStream as weak:
        return None, Part("unsafe", str(weak))
    except (*_AWAY, StreamError):
        return None, Part("down", "the event store does not answer")
    return standing.state.last_seq, Part("ok")


def _access(access: AccessLog) -> Part:
    try:
        access.check(within=0)
    except Discontinuity as found:
        return Part("unsafe", str(found.fault))
    except (WeakStream, StreamError) as weak:
        return Part("unsafe", str(weak))
    except (*_AWAY, psycopg.OperationalError):
        return Part("unknown", "not known while a store is down")
    return Part("ok")


def _postgres(service: Service) -> tuple[int | None, Fault | None, Part]:
    """How far the projections are, and the message that none of them gets past."""
    try:
        with service.database.pool.connection(timeout=_CONNECT_S):
            pass
        with service.database.reading(service.book) as connection:
            lowest = min(positions.reached(connection).values())
            return lowest, known_damage.halting(connection), Part("ok")
    except psycopg.OperationalError:
        return None, None, Part("down", "the database does not answer")


def _projector(
    service: Service, progress: Progress, last: int | None, lowest: int | None, alien: Fault | None
) -> Part:
    halted = service.projector_status()
    if halted is not None:
        return Part("halted", halted)
    if alien is not None:
        return Part("halted", f"{alien}: {alien.remedy}")
    if last is None or lowest is None:
        return Part("unknown", "not known while a store is down")
    if lowest >= last:
        progress.level()
        return Part("ok")
    stalled = progress.stalled_s(lowest, lambda: _waited_s(service, lowest + 1))
    if stalled >= _STALLED_S:
        return Part("stalled", f"behind for {int(stalled)} s without moving; is a projector running?")
    return Part("ok")


def _waited_s(service: Service, sequence: int) -> float:
    try:
        return service.log.client.run(service.log.waited_s(sequence))
    except (nats.errors.Error, OperationalError, OSError, TimeoutError):
        return 0.0


ROUTES = (live, ready)
