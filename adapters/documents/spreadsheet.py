"""A workbook whose cells are text, numbers and formulas, the same bytes for the same content.

A spreadsheet's numbers are doubles, which lose whole numbers above 2^53 and most decimals: wherever money or
an exact amount stands, its exact text stands beside it. Text is never taken for a formula.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal, NamedTuple

from xlsxwriter import Workbook
from xlsxwriter.utility import quote_sheetname, xl_rowcol_to_cell
from xlsxwriter.worksheet import Worksheet

from ledger.interval import Instant
from ledger.quantity import MINOR_DIGITS

Look = Literal["plain", "faint", "heavy", "money", "heavy_money", "exact", "percent", "energy"]

_SHEET_NAME_MAX: Final = 31


class Number(NamedTuple):
    """An exact value, shown as a double."""

    value: Fraction
    look: Look = "exact"


class Formula(NamedTuple):
    """A formula, and what it gives: programs that do not compute show that."""

    text: str
    value: Fraction
    look: Look = "exact"


class Styled(NamedTuple):
    text: str
    look: Look


Filled = str | Number | Formula | Styled
Cell = Filled | None


class Spreadsheet:
    """One workbook; `data` ends it."""

    def __init__(self, *, title: str, author: str, currency: str, made_at: Instant) -> None:
        self._out = io.BytesIO()
        self.book = Workbook(self._out, {"in_memory": True})
        made = made_at.replace(microsecond=0)
        self.book.set_properties({"title": title, "author": author, "created": made})
        places = MINOR_DIGITS[currency]
        money = f"#,##0.{'0' * places}" if places else "#,##0"
        shapes: dict[Look, dict[str, object]] = {
            "plain": {},
            "faint": {"font_color": "#5C6B7A"},
            "heavy": {"bold": True},
            "money": {"num_format": money},
            "heavy_money": {"num_format": money, "bold": True},
            "exact": {"num_format": "#,##0.############"},
            "percent": {"num_format": "0.0%"},
            "energy": {"num_format": "#,##0.000"},
        }
        self._formats = {look: self.book.add_format(shape) for look, shape in shapes.items()}

    def sheet(self, name: str, widths: Sequence[int]) -> Sheet:
        """A new sheet with the widths of its columns in characters."""
        worksheet = self.book.add_worksheet(re.sub(r"[\[\]:*?/\\]", " ", name)[:_SHEET_NAME_MAX])
        for column, width in enumerate(widths):
            worksheet.set_column(column, column, width)
        return Sheet(worksheet, self)

    def write(self, worksheet: Worksheet, row: int, column: int, cell: Cell) -> None:
        if cell is not None:
            done = self._written(worksheet, row, column, cell)
            assert done == 0, f"the cell at {row}, {column} could not be written"

    def _written(self, worksheet: Worksheet, row: int, column: int, cell: Filled) -> object:
        match cell:
            case str():
                return worksheet.write_string(row, column, cell)
            case Styled(text, look):
                return worksheet.write_string(row, column, text, self._formats[look])
            case Number(value, look):
                return worksheet.write_number(row, column, float(value), self._formats[look])
            case Formula(text, value, look):
                return worksheet.write_formula(row, column, text, self._formats[look], float(value))

    def data(self) -> bytes:
        self.book.close()
        return self._out.getvalue()


class Sheet:
    """Rows from the top; `row` is the next one, from 0."""

    def __init__(self, worksheet: Worksheet, of: Spreadsheet) -> None:
        self.worksheet = worksheet
        self.row = 0
        self._of = of
        self.name = quote_sheetname(worksheet.get_name())

    def add(self, *cells: Cell) -> int:
        """Write a row, and say which it was."""
        for column, cell in enumerate(cells):
            self._of.write(self.worksheet, self.row, column, cell)
        self.row += 1
        return self.row - 1

    def head(self, *names: str) -> int:
        """Write the names of columns, which stay in sight."""
        row = self.add(*(Styled(name, "heavy") for name in names))
        self.worksheet.freeze_panes(row + 1, 0)
        return row

    def skip(self) -> None:
        self.row += 1

    def at(self, row: int, column: int) -> str:
        """A cell of this sheet as a formula of another names it."""
        return f"{self.name}!{xl_rowcol_to_cell(row, column, row_abs=True, col_abs=True)}"

    def span(self, first: int, last: int, column: int) -> str:
        """Some rows of a column, as a formula of any sheet names them."""
        above = xl_rowcol_to_cell(first, column, row_abs=True, col_abs=True)
        below = xl_rowcol_to_cell(last, column, row_abs=True, col_abs=True)
        return f"{self.name}!{above}:{below}"


def here(row: int, column: int) -> str:
    """A cell as a formula of its own sheet names it."""
    return str(xl_rowcol_to_cell(row, column))
