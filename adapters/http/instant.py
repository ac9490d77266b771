"""Instants, months and whole numbers as parameters of an address."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

import msgspec

from adapters.http.problem import BadRequest
from ledger.interval import Instant, Month
from ledger.refusal import Refused

_PLUS_AS_BLANK: Final = re.compile(r" (\d{2}:\d{2})$")
WHOLE: Final = re.compile(r"0|[1-9][0-9]*", re.ASCII)
"""The one spelling of a whole number."""
FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST: Final = datetime(9990, 1, 1, tzinfo=UTC)
"""Far enough from the year 10000 that whatever is counted on from it is an instant too."""


def instant_of(text: str, place: str) -> datetime:
    """An RFC 3339 instant with its offset; a `+` that arrived as a blank is taken as meant.

    Raises:
        BadRequest: `instant`.
    """
    try:
        instant = msgspec.convert(_PLUS_AS_BLANK.sub(r"+\1", text), Instant)
    except msgspec.ValidationError:
        raise BadRequest(
            "instant", f"{text!r} is not an instant with its offset, such as 2026-08-01T00:00:00Z", place
        ) from None
    return in_range(instant, place)


def in_range(instant: datetime, place: str) -> datetime:
    """`instant` in UTC, when it lies in the years 1970 to 9989.

    Raises:
        Refused: `instant_range`.
    """
    if not FIRST <= instant <= LAST:
        raise Refused("instant_range", f"{instant.isoformat()} is not in the years 1970 to 9989", place=place)
    return instant.astimezone(UTC)


def month_of(text: str) -> str:
    """A month as it is stored.

    Raises:
        Refused: `month`.
    """
    try:
        return str(Month.parse(text))
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place="month") from None
