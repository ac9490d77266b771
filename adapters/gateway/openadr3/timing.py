"""Instants and durations of OpenADR 3, exact: RFC 3339 with an offset, ISO 8601 without calendar parts.

A start of `0001-01-01` says now, a duration of `P9999Y` says without end (User Guide 7.3).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

from ledger.interval import checked_year
from ledger.refusal import Refused

ENDLESS: Final = "P9999Y"
_NOW: Final = re.compile(r"0001-01-01(T00:00(:00(\.0+)?)?([Zz]|[+-]00:00)?)?", re.ASCII)
_INSTANT: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(\.\d{1,6}0*)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_DURATION: Final = re.compile(
    r"P(?=[\dT])(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d{1,6})?)S)?)?",
    re.ASCII,
)
_SECONDS: Final = {"weeks": 604_800, "days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}
_DIGITS_MAX: Final = 12
_SECONDS_MAX: Final = 400 * 366 * 86_400
"""Longer than any call; `datetime` can still add it."""


def is_now(text: str) -> bool:
    """Whether a start says: now, or right after the interval before."""
    return _NOW.fullmatch(text) is not None


def instant_of(text: str, place: str) -> datetime:
    """The instant in UTC.

    >>> instant_of("2026-08-01T10:00:00+08:00", "start").isoformat()
    '2026-08-01T02:00:00+00:00'

    Raises:
        Refused: `event_time` unless it is RFC 3339 with its offset, down to microseconds; `year`.
    """
    found = _INSTANT.fullmatch(text)
    try:
        if found is None:
            raise ValueError(text)
        day, clock, fraction, offset = found.groups()
        shift = "+00:00" if offset in "Zz" else offset
        read = datetime.fromisoformat(f"{day}T{clock}{(fraction or '.0').ljust(7, '0')[:7]}{shift}")
        checked_year(read, place)
        return read.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        if isinstance(error, Refused):
            raise
        wrong = f"{text[:40]!r} is not an instant with its offset such as 2026-08-01T10:00:00Z"
        raise Refused("event_time", wrong, place=place) from None


def duration_of(text: str, place: str) -> timedelta | None:
    """How long; None is without end. A day is 24 hours: what has an offset knows no change of clocks.

    >>> duration_of("PT1H30M", "duration"), duration_of("P9999Y", "duration")
    (datetime.timedelta(seconds=5400), None)

    Raises:
        Refused: `duration` for other text, for years and months, whose length the calendar decides, for a
            negative duration, and for one longer than 400 years.
    """
    if text == ENDLESS:
        return None
    found = _DURATION.fullmatch(text) if len(text) <= 8 * _DIGITS_MAX else None
    if found is None:
        raise Refused("duration", f"{text[:40]!r} is not a duration such as PT1H30M", place=place)
    parts = {name: part for name, part in found.groupdict().items() if part is not None}
    if "years" in parts or "months" in parts:
        wrong = f"{text} is of the calendar; write days or hours, or {ENDLESS} for no end"
        raise Refused("duration", wrong, place=place)
    if any(len(part) > _DIGITS_MAX + 7 for part in parts.values()):
        raise Refused("duration", f"{text[:40]} is too long", place=place)
    seconds = sum((Fraction(part) * _SECONDS[name] for name, part in parts.items()), Fraction(0))
    if seconds > _SECONDS_MAX:
        raise Refused("duration", f"{text[:40]} is longer than 400 years", place=place)
    micros = seconds * 1_000_000
    return timedelta(microseconds=micros.numerator)


def instant_text(instant: datetime) -> str:
    """RFC 3339 in UTC.

    >>> instant_text(datetime(2026, 8, 1, 2, tzinfo=UTC))
    '2026-08-01T02:00:00Z'
    """
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def duration_text(span: timedelta) -> str:
    """ISO 8601, exact.

    >>> duration_text(timedelta(hours=1, seconds=30)), duration_text(timedelta(0))
    ('PT1H30S', 'PT0S')
    """
    seconds = span.days * 86_400 + span.seconds
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    fraction = f".{span.microseconds:06}".rstrip("0") if span.microseconds else ""
    last = f"{rest}{fraction}S" if rest or fraction else ""
    text = "".join(f"{part}{unit}" for part, unit in ((hours, "H"), (minutes, "M")) if part) + last
    return f"PT{text or '0S'}"
