"""Statements as Parquet, for programs: money as whole minor units, all that may be a fraction as exact text.

There is no double in these files. The same statements give the same bytes with the same writer version.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from arro3.core import Array, DataType, Field, Schema, Table
from arro3.io import write_parquet

from adapters.documents.statement_document import counts_in
from ledger.quantity import MINOR_DIGITS, Money
from ledger.refusal import Refused
from ledger.settlement.line import Line
from ledger.settlement.statement import Statement

Kind = Literal["text", "integer"]
TableName = Literal["lines", "terms", "totals", "percentages", "bills"]
PARQUET: Final = "application/vnd.apache.parquet"
"""The media type."""

_INT64_MAX: Final = 2**63 - 1
_KEY: Final[tuple[tuple[str, Kind], ...]] = (
    ("contract", "text"),
    ("month", "text"),
    ("party", "text"),
    ("run", "integer"),
    ("run_kind", "text"),
)
_LINE_COLUMNS: Final[tuple[tuple[str, Kind], ...]] = (
    *_KEY,
    ("line", "integer"),
    ("kind", "text"),
    ("code", "text"),
    ("rule", "text"),
    ("site", "text"),
    ("counts_in", "text"),
    ("quantity", "text"),
    ("unit", "text"),
    ("price", "text"),
    ("exact", "text"),
    ("rounding", "text"),
    ("amount_minor", "integer"),
    ("amount", "text"),
    ("currency", "text"),
    ("minor_digits", "integer"),
    ("note", "text"),
    ("estimated", "text"),
    ("position", "integer"),
    ("vat_supplier", "text"),
    ("vat_rate", "text"),
    ("net_minor", "integer"),
    ("tax_minor", "integer"),
    ("gross_minor", "integer"),
)
_TERM_COLUMNS: Final[tuple[tuple[str, Kind], ...]] = (
    *_KEY,
    ("line", "integer"),
    ("term", "integer"),
    ("label", "text"),
    ("quantity", "text"),
    ("unit", "text"),
    ("price", "text"),
    ("exact", "text"),
    ("currency", "text"),
)
_TOTAL_COLUMNS: Final[tuple[tuple[str, Kind], ...]] = (
    *_KEY,
    ("total", "text"),
    ("amount_minor", "integer"),
    ("amount", "text"),
    ("currency", "text"),
    ("minor_digits", "integer"),
    ("position", "integer"),
    ("sequence", "integer"),
    ("rules_version", "text"),
    ("inputs_digest", "text"),
    ("outputs_digest", "text"),
)
_PERCENTAGE_COLUMNS: Final[tuple[tuple[str, Kind], ...]] = (
    *_KEY,
    ("rule", "text"),
    ("of", "text"),
    ("share_of", "text"),
    ("share", "text"),
)
_BILL_COLUMNS: Final[tuple[tuple[str, Kind], ...]] = (
    *_KEY,
    ("site", "text"),
    ("without_storage_minor", "integer"),
    ("without_storage", "text"),
    ("with_storage_minor", "integer"),
    ("with_storage", "text"),
    ("currency", "text"),
    ("minor_digits", "integer"),
)

Value = str | int | None


def statement_parquet(statements: Iterable[Statement]) -> dict[TableName, bytes]:
    """Five files of any number of statements, of any currencies: one row a line, one a line's term, one a
    total, one a percentage of the contract as it writes it, one a site's electricity bill without and with
    the storage. `counts_in`, `of` and a missing quantity, price, site or VAT are null where there is none.

    Raises:
        Refused: `int64` for an amount that 64 bits do not hold.
    """
    every = list(statements)
    return {
        "lines": _file(_LINE_COLUMNS, [row for one in every for row in _lines(one)]),
        "terms": _file(_TERM_COLUMNS, [row for one in every for row in _terms(one)]),
        "totals": _file(_TOTAL_COLUMNS, [row for one in every for row in _totals(one)]),
        "percentages": _file(_PERCENTAGE_COLUMNS, [row for one in every for row in _percentages(one)]),
        "bills": _file(_BILL_COLUMNS, [row for one in every for row in _bills(one)]),
    }


def _key(one: Statement) -> tuple[Value, ...]:
    return one.contract, one.month, one.party, one.run, one.run_kind


def _lines(one: Statement) -> Iterable[tuple[Value, ...]]:
    for line in one.lines:
        yield (
            *_key(one),
            line.number,
            line.kind,
            line.code,
            line.clause,
            line.site,
            counts_in(line) or None,
            line.quantity or None,
            line.unit or None,
            line.price or None,
            line.exact,
            line.rounding,
            *_money(line.amount),
            line.note,
            line.estimated or None,
            one.position,
            *_vat(line),
        )


def _vat(line: Line) -> tuple[Value, ...]:
    one = line.vat
    if one is None:
        return (None,) * 5
    return one.supplier, one.rate, one.net.minor, one.tax.minor, one.gross.minor


def _terms(one: Statement) -> Iterable[tuple[Value, ...]]:
    for line in one.lines:
        for number, term in enumerate(line.basis, 1):
            yield (
                *_key(one),
                line.number,
                number,
                term.label,
                term.quantity,
                term.unit,
                term.price,
                term.exact,
                one.currency,
            )


def _totals(one: Statement) -> Iterable[tuple[Value, ...]]:
    totals = {"entitlement": one.entitlement, "held": one.held, "payable": one.payable, "delta": one.delta}
    if one.pool is not None:
        totals["pool"] = one.pool
    for name, amount in totals.items():
        yield (
            *_key(one),
            name,
            *_money(amount),
            one.position,
            one.sequence,
            one.rules_version,
            one.inputs_digest,
            one.outputs_digest,
        )


def _percentages(one: Statement) -> Iterable[tuple[Value, ...]]:
    for part in one.percentages:
        yield (*_key(one), part.clause, part.of or None, part.party, part.share)


def _bills(one: Statement) -> Iterable[tuple[Value, ...]]:
    for bill in one.bills:
        without, with_storage = bill.without_storage, bill.with_storage
        yield (
            *_key(one),
            bill.site,
            without.minor,
            str(without),
            with_storage.minor,
            str(with_storage),
            without.currency,
            MINOR_DIGITS[without.currency],
        )


def _money(amount: Money) -> tuple[Value, ...]:
    return amount.minor, str(amount), amount.currency, MINOR_DIGITS[amount.currency]


def _file(columns: Sequence[tuple[str, Kind]], rows: Sequence[tuple[Value, ...]]) -> bytes:
    types = {"text": DataType.utf8(), "integer": DataType.int64()}
    fields = [Field(name, types[kind], nullable=True) for name, kind in columns]
    arrays = []
    for number, (name, kind) in enumerate(columns):
        values = [row[number] for row in rows]
        if kind == "integer":
            _check_range(name, values)
        arrays.append(Array(values, type=types[kind]))
    out = io.BytesIO()
    write_parquet(Table.from_arrays(arrays, schema=Schema(fields)), out, compression="zstd(3)")
    return out.getvalue()


def _check_range(name: str, values: Iterable[Value]) -> None:
    for value in values:
        if isinstance(value, int) and not -_INT64_MAX <= value <= _INT64_MAX:
            raise Refused("int64", f"{value} does not fit into 64 bits", place=name)
