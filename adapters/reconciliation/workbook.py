"""Sheets of .xlsx and .xls workbooks as text cells, each number as the decimal that the sheet holds.

A spreadsheet keeps 15 significant digits; the reader hands them over as a double, which is turned into
those digits and never added, multiplied or rounded as a double.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from typing import Any, Final

from python_calamine import CalamineError, CalamineWorkbook

from adapters.meters.text import FILE_BYTES_MAX
from ledger.clauses.flow import exact_text
from ledger.refusal import Refused

_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP: Final = b"PK\x03\x04"
_DIGITS: Final = 15


def rows(data: bytes, sheet: str) -> list[list[str]]:
    """The cells of a sheet, row 1 first; of the first sheet when `sheet` is empty.

    Raises:
        Refused: `workbook` for bytes that are no workbook, `truncated_file`, `file_too_large`, `sheet` for
            one that is not there, `cell` for a cell that is neither text, a day nor a number of 15 digits.
    """
    _check_container(data)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        names: list[str] = book.sheet_names
        if not names or (sheet and sheet not in names):
            raise Refused("sheet", f"there is no sheet {sheet!r} among {', '.join(names)}")
        found: list[list[Any]] = book.get_sheet_by_name(sheet or names[0]).to_python(skip_empty_area=False)
    except CalamineError as error:
        raise Refused("workbook", f"the workbook cannot be read: {error}") from None
    return [text_row(cells, number) for number, cells in enumerate(found, 1)]


def text_row(cells: Iterable[object], row: int) -> list[str]:
    """One row's cells as text.

    Raises:
        Refused: `cell`, with the row and the column's number.
    """
    found = []
    for column, cell in enumerate(cells, 1):
        try:
            found.append(cell_text(cell))
        except Refused as refused:
            raise Refused(refused.code, refused.reason, place=f"row {row}, column {column}") from None
    return found


def cell_text(cell: object) -> str:
    """A cell as text: a number as a plain decimal, a day as 2026-08-31.

    >>> cell_text(0.1 + 0.2), cell_text(31975.24), cell_text(12.0), cell_text(1e-6), cell_text(" 合计 ")
    ('0.3', '31975.24', '12', '0.000001', '合计')

    Raises:
        Refused: `cell`.
    """
    match cell:
        case bool():
            raise Refused("cell", "a cell that is true or false is neither text nor a number")
        case str():
            return cell.strip()
        case int():
            return _digits(str(cell))
        case float():
            return _digits(format(cell, f".{_DIGITS}g"))
        case datetime():
            at_midnight = cell.time() == time(0)
            return cell.date().isoformat() if at_midnight else cell.isoformat(" ")
        case date():
            return cell.isoformat()
        case time() | timedelta():
            return str(cell)
        case _:
            raise Refused("cell", f"a cell of type {type(cell).__name__}")


def _digits(text: str) -> str:
    """The decimal, when a spreadsheet can hold it without loss.

    Whole numbers of more digits, such as account numbers typed as numbers, have lost their last ones.
    """
    try:
        value = Fraction(text)
    except ValueError:
        raise Refused("cell", f"{text} is not a number") from None
    if abs(value) >= 10**_DIGITS:
        raise Refused("cell", f"{text} has lost digits: the sheet keeps {_DIGITS}; format it as text")
    return exact_text(value)


def _check_container(data: bytes) -> None:
    if data.startswith(_OLE):
        return
    if not data.startswith(_ZIP):
        reason = 'this is neither .xlsx nor .xls; an .xls that is text inside is read with format = "csv"'
        raise Refused("workbook", reason)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile:
        raise Refused("truncated_file", "the workbook ends too early or is damaged") from None
    if size > FILE_BYTES_MAX:
        raise Refused("file_too_large", f"a workbook may have {FILE_BYTES_MAX} bytes unpacked")
