"""As whom and as of when a query reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Annotated, Any, Final, NamedTuple, TypeVar

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from adapters.http import recording
from adapters.http.caller import Caller
from adapters.http.instant import WHOLE, instant_of
from adapters.http.paging import read_cursor
from adapters.http.problem import BadRequest
from adapters.http.service import Service
from adapters.postgres.database import Connection
from adapters.queries.as_of import day_at, position_at, recorded_at_max
from adapters.settling import lowest_position, wait_until
from ledger.interval import checked_year
from ledger.refusal import Refused

WAIT_S: Final = 5.0
"""How long a query waits for the projections before it answers 503."""

_DIGITS_MAX: Final = 18
K = TypeVar("K")

AsOf = Annotated[
    str | None,
    QueryParameter(
        max_length=64,
        description="Answer as the ledger knew it then (recorded time): a sequence number, or an instant"
        " with its offset",
    ),
]
EffectiveDay = Annotated[
    date | None,
    QueryParameter(
        description="As it stands on this day where the book is kept (effective time); if not stated"
        " on that of `as_of`, or today"
    ),
]
After = Annotated[
    int | None,
    QueryParameter(ge=0, description="Wait, at most 5 s, until this sequence number can be read"),
]


class Moment(NamedTuple):
    """What `as_of` means: a sequence number, and the instant where it was asked for by one."""

    position: int
    instant: datetime | None


class View:
    """One caller's reading of one book, at `at` or at the newest position that all projections share.

    `tell` is told each position that is read at, for the access log.
    """

    def __init__(
        self,
        service: Service,
        caller: Caller,
        as_of: Moment | None,
        tell: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.service = service
        self.caller = caller
        self.at = None if as_of is None else as_of.position
        self._as_of = as_of
        self._tell = tell

    @contextmanager
    def reading(self) -> Iterator[tuple[Connection, int]]:
        """A transaction and the position it answers for; a partner's sees its own statements only."""
        book, database, caller = self.service.book, self.service.database, self.caller
        if caller.role == "partner":
            opened = database.reading(book, role="wattledger_partner", party=caller.party)
        else:
            opened = database.reading(book)
        with opened as connection:
            position = self._position(connection)
            self._tell(position)
            yield connection, position

    @contextmanager
    def page(self, cursor: str | None, kind: type[K], start: K) -> Iterator[tuple[Connection, int, K]]:
        """As `reading`, with the key after which the page begins: `start`, or the cursor's, of type `kind`.

        Raises:
            BadRequest: `cursor` for one that is not of this list, or of another position.
        """
        with self.reading() as (connection, position):
            if cursor is None:
                yield connection, position, start
                return
            read_at, key = read_cursor(cursor, kind)
            if read_at > position or (self.at is not None and read_at != self.at):
                raise BadRequest("cursor", f"this cursor answers as of {read_at}", "cursor")
            self._tell(read_at)
            yield connection, read_at, key

    def day(self, effective: date | None = None) -> date:
        """The day up to which days are counted, where the book is kept: `effective`, or that of `as_of` (of a
        sequence number: of the latest recorded-at up to it), or today.

        Raises:
            Refused: `unknown_book` when the book was not founded by then; `year`.
        """
        if effective is not None:
            checked_year(effective, "effective")
            return effective
        with self.service.database.reading(self.service.book) as connection:
            if self._as_of is None:
                return day_at(connection, lowest_position(connection), self.service.clock())
            return day_at(connection, *self._as_of)

    def _position(self, connection: Connection) -> int:
        return lowest_position(connection) if self.at is None else self.at


def provide_view(
    service: NamedDependency[Service],
    caller: NamedDependency[Caller],
    request: Request[Caller, Any, Any],
    as_of: AsOf = None,
    after: After = None,
) -> View:
    """The caller's view, once what it asks for can be read.

    Raises:
        Refused: `as_of` or `after` that lies ahead of the ledger.
        Behind: the projections did not come up in time.
    """
    if after is not None and not _reached(service, after):
        raise Refused("after", f"the ledger ends before {after}", place="after")
    moment = None if as_of is None else _moment(service, as_of)
    return View(service, caller, moment, lambda position: recording.read_at(request.scope, position))


def _reached(service: Service, sequence: int) -> bool:
    """Whether the ledger goes so far; if so, the projections do when this returns."""
    with service.database.reading(service.book) as connection:
        if lowest_position(connection) >= sequence:
            return True
    if sequence > service.last_sequence():
        return False
    wait_until(service.database, service.book, sequence, WAIT_S)
    return True


def _moment(service: Service, as_of: str) -> Moment:
    if WHOLE.fullmatch(as_of):
        if len(as_of) > _DIGITS_MAX:
            raise Refused("as_of", "the ledger is not that long", place="as_of")
        if not _reached(service, int(as_of)):
            raise Refused("as_of", f"the ledger ends before {as_of}", place="as_of")
        return Moment(int(as_of), None)
    instant = instant_of(as_of, "as_of")
    with service.database.reading(service.book) as connection:
        lowest = lowest_position(connection)
        if lowest and recorded_at_max(connection, lowest) > instant:
            return Moment(position_at(connection, instant, lowest), instant)
    if instant > service.clock():
        raise Refused("as_of", f"{as_of} has not come yet", place="as_of")
    last = service.last_sequence()
    wait_until(service.database, service.book, last, WAIT_S)
    with service.database.reading(service.book) as connection:
        return Moment(position_at(connection, instant, last), instant)
