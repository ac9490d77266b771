"""That a sheet holds values: a formula's value is what some program computed last, and a merged cell stands
for several rows or columns without saying which."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from typing import IO, Final
from xml.parsers import expat

from python_calamine import CalamineWorkbook

from adapters.reconciliation import xml_tree
from ledger.refusal import Refused

_ZIP: Final = b"PK\x03\x04"
_ROW: Final = re.compile(r"[0-9]+")
_CHUNK: Final = 1 << 20


def check(data: bytes, sheet: str, skipped: int) -> None:
    """Refuse formulas (of .xlsx) and merged cells below the `skipped` first rows, where titles stand.

    The sheet is there: `workbook.rows` has read it.

    Raises:
        Refused: `formula`, `merged_cells` with the cell.
    """
    book = CalamineWorkbook.from_filelike(io.BytesIO(data))
    name = sheet or book.sheet_names[0]
    for (row, column), (last, _) in book.get_sheet_by_name(name).merged_cell_ranges or ():
        if last >= skipped:
            reason = "merged cells: write the value into each cell that it is for"
            raise Refused("merged_cells", reason, place=f"row {row + 1}, column {column + 1}")
    if data.startswith(_ZIP):
        with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(_part(archive, name)) as part:
            _Formulas(skipped).read(part)


def _part(archive: zipfile.ZipFile, name: str) -> str:
    """The worksheet's file in the archive."""
    sheets = xml_tree.parse(archive.read("xl/workbook.xml")).all("sheets/sheet")
    wanted = next(one for one in sheets if one.attributes.get("name") == name)
    relation = next(value for key, value in wanted.attributes.items() if key.rpartition(" ")[2] == "id")
    for one in xml_tree.parse(archive.read("xl/_rels/workbook.xml.rels")).all("Relationship"):
        if one.attributes["Id"] == relation:
            return posixpath.normpath(posixpath.join("/xl", one.attributes["Target"])).lstrip("/")
    raise Refused("workbook", f"the sheet {name} has no part in the workbook")


class _Formulas:
    """Reads a worksheet's elements and refuses the first formula below the titles."""

    def __init__(self, skipped: int) -> None:
        self._skipped = skipped
        self._cell = ""
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.StartDoctypeDeclHandler = self._doctype

    def read(self, part: IO[bytes]) -> None:
        while chunk := part.read(_CHUNK):
            self._parser.Parse(chunk, False)

    def _doctype(self, *_: object) -> None:
        reason = "a document type declaration: sheets have none, and it could define entities"
        raise Refused("xml_doctype", reason)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        kind = name.rpartition(" ")[2]
        if kind == "c":
            self._cell = attributes.get("r", "")
        elif kind == "f":
            row = _ROW.search(self._cell)
            if row is None or int(row[0]) > self._skipped:
                reason = "a formula: save the sheet with values only"
                raise Refused("formula", reason, place=f"cell {self._cell}")
