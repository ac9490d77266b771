"""Percentages, shares and amounts as a contract writes them: text that has one exact value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Final

import msgspec

from ledger.quantity import exact
from ledger.refusal import Refused

Portion = Annotated[
    str, msgspec.Meta(pattern=r"^\d{1,3}(\.\d{1,12})?%$|^[01](\.\d{1,12})?$|^\d{1,9}/\d{1,9}$")
]
"""A part of a whole from 0 to 1: `70%`, `0.7` or, for thirds, `1/3`."""

Amount = Annotated[str, msgspec.Meta(pattern=r"^\d{1,15}(\.\d{1,9})?$")]
"""A plain decimal that is not negative: money in the contract's currency, a rate or a quantity."""

Shares = dict[str, Portion]
"""Party id -> its part; the parts total exactly 100 %."""

_PORTION: Final = re.compile(r"(\d{1,3}(?:\.\d{1,12})?)%|([01](?:\.\d{1,12})?)|(\d{1,9})/(\d{1,9})", re.ASCII)
_AMOUNT: Final = re.compile(r"\d{1,15}(\.\d{1,9})?", re.ASCII)


@lru_cache(maxsize=4096)
def portion(text: str, place: str) -> Fraction:
    """The exact value of a percentage.

    >>> portion("70%", "shares.host"), portion("1/3", "shares.host")
    (Fraction(7, 10), Fraction(1, 3))

    Raises:
        Refused: `portion` unless it is 0 % to 100 %, written `70%`, `0.7` or `1/3`.
    """
    found = _PORTION.fullmatch(text) if isinstance(text, str) else None
    if found is None or (found[4] is not None and int(found[4]) == 0):
        raise Refused("portion", f'{text!r} is not a percentage such as "70%", "0.7" or "1/3"', place=place)
    if found[1] is not None:
        value = Fraction(found[1]) / 100
    else:
        value = Fraction(found[2] or f"{found[3]}/{found[4]}")
    if value > 1:
        raise Refused("portion", f"{text} is more than 100 %", place=place)
    return value


@lru_cache(maxsize=4096)
def amount(text: str, place: str) -> Fraction:
    """The exact value of an amount, rate or quantity that may not be negative.

    Raises:
        Refused: `amount` for anything but a plain decimal of at most nine places.
    """
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
        raise Refused("amount", f"{text!r} is not a decimal from 0 such as 0.1 or 36000000", place=place)
    return exact(text)


def weights(shares: Mapping[str, str], place: str) -> dict[str, Fraction]:
    """Each party's exact part.

    >>> weights({"host": "70%", "operator": "30%"}, "shares")
    {'host': Fraction(7, 10), 'operator': Fraction(3, 10)}

    Raises:
        Refused: `portion` for a part that is no percentage, `share_total` unless they total 100 %.
    """
    parts = {party: portion(text, f"{place}.{party}") for party, text in shares.items()}
    total = sum(parts.values(), Fraction(0))
    if total != 1:
        percent = total * 100
        shown = str(percent) if percent.denominator == 1 else f"{percent} (exactly)"
        raise Refused("share_total", f"the shares total {shown} %, not 100 %", place=place)
    return parts
