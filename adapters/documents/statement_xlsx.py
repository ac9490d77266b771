"""A statement as a workbook that computes it again, terms to lines to totals, beside what is recorded."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from adapters.documents.language import Language, Wording
from adapters.documents.spreadsheet import Cell, Formula, Look, Number, Sheet, Spreadsheet, Styled, here
from adapters.documents.statement_document import (
    Quantity,
    StatementDocument,
    counts_in,
    evidence,
    facts,
    number_of,
    quantity_of,
    rule_of,
    share_rows,
    vat_percent,
)
from adapters.documents.statement_proof import StatementProof, proof_facts, proof_path
from ledger.quantity import MINOR_DIGITS, Money
from ledger.settlement.line import Basis, Line
from ledger.settlement.line_vat import VatSum
from ledger.settlement.statement import Statement
from ledger.vat_terms import LineVat

_TERMS: Final = ("number", "term", "quantity", "unit", "price", "exact", "exact_text")
_LINES: Final = (
    "number", "item", "code", "site", "in_total", "quantity", "unit", "exact", "rounding", "amount",
    "exact_text", "rounding_text", "amount_text", "rule", "note", "estimated",
)  # fmt: skip
_VAT: Final = ("supplier", "vat_rate", "net", "tax", "gross")
"""Columns of the lines where the contract states VAT terms; the first tells invoices apart."""
_AMOUNT, _INVOICE, _VAT_RATE, _NET, _TAX, _GROSS = 9, 16, 17, 18, 19, 20
_TOTALS: Final = ("item", "recomputed", "recorded", "difference", "amount_text")
_FACTORS: Final = (("", 1), ("*-1", -1), ("/1000", Fraction(1, 1000)), ("/-1000", Fraction(-1, 1000)))
"""A charge is a cost, and a price may be one of a MWh."""


def statement_xlsx(document: StatementDocument, language: Language) -> bytes:
    """One statement; the same document gives the same bytes.

    A line's exact amount is the sum of its terms, its amount is exact + rounding, and the totals are sums of
    lines; whoever changes a number sees the difference from what the ledger recorded.

    Raises:
        Refused: `language`.
    """
    words = Wording(language)
    one = document.statement
    book = Spreadsheet(
        title=f"{words.label('page', 'statement')} {one.month} {one.contract} {document.party}",
        author=document.issuer,
        currency=one.currency,
        made_at=document.recorded_at,
    )
    front = book.sheet(words.label("heading", "statement"), (34, 26, 20, 14, 26))
    lines = book.sheet(
        words.label("heading", "lines"), (6, 26, 16, 10, 14, 16, 16, 22, 20, 16, 26, 24, 18, 40, 60, 16)
    )
    terms = book.sheet(words.label("heading", "terms"), (6, 24, 16, 8, 14, 22, 26))
    last_term = _write_terms(terms, one, words)
    last_line = _write_lines(lines, one, words, terms, last_term)
    _write_front(front, document, words, lines, last_line)
    _write_proof(book.sheet(words.label("heading", "proof"), (34, 100)), document.proof, words)
    return book.data()


def _write_terms(sheet: Sheet, one: Statement, words: Wording) -> int:
    sheet.head(*(words.label("column", name) for name in _TERMS))
    for line in one.lines:
        for term in line.basis:
            shown = quantity_of(term.quantity, term.unit)
            sheet.add(
                Number(Fraction(line.number), "plain"),
                words.phrase(term.label),
                _quantity(shown),
                words.phrase(shown.unit),
                _value(term.price) if number_of(term.price) is not None else words.phrase(term.price),
                _product(shown, term, sheet.row),
                term.exact,
            )
    return sheet.row - 1


def _quantity(shown: Quantity) -> Cell:
    look: Look = "energy" if shown.unit.startswith("kWh") else "exact"
    return Number(shown.value, look) if shown.value is not None else shown.text


def _product(shown: Quantity, term: Basis, row: int) -> Cell:
    """Quantity x price where that is the term's exact amount, with the sign and the unit that it has."""
    price = number_of(term.price)
    if shown.value is not None and price is not None:
        for text, factor in _FACTORS:
            if shown.value * price * factor == Fraction(term.exact):
                return Formula(f"={here(row, 2)}*{here(row, 4)}{text}", Fraction(term.exact))
    return _value(term.exact)


def _write_lines(sheet: Sheet, one: Statement, words: Wording, terms: Sheet, last_term: int) -> int:
    names = (*_LINES, *(_VAT if one.vat else ()))
    sheet.head(*(words.label("column", name) for name in names))
    digits = MINOR_DIGITS[one.currency]
    for line in one.lines:
        row = sheet.row
        total, shown = counts_in(line), quantity_of(line.quantity, line.unit)
        sheet.add(
            Number(Fraction(line.number), "plain"),
            words.code(line.code),
            line.code,
            line.site or "",
            words.label("total", total) if total else words.label("kind", "shown_only"),
            _quantity(shown) if line.quantity else None,
            words.phrase(shown.unit) if line.quantity else "",
            _exact(line, row, terms, last_term),
            _value(line.rounding),
            Formula(f"=ROUND({here(row, 7)}+{here(row, 8)},{digits})", line.amount.exact, "heavy_money"),
            line.exact,
            line.rounding,
            str(line.amount),
            rule_of(line, words),
            words.phrase(line.note),
            line.estimated,
            *_vat_cells(line, row),
        )
    return sheet.row - 1


def _vat_cells(line: Line, row: int) -> tuple[Cell, ...]:
    """Net and tax computed from the line's amount, which is one of net and gross, or from the part of it that
    is invoiced; where a fen more or less lets the lines add up to their invoice, it stands in the formula."""
    if line.vat is None:
        return ()
    one, amount, digits = line.vat, here(row, _AMOUNT), MINOR_DIGITS[line.amount.currency]
    rate = here(row, _VAT_RATE)
    net, tax, gross = (here(row, column) for column in (_NET, _TAX, _GROSS))
    values = (one.net.exact, one.tax.exact, one.gross.exact)
    formulas: tuple[str, ...]
    if line.amount not in (one.gross, one.net):
        return (
            _invoice(one),
            Number(Fraction(one.rate), "percent"),
            Number(values[0], "money"),
            Number(values[1], "money"),
            Formula(f"=ROUND({net}+{tax},{digits})", values[2], "money"),
        )
    if one.gross == line.amount:
        rounded = Money.round(one.gross.exact / (1 + Fraction(one.rate)), one.gross.currency)
        formulas = (
            f"=ROUND({amount}/(1+{rate}){_moved(one.net - rounded)},{digits})",
            f"=ROUND({gross}-{net},{digits})",
            f"={amount}",
        )
    else:
        rounded = Money.round(one.net.exact * Fraction(one.rate), one.net.currency)
        formulas = (
            f"={amount}",
            f"=ROUND({amount}*{rate}{_moved(one.tax - rounded)},{digits})",
            f"=ROUND({net}+{tax},{digits})",
        )
    return (
        _invoice(one),
        Number(Fraction(one.rate), "percent"),
        *(Formula(text, value, "money") for text, value in zip(formulas, values, strict=True)),
    )


def _invoice(one: LineVat | VatSum) -> str:
    return f"{one.supplier} {vat_percent(one)}"


def _moved(by: Money) -> str:
    return f"{'+' if by.minor > 0 else ''}{by}" if by.minor else ""


def _exact(line: Line, row: int, terms: Sheet, last_term: int) -> Cell:
    """The sum of the line's terms, where it has any."""
    if not line.basis:
        return _value(line.exact)
    numbers, amounts = terms.span(1, last_term, 0), terms.span(1, last_term, 5)
    return Formula(f"=SUMIF({numbers},{here(row, 0)},{amounts})", Fraction(line.exact))


def _value(exact: str) -> Cell:
    """A decimal as a number, and a fraction as the division that it is."""
    value = Fraction(exact)
    return Formula(f"={value.numerator}/{value.denominator}", value) if "/" in exact else Number(value)


def _write_front(
    sheet: Sheet, document: StatementDocument, words: Wording, lines: Sheet, last_line: int
) -> None:
    one = document.statement
    sheet.add(Styled(words.label("page", "statement"), "heavy"))
    if document.stamp:
        sheet.add(Styled(words.label("page", f"{document.stamp}_note"), "heavy"))
    for label, value in (*facts(document, words), *evidence(document, words)):
        sheet.add(Styled(label, "faint"), value)
    sheet.skip()
    names = ("item", "amount_text")
    heads = {name: words.label("column", name) for name in names}
    heads |= {name: words.label("total", name) for name in ("recomputed", "recorded", "difference")}
    sheet.add(*(Styled(heads[name], "heavy") for name in _TOTALS))
    sums = {name: _sum_of(sheet, name, one, words, lines, last_line) for name in ("entitlement", "held")}
    above, below = (here(sums[name], 1) for name in ("entitlement", "held"))
    recomputed = _summed(one, "entitlement") - _summed(one, "held")
    payable = _total(sheet, words, "payable", Formula(f"={above}-{below}", recomputed, "money"), one.payable)
    before = one.payable - one.delta
    sheet.add(words.label("total", "payable_before"), None, Number(before.exact, "money"), None, str(before))
    delta = Formula(f"={here(payable, 1)}-{here(sheet.row - 1, 2)}", recomputed - before.exact, "money")
    _total(sheet, words, "delta", delta, one.delta)
    _write_vat(sheet, one, words, lines, last_line)
    _write_pool(sheet, one, words)
    _write_bills(sheet, one, words)
    own = share_rows(one.percentages, words)
    if own:
        sheet.skip()
        sheet.add(Styled(words.label("heading", "shares"), "heavy"))
    for what, parts in own:
        sheet.add(what, parts)
    if one.warnings:
        sheet.skip()
        sheet.add(Styled(words.label("heading", "notes"), "heavy"))
        for text in one.warnings:
            sheet.add(words.phrase(text))


def _write_proof(sheet: Sheet, proof: StatementProof, words: Wording) -> None:
    """The path that leads from the leaf to the root, and the checkpoint whole, as it is checked."""
    for label, value in proof_facts(proof, words):
        sheet.add(Styled(label, "faint"), value)
    for number, node in enumerate(proof_path(proof), 1):
        sheet.add(Styled(f"{words.label('proof', 'path')} {number}", "faint"), node)
    if proof.checkpoint_text is not None:
        sheet.add(Styled(words.label("proof", "note"), "faint"), proof.checkpoint_text)


def _write_bills(sheet: Sheet, one: Statement, words: Wording) -> None:
    """The electricity bills that the contract shows to the party, and what the storage saves on each."""
    for bill in one.bills:
        sheet.skip()
        for name, amount in (("without", bill.without_storage), ("with", bill.with_storage)):
            label = f"{words.label('total', f'site_bill_{name}')} {bill.site}"
            sheet.add(label, None, Number(amount.exact, "money"), None, str(amount))
        saved = bill.without_storage - bill.with_storage
        formula = f"={here(sheet.row - 2, 2)}-{here(sheet.row - 1, 2)}"
        sheet.add(
            words.label("total", "saved"), Formula(formula, saved.exact, "money"), None, None, str(saved)
        )


def _write_vat(sheet: Sheet, one: Statement, words: Wording, lines: Sheet, last_line: int) -> None:
    """Net, tax and gross by supplier and rate, as the sums of the lines."""
    for found in one.agent_vat:
        sheet.skip()
        sheet.add(f"{words.label('total', 'agent_vat')}: {_invoice(found)}")
        for name in ("net", "tax", "gross"):
            amount: Money = getattr(found, name)
            shown = Number(amount.exact, "money")
            sheet.add(words.label("column", name), None, shown, None, str(amount))
    for found in one.vat:
        sheet.skip()
        key = here(sheet.add(_invoice(found)), 0)
        invoices = lines.span(1, last_line, _INVOICE)
        for name, column in (("net", _NET), ("tax", _TAX), ("gross", _GROSS)):
            recorded: Money = getattr(found, name)
            formula = f"=SUMIF({invoices},{key},{lines.span(1, last_line, column)})"
            difference = f"=ROUND({here(sheet.row, 1)}-{here(sheet.row, 2)},{MINOR_DIGITS[one.currency]})"
            sheet.add(
                f"{words.label('total', 'vat')}: {words.label('column', name)}",
                Formula(formula, recorded.exact, "money"),
                Number(recorded.exact, "money"),
                Formula(difference, Fraction(0), "money"),
                str(recorded),
            )


def _sum_of(sheet: Sheet, name: str, one: Statement, words: Wording, lines: Sheet, last_line: int) -> int:
    """The row of a total that is the sum of the lines that count in it."""
    recorded: Money = getattr(one, name)
    where, amounts = lines.span(1, max(last_line, 1), 4), lines.span(1, max(last_line, 1), 9)
    formula = Formula(f"=SUMIF({where},{here(sheet.row, 0)},{amounts})", _summed(one, name), "money")
    return _total(sheet, words, name, formula, recorded)


def _summed(one: Statement, total: str) -> Fraction:
    return sum((line.amount.exact for line in one.lines if counts_in(line) == total), Fraction(0))


def _total(sheet: Sheet, words: Wording, name: str, recomputed: Formula, recorded: Money) -> int:
    row = sheet.row
    digits = MINOR_DIGITS[recorded.currency]
    difference = f"=ROUND({here(row, 1)}-{here(row, 2)},{digits})"
    return sheet.add(
        words.label("total", name),
        recomputed,
        Number(recorded.exact, "money"),
        Formula(difference, recomputed.value - recorded.exact, "money"),
        str(recorded),
    )


def _write_pool(sheet: Sheet, one: Statement, words: Wording) -> None:
    """The pool as the sum of what each clause did with it, where the contract shows it to the party."""
    if one.pool is None:
        return
    sheet.skip()
    first = sheet.row
    for use in one.pool_uses:
        name = f"{words.label('total', 'of_which')}: {words.code(use.clause.partition(', ')[2])}"
        sheet.add(
            name, Number(use.amount.exact, "money"), Number(use.amount.exact, "money"), None, str(use.amount)
        )
    used = sum((use.amount.exact for use in one.pool_uses), Fraction(0))
    last = sheet.row - 1
    formula = f"=SUM({here(first, 1)}:{here(last, 1)})" if one.pool_uses else "=0"
    _total(sheet, words, "pool", Formula(formula, used, "money"), one.pool)
