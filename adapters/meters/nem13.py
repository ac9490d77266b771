"""Record 250 of AEMO's NEM13 file: two reads of an accumulation register, and the energy between them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

from adapters.meters.energy import Unit, decimal_of
from adapters.meters.report import Accumulated
from adapters.meters.stamp import YEAR_MAX, YEAR_MIN
from ledger.quantity import round_half_away
from ledger.readings import Register, check_meter_id
from ledger.refusal import Refused

_UNITS: Final[dict[str, tuple[Unit, int]]] = {
    "wh": ("Wh", 1),
    "kwh": ("kWh", 1000),
    "mwh": ("MWh", 1000_000),
    "varh": ("varh", 1),
    "kvarh": ("kvarh", 1000),
    "mvarh": ("Mvarh", 1000_000),
}
_DIRECTIONS: Final[dict[tuple[str, bool], Register]] = {
    ("E", False): "import",
    ("I", False): "export",
    ("E", True): "reactive_lagging",
    ("I", True): "reactive_leading",
}
"""By the record's direction (E out of the network, I into it) and whether its unit is reactive."""

_CELLS_MIN: Final = 20
"""Up to the unit of measure; the specification has 24."""


def unit_of(text: str) -> Unit:
    """The energy unit, in any case, as NEM12 and NEM13 files write it.

    Raises:
        Refused: `unit`.
    """
    known = _UNITS.get(text.lower())
    if known is None:
        units = ", ".join(unit for unit, _ in _UNITS.values())
        raise Refused("unit", f"{text!r} is not one of {units}", place="UOM")
    return known[0]


def accumulated_of(row: int, cells: Sequence[str], offset_s: int) -> tuple[Accumulated, list[str]]:
    """The energy of a 250 record, and a notice when it is not the difference of the reads.

    Raises:
        Refused: `column_count`, `unit`, `register`, `meter_id`, `number`, `negative_energy` or `time`.
    """
    if len(cells) < _CELLS_MIN:
        raise Refused("column_count", f"a 250 record with {len(cells)} columns instead of 24")
    unit = unit_of(cells[19])
    register = _DIRECTIONS.get((cells[7], "var" in unit))
    if register is None:
        raise Refused("register", f"{cells[7]!r} is not E or I", place="DirectionIndicator")
    check_meter_id(cells[1])
    quantity, before, after = (_number(cells[at]) for at in (18, 8, 13))
    notices = []
    if after - before != quantity:
        notices.append(f"row {row}: the quantity {cells[18]} is not {cells[13]} - {cells[8]}")
    read = Accumulated(
        row=row,
        meter=cells[1],
        register=register,
        previous_at=_instant(cells[9], offset_s),
        current_at=_instant(cells[14], offset_s),
        wh=round_half_away(quantity * _UNITS[unit.lower()][1]),
        previous_quality=cells[10],
        current_quality=cells[15],
    )
    return read, notices


def _number(cell: str) -> Fraction:
    mantissa, places = decimal_of(cell)
    if mantissa < 0:
        raise Refused("negative_energy", f"{cell} is below zero")
    return Fraction(mantissa, 10**places)


def _instant(cell: str, offset_s: int) -> datetime:
    return (wall_of(cell, "%Y%m%d%H%M%S") - timedelta(seconds=offset_s)).replace(tzinfo=UTC)


def wall_of(cell: str, layout: str) -> datetime:
    """The market's standard time, naive, from `%Y%m%d` or `%Y%m%d%H%M%S`.

    Raises:
        Refused: `time`.
    """
    digits = 14 if "%H" in layout else 8
    if len(cell) != digits or not cell.isascii() or not cell.isdecimal():
        raise Refused("time", f"{cell[:20]!r} does not have {digits} digits")
    try:
        wall = datetime.strptime(cell, layout)  # noqa: DTZ007 - the caller knows the offset
    except ValueError:
        raise Refused("time", f"{cell!r}: there is no such time") from None
    if not YEAR_MIN <= wall.year <= YEAR_MAX:
        raise Refused("time", f"{cell!r}: the year is not {YEAR_MIN}..{YEAR_MAX}")
    return wall
