"""How far a value that was read is to be believed, and why not."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

NUMBER_MAX: Final = (1 << 63) - 1
"""The largest number that is kept, above or below 0: what 64 bits hold with a sign."""
TEXT_MAX: Final = 500
"""So many characters of a device's text are kept: what the longest point of registers holds."""
_NOT_SHOWN: Final = "\ufffd"

Quality = Literal["good", "suspect", "bad"]
"""bad: there is no value. suspect: there is one, and a reason to doubt it."""
Reason = Literal[
    "not_available", "not_a_number", "out_of_range", "not_expected", "scale_missing", "text", "torn", "jump"
]
"""not_available: the device says so. not_a_number: NaN or infinite. out_of_range: beyond the point's limits,
or beyond 64 bits, of which nothing is kept.

not_expected: another than the fixed value: another device or map. scale_missing: its scale factor is not
available or beyond -10 to 10. text: bytes that are no UTF-8. torn: words of two moments. jump: further from
the last value than it can have moved.
"""


class Reading(NamedTuple):
    """What a point held: a whole number in the point's unit (dispatch.devices.point.DIGITS), or a text.

    `value` is None where `quality` is bad, and never 0 for want of one. `raw`: the register's own number.
    `at_ms`: when it was read, on the clock of whoever read it.
    """

    value: int | str | None
    quality: Quality = "good"
    reason: Reason | None = None
    raw: int | None = None
    at_ms: int = 0


def last_valued(before: Mapping[str, Reading], found: Mapping[str, Reading]) -> dict[str, Reading]:
    """Each point's newest reading that has a value: what the next answer is held against."""
    return {**before, **{name: reading for name, reading in found.items() if reading.value is not None}}


def fits(number: int) -> bool:
    """Whether it can be kept.

    >>> fits(NUMBER_MAX), fits(-NUMBER_MAX), fits(NUMBER_MAX + 1)
    (True, True, False)
    """
    return -NUMBER_MAX <= number <= NUMBER_MAX


def plain_text(text: str) -> str:
    """A device's text as it may be shown: cut, and without what steers a terminal or is no character.

    >>> plain_text("no \\x1b[31m").encode("ascii", "replace")
    b'no ?[31m'
    """
    cut = text[:TEXT_MAX]
    return "".join(_NOT_SHOWN if unicodedata.category(one).startswith("C") else one for one in cut)
