"""A document or bank booking that money moved by: the name of its aggregate, and its day."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Final

from ledger.interval import checked_year
from ledger.refusal import Refused

_DIGITS: Final = 32


def document_aggregate(kind: str, document: str) -> str:
    """The aggregate of the one fact of that kind that a document states.

    A document's number may be written in any script, and what names an aggregate may not: its digest stands
    for it.
    """
    return f"{kind}.{hashlib.sha256(document.encode()).hexdigest()[:_DIGITS]}"


def checked_day(day: date, today: date, place: str) -> date:
    """`day`, when it is not after `today`, the day of recording where the book is kept.

    What has not happened yet is no fact: money that moves tomorrow is recorded tomorrow.

    Raises:
        Refused: `future_date`, naming the last day that is allowed; `year`.
    """
    checked_year(day, place)
    if day > today:
        text = f"{day} has not come yet: the last day allowed is {today}"
        raise Refused("future_date", text, place=place)
    return day
