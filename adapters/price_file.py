"""A CSV of market prices in our own layout (examples/prices/README.md): bytes to series."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence

from adapters.meters import text
from ledger.market_price import PriceSeries, price_columns, price_ledger
from ledger.refusal import Refused


def parse(
    data: bytes, *, market: str, node: str, currency: str, interval_s: int
) -> tuple[PriceSeries, PriceSeries]:
    """Day-ahead and real-time series of a whole file, plain or gzip, in UTF-8.

    Raises:
        Refused: `empty_file`, `file_too_large`, `encoding`, `line_end`, `csv_syntax`, `missing_column`,
            `duplicate_header`, `truncated_file` for a last line without its line end, and what
            `price_ledger` refuses; the place is the file's line.
    """
    lines = _lines(text.body(text.load(data), "utf-8"))
    rows = csv.DictReader(lines)
    _check_header(rows.fieldnames or (), currency)
    return price_ledger(
        _each_a_line(rows), market=market, node=node, currency=currency, interval_s=interval_s
    )


def _lines(data: bytes) -> list[str]:
    """The lines without the blank ones at the end; each is a row of its own."""
    whole = data.endswith(b"\n")
    found: list[str] = []
    for row, line in text.lines(data, "utf-8"):
        try:
            text.fields_of(line, ",")
        except Refused as refused:
            raise Refused(refused.code, refused.reason, place=f"row {row}") from None
        found.append(line)
    if not whole:
        reason = "the last line has no line end, so it may have been cut; if the file is whole, add one"
        raise Refused("truncated_file", reason, place=f"row {len(found)}")
    while not found[-1].strip():
        found.pop()
    return found


def _check_header(header: Sequence[str], currency: str) -> None:
    """That the CSV is one of prices at all, before its rows are read."""
    missing = [column for column in ("start_utc", *price_columns(currency)) if column not in header]
    found = ", ".join(header) or "none"
    again = next((name for at, name in enumerate(header) if name in header[:at]), None)
    if again is not None:
        raise Refused("duplicate_header", f"column {again!r} stands there twice", place="row 1")
    if missing:
        absent = ", ".join(missing)
        raise Refused(
            "missing_column", f"there is no column {absent}; the header has: {found}", place="row 1"
        )


def _each_a_line(rows: csv.DictReader[str]) -> Iterator[Mapping[str, str]]:
    """The rows, whose numbers are those of the file's lines: `csv` passes over blank lines."""
    for number, row in enumerate(rows, 2):
        if rows.line_num != number:
            raise Refused(
                "csv_syntax", "the line is blank; a row is missing, or the line", place=f"row {number}"
            )
        yield row
