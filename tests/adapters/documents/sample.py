"""Documents of the hand-made runs, and what other programs read in our files."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, datetime
from fractions import Fraction
from xml.etree import ElementTree as ET

import msgspec
from pypdf import PdfReader

from adapters.documents.statement_document import StatementDocument
from adapters.documents.statement_proof import StatementProof
from adapters.transparency.inclusion import Inclusion
from ledger.settlement.run import Run
from ledger.settlement.statement import Statement, statements
from ledger.transparency.checkpoint import Checkpoint
from tests.ledger.kpi.sample import run
from tests.ledger.transparency.naive_tree import mth, numbered, path
from tests.ledger.transparency.signers import LOG

RECORDED = datetime(2026, 9, 1, 2, 3, 4, 567, tzinfo=UTC)


def statement(party: str, settled: Run | None = None) -> Statement:
    (found,) = [one for one in statements(settled or run(), 57) if one.party == party]
    return found


def document(party: str = "host-one", settled: Run | None = None) -> StatementDocument:
    return StatementDocument(
        statement=statement(party, settled),
        recorded_at=RECORDED,
        issuer="示范虚拟电厂",
        party_name="某企业",
        proof=proof(57),
    )


def proof(sequence: int, *, size: int = 100, signed: bool = True) -> StatementProof:
    """That the event of a sequence is in a log of our own, of `size` events."""
    entries, index = numbered(size), sequence - 1
    root = mth(entries)
    note = Checkpoint(LOG.key.name, size, root).signed(LOG) if signed else None
    inclusion = Inclusion(sequence, mth([entries[index]]), size, root, tuple(path(index, entries)), note)
    return StatementProof(book="main", sequence=sequence, inclusion=inclusion)


def long_document(lines: int) -> StatementDocument:
    """A statement with as many lines more as given."""
    one = document()
    more = [msgspec.structs.replace(one.statement.lines[1], number=10 + n) for n in range(lines)]
    longer = msgspec.structs.replace(one.statement, lines=(*one.statement.lines, *more))
    return msgspec.structs.replace(one, statement=longer)


def pdf_pages(pdf: bytes) -> list[str]:
    """Each page's text, as pypdf reads it."""
    return [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]


_NS = {"s": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
_REFERENCE = re.compile(r"\$?([A-Z]+)\$?(\d+)")


_ANYWHERE = re.compile(r"(?:(?:'[^']*'|\w+)!)?\$?[A-Z]+\$?\d+")


def _closes_early(inside: str) -> bool:
    """Whether what looks like one call is several."""
    depth = 0
    for letter in inside:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth < 0:
            return True
    return False


def _half_away(value: Fraction, digits: Fraction) -> Fraction:
    scaled = abs(value) * 10 ** int(digits) + Fraction(1, 2)
    return Fraction(scaled.__floor__(), 10 ** int(digits)) * (1 if value >= 0 else -1)


class Workbook:
    """The cells of an XLSX file, and a second, smaller spreadsheet that computes their formulas."""

    def __init__(self, data: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            shared = ET.fromstring(file.read("xl/sharedStrings.xml"))
            texts = ["".join(item.itertext()) for item in shared]
            names = [
                sheet.get("name", "")
                for sheet in ET.fromstring(file.read("xl/workbook.xml")).iterfind(".//s:sheet", _NS)
            ]
            self.sheets = {
                name: self._cells(file.read(f"xl/worksheets/sheet{number}.xml"), texts)
                for number, name in enumerate(names, 1)
            }  # fmt: skip
            self.everything = b"".join(file.read(name) for name in file.namelist()).decode(errors="replace")

    @staticmethod
    def _cells(xml: bytes, texts: list[str]) -> dict[str, tuple[str | None, str | float]]:
        """By address: the formula, if there is one, and the stored value."""
        found: dict[str, tuple[str | None, str | float]] = {}
        for cell in ET.fromstring(xml).iterfind(".//s:c", _NS):
            value = cell.findtext("s:v", "", _NS)
            stored = texts[int(value)] if cell.get("t") == "s" else float(value or 0)
            found[cell.get("r", "")] = (cell.findtext("s:f", None, _NS), stored)
        return found

    def column(self, sheet: str, letters: str) -> list[str | float]:
        return [
            value
            for address, (_, value) in self.sheets[sheet].items()
            if re.sub(r"\d", "", address) == letters
        ]

    def formulas(self) -> list[tuple[str, str, float]]:
        """(sheet, address, stored value) of every formula."""
        return [
            (sheet, address, float(value))
            for sheet, cells in self.sheets.items()
            for address, (formula, value) in cells.items()
            if formula is not None
        ]

    def value(self, sheet: str, address: str) -> Fraction | str:
        """What a cell is worth, its formula computed exactly."""
        formula, stored = self.sheets[sheet].get(address, (None, 0.0))
        if formula is not None:
            return self._computed(sheet, formula)
        return stored if isinstance(stored, str) else Fraction(repr(stored))

    def _computed(self, sheet: str, formula: str) -> Fraction:
        call = re.fullmatch(r"(SUMIF|SUM|ROUND)\((.*)\)", formula)
        if call is None or _closes_early(call[2]):
            return self._arithmetic(sheet, formula)
        match call[1], call[2].split(","):
            case "SUM", [span]:
                return sum(map(Fraction, self._span(sheet, span)), Fraction(0))
            case "SUMIF", [where, wanted, amounts]:
                key = self._cell(sheet, wanted)
                pairs = zip(self._span(sheet, where), self._span(sheet, amounts), strict=True)
                return sum((Fraction(amount) for one, amount in pairs if one == key), Fraction(0))
            case "ROUND", [value, digits]:
                exact = self._arithmetic(sheet, value) * 10 ** int(digits)
                return Fraction(round(exact)) / 10 ** int(digits)
        raise AssertionError(formula)

    def _arithmetic(self, sheet: str, text: str) -> Fraction:
        cells = _ANYWHERE.sub(lambda found: f"v({found[0]!r})", text)
        numbers = re.sub(r"(?<![\w'.])(\d+(?:\.\d+)?)(?![\w'.])", r"F('\1')", cells)
        known = {"F": Fraction, "v": lambda at: Fraction(self._cell(sheet, at)), "ROUND": _half_away}
        return Fraction(eval(numbers, known))

    def _cell(self, sheet: str, reference: str) -> Fraction | str:
        name, _, address = reference.rpartition("!")
        return self.value(name.strip("'") or sheet, address.replace("$", ""))

    def _span(self, sheet: str, reference: str) -> list[Fraction | str]:
        name, _, cells = reference.rpartition("!")
        (column, first), (_, last) = (_REFERENCE.fullmatch(end).groups() for end in cells.split(":"))  # type: ignore[union-attr]
        return [
            self.value(name.strip("'") or sheet, f"{column}{row}") for row in range(int(first), int(last) + 1)
        ]
