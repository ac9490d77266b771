"""Statements as people read them: plain text, and CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from adapters.documents.readable import readable_exact, readable_ratio, readable_text
from adapters.documents.statement_document import factors
from ledger.clauses.flow import exact_text, grouped
from ledger.quantity import Money, decimal_text
from ledger.settlement.cause import TERMS, Cause, classes
from ledger.settlement.clause_terms import TermRow
from ledger.settlement.line import Line
from ledger.settlement.line_delta import Key, LineDelta, key_of
from ledger.settlement.line_vat import VatSum
from ledger.settlement.run import INITIAL, PROVISIONAL
from ledger.settlement.statement import PoolUse, Statement
from ledger.statement.payment_due import PaymentDue
from ledger.vat_terms import LineVat

_WIDTH = 100
_VAT_COLUMNS: Final = ("vat_rate", "net", "tax", "gross", "supplier")


def text(
    statement: Statement,
    void: str = "",
    *,
    due: PaymentDue | None = None,
    deltas: Sequence[LineDelta] = (),
    rows: Mapping[int, Sequence[TermRow]] = MappingProxyType({}),
) -> str:
    """One partner's statement on a hundred columns; `void` is why its run was declared void.

    `due` is what is to be paid for it, `deltas` what a correction changes, `rows` what clause lines are made
    of, by the line's number.
    """
    money = _Money(statement.currency)
    out = [
        "=" * _WIDTH,
        f"{statement.party}: statement for {statement.month}, contract {statement.contract}",
        statement.title,
        _run(statement),
        *((f"VOID: {void}; a later run takes its place",) if void else ()),
        "-" * _WIDTH,
    ]
    shared = _shared_notes(statement.lines)
    for line in statement.lines:
        label = f"{line.number:>3}  {_what(line)}"
        out.append(f"{label:<{_WIDTH - 20}}{money(line.amount):>20}")
        out.extend(f"       {basis}" for basis in _terms(line, shared, rows.get(line.number, ())))
    out.append("-" * _WIDTH)
    if statement.pool is not None:
        out.append(_total("pool of the contract", money(statement.pool)))
        out.extend(_total(f"  of which {_use(use)}", money(use.amount)) for use in statement.pool_uses)
    out.append(_total("entitlement", money(statement.entitlement)))
    out.append(_total("already held", money(statement.held)))
    if statement.payable.minor >= 0:
        out.append(_total("payable to you", money(statement.payable)))
    else:
        out.append(_total("payable by you", money(-statement.payable)))
    if statement.run_kind == PROVISIONAL:
        out.append("     provisional: the month is not over, and nothing is payable on this")
    elif statement.run_kind != INITIAL:
        out.append(_total("of which new in this run", money(statement.delta)))
        out.extend(_total(f"  {_delta(one)}", money(one.delta)) for one in deltas)
    out.extend(_to_pay(due, money))
    out.extend(f"     of the lines, VAT {_vat(one)}" for one in statement.vat)
    out.extend(f"     of the agent's part, VAT {_vat(one)}" for one in statement.agent_vat)
    out.extend(f"     {one}" for one in _shares(statement))
    for bill in statement.bills:
        without, with_storage = money(bill.without_storage), money(bill.with_storage)
        out.append(f"     bill of {bill.site}: {without} without storage, {with_storage} with it")
    for (note, _), numbers in shared.items():
        out.append(f"note on lines {', '.join(map(str, numbers))}: {readable_text(note)}")
    out.extend(f"note: {readable_text(warning)}" for warning in statement.warnings)
    digests = f"inputs {statement.inputs_digest[:16]}   outputs {statement.outputs_digest[:16]}"
    out.append(f"rules {statement.rules_version}   {digests}")
    return "\n".join(out)


def _delta(one: LineDelta) -> str:
    """Which line changed, what it is and what it was."""
    where = f" at {one.site}" if one.site else ""
    number = "gone" if one.number is None else f"line {one.number}"
    held = "" if one.kind == "clause" else ", held" if one.pooled else ", shown only"
    before, now = grouped(str(one.before)), grouped(str(one.now))
    return f"{number}, {one.code.replace('_', ' ')}{where}{held}: {now}, was {before}"


def _to_pay(due: PaymentDue | None, money: _Money) -> Iterable[str]:
    if due is None:
        return
    if due.tax is not None:
        yield _total("VAT on top", money(due.tax))
        if due.with_tax.minor >= 0:
            yield _total("to be paid to you, with tax", money(due.with_tax))
        else:
            yield _total("to be paid by you, with tax", money(-due.with_tax))
    if due.status:
        days = [("issued on", due.issued_on), ("to be paid by", due.due_on)]
        told = [f"{what} {day}" for what, day in days if day is not None]
        yield f"     {', '.join((due.status.replace('_', ' '), *told))}"


def _shares(statement: Statement) -> Iterable[str]:
    """A line for each thing that the contract divides, with the percentages that the party may see."""
    found: dict[str, list[str]] = {}
    for one in statement.percentages:
        clause = one.clause.partition(", ")[2].replace("_", " ")
        of = f"{clause}, {one.of}" if one.of else clause
        found.setdefault(of, []).append(f"{one.party} {readable_text(one.share)}")
    return (f"shares of the {of}: {', '.join(parts)}" for of, parts in found.items())


def _run(statement: Statement) -> str:
    why = f", because of {because(statement.causes)}" if statement.causes else ""
    return (
        f"run {statement.run} ({statement.run_kind}{why}) at ledger position {statement.position},"
        f" recorded as event {statement.sequence}"
    )


def because(causes: Sequence[Cause]) -> str:
    """Why a run was corrected, with the trade's class of it: `meter, price (退补, 清算)`."""
    found = ", ".join(TERMS[one] for one in classes(causes))
    return f"{', '.join(cause.replace('_', ' ') for cause in causes)}{f' ({found})' if found else ''}"


class _Money:
    def __init__(self, currency: str) -> None:
        self._currency = currency

    def __call__(self, money: Money) -> str:
        return f"{grouped(str(money))} {self._currency}"


def _use(use: PoolUse) -> str:
    return use.clause.partition(", ")[2].replace("_", " ")


def _total(label: str, amount: str) -> str:
    return f"     {label:<{_WIDTH - 25}}{amount:>20}"


def _what(line: Line) -> str:
    where = f" at {line.site}" if line.site else ""
    return f"{line.code.replace('_', ' ')}{where}"


def _shared_notes(lines: Iterable[Line]) -> dict[tuple[str, str], list[int]]:
    """The notes that most lines of a stream or clause have in the same words, three at least, and the lines'
    numbers: they tell no line from another and are said once. What two lines happen to share stays with each.
    """
    found: dict[tuple[str, str], list[int]] = {}
    of_code: Counter[str] = Counter()
    for line in lines:
        of_code[line.code] += 1
        if line.note:
            found.setdefault((line.note, line.code), []).append(line.number)
    return {
        (note, code): numbers
        for (note, code), numbers in found.items()
        if len(numbers) > 2 and 2 * len(numbers) > of_code[code]
    }


def _terms(line: Line, shared: Container[tuple[str, str]], rows: Sequence[TermRow]) -> Iterable[str]:
    if not line.pooled:
        yield "not in this contract's pool: shown only"
    if line.estimated:
        yield f"{line.estimated} of the energy was estimated or substituted"
    if line.note and (line.note, line.code) not in shared:
        yield readable_text(line.note)
    if line.vat is not None:
        yield f"VAT {_vat(line.vat)}"
    yield from (f"{one.label}: {' x '.join(factors(one))}" for one in rows)
    for term in () if rows else line.basis:
        if term.unit == "Wh":
            energy = grouped(decimal_text(int(term.quantity), 3))
            yield f"{term.label}: {energy} kWh at {term.price}"
        elif term.price == "1":
            yield f"{term.label}: {readable_exact(term.quantity)} {term.unit}"
        else:
            quantity, price = readable_exact(term.quantity), readable_ratio(term.factor)
            yield f"{term.label}: {quantity} {term.unit} at {price}"


def _vat(one: LineVat | VatSum) -> str:
    percent = exact_text(100 * Fraction(one.rate))
    net, tax, gross = (grouped(str(money)) for money in (one.net, one.tax, one.gross))
    return f"{percent}%: net {net}, tax {tax}, gross {gross}, invoiced by {one.supplier}"


def csv_text(
    statements: Iterable[Statement],
    deltas: Mapping[Key, Sequence[LineDelta]] = MappingProxyType({}),
) -> str:
    """One row a line, one a total, one a percentage (`code` is whose, `quantity` how much of what `clause`
    divides) and two a site's electricity bill; amounts are exact decimals as text.

    `deltas` are a row each: what a correction changes of a line.

    Where one of the statements has VAT, each row ends with its rate, net, tax, gross and supplier.
    """
    statements = list(statements)
    taxed = any(one.vat or one.agent_vat for one in statements)
    blank = [""] * len(_VAT_COLUMNS) if taxed else []
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            "party", "contract", "month", "run", "row", "code", "site", "clause", "quantity", "unit", "exact",
            "rounding", "amount", "currency", "position", "pooled",
            *(_VAT_COLUMNS if taxed else ()),
        ]
    )  # fmt: skip
    for s in statements:
        head = [s.party, s.contract, s.month, s.run]
        for line in s.lines:
            writer.writerow(
                [
                    *head, line.number, line.code, line.site or "", line.clause, line.quantity, line.unit,
                    line.exact, line.rounding, str(line.amount), s.currency, s.position,
                    "yes" if line.pooled else "no", *(blank if line.vat is None else _vat_cells(line.vat)),
                ]
            )  # fmt: skip
        for name in ("entitlement", "held", "payable"):
            amount: Money = getattr(s, name)
            writer.writerow(
                [
                    *head, "total", name, "", "", "", "", "", "", str(amount), s.currency, s.position, "",
                    *blank,
                ]
            )  # fmt: skip
        for name, sums in (("vat", s.vat), ("agent_vat", s.agent_vat)):
            for one in sums:
                writer.writerow(
                    [
                        *head, "total", name, "", "", "", "", "", "", str(one.gross), s.currency, s.position,
                        "", *_vat_cells(one),
                    ]
                )  # fmt: skip
        for change in deltas.get(key_of(s), ()):
            writer.writerow(
                [
                    *head, "delta", change.code, change.site or "", change.clause, "", "", "", "",
                    str(change.delta), s.currency, s.position, "yes" if change.pooled else "no", *blank,
                ]
            )  # fmt: skip
        for part in s.percentages:
            of = f"{part.clause}, {part.of}" if part.of else part.clause
            writer.writerow(
                [
                    *head, "percentage", part.party, "", of, part.share, "", "", "", "", "", s.position, "",
                    *blank,
                ]
            )  # fmt: skip
        for bill in s.bills:
            for name in ("without_storage", "with_storage"):
                owed: Money = getattr(bill, name)
                writer.writerow(
                    [
                        *head, "bill", name, bill.site, "", "", "", "", "", str(owed), s.currency, s.position,
                        "", *blank,
                    ]
                )  # fmt: skip
    return out.getvalue()


def _vat_cells(one: LineVat | VatSum) -> list[str]:
    return [one.rate, str(one.net), str(one.tax), str(one.gross), one.supplier]
