"""A file of AEMO's MMS data model as rows of named cells: zip or plain, C/I/D records or a trimmed CSV."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from adapters.meters import text
from ledger.refusal import Refused

Table = Literal["dispatch", "trading"]

_ZIP: Final = b"PK\x03\x04"
_TABLES: Final[Mapping[tuple[str, str], Table]] = {
    ("DISPATCH", "PRICE"): "dispatch",
    ("TRADING", "PRICE"): "trading",
}
_END: Final = "END OF REPORT"
_RECORD_CELLS: Final = 4


class PriceRow(NamedTuple):
    """A price row's cells by column, and the line it stood on."""

    line: int
    cells: Mapping[str, str]


class AemoFile(NamedTuple):
    """The rows of one price table. `notices` tell what was left aside."""

    table: Table
    rows: tuple[PriceRow, ...]
    notices: tuple[str, ...]


def read(data: bytes, *, extract: bool = False) -> AemoFile:
    """All rows of the file's price table, as they stand.

    A file of C, I and D records is whole when its last record counts its lines; `extract` accepts another
    count (a selection of rows that kept the original's last record) and notes it. A trimmed CSV has the
    table's column names as its header; one with an INTERVENTION column is of dispatch prices, one with
    PERIODID or INVALIDFLAG of trading prices.

    Raises:
        Refused: `zip` for a damaged archive or one that does not hold one file, `file_too_large`, `gzip`,
            `empty_file`, `encoding`, `line_end`, `csv_syntax`, `column_count`, `missing_column`,
            `duplicate_header`, `aemo_record`, `truncated_file`, `line_count`, `price_table` for a file with
            no price table or with two.
    """
    plain = text.body(text.load(_unpacked(data)), "utf-8")
    lines = list(text.lines(plain, "utf-8"))
    if lines[0][1].startswith(("C,", "I,", "D,")):
        return _records(lines, extract=extract)
    if not plain.endswith(b"\n"):
        reason = "the last line has no line end, so it may have been cut; if the file is whole, add one"
        raise Refused("truncated_file", reason, place=f"row {len(lines)}")
    return _trimmed(lines)


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(_ZIP):
        return data
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [info for info in archive.infolist() if not info.is_dir()]
            if len(names) != 1:
                raise Refused("zip", f"the archive holds {len(names)} files; one price file is expected")
            if names[0].file_size > text.FILE_BYTES_MAX:
                raise Refused("file_too_large", f"a file may have {text.FILE_BYTES_MAX} bytes unpacked")
            with archive.open(names[0]) as member:
                return member.read(text.FILE_BYTES_MAX + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise Refused("zip", f"the archive is damaged or of another kind: {error}") from None


def _fields(row: int, line: str) -> list[str]:
    try:
        return text.fields_of(line, ",")
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=f"row {row}") from None


def _named(row: int, names: list[str], cells: list[str]) -> PriceRow:
    if len(cells) != len(names):
        reason = f"{len(cells)} columns instead of {len(names)}"
        raise Refused("column_count", reason, place=f"row {row}")
    return PriceRow(row, dict(zip(names, cells, strict=True)))


def _checked_names(row: int, names: list[str]) -> list[str]:
    again = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if again is not None:
        raise Refused("duplicate_header", f"column {again!r} stands there twice", place=f"row {row}")
    missing = [name for name in ("SETTLEMENTDATE", "REGIONID", "RRP") if name not in names]
    if missing:
        raise Refused("missing_column", f"there is no column {', '.join(missing)}", place=f"row {row}")
    return names


def _records(lines: list[tuple[int, str]], *, extract: bool) -> AemoFile:
    names: dict[tuple[str, str], list[str]] = {}
    rows: dict[Table, list[PriceRow]] = {}
    others: set[str] = set()
    ended: tuple[int, str] | None = None
    for row, line in lines:
        cells = _fields(row, line)
        if ended is not None:
            raise Refused("aemo_record", f"a line after {_END!r} of row {ended[0]}", place=f"row {row}")
        if cells[0] == "C":
            if cells[1:2] == [_END]:
                ended = (row, cells[2] if len(cells) == 3 else "")
            continue
        if cells[0] not in {"I", "D"} or len(cells) < _RECORD_CELLS:
            wrong = f"a line begins with C, I or D, then its table; {line[:20]!r} does not"
            raise Refused("aemo_record", wrong, place=f"row {row}")
        key = (cells[1], cells[2])
        if key not in _TABLES:
            others.add("_".join(key))
        elif cells[0] == "I":
            names[key] = ["", "", "", "", *_checked_names(row, cells[4:])]
            rows.setdefault(_TABLES[key], [])
        elif key not in names:
            raise Refused("aemo_record", "a D line before the I line of its columns", place=f"row {row}")
        else:
            rows[_TABLES[key]].append(_named(row, names[key], cells))
    notices = [f"table {other} holds no prices and was passed over" for other in sorted(others)]
    notices += _whole(ended, len(lines), extract=extract)
    return _one_table(rows, notices)


def _whole(ended: tuple[int, str] | None, count: int, *, extract: bool) -> list[str]:
    """That the last record is there and counts the lines, or what to note of it."""
    if ended is None:
        reason = f"the file has no last line 'C,\"{_END}\",<lines>': it was cut"
        raise Refused("truncated_file", reason, place=f"row {count}")
    row, told = ended
    if not told.isascii() or not told.isdigit():
        raise Refused("truncated_file", "the last line does not count the lines", place=f"row {row}")
    if int(told) == count:
        return []
    reason = f"the last line counts {told} lines, the file has {count}"
    if not extract:
        raise Refused(
            "line_count", f"{reason}; take it as an extract if rows were left out", place=f"row {row}"
        )
    return [f"an extract: {reason}"]


def _one_table(rows: Mapping[Table, list[PriceRow]], notices: list[str]) -> AemoFile:
    if len(rows) != 1:
        found = " and ".join(f"{table.upper()},PRICE" for table in sorted(rows)) or "none"
        raise Refused("price_table", f"one table of DISPATCH,PRICE or TRADING,PRICE is expected, not {found}")
    ((table, found_rows),) = rows.items()
    if not found_rows:
        raise Refused("price_missing", f"the table {table.upper()},PRICE has no row")
    return AemoFile(table, tuple(found_rows), tuple(notices))


def _trimmed(lines: list[tuple[int, str]]) -> AemoFile:
    row, line = lines[0]
    names = _checked_names(row, _fields(row, line))
    dispatch = "INTERVENTION" in names
    trading = not {"PERIODID", "INVALIDFLAG"}.isdisjoint(names)
    if dispatch == trading:
        wrong = (
            "the columns do not tell the table: INTERVENTION (dispatch), or PERIODID or INVALIDFLAG (trading)"
        )
        raise Refused("price_table", wrong, place=f"row {row}")
    rows: list[PriceRow] = []
    for number, line in lines[1:]:
        if not line.strip():
            raise Refused(
                "csv_syntax", "the line is blank; a row is missing, or the line", place=f"row {number}"
            )
        rows.append(_named(number, names, _fields(number, line)))
    return _one_table({"dispatch" if dispatch else "trading": rows}, [])
