"""What validating a month found: a measurement that is not as expected. It changes no data."""

from __future__ import annotations

from typing import Literal

import msgspec

from ledger.interval import Instant
from ledger.readings import Register

Check = Literal[
    "missing", "range", "register_monotone", "energy_balance", "interval_sum", "clock", "duplicate"
]
"""In the order in which they are reported."""

Unit = Literal["Wh", "varh", "s", "count"]


class MeterFinding(msgspec.Struct, frozen=True):
    """One stretch [start, end) of consecutive intervals that fail one check, by its worst interval.

    `measured` is outside `expected` by more than `tolerance`, all in `unit`. `meter` and `register` are
    None for the energy balance, which is a site's.
    """

    check: Check
    meter: str | None
    register: Register | None
    start: Instant
    end: Instant
    intervals: int
    measured: int
    expected: int
    tolerance: int
    unit: Unit
