"""Exact numbers as people read them: what is no short decimal is rounded, and says so with a mark.

The exact numbers stand in explanations, in the workbook's own columns, in CSV and in JSON.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from ledger.clauses.flow import grouped
from ledger.quantity import Money, decimal_text, round_half_away

ABOUT: Final = "≈"
"""Before a number that was rounded for reading."""

_PERCENT_PLACES: Final = 4
_MONEY_PLACES: Final = 2
_PLACES: Final = 6
_DECIMALS: Final = 9
_SHORT: Final = 1000
_FRACTION: Final = re.compile(
    r"(?<![A-Za-z0-9_/.\-])(-?\d+)/(\d+)(?![A-Za-z0-9_/]|-\d|\.\d)(%| [A-Z]{3}(?![A-Z/]))?"
)
_OF_A_PART: Final = re.compile(
    r"(\S+) of (the part above \S+ [A-Z]{3}(?: up to \S+ [A-Z]{3})?) (-?[\d,.]+ [A-Z]{3})(?![\d,.])"
)
_NUMBER: Final = re.compile(r"-?\d+(\.\d+|/\d+)?", re.ASCII)


def readable_money(money: Money) -> str:
    """An amount without its currency.

    >>> readable_money(Money(-3197524, "CNY"))
    '-31,975.24'
    """
    return grouped(str(money))


def readable_sum(money: Money) -> str:
    """An amount with its currency.

    >>> readable_sum(Money(3197524, "CNY"))
    '31,975.24 CNY'
    """
    return f"{readable_money(money)} {money.currency}"


def readable_exact(text: str) -> str:
    """An exact amount: a decimal that is not too long as it is, all else about.

    >>> readable_exact("1993501/300"), readable_exact("31975.237"), readable_exact("each interval's own")
    ('≈6,645.003333', '31,975.237', "each interval's own")
    """
    if not _NUMBER.fullmatch(text):
        return readable_text(text)
    whole, slash, _ = text.partition("/")
    if not slash and len(whole.partition(".")[2]) <= _DECIMALS:
        return grouped(text)
    return _about(Fraction(text), _PLACES)


def readable_ratio(text: str) -> str:
    """A price or share: a short fraction such as `1/3` stays one.

    >>> readable_ratio("1/3"), readable_ratio("10000000/50000011")
    ('1/3', '≈0.200000')
    """
    top, slash, bottom = text.partition("/")
    if slash and _NUMBER.fullmatch(text) and _is_short(top, bottom):
        return text
    return readable_exact(text)


def readable_text(text: str) -> str:
    """A note with its fractions: of percent to four places, of money to two, others to six; short ones stay.

    >>> readable_text("200/3% of the pool"), readable_text("1/12 year, order 2026/08-17")
    ('≈66.6667% of the pool', '1/12 year, order 2026/08-17')
    >>> readable_text("7% a year on 4080000957/2900 CNY")
    '7% a year on ≈1,406,896.88 CNY'
    >>> readable_text("70% of the part above 0.00 CNY up to 5,000.00 CNY 4,000.00 CNY")
    '70% of 4,000.00 CNY, the part above 0.00 CNY up to 5,000.00 CNY'
    """
    return _OF_A_PART.sub(r"\1 of \3, \2", _FRACTION.sub(_shown, text))


def _shown(found: re.Match[str]) -> str:
    top, bottom, after = found[1], found[2], found[3] or ""
    if not int(bottom) or (after != "%" and _is_short(top, bottom)):
        return found[0]
    places = _PERCENT_PLACES if after == "%" else _MONEY_PLACES if after else _PLACES
    return _about(Fraction(int(top), int(bottom)), places) + after


def _about(value: Fraction, places: int) -> str:
    shown = grouped(decimal_text(round_half_away(value * 10**places), places))
    return shown if (value * 10**places).denominator == 1 else f"{ABOUT}{shown}"


def _is_short(top: str, bottom: str) -> bool:
    return abs(int(top)) < _SHORT and int(bottom) < _SHORT
