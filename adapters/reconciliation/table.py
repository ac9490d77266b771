"""A statement file as a table: how its text is laid out, its header, its rows of cells."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import Final, Literal, NamedTuple, TypeVar

import msgspec

from adapters.meters import text
from adapters.meters.profile import Header
from adapters.meters.text import Encoding
from adapters.reconciliation import plain_cells, workbook
from adapters.reconciliation.rejected import RejectedRow, RowsRejected
from ledger.interval import checked_year
from ledger.quantity import decimal_text, exact, round_half_away
from ledger.refusal import Refused

R = TypeVar("R")

_THOUSANDS: Final = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")
_AS_TEXT: Final = re.compile(r'="([^"]*)"')
"""How spreadsheets are told to keep a long number's digits in a CSV file."""
_NUMBER_MAX: Final = 40
_PLACES_MAX: Final = 12


class Layout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`skip_lines` lines stand before the header line and `skip_last` after the last row (signatures, notes).

    `thousands = ","` accepts 1,234.50 beside 1234.50. `missing_values` are cells that stand for no value, as
    an empty one does. `decimals` says, for columns of a workbook, how many decimals the sheet shows: a cell
    is taken as shown. `final_newline = "optional"` accepts a last line without line end, which is otherwise
    taken for a truncated file.
    """

    format: Literal["csv", "workbook"] = "csv"
    sheet: str = ""
    encoding: Encoding = "utf-8"
    delimiter: str = ","
    skip_lines: int = 0
    skip_last: int = 0
    thousands: Literal["refused", ","] = "refused"
    missing_values: tuple[str, ...] = ()
    decimals: dict[str, int] = {}
    final_newline: Literal["required", "optional"] = "required"

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or not self.delimiter.isascii() or self.delimiter in '"\r\n.0-+':
            raise Refused("delimiter", f"{self.delimiter!r} is not one of , ; and tab", place="delimiter")
        for field in ("skip_lines", "skip_last"):
            if getattr(self, field) < 0:
                raise Refused("skip_lines", "is below 0", place=field)
        if self.decimals and self.format != "workbook":
            raise Refused("decimals", "a CSV file's numbers are taken as written", place="decimals")
        for column, places in self.decimals.items():
            if not 0 <= places <= _PLACES_MAX:
                raise Refused("decimals", f"0 to {_PLACES_MAX} places", place=f"decimals.{column}")


class Row(NamedTuple):
    number: int
    cells: Mapping[str, str]
    """By column, without surrounding blanks."""


class Cells:
    """A row's cells by what they are; every refusal names the column."""

    def __init__(self, row: Row, layout: Layout) -> None:
        self.row = row
        self._layout = layout

    def text(self, column: str) -> str:
        """The cell; empty where it is, or where no column is named."""
        cell = self.row.cells[column] if column else ""
        return "" if cell in self._layout.missing_values else cell

    def read(self, column: str, read: Callable[[str], R]) -> R:
        """What `read` makes of a cell that is there.

        Raises:
            Refused: `empty_value`, and what `read` refuses.
        """
        cell = self.text(column)
        try:
            if not cell:
                raise Refused("empty_value", "the cell is empty")
            return read(cell)
        except Refused as refused:
            raise Refused(refused.code, refused.reason, place=column) from None

    def number(self, column: str) -> Fraction:
        """Raises:
        Refused: `empty_value`, `number`."""
        return self.read(column, lambda cell: self._number(cell, column))

    def number_or_none(self, column: str) -> Fraction | None:
        """None for a cell without a value, which is not zero; also where no column is named.

        Raises:
            Refused: `number`.
        """
        return self.number(column) if self.text(column) else None

    def _number(self, cell: str, column: str) -> Fraction:
        if len(cell) > _NUMBER_MAX:
            raise Refused("number", f"{cell[:_NUMBER_MAX]!r}... is longer than {_NUMBER_MAX} characters")
        if _THOUSANDS.fullmatch(cell):
            if self._layout.thousands != ",":
                raise Refused("number", f'{cell!r} has thousands separators: state thousands = "," to accept')
            cell = cell.replace(",", "")
        value = exact(cell)
        places = self._layout.decimals.get(column)
        if places is not None:
            value = Fraction(decimal_text(round_half_away(value * 10**places), places))
        return value


def day_of(cell: str, pattern: str) -> date:
    """The day that a cell writes by a pattern such as `%Y-%m-%d`, `%Y%m%d` or `%Y年%m月`.

    Raises:
        Refused: `date`, `year`.
    """
    try:
        found = datetime.strptime(cell, pattern).date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise Refused("date", f"{cell!r} is not written {pattern}") from None
    checked_year(found, "")
    return found


def check_pattern(pattern: str, place: str) -> None:
    """Raises:
    Refused: `date` for a pattern that does not give a year."""
    if "%Y" not in pattern:
        raise Refused("date", f"{pattern!r} has no year: write a pattern such as %Y-%m-%d", place=place)


def read_rows(data: bytes, layout: Layout, columns: Sequence[str]) -> list[Row]:
    """All rows with a cell of any kind in them, the named columns of each.

    Raises:
        Refused: what makes the file unreadable: `file_too_large`, `empty_file`, `encoding`, `line_end`,
            `truncated_file`, `duplicate_header`, `missing_column`, and of a workbook `workbook`, `sheet`,
            `cell`, `formula`, `merged_cells`. `RowsRejected` for `csv_syntax` and `column_count`.
    """
    table = _csv(data, layout) if layout.format == "csv" else _sheet(data, layout)
    number, names = table.header
    header = Header(names, len(names), f"row {number}")
    at = {column: header.index(column) for column in columns if column}
    found: list[Row] = []
    rejected = list(table.rejected)
    for row, cells in table.rows:
        if len(cells) != len(names):
            reason = f"{len(cells)} columns instead of {len(names)}"
            rejected.append(RejectedRow(row, "", "column_count", reason))
        else:
            found.append(Row(row, {column: cells[place] for column, place in at.items()}))
    if rejected:
        raise RowsRejected(sorted(rejected, key=lambda one: one.row))
    if not found:
        raise Refused("empty_file", "there is a header but no row", place=f"row {number}")
    return found


class _Table(NamedTuple):
    header: tuple[int, list[str]]
    rows: list[tuple[int, list[str]]]
    rejected: list[RejectedRow]


def _csv(data: bytes, layout: Layout) -> _Table:
    plain = text.body(text.load(data), layout.encoding)
    if not plain.endswith(b"\n") and layout.final_newline == "required":
        reason = 'the last line has no line end; if the file is whole, set final_newline = "optional"'
        raise Refused("truncated_file", reason, place=f"row {plain.count(bytes([10])) + 1}")
    lines = list(text.lines(plain, layout.encoding))
    if len(lines) <= layout.skip_lines:
        raise Refused("empty_file", "the file ends before its header", place="row 1")
    number, line = lines[layout.skip_lines]
    names = [_plain(cell) for cell in text.fields_of(line, layout.delimiter)]
    rows: list[tuple[int, list[str]]] = []
    rejected: list[RejectedRow] = []
    for row, line in _without_last(lines[layout.skip_lines + 1 :], layout.skip_last):
        try:
            cells = [_plain(cell) for cell in text.fields_of(line, layout.delimiter)]
        except Refused as refused:
            rejected.append(RejectedRow(row, "", refused.code, refused.reason))
            continue
        if any(cells):
            rows.append((row, cells))
    return _Table((number, names), rows, rejected)


def _plain(cell: str) -> str:
    found = _AS_TEXT.fullmatch(cell)
    return found[1].strip() if found else cell


def _sheet(data: bytes, layout: Layout) -> _Table:
    loaded = text.load(data)
    found = list(enumerate(workbook.rows(loaded, layout.sheet), 1))
    plain_cells.check(loaded, layout.sheet, layout.skip_lines)
    if len(found) <= layout.skip_lines:
        raise Refused("empty_file", "the sheet ends before its header", place="row 1")
    number, names = found[layout.skip_lines]
    rows = _without_last(found[layout.skip_lines + 1 :], layout.skip_last)
    return _Table((number, names), [(row, cells) for row, cells in rows if any(cells)], [])


def _without_last(rows: list[R], count: int) -> list[R]:
    return rows[: len(rows) - count] if count else rows
