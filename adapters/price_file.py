"""A CSV of market prices, in our own layout or a platform's hours (examples/prices/README.md), to series."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, get_args

from adapters.meters import text
from ledger.market_price import (
    HOURLY_COLUMNS,
    HOURLY_PRICES,
    PriceSeries,
    Product,
    hourly_ledger,
    price_columns,
    price_ledger,
)
from ledger.refusal import Refused

_HOUR_S: Final = 3600
_LOCAL_HOURS: Final = (
    "hours of a clock that is half an hour off UTC's are registered as half-hours (--interval-s 1800, two"
    " rows of one price an hour), of three quarters as quarter-hours (--interval-s 900, four rows)"
)


def parse(
    data: bytes, *, market: str, node: str, currency: str, interval_s: int, zone: str | None = None
) -> tuple[PriceSeries, PriceSeries]:
    """Day-ahead and real-time series of a whole file that has both.

    Raises:
        Refused: `price_missing` where one is not told, or ends earlier, and what `told` refuses.
    """
    found = told(data, market=market, node=node, currency=currency, interval_s=interval_s, zone=zone)
    ends = {one.product: one.blocks[-1].end(interval_s) for one in found}
    for product in get_args(Product):
        if product not in ends or ends[product] < max(ends.values()):
            wrong = f"the file has no {product} price of some interval: both are needed here"
            raise Refused("price_missing", wrong, place=product)
    return found[0], found[1]


def told(
    data: bytes,
    *,
    market: str,
    node: str,
    currency: str,
    interval_s: int,
    zone: str | None = None,
    now: datetime | None = None,
) -> tuple[PriceSeries, ...]:
    """Day-ahead and real-time series of a whole file, plain or gzip, in UTF-8, as far as it tells them.

    A header with `hour_business` is a platform's: its hours are those of the clocks of `zone`.
    With `now` a real-time price of an interval that is not over by then is refused.

    Raises:
        Refused: `empty_file`, `file_too_large`, `encoding`, `line_end`, `csv_syntax`, `missing_column`,
            `duplicate_header`, `truncated_file` for a last line without its line end, `price_zone` for local
            hours without a zone or a zone for prices in UTC, `interval` for a platform's other than an hour,
            and what `price_ledger` and `hourly_ledger` refuse; the place is the file's line.
    """
    lines = _lines(text.body(text.load(data), "utf-8"))
    rows = csv.DictReader(lines)
    header = rows.fieldnames or ()
    hourly = "hour_business" in header
    own, prices = (HOURLY_COLUMNS, HOURLY_PRICES) if hourly else (("start_utc",), price_columns(currency))
    _check_header(header, own, prices)
    if not hourly:
        if zone is not None:
            raise Refused("price_zone", "the file's starts are in UTC: state no zone", place="zone")
        try:
            return price_ledger(
                _each_a_line(rows),
                market=market,
                node=node,
                currency=currency,
                interval_s=interval_s,
                now=now,
            )
        except Refused as refused:
            if refused.code != "price_time" or interval_s != _HOUR_S:
                raise
            raise Refused(refused.code, f"{refused.reason}; {_LOCAL_HOURS}", place=refused.place) from None
    if zone is None:
        wrong = "the file's hours are local: state the zone of their clocks, such as Asia/Shanghai"
        raise Refused("price_zone", wrong, place="zone")
    if interval_s != _HOUR_S:
        raise Refused("interval", f"the file is of hours, not of {interval_s} s", place="interval_s")
    return hourly_ledger(_each_a_line(rows), market=market, node=node, zone=zone, currency=currency, now=now)


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


def _check_header(header: Sequence[str], columns: Sequence[str], prices: Sequence[str]) -> None:
    """That the CSV is one of prices at all, before its rows are read.

    One of the two prices may be left out where nothing else stands there that could be it.
    """
    missing = [column for column in (*columns, *prices) if column not in header]
    found = ", ".join(header) or "none"
    again = next((name for at, name in enumerate(header) if name in header[:at]), None)
    if again is not None:
        raise Refused("duplicate_header", f"column {again!r} stands there twice", place="row 1")
    one_price = len(missing) == 1 and missing[0] in prices
    if missing and not (one_price and set(header) <= {*columns, *prices}):
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
