"""A bid as the file that a trading centre takes: one row a segment of a curve, or a block's interval."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import Final

import msgspec
from xlsxwriter import Workbook

from adapters.gateway.file_profile import FileProfile, OfferLayout
from ledger.quantity import decimal_text
from ledger.refusal import Refused
from trading.bid import Bid

_MADE: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - so that the same offer is the same workbook


def offer_file(bid: Bid, profile: FileProfile) -> bytes:
    """The offer of all of the bid's curves and blocks.

    Raises:
        Refused: `decimals` for a power or price that the file's decimals cannot write, `block` for blocks
            that the file cannot say; with the interval or block.
    """
    return _written(_rows(bid, profile), profile.offer)


def withdrawal_file(profile: FileProfile) -> bytes:
    """The headings alone."""
    return _written((), profile.offer)


def _rows(bid: Bid, profile: FileProfile) -> Iterator[dict[str, str]]:
    layout = profile.offer
    for number, curve in enumerate(bid.curves, 1):
        for segment, (low, high, price) in enumerate(curve, 1):
            try:
                yield _row(bid.day, number, str(segment), low, high, price, profile)
            except Refused as refused:
                place = f"curves[{number - 1}][{segment - 1}]"
                raise Refused(refused.code, refused.reason, place=place) from None
    for at, block in enumerate(bid.blocks):
        if not layout.columns.block or block.parent or (block.group and not layout.columns.group):
            wrong = "these files have no blocks" if not layout.columns.block else "these files link no blocks"
            raise Refused("block", wrong, place=f"blocks[{at}]")
        for number, power in enumerate(block.profile_w, block.first + 1):
            try:
                row = _row(bid.day, number, "", 0, power, block.price_u, profile)
            except Refused as refused:
                raise Refused(refused.code, refused.reason, place=f"blocks[{at}]") from None
            yield row | {"block": block.id, "group": block.group or ""}


def _row(
    day: date, number: int, segment: str, low: int, high: int, price: int, profile: FileProfile
) -> dict[str, str]:
    layout = profile.offer
    return {
        "day": day.strftime(profile.day),
        "interval": str(number),
        "segment": segment,
        "from_power": _decimal(profile.power(low), layout.power_decimals),
        "to_power": _decimal(profile.power(high), layout.power_decimals),
        "price": _decimal(profile.price(price), layout.price_decimals),
    }


def _decimal(value: Fraction, places: int) -> str:
    scaled = value * 10**places
    if scaled.denominator != 1:
        raise Refused("decimals", f"the file's {places} decimals cannot write {value}")
    text = decimal_text(scaled.numerator, places)
    return text.rstrip("0").rstrip(".") if places else text


def _written(rows: Iterator[dict[str, str]] | Sequence[dict[str, str]], layout: OfferLayout) -> bytes:
    columns: dict[str, str] = {
        field: heading for field, heading in msgspec.structs.asdict(layout.columns).items() if heading
    }
    table = [list(columns.values()), *([row.get(field, "") for field in columns] for row in rows)]
    if layout.format == "workbook":
        return _workbook(table, list(columns), layout)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([title] for title in layout.titles)
    writer.writerows(table)
    return out.getvalue().encode(layout.encoding)


def _workbook(table: Sequence[Sequence[str]], fields: Sequence[str], layout: OfferLayout) -> bytes:
    """Powers and prices as numbers, which a spreadsheet keeps as doubles; all else as text."""
    out = io.BytesIO()
    book = Workbook(out, {"in_memory": True})
    book.set_properties({"created": _MADE})
    sheet = book.add_worksheet(layout.sheet)
    for number, title in enumerate(layout.titles):
        sheet.write_string(number, 0, title)
    for number, cells in enumerate(table, len(layout.titles)):
        for column, (field, cell) in enumerate(zip(fields, cells, strict=True)):
            is_number = field in ("interval", "segment", "from_power", "to_power", "price")
            if is_number and cell and number > len(layout.titles):
                sheet.write_number(number, column, float(cell))
            else:
                sheet.write_string(number, column, cell)
    book.close()
    return out.getvalue()
