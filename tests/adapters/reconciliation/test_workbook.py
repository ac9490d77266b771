"""Workbook cells: the decimal that the sheet holds, never a sum of doubles."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime, timedelta
from html import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.reconciliation import workbook
from adapters.reconciliation.operator_file import read_operator_statement
from adapters.reconciliation.operator_profile import operator_profile
from ledger.quantity import decimal_text, exact
from ledger.refusal import Refused
from tests.adapters.reconciliation.files import sample

_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/xl/workbook.xml"'
    ' ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml"'
    ' ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>'
)
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def xlsx(*rows: tuple[str | None, ...], name: str = "日清算") -> bytes:
    """A minimal workbook; a cell that begins with '=' is a number with just these digits."""
    body = ""
    for number, row in enumerate(rows, 1):
        cells = ""
        for column, cell in enumerate(row):
            at = f"{chr(65 + column)}{number}"
            if cell is None:
                continue
            if cell.startswith("="):
                cells += f'<c r="{at}"><v>{cell[1:]}</v></c>'
            else:
                cells += f'<c r="{at}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
        body += f'<row r="{number}">{cells}</row>'
    rels = "http://schemas.openxmlformats.org/package/2006/relationships"
    parts = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": f'<Relationships xmlns="{rels}"><Relationship Id="rId1" Target="xl/workbook.xml"'
        f' Type="{_OFFICE}/officeDocument"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        f'<sheet name="{name}" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{rels}"><Relationship Id="rId1"'
        f' Target="worksheets/sheet1.xml" Type="{_OFFICE}/worksheet"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_MAIN}"><sheetData>{body}</sheetData></worksheet>',
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, text in parts.items():
            archive.writestr(path, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return out.getvalue()


HEADER = ("日期", "时段", "方向", "科目", "电量", "电价", "电费")
DAY = xlsx(
    HEADER,
    ("2026-08-01", "=1", "下网", "实时电能量", "=12.5", "=301.2", "=3765"),
    ("2026-08-01", "=96", "上网", "实时电能量", "=0.30000000000000004", "=412.35", "=123.70500000000001"),
)


@settings(max_examples=300)
@given(st.integers(-(10**15) + 1, 10**15 - 1), st.integers(0, 12))
def test_every_decimal_of_15_digits_comes_back(mantissa: int, scale: int) -> None:
    """A double holds any 15 significant digits; reading them back gives just these."""
    text = decimal_text(mantissa, scale)
    assert exact(workbook.cell_text(float(text))) == exact(text)


def test_cells_as_text() -> None:
    assert [workbook.cell_text(cell) for cell in (0.1 + 0.2, 31975.24, 12.0, 1e-6, " 合计 ")] == [
        "0.3",
        "31975.24",
        "12",
        "0.000001",
        "合计",
    ]
    assert workbook.cell_text(datetime(2026, 8, 1)) == "2026-08-01"
    assert workbook.cell_text(datetime(2026, 8, 1, 0, 15)) == "2026-08-01 00:15:00"
    assert workbook.cell_text(date(2026, 8, 1)) == "2026-08-01"
    assert workbook.cell_text(7) == "7"
    assert workbook.cell_text(timedelta(minutes=15)) == "0:15:00"


@pytest.mark.parametrize("cell", [True, float("inf"), float("nan"), 6222020000012345678, 6.222e18, None])
def test_cells_that_have_no_exact_text(cell: object) -> None:
    with pytest.raises(Refused) as caught:
        workbook.text_row(["a", cell], 4)
    assert (caught.value.code, caught.value.place) == ("cell", "row 4, column 2")


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("workbook", "交易日期\t金额\n".encode("gb18030")),
        ("truncated_file", DAY[:-30]),
        ("truncated_file", DAY[:200]),
        ("empty_file", b""),
    ],
)
def test_what_is_no_workbook_is_refused_before_it_is_read(code: str, data: bytes) -> None:
    with pytest.raises(Refused) as caught:
        read_operator_statement(data, operator_profile(sample("operator_points.toml")))
    assert caught.value.code == code


def test_a_workbook_that_unpacks_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "FILE_BYTES_MAX", 500)
    with pytest.raises(Refused) as caught:
        workbook.rows(DAY, "")
    assert caught.value.code == "file_too_large"


def test_points_from_a_workbook_are_read_as_shown() -> None:
    """123.70500000000001 is shown with two decimals as 123.71, and taken so."""
    found = read_operator_statement(DAY, operator_profile(sample("operator_points.toml")))
    assert [(str(line.quantity), line.price, str(line.amount)) for line in found.lines] == [
        ("-12500 kWh", "0.3012", "-3765.00"),
        ("300 kWh", "0.41235", "123.71"),
    ]
    assert [line.place for line in found.lines] == ["row 2", "row 3"]


def test_a_sheet_that_is_not_there() -> None:
    with pytest.raises(Refused) as caught:
        workbook.rows(DAY, "月清算")
    assert caught.value.code == "sheet"
    assert workbook.rows(DAY, "")[0] == list(HEADER)


def test_a_legacy_workbook_that_is_damaged() -> None:
    with pytest.raises(Refused) as caught:
        workbook.rows(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2000, "")
    assert caught.value.code == "workbook"


def with_part(data: bytes, before: str, after: str) -> bytes:
    """The workbook with a text of its sheet replaced."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as read, zipfile.ZipFile(out, "w") as written:
        for name in read.namelist():
            text = read.read(name).decode()
            if name.startswith("xl/worksheets/"):
                assert before in text
                text = text.replace(before, after, 1)
            written.writestr(name, text)
    return out.getvalue()


@pytest.mark.parametrize(
    ("before", "after", "code", "place"),
    [
        ('<c r="G2"><v>', '<c r="G2"><f>E2*F2</f><v>', "formula", "cell G2"),
        (
            "</sheetData>",
            '</sheetData><mergeCells count="1"><mergeCell ref="A2:A3"/></mergeCells>',
            "merged_cells",
            "row 2, column 1",
        ),
    ],
)
def test_formulas_and_merged_cells_are_refused(before: str, after: str, code: str, place: str) -> None:
    """Also below nothing but the header; above it, where titles stand, they say nothing."""
    profile = operator_profile(sample("operator_points.toml"))
    assert read_operator_statement(DAY, profile).lines
    with pytest.raises(Refused) as refused:
        read_operator_statement(with_part(DAY, before, after), profile)
    assert (refused.value.code, refused.value.place) == (code, place)


def test_a_title_above_the_header_may_be_merged_and_computed() -> None:
    title = with_part(
        xlsx(
            ("SIMULATED exchange", None),
            HEADER,
            *[("2026-08-01", "=1", "下网", "实时电能量", "=1", "=2", "=2")],
        ),
        "</sheetData>",
        '</sheetData><mergeCells count="1"><mergeCell ref="A1:B1"/></mergeCells>',
    )
    title = with_part(title, '<c r="A1" t="inlineStr">', '<c r="A1" t="inlineStr"><f>"a"</f>')
    skipping = sample("operator_points.toml").replace(b"[columns]", b"skip_lines = 1\n\n[columns]", 1)
    assert len(read_operator_statement(title, operator_profile(skipping)).lines) == 1
