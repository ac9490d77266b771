"""A trading centre's result of a day, from its CSV or workbook: a price and our award for each interval."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

import msgspec

from adapters.gateway.file_profile import AckLayout, FileProfile
from adapters.reconciliation.rejected import RejectedRow, RowsRejected
from adapters.reconciliation.table import Cells, Row, read_rows
from ledger.interval import Instant
from ledger.refusal import Refused
from trading.product import Market, Product


class Told(msgspec.Struct, frozen=True):
    """One unit's result of one run. `revision`: the market's number of the offer, None where it had none.

    `revised` is False where the file does not say which revision was cleared.
    """

    run: int
    published: Instant
    price_u: tuple[int, ...]
    award_w: tuple[int, ...]
    revision: int | None
    revised: bool

    @property
    def said(self) -> tuple[object, ...]:
        """What must not change under one run."""
        return self.run, self.price_u, self.award_w, self.revision


class Ack(NamedTuple):
    """What the market answered to one file."""

    accepted: bool
    why: str
    at: datetime | None


def result_of(
    data: bytes, profile: FileProfile, market: Market, product: Product, day: date, run: int
) -> Told:
    """The result in a file named after product, day and run.

    Raises:
        Refused: what `read_rows` refuses of the file; `empty_value`, `number`, `clearing_file` for rows of
            another day, product or run, or of two publications; `clearing_intervals` for intervals that are
            missing, twice or not of the day; `price_scale` and `award` for what is finer than whole
            millionths per kWh and whole W. The place is the row or cell.
    """
    layout, columns = profile.result, profile.result.columns
    count = market.intervals(product, day)
    prices: dict[int, int] = {}
    awards: dict[int, int] = {}
    heads: dict[str, str] = {}
    rejected: list[RejectedRow] = []
    for row in read_rows(data, layout, columns.named):
        try:
            number = _interval(Cells(row, layout), columns.interval, count, prices)
            _check_head(row, profile, product, day, run, heads)
            cells = Cells(row, layout)
            price = profile.micro(cells.number(columns.price))
            award = profile.watts(cells.number(columns.award))
            if price.denominator != 1:
                raise Refused("price_scale", "finer than whole millionths per kWh", place=columns.price)
            if award.denominator != 1:
                raise Refused("award", "finer than whole W", place=columns.award)
            prices[number], awards[number] = price.numerator, award.numerator
        except Refused as refused:
            rejected.append(RejectedRow(row.number, refused.place, refused.code, refused.reason))
    if rejected:
        raise RowsRejected(rejected)
    missing = [number for number in range(1, count + 1) if number not in prices]
    if missing:
        wrong = f"{day} has {count} intervals; {len(missing)} are missing, the first is {missing[0]}"
        raise Refused("clearing_intervals", wrong, place=columns.interval)
    revision = _revision(heads.get("revision", ""), columns.revision)
    if columns.revision and revision is None and any(awards.values()):
        wrong = "it awards something to no offer"
        raise Refused("clearing_file", wrong, place=columns.revision)
    order = range(1, count + 1)
    return Told(
        run=run,
        published=_published(heads.get("published", ""), columns.published, market, product, day),
        price_u=tuple(prices[number] for number in order),
        award_w=tuple(awards[number] for number in order),
        revision=revision,
        revised=bool(columns.revision),
    )


def ack_of(data: bytes, layout: AckLayout, name: str, digest: str) -> Ack:
    """What an acknowledgement says of the file of that name and SHA-256.

    Raises:
        Refused: what `read_rows` refuses; `ack_file` for more than one row, another file or an outcome that
            is neither of the two words.
    """
    columns = layout.columns
    wanted = (columns.file, columns.outcome, columns.digest, columns.code, columns.place, columns.reason)
    rows = read_rows(data, layout, [*filter(None, wanted), *filter(None, [columns.at])])
    cells = Cells(rows[0], layout)
    if len(rows) > 1:
        raise Refused("ack_file", f"{len(rows)} rows answer one file", place=f"row {rows[1].number}")
    if cells.text(columns.file) != name or (columns.digest and cells.text(columns.digest) != digest):
        raise Refused("ack_file", f"it is not about {name} of SHA-256 {digest}", place=columns.file)
    outcome = cells.text(columns.outcome)
    if outcome not in (layout.accepted, layout.refused):
        wrong = f"{outcome!r} is neither {layout.accepted} nor {layout.refused}"
        raise Refused("ack_file", wrong, place=columns.outcome)
    told = (cells.text(column) for column in (columns.code, columns.place, columns.reason))
    at = cells.text(columns.at)
    return Ack(
        outcome == layout.accepted, ", ".join(filter(None, told)), _instant(at, columns.at) if at else None
    )


def _interval(cells: Cells, column: str, count: int, known: dict[int, int]) -> int:
    number = cells.number(column)
    if number.denominator != 1 or not 1 <= number <= count:
        raise Refused("clearing_intervals", f"{cells.text(column)} is not 1 to {count}", place=column)
    if int(number) in known:
        raise Refused("clearing_intervals", f"interval {number} is there twice", place=column)
    return int(number)


def _check_head(
    row: Row, profile: FileProfile, product: Product, day: date, run: int, heads: dict[str, str]
) -> None:
    """What each row says of the whole result, and the same in each."""
    columns = profile.result.columns
    cells = Cells(row, profile.result)
    for column, wanted in (
        (columns.day, day.strftime(profile.day)),
        (columns.product, profile.result.products.get(product.id, profile.products[product.id])),
        (columns.run, str(run)),
    ):
        if column and cells.text(column) != wanted:
            raise Refused("clearing_file", f"{cells.text(column)!r} is not {wanted}", place=column)
    for field, column in (("published", columns.published), ("revision", columns.revision)):
        if column and heads.setdefault(field, cells.text(column)) != cells.text(column):
            wrong = f"{cells.text(column)!r} here, and {heads[field]!r} above"
            raise Refused("clearing_file", wrong, place=column)


def _revision(text: str, column: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise Refused("clearing_file", f"{text!r} is no revision", place=column)
    return int(text)


def _published(text: str, column: str, market: Market, product: Product, day: date) -> datetime:
    if not column:
        return market.moment(product.published, product, day)
    return _instant(text, column)


def _instant(text: str, column: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Refused("clearing_file", f"{text!r} is no instant", place=column) from None
    if found.tzinfo is None:
        raise Refused("naive_time", "an instant needs its UTC offset", place=column)
    return found
