"""An operator's statement file as typed lines; the whole file is checked before any line is given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from fractions import Fraction
from typing import Final, NamedTuple

from adapters.reconciliation.operator_profile import SIGNS, OperatorProfile
from adapters.reconciliation.rejected import RejectedRow, RowsRejected
from adapters.reconciliation.table import Cells, Row, read_rows
from ledger.clauses.flow import exact_text, grouped
from ledger.interval import Interval
from ledger.quantity import Money
from ledger.reconciliation.operator_line import OperatorLine, OperatorStatement
from ledger.reconciliation.stated_quantity import price_per, stated
from ledger.refusal import Refused


def read_operator_statement(data: bytes, profile: OperatorProfile) -> OperatorStatement:
    """The statement in a file.

    Raises:
        RowsRejected: with every row that cannot be read: `empty_value`, `number`, `money`, `date`, `year`,
            `point`, `untranslated`, `unit`, `currency`, `column_count`, `csv_syntax`.
        Refused: what makes the whole file unreadable (see `read_rows`), `total` for a total row that is not
            the sum or is not the last, `truncated_file` without the total row, `duplicate_reference`.
    """
    named = (*profile.columns.named, *((profile.total.column,) if profile.total else ()))
    rows = read_rows(data, profile, tuple(dict.fromkeys(named)))
    body, total = _split(rows, profile)
    lines: list[OperatorLine] = []
    rejected: list[RejectedRow] = []
    for row in body:
        try:
            lines.append(_line(Cells(row, profile), profile))
        except Refused as refused:
            rejected.append(RejectedRow(row.number, refused.place, refused.code, refused.reason))
    if rejected:
        raise RowsRejected(rejected)
    if total is not None:
        _check_total(body, total, profile)
    return OperatorStatement(profile.operator, hashlib.sha256(data).hexdigest(), tuple(lines))


def _split(rows: list[Row], profile: OperatorProfile) -> tuple[list[Row], Row | None]:
    """The rows before the total, and the total row."""
    rule = profile.total
    if rule is None:
        return rows, None
    totals = [row for row in rows if row.cells[rule.column] == rule.text]
    if not totals:
        raise Refused("truncated_file", f"no row has {rule.text} in {rule.column}: the file is not whole")
    if len(totals) > 1 or totals[0] is not rows[-1]:
        raise Refused(
            "total", f"the row {rule.text} is not the only last one", place=f"row {totals[0].number}"
        )
    if len(rows) == 1:
        raise Refused("empty_file", "there is a total but no row", place=f"row {totals[0].number}")
    return rows[:-1], totals[0]


def _line(cells: Cells, profile: OperatorProfile) -> OperatorLine:
    columns = profile.columns
    currency = _translated(cells, columns.currency, profile.currencies) or profile.currency
    sign = SIGNS[_direction(cells, profile) if columns.direction else profile.sign]
    printed = cells.number(columns.amount)
    amount = Money.round(sign * printed, currency)
    if amount.exact != sign * printed:
        raise Refused("money", f"more decimals than {currency} has", place=columns.amount)
    quantity, price = cells.number_or_none(columns.quantity), cells.number_or_none(columns.price)
    unit = profile.unit
    if quantity is not None and columns.unit:
        unit = _translated(cells, columns.unit, profile.units)
    each = profile.price_per or unit
    if price is not None and not each:
        raise Refused("unit", "a price without a quantity: state price_per", place=columns.price)
    reference = cells.read(columns.reference, str) if columns.reference else f"row {cells.row.number}"
    return OperatorLine(
        reference=reference,
        site=_translated(cells, columns.site, profile.sites) or profile.site,
        item=_translated(cells, columns.item, profile.items),
        interval=_interval(cells, profile),
        quantity=None if quantity is None else stated(sign * quantity, unit),
        price=None if price is None else exact_text(price_per(price, each)),
        amount=amount,
        quantity_step=_quantity_step(quantity, unit, profile),
        price_step=_price_step(price, each, profile),
        run=_translated(cells, columns.run, profile.runs) or profile.run,
        place=f"row {cells.row.number}",
    )


def _quantity_step(printed: Fraction | None, unit: str, profile: OperatorProfile) -> str:
    """In which steps the quantity is printed, in the one unit of its kind; 0 where that is not said."""
    if printed is None:
        return "0"
    if profile.quantity_decimals is not None:
        return stated(Fraction(1, 10**profile.quantity_decimals), unit).value
    if stated(printed, unit).unit != "kWh":
        return "0"
    return exact_text(min(Fraction(1), _finest(stated(printed, unit).exact)))


def _price_step(printed: Fraction | None, each: str, profile: OperatorProfile) -> str:
    """In which steps the price is printed, for one of the one unit of its kind; 0 where that is not said."""
    if printed is None:
        return "0"
    if profile.price_decimals is not None:
        return exact_text(price_per(Fraction(1, 10**profile.price_decimals), each))
    if stated(Fraction(1), each).unit != "kWh":
        return "0"
    return exact_text(min(_PRICE_STEP, _finest(price_per(printed, each))))


_PRICE_STEP: Final = Fraction(1, 10**6)
"""Yuan/MWh with three decimals, yuan/kWh with six (DOMAIN.md 3.0)."""


def _finest(value: Fraction) -> Fraction:
    """The power of ten that the decimal is whole in: 1/100 for 0.25, and 1 for whole numbers."""
    step = Fraction(1)
    while (value / step).denominator != 1:
        step /= 10
    return step


def _translated(cells: Cells, column: str, words: Mapping[str, str]) -> str:
    """Our word for a cell that must be there; empty where no column is named."""
    return cells.read(column, lambda cell: _word(cell, words)) if column else ""


def _interval(cells: Cells, profile: OperatorProfile) -> Interval:
    columns = profile.columns
    whole = cells.read(columns.period, profile.period.interval)
    if not columns.point:
        return whole
    return cells.read(columns.point, lambda cell: profile.period.point(whole, cell))


def _word(cell: str, words: Mapping[str, str]) -> str:
    """Our word for the file's; the file's own where the profile translates none."""
    if words and cell not in words:
        raise Refused("untranslated", f"{cell!r} is not one of {', '.join(words)}")
    return words.get(cell, cell)


class _Off(NamedTuple):
    """A column whose total row is not the sum of its rows."""

    column: str
    rows: Fraction
    total: Fraction

    def __str__(self) -> str:
        numbers = (self.rows, self.total, self.total - self.rows)
        rows, total, off = (grouped(exact_text(one)) for one in numbers)
        return f"{self.column}: the rows sum to {rows}, the total is {total}: {off} off"


def _check_total(body: list[Row], total: Row, profile: OperatorProfile) -> None:
    """That the total row is the sum, as printed, of its amounts, and of its quantities where it has any.

    Raises:
        Refused: `total`, naming the largest difference first; `empty_value` for a total without an amount.
    """
    columns = profile.columns
    last = Cells(total, profile)
    wrong: list[_Off] = []
    for column in dict.fromkeys((columns.amount, columns.quantity)):
        stated_total = last.number(column) if column == columns.amount else last.number_or_none(column)
        if stated_total is None:
            continue
        rows = sum((_printed(Cells(row, profile), column, profile) for row in body), Fraction(0))
        if rows != stated_total:
            wrong.append(_Off(column, rows, stated_total))
    if wrong:
        wrong.sort(key=lambda one: -abs(one.total - one.rows))
        reason = "; ".join(map(str, wrong))
        raise Refused("total", reason, place=f"row {total.number}, {wrong[0].column}")


def _printed(cells: Cells, column: str, profile: OperatorProfile) -> Fraction:
    """A row's number as it counts in the total: with the sign of its direction, where there are any."""
    number = cells.number_or_none(column) or Fraction(0)
    if not profile.columns.direction:
        return number
    return number * SIGNS[_direction(cells, profile)]


def _direction(cells: Cells, profile: OperatorProfile) -> str:
    return cells.read(profile.columns.direction, lambda cell: _word(cell, profile.directions))
