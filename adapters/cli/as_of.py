"""As of when a command at a terminal reads: `--as-of`, and `--effective` beside it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Final, NamedTuple

import msgspec
from cyclopts import Parameter

from adapters.queries.as_of import day_at, position_at, recorded_at_max
from adapters.settling import lowest_position
from adapters.stack import Stack
from ledger.interval import Instant, checked_year
from ledger.refusal import Refused

AsOf = Annotated[
    str | None,
    Parameter(
        name="--as-of",
        help="as the ledger knew it then (recorded time): a sequence number, or an instant with its offset",
    ),
]
EffectiveDay = Annotated[
    date | None,
    Parameter(help="as it stands on this day (effective time); if not stated that of --as-of, or today"),
]
PostedUntil = Annotated[
    date | None, Parameter(help="only what is posted up to and with this day (effective time)")
]
_DIGITS_MAX: Final = 18


class Moment(NamedTuple):
    """What is read: a sequence number, and the instant up to which days are counted (None: of the latest
    recorded-at up to it)."""

    position: int
    instant: datetime | None

    def day(self, stack: Stack, effective: date | None = None) -> date:
        """The day up to which days are counted where the book is kept: `effective`, or that of the moment.

        Raises:
            Refused: `unknown_book` when the book was not founded by then; `year`.
        """
        if effective is not None:
            checked_year(effective, "--effective")
            return effective
        with stack.database.reading(stack.settings.book) as connection:
            return day_at(connection, *self)


def moment(stack: Stack, as_of: str | None, *, fresh: bool = True) -> Moment:
    """What `--as-of` means; without one everything up to the stream's end, or where not `fresh` what every
    projection has reached.

    Raises:
        Refused: `as_of` for what is no sequence number or instant, or lies ahead of the ledger.
        Behind: the projections did not come up in time.
    """
    if as_of is None and not fresh:
        with stack.database.reading(stack.settings.book) as connection:
            return Moment(lowest_position(connection), stack.clock())
    last = stack.caught_up()
    if as_of is None:
        return Moment(last, stack.clock())
    if as_of.isascii() and as_of.isdigit():
        if len(as_of) > _DIGITS_MAX or int(as_of) > last:
            raise Refused("as_of", f"the ledger ends at {last}, before {as_of}", place="--as-of")
        return Moment(int(as_of), None)
    try:
        instant = msgspec.convert(as_of, Instant)
    except msgspec.ValidationError:
        allowed = "a sequence number, or an instant with its offset such as 2026-08-01T00:00:00Z"
        raise Refused("as_of", f"{as_of!r} is not {allowed}", place="--as-of") from None
    checked_year(instant, "--as-of")
    with stack.database.reading(stack.settings.book) as connection:
        passed = last > 0 and recorded_at_max(connection, last) > instant
        if not passed and instant > stack.clock():
            raise Refused("as_of", f"{as_of} has not come yet", place="--as-of")
        return Moment(position_at(connection, instant, last), instant)
