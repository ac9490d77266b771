"""A bid as a table that the desk reads and writes: headings, then a row a segment in MW and market prices.

Blocks are not written so: a bid that has some is a JSON file, as the API takes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Final

import msgspec

from adapters.meters import text
from ledger.clauses.flow import exact_text
from ledger.interval import utc_of_local, zone_of
from ledger.quantity import exact
from ledger.refusal import Refused
from trading.bid import Bid, Segment
from trading.product import WHOLE_MAX, Market, Product

_HEADINGS: Final = ("bid", "unit", "market", "product", "day", "prices_in")
_OPTIONAL: Final = ("note",)
_COLUMNS: Final = ("number", "interval_start", "segment", "from_mw", "to_mw", "price", "schedule_mw")
_NEEDED: Final = ("segment", "from_mw", "to_mw", "price")
_W_PER_MW: Final = 10**6
_DIGITS: Final = re.compile(r"[0-9]{1,6}")
_PLACE: Final = re.compile(r"(?:curves|schedule_w)\[(\d+)\](?:\[(\d+)\])?")


class WrittenBid(msgspec.Struct, frozen=True):
    """A bid, and the line in which each of its intervals (from 0) begins and each of its segments stands."""

    bid: Bid
    lines: Mapping[tuple[int, int], int]

    def placed(self, refused: Refused) -> Refused:
        """What the bid is refused for, with the line of its table beside the place."""
        found = _PLACE.fullmatch(refused.place)
        if found is None:
            return refused
        number, segment = int(found[1]), int(found[2] or 0)
        line = self.lines.get((number, segment), self.lines.get((number, 0)))
        if line is None:
            return refused
        return Refused(refused.code, refused.reason, place=f"row {line} ({refused.place})")


class BidTable:
    """A table whose headings are read; `empty` is its bid without curves, from which its product follows."""

    def __init__(self, data: bytes) -> None:
        """Raises:
        Refused: `bid_file` for what is no such table, `csv_syntax`, `encoding`, `line_end`, `empty_file`,
            and what the names in it are refused for.
        """
        lines = text.lines(text.body(text.load(data), "utf-8"), "utf-8")
        rows = [(number, _fields(number, line)) for number, line in lines]
        self._rows = [(number, cells) for number, cells in rows if any(cells)]
        names, at = self._headings()
        self._prices_in = names["prices_in"]
        self._at = at
        self.empty = Bid(
            id=names["bid"],
            unit=names["unit"],
            market=names["market"],
            product=names["product"],
            day=_day(names["day"]),
            curves=(),
            origin="file",
            note=names.get("note", ""),
        )

    def written(self, market: Market, product: Product) -> WrittenBid:
        """The bid, in the market's days and the product's prices.

        Raises:
            Refused: `bid_file` with the row for what is missing or contradicts itself, `number`,
                `quantity_range`, `price_scale`, `price_unit` for prices in another unit, `control_character`.
        """
        unit = price_name(market, product)
        if self._prices_in != unit:
            wrong = f"prices of {product.id} are in {unit}, not {self._prices_in!r}"
            raise Refused("price_unit", wrong, place="prices_in")
        if not self.empty.note.isprintable():
            raise Refused("control_character", "a note is one line of text", place="note")
        count = market.intervals(product, self.empty.day)
        curves: list[list[Segment]] = [[] for _ in range(count)]
        schedule: dict[int, int] = {}
        lines: dict[tuple[int, int], int] = {}
        for row, cells in self._table():
            number = _interval(row, cells, market, product, self.empty.day, count)
            lines.setdefault((number, 0), row)
            if cells.get("schedule_mw"):
                if number in schedule:
                    raise _wrong(row, f"interval {number + 1} has its schedule in an earlier row already")
                schedule[number] = _watts(row, cells, "schedule_mw")
            segment = _segment(row, cells, product, len(curves[number]))
            if segment is not None:
                lines[number, len(curves[number])] = row
                curves[number].append(segment)
        absent = [number + 1 for number in range(count) if (number, 0) not in lines]
        if absent:
            wrong = (
                f"{len(absent)} of {count} intervals have no row, first {absent[0]}: one without a segment"
            )
            raise Refused("bid_file", f"{wrong} offers nothing", place=f"interval {absent[0]}")
        bid = msgspec.structs.replace(
            self.empty,
            curves=tuple(map(tuple, curves)),
            schedule_w=_schedule(schedule, count),
        )
        return WrittenBid(bid, lines)

    def _headings(self) -> tuple[dict[str, str], int]:
        found: dict[str, str] = {}
        for at, (row, cells) in enumerate(self._rows):
            name = cells[0]
            if name in _COLUMNS:
                missing = [one for one in _HEADINGS if one not in found]
                if missing:
                    raise _wrong(row, f"the headings lack {', '.join(missing)}")
                return found, at
            value = cells[1] if len(cells) > 1 else ""
            if name not in (*_HEADINGS, *_OPTIONAL):
                allowed = ", ".join((*_HEADINGS, *_OPTIONAL))
                raise _wrong(row, f"{name!r} is no heading; the headings are {allowed}, then the columns")
            if name in found:
                raise _wrong(row, f"{name} stands there twice")
            if (not value and name in _HEADINGS) or any(cells[2:]):
                raise _wrong(row, f"one value for {name}")
            found[name] = value
        raise Refused("bid_file", f"no columns: a line {','.join(_COLUMNS)} begins the table", place="file")

    def _table(self) -> Iterator[tuple[int, dict[str, str]]]:
        row, columns = self._rows[self._at]
        while columns and not columns[-1]:
            columns = columns[:-1]
        for name in columns:
            if name not in _COLUMNS or columns.count(name) > 1:
                raise _wrong(row, f"{name!r} is no column, or there twice; columns: {', '.join(_COLUMNS)}")
        absent = [name for name in _NEEDED if name not in columns]
        if absent or not {"number", "interval_start"} & set(columns):
            raise _wrong(row, f"columns {', '.join(_NEEDED)} are needed, and number or interval_start")
        for number, cells in self._rows[self._at + 1 :]:
            if any(cells[len(columns) :]):
                raise _wrong(number, f"{len(columns)} cells, as the columns say")
            filled = [*cells, *[""] * (len(columns) - len(cells))]
            yield number, dict(zip(columns, filled, strict=False))


def price_name(market: Market, product: Product) -> str:
    """What the product's prices are in, such as `CNY/MWh`."""
    return f"{market.currency}/{product.price_unit}"


def template(market: Market, product: Product, day: date) -> str:
    """A table for a day's bid with nothing offered: a row an interval, to be filled in.

    Raises:
        Refused: `delivery_day`.
    """
    empty = Bid(
        id=f"{market.id}-{product.id}-{day}"[:64],
        unit="UNIT",
        market=market.id,
        product=product.id,
        day=day,
        curves=((),) * market.intervals(product, day),
    )
    return csv_of(empty, market, product)


def csv_of(bid: Bid, market: Market, product: Product) -> str:
    """The bid as a table that `BidTable` reads.

    Raises:
        Refused: `bid_file` for one with blocks, or with a note of several cells.
    """
    if bid.blocks:
        raise Refused("bid_file", "a bid with blocks is a JSON file", place="blocks")
    names = (bid.id, bid.unit, bid.market, bid.product, bid.day, price_name(market, product))
    lines = [f"{name},{value}" for name, value in zip(_HEADINGS, names, strict=True)]
    if bid.note:
        quoted = bid.note.replace('"', '""')
        lines.append(f'note,"{quoted}"')
    lines.append(",".join(_COLUMNS))
    start, zone = market.start_of(bid.day), zone_of(market.zone)
    for number, curve in enumerate(bid.curves):
        begins = (start + timedelta(seconds=number * product.interval_s)).astimezone(zone)
        planned = "" if bid.schedule_w is None else mw(bid.schedule_w[number])
        for position, (low, high, price) in enumerate(curve):
            shown = (mw(low), mw(high), price_text(product, price), planned if position == 0 else "")
            lines.append(f"{number + 1},{_clock(begins)},{position + 1},{','.join(shown)}")
        if not curve:
            lines.append(f"{number + 1},{_clock(begins)},1,,,,{planned}")
    return "\n".join(lines) + "\n"


def mw(power_w: int) -> str:
    """A power in MW, exactly.

    >>> mw(-1_500_000), mw(1)
    ('-1.5', '0.000001')
    """
    return exact_text(Fraction(power_w, _W_PER_MW))


def price_text(product: Product, price_u: int) -> str:
    """A price per the product's unit, exactly."""
    return exact_text(product.price_of(price_u))


def _clock(instant: datetime) -> str:
    return instant.isoformat(timespec="minutes")


def _fields(number: int, line: str) -> list[str]:
    try:
        return text.fields_of(line, ",")
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=f"row {number}") from None


def _day(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise Refused("bid_file", f"{value!r} is not a day such as 2026-09-03", place="day") from None


def _interval(
    row: int, cells: Mapping[str, str], market: Market, product: Product, day: date, count: int
) -> int:
    """Which interval of the day, from 0, a row is of."""
    number, start = cells.get("number", ""), cells.get("interval_start", "")
    if not number and not start:
        raise _wrong(row, "state the interval's number or its start")
    found = None if not start else _by_start(row, start, market, product, day)
    if number:
        if not _DIGITS.fullmatch(number) or not 1 <= int(number) <= count:
            raise _wrong(row, f"{number!r} is no interval of {day}: 1 to {count}")
        if found is not None and found != int(number) - 1:
            raise _wrong(row, f"interval {number} does not start at {start}")
        return int(number) - 1
    assert found is not None, "one of the two is stated"
    if not 0 <= found < count:
        raise _wrong(row, f"{start} is not of {day}")
    return found


def _by_start(row: int, start: str, market: Market, product: Product, day: date) -> int:
    try:
        instant = datetime.fromisoformat(start)
        if instant.tzinfo is None:
            instant = utc_of_local(instant, zone_of(market.zone))
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=f"row {row}, interval_start") from None
    except ValueError:
        raise _wrong(row, f"{start!r} is not a time such as {day}T00:15 or {day}T00:15+08:00") from None
    number, rest = divmod(instant - market.start_of(day), timedelta(seconds=product.interval_s))
    if rest:
        raise _wrong(row, f"no interval of {product.interval_s} s starts at {start}")
    return number


def _segment(row: int, cells: Mapping[str, str], product: Product, before: int) -> Segment | None:
    """The row's segment; None for a row without one."""
    stated = [name for name in ("from_mw", "to_mw", "price") if cells[name]]
    if not stated:
        return None
    if len(stated) < len(("from_mw", "to_mw", "price")):
        raise _wrong(row, f"a segment has from_mw, to_mw and price; here is only {', '.join(stated)}")
    if cells["segment"] != str(before + 1):
        raise _wrong(row, f"segment {before + 1} of its interval comes next, not {cells['segment']!r}")
    try:
        micro = product.micro(_decimal(row, cells, "price"))
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=f"row {row}, price") from None
    if micro.denominator != 1 or abs(micro) > WHOLE_MAX:
        wrong = "a price is whole millionths of the currency per kWh, kW·h or kW"
        raise Refused("price_scale", wrong, place=f"row {row}, price")
    return _watts(row, cells, "from_mw"), _watts(row, cells, "to_mw"), int(micro)


def _watts(row: int, cells: Mapping[str, str], column: str) -> int:
    power = exact(_decimal(row, cells, column)) * _W_PER_MW
    if power.denominator != 1 or abs(power) > WHOLE_MAX:
        allowed = f"a power is whole W, at most {mw(WHOLE_MAX)} MW"
        raise Refused("quantity_range", allowed, place=f"row {row}, {column}")
    return int(power)


def _decimal(row: int, cells: Mapping[str, str], column: str) -> str:
    try:
        exact(cells[column])
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=f"row {row}, {column}") from None
    return cells[column]


def _schedule(found: Mapping[int, int], count: int) -> tuple[int, ...] | None:
    """None where none is stated; else one power an interval."""
    if not found:
        return None
    missing = next((number for number in range(count) if number not in found), None)
    if missing is not None:
        wrong = f"interval {missing + 1} has no schedule; state one for each interval (0 too), or none"
        raise Refused("bid_schedule", wrong, place="schedule_mw")
    return tuple(found[number] for number in range(count))


def _wrong(row: int, reason: str) -> Refused:
    return Refused("bid_file", reason, place=f"row {row}")
