"""An offer as a trading centre's CSV: one row a segment of a curve, or one a block's interval."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import Final

import msgspec

from adapters.reference_market.offer import (
    BlockInterval,
    IntervalCurve,
    Offer,
    OfferedBlock,
    Segment,
)
from adapters.reference_market.parameters import Parameters
from ledger.quantity import exact
from ledger.refusal import Refused

_W_PER_MW: Final = 10**6
_MILLIS: Final = 1000
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PATH: Final = re.compile(r"(curves|blocks)\[(\d+)\](?:\.(?:segments|intervals)\[(\d+)\])?")


class _Row(msgspec.Struct, frozen=True):
    """One row of the file; a block's has the block's name and no number of a segment."""

    line: int
    start: datetime
    number: int
    start_w: int
    end_w: int
    price: int
    block: str
    group: str


class OfferFile(msgspec.Struct, frozen=True):
    """The offer, and the line of each of its parts."""

    offer: Offer
    _lines: dict[str, tuple[int, ...]]

    def place(self, path: str) -> str:
        """The row that a field's path of the offer came from."""
        found = _PATH.match(path)
        if found is None:
            return path
        lines = self._lines[f"{found[1]}[{found[2]}]"]
        return f"row {lines[int(found[3] or 0)]}"


def columns(parameters: Parameters) -> tuple[str, ...]:
    """The header of an offer; 块号 and 互斥组 may be left out where there are no blocks."""
    unit = parameters.price_unit
    return "交易日", "时段", "段号", "起始出力MW", "终止出力MW", f"报价{unit}", "块号", "互斥组"


def offer_file(
    data: bytes, parameters: Parameters, day: date, starts: Sequence[datetime], revision: int
) -> OfferFile:
    """The offer in a CSV in UTF-8, with or without a byte order mark, or GB18030.

    Raises:
        Refused: `encoding`, `csv_syntax`, `column_count`, `file_header`, `file_row`, `offer_interval`,
            `offer_lot`, `offer_price`, `number`, `offer_segments`; the place is the file's row.
    """
    header = columns(parameters)
    try:
        rows = list(csv.reader(io.StringIO(_text(data), newline=""), strict=True))
    except csv.Error as error:
        raise Refused("csv_syntax", f"not CSV: {error}") from None
    given = tuple(rows[0]) if rows else ()
    if given not in {header, header[:-2]}:
        wrong = f"the header is {','.join(header)}, the last two only with blocks"
        raise Refused("file_header", wrong, place="row 1")
    read: list[_Row] = []
    for number, cells in enumerate(rows[1:], 2):
        try:
            if len(cells) != len(given):
                raise Refused("column_count", f"{len(cells)} cells, not {len(given)}")
            read.append(_row(number, (*cells, "", "")[: len(header)], day, starts))
        except Refused as refused:
            raise Refused(refused.code, refused.reason, place=f"row {number}") from None
    return _offer(read, revision)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("gb18030")
    except UnicodeDecodeError:
        raise Refused("encoding", "the file is neither UTF-8 nor GB18030") from None


def _row(line: int, cells: Sequence[str], day: date, starts: Sequence[datetime]) -> _Row:
    of_day, period, number, start, end, price, block, group = cells
    if of_day != day.isoformat():
        raise Refused("file_row", f"交易日 {of_day!r} is not the day in the file's name, {day}")
    if not period.isascii() or not period.isdigit() or not 1 <= int(period) <= len(starts):
        raise Refused("offer_interval", f"时段 {period!r} is not 1..{len(starts)}")
    if group and not block:
        raise Refused("file_row", "互斥组 without 块号")
    for name in (block, group):
        if name and not _NAME.fullmatch(name):
            raise Refused("file_row", f"{name!r} is not 1 to 64 letters, digits, '_' or '-'")
    if bool(block) == bool(number) or (number and not (number.isascii() and number.isdigit())):
        raise Refused("file_row", "a row has either 段号, from 1 on, or 块号")
    start_w, end_w = _watts(start), _watts(end)
    if block and start_w:
        raise Refused("file_row", "a block's 起始出力MW is 0")
    return _Row(
        line, starts[int(period) - 1], int(number or 0), start_w, end_w, _micro_per_kwh(price), block, group
    )


def _watts(text: str) -> int:
    value: Fraction = exact(text) * _W_PER_MW
    if value.denominator != 1:
        raise Refused("offer_lot", f"{text} MW is not in whole watts")
    return value.numerator


def _micro_per_kwh(text: str) -> int:
    value: Fraction = exact(text) * _MILLIS
    if value.denominator != 1:
        raise Refused("offer_price", f"{text} per MWh has more than three decimals")
    return value.numerator


def _offer(rows: Sequence[_Row], revision: int) -> OfferFile:
    by_start: dict[datetime, list[_Row]] = {}
    by_block: dict[str, list[_Row]] = {}
    for row in rows:
        if row.block:
            by_block.setdefault(row.block, []).append(row)
        else:
            by_start.setdefault(row.start, []).append(row)
    lines: dict[str, tuple[int, ...]] = {}
    curves: list[IntervalCurve] = []
    for index, start in enumerate(sorted(by_start)):
        of = sorted(by_start[start], key=lambda row: row.number)
        for at, row in enumerate(of, 1):
            if row.number != at:
                raise Refused("offer_segments", f"段号 {row.number} is not {at}", place=f"row {row.line}")
        curves.append(IntervalCurve(start, tuple(Segment(row.start_w, row.end_w, row.price) for row in of)))
        lines[f"curves[{index}]"] = tuple(row.line for row in of)
    blocks: list[OfferedBlock] = []
    for index, (name, of) in enumerate(by_block.items()):
        first = of[0]
        for row in of:
            if (row.price, row.group) != (first.price, first.group):
                reason = f"block {name} has one price and one 互斥组 in all of its rows"
                raise Refused("file_row", reason, place=f"row {row.line}")
        intervals = tuple(BlockInterval(row.start, row.end_w) for row in of)
        blocks.append(OfferedBlock(name, intervals, first.price, first.group or None))
        lines[f"blocks[{index}]"] = tuple(row.line for row in of)
    return OfferFile(Offer(revision, tuple(curves), tuple(blocks)), lines)
