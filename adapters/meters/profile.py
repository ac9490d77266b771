"""What every column mapping says of a file: its text, its cells, its names and its qualities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Literal

import msgspec

from adapters.meters import text
from adapters.meters.assembly import RowOrder
from adapters.meters.energy import Unit, check_unit
from adapters.meters.stamp import Column
from adapters.meters.text import Encoding
from ledger.quantity import exact
from ledger.readings import INTERVALS_S, RECEIVED_QUALITIES, REGISTERS, Register, check_meter_id
from ledger.refusal import Refused


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The part that all CSV profiles share.

    `empty = "missing"` makes an empty cell a gap, as `missing_values` does for the texts it lists;
    otherwise such a cell is rejected. `meters` and `registers` translate the file's names into ids of
    meters and registers. `final_newline = "optional"` accepts a last line without line end, which is
    otherwise taken for a truncated file.
    """

    interval_s: int
    encoding: Encoding = "utf-8"
    delimiter: str = ","
    decimal: Literal[".", ","] = "."
    header: bool = True
    skip_lines: int = 0
    row_order: RowOrder = "ascending"
    empty: Literal["reject", "missing"] = "reject"
    missing_values: tuple[str, ...] = ()
    final_newline: Literal["required", "optional"] = "required"
    meters: dict[str, str] = {}
    registers: dict[str, Register] = {}

    def __post_init__(self) -> None:
        check_interval(self.interval_s)
        if len(self.delimiter) != 1 or not self.delimiter.isascii() or self.delimiter in '"\r\n.0-+':
            raise Refused("delimiter", f"{self.delimiter!r} is not one character such as , ; or tab")
        if self.delimiter == self.decimal:
            raise Refused("delimiter", "delimiter and decimal are the same character")
        if self.skip_lines < 0:
            raise Refused("skip_lines", f"{self.skip_lines} is below 0")
        for meter in self.meters.values():
            check_meter_id(meter)

    def is_missing(self, cell: str) -> bool:
        """Whether the cell stands for an interval without a value."""
        return cell in self.missing_values or (not cell and self.empty == "missing")

    def meter_named(self, name: str) -> str:
        """The meter that the file calls so.

        Raises:
            Refused: `meter_id`.
        """
        meter = self.meters.get(name, name)
        check_meter_id(meter)
        return meter

    def register_named(self, name: str) -> Register:
        """The register that the file calls so.

        Raises:
            Refused: `register`.
        """
        found = self.registers.get(name)
        if found is not None:
            return found
        for register in REGISTERS:
            if register == name:
                return register
        known = ", ".join([*self.registers, *REGISTERS])
        raise Refused("register", f"{name!r} is not one of {known}")


class QualityRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which column holds the quality, and what its texts mean: A, E, F, S, or N for no value."""

    column: Column
    map: dict[str, Literal["A", "E", "F", "S", "N"]]

    def of(self, cell: str) -> str:
        """The letter for the file's text.

        Raises:
            Refused: `quality`.
        """
        letter = self.map.get(cell)
        if letter is None:
            raise Refused("quality", f"{cell!r} is not one of {', '.join(self.map)}")
        return letter


def check_interval(interval_s: int) -> None:
    """Raises:
    Refused: `interval_length`."""
    if interval_s not in INTERVALS_S:
        allowed = ", ".join(map(str, INTERVALS_S))
        raise Refused("interval_length", f"{interval_s} s is not one of {allowed}", place="interval_s")


def check_quality(letter: str) -> None:
    """Raises:
    Refused: `quality`."""
    if letter not in RECEIVED_QUALITIES:
        raise Refused("quality", f"{letter!r} is not one of {', '.join(RECEIVED_QUALITIES)}", place="quality")


def scale_of(factor: str) -> Fraction:
    """A factor above zero, exactly.

    Raises:
        Refused: `number` or `scale`.
    """
    scale = exact(factor)
    if scale <= 0:
        raise Refused("scale", f"{factor} is not above 0", place="scale")
    return scale


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column of energies or mean powers.

    `register` (and `meter`) may be left out when a column of the file names it; the unit's prefix and
    kind then hold for all registers, Wh being varh of a reactive one. `negative` names the register
    that takes the magnitude of a value below zero; without it such a value is rejected. Each register
    of the pair then has a value in every interval, one of them zero.
    """

    column: Column
    unit: Unit
    register: Register | None = None
    negative: Register | None = None
    scale: str = "1"
    meter: str = ""

    def __post_init__(self) -> None:
        scale_of(self.scale)
        for register in (self.register, self.negative):
            if register is not None:
                check_unit(self.unit, register)
        if self.negative is not None and self.negative == self.register:
            raise Refused("negative", "names the same register as register", place="negative")
        if self.meter:
            check_meter_id(self.meter)


class Header:
    """The columns of a table, found by name or by number."""

    def __init__(self, names: Sequence[str] | None, width: int, place: str) -> None:
        self._names = names
        self.width = width
        again = sorted({name for name in names or [] if name and (names or []).count(name) > 1})
        if again:
            raise Refused("duplicate_header", f"column {again[0]!r} stands there twice", place=place)
        self._place = place

    def index(self, column: Column) -> int:
        """The position (0 first) of a column.

        Raises:
            Refused: `missing_column`.
        """
        if self._names is None:
            number = int(column) if column.isascii() and column.isdecimal() and len(column) < 5 else 0
            if not 1 <= number <= self.width:
                reason = f"{column!r} is not a column number 1..{self.width} (the file has no header)"
                raise Refused("missing_column", reason, place=self._place)
            return number - 1
        if column not in self._names:
            known = ", ".join(self._names)
            raise Refused("missing_column", f"there is no {column!r} among {known}", place=self._place)
        return self._names.index(column)

    def names(self) -> Mapping[int, str]:
        """What each position is called in messages."""
        names = self._names or [f"column {at + 1}" for at in range(self.width)]
        return dict(enumerate(names))


def split_header(data: bytes, table: Table) -> tuple[bytes, str]:
    """What stands before the first data row, and the text of the header line ("" without one).

    Raises:
        Refused: `empty_file` when the file ends before that.
    """
    end = 0
    for _ in range(table.skip_lines + table.header):
        at = data.find(b"\n", end)
        if end >= len(data):
            raise Refused("empty_file", "the file ends before its header", place="row 1")
        end = len(data) if at < 0 else at + 1
    if not table.header:
        return data[:end], ""
    *_, (_, line) = text.lines(data[:end], table.encoding)
    return data[:end], line


def header_of(table: Table, line: str, body: bytes) -> Header:
    """The columns, from the header line or the width of the first row.

    Raises:
        Refused: `csv_syntax`, `duplicate_header` or `encoding`.
    """
    row = table.skip_lines + 1
    if table.header:
        names = text.fields_of(line, table.delimiter)
        return Header(names, len(names), f"row {row}")
    _, first = next(text.lines(body[: body.find(b"\n") + 1] or body, table.encoding, row))
    return Header(None, len(text.fields_of(first, table.delimiter)), f"row {row}")
