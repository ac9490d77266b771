"""The cells of one value column, turned into readings."""

from __future__ import annotations

from adapters.meters.energy import Conversion, decimal_of
from adapters.meters.points import MISSING, Key, Points
from adapters.meters.profile import Table, Value, scale_of
from ledger.readings import Register
from ledger.refusal import Refused


class Cells:
    """Adds the readings of one value column to `points`."""

    def __init__(self, table: Table, value: Value, points: Points) -> None:
        self._table = table
        self._value = value
        self._points = points
        self._groups: dict[tuple[str, Register], int] = {}
        self.conversion = Conversion(value.unit, scale_of(value.scale), table.interval_s)

    def add(self, cell: str, meter: str, register: Register, letter: str, start_s: int, row: int) -> None:
        """One cell; a missing value becomes a gap, a value below zero the `negative` register's.

        Raises:
            Refused: `empty_value`, `number`, `negative_energy` or `reading_range`.
        """
        negative = self._value.negative
        mantissa, places = 0, 0
        if letter == MISSING or self._table.is_missing(cell):
            letter = MISSING
        elif not cell:
            raise Refused("empty_value", 'no value; if that means a gap, set empty = "missing"')
        else:
            mantissa, places = decimal_of(cell, self._table.decimal)
        if mantissa < 0 and negative is None:
            reason = f"{cell} is below zero; name the register for negative values, or correct it"
            raise Refused("negative_energy", reason)
        wh = self.conversion.wh(abs(mantissa), places)
        self._points.add(self._group(meter, register), start_s, 0 if mantissa < 0 else wh, letter, row)
        if negative is not None:
            other = wh if mantissa < 0 else 0
            self._points.add(self._group(meter, negative), start_s, other, letter, row)

    def _group(self, meter: str, register: Register) -> int:
        group = self._groups.get((meter, register))
        if group is None:
            group = self._points.group(Key(meter, register, self._table.interval_s))
            self._groups[meter, register] = group
        return group
