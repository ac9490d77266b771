"""Days of quarter-hours learned as hours: a quarter of the fits, and the usual shape within them is kept."""

from __future__ import annotations

from datetime import date

import msgspec
import numpy as np

from dispatch.forecasts.day_table import DayTable, Values
from dispatch.forecasts.past import HOURS, Past, by_hour


def of_hours(past: Past) -> Past:
    """The past as means of hours; one of whole hours, or longer, is itself."""
    if past.days.slots <= HOURS:
        return past
    inputs = {name: _hourly(table) for name, table in past.inputs.items()}
    return msgspec.structs.replace(past, days=_hourly(past.days), inputs=inputs)


def in_slots(hours: Values, past: Past, first: date, last: date, lead: int) -> Values:
    """Hours of those days in the past's own slots: about each hour's mean as its slots usually lie.

    The last axes of `hours` are days and hours.
    """
    slots = past.days.slots
    if slots <= HOURS:
        return hours
    usual, _ = past.levels(first, last, lead)
    parts = slots // HOURS
    within = usual - np.repeat(by_hour(usual), parts, axis=1)
    return np.asarray(np.repeat(hours, parts, axis=-1) + within)


def _hourly(table: DayTable) -> DayTable:
    return DayTable(first=table.first, values=by_hour(table.values))
