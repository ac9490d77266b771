"""A statement as a workbook that computes it again, terms to lines to totals, beside what is recorded."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from adapters.documents.language import Language, Wording
from adapters.documents.readable import readable_text
from adapters.documents.spreadsheet import Cell, Formula, Number, Sheet, Spreadsheet, Styled, here
from adapters.documents.statement_document import (
    StatementDocument,
    counts_in,
    delta_counts_in,
    evidence,
    facts,
    quantity_of,
    rule_of,
    share_rows,
    vat_percent,
)
from adapters.documents.statement_proof import StatementProof, proof_facts, proof_path
from adapters.documents.terms_sheet import TermsSheet, exact_cell, moved_by, quantity_cell
from ledger.quantity import MINOR_DIGITS, Money
from ledger.settlement.line import Line
from ledger.settlement.line_vat import VatSum
from ledger.settlement.statement import Statement
from ledger.vat_terms import LineVat

_LINES: Final = (
    "number", "item", "code", "site", "in_total", "quantity", "unit", "exact", "rounding", "amount",
    "exact_text", "rounding_text", "amount_text", "rule", "note", "estimated",
)  # fmt: skip
_VAT: Final = ("supplier", "vat_rate", "net", "tax", "gross")
"""Columns of the lines where the contract states VAT terms; the first tells invoices apart."""
_ROUNDING, _AMOUNT, _INVOICE, _VAT_RATE, _NET, _TAX, _GROSS = 8, 9, 16, 17, 18, 19, 20
_TOTALS: Final = ("item", "recomputed", "recorded", "difference", "amount_text")


def statement_xlsx(document: StatementDocument, language: Language) -> bytes:
    """One statement; the same document gives the same bytes.

    A line's exact amount is the sum of its terms, its amount is exact + rounding, and the totals are sums of
    lines; whoever changes a number sees the difference from what the ledger recorded. What cannot be
    computed from this statement alone, such as what earlier months left, is marked as recorded.

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
    terms = book.sheet(words.label("heading", "terms"), (6, 40, 16, 8, 14, 22, 26, 14, 14))
    of_terms = TermsSheet(terms, document, words)
    of_terms.write(one.lines, lines, _ROUNDING)
    last_line = _write_lines(lines, one, words, of_terms)
    _write_front(front, document, words, lines, last_line)
    if document.deltas:
        _write_deltas(
            book.sheet(words.label("heading", "deltas"), (6, 26, 22, 12, 14, 18, 18, 18, 18)), document, words
        )
    _write_proof(book.sheet(words.label("heading", "proof"), (34, 100)), document.proof, words)
    return book.data()


def _write_lines(sheet: Sheet, one: Statement, words: Wording, terms: TermsSheet) -> int:
    names = (*_LINES, *(_VAT if one.vat else ()), "made")
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
            quantity_cell(shown) if line.quantity else None,
            words.phrase(shown.unit) if line.quantity else "",
            terms.exact(line, row),
            exact_cell(line.rounding),
            Formula(f"=ROUND({here(row, 7)}+{here(row, 8)},{digits})", line.amount.exact, "heavy_money"),
            line.exact,
            line.rounding,
            str(line.amount),
            rule_of(line, words),
            readable_text(words.phrase(line.note)),
            line.estimated,
            *(_vat_cells(line, row) if one.vat else ()),
            words.label("made", terms.made[line.number]),
        )
    return sheet.row - 1


def _vat_cells(line: Line, row: int) -> tuple[Cell, ...]:
    """Net and tax computed from the line's amount, which is one of net and gross, or from the net of the part
    of it that is invoiced, as recorded; where a fen more or less lets the lines add up to their invoice, it
    stands in the formula."""
    if line.vat is None:
        return (None,) * len(_VAT)
    one, amount, digits = line.vat, here(row, _AMOUNT), MINOR_DIGITS[line.amount.currency]
    rate = here(row, _VAT_RATE)
    net, tax, gross = (here(row, column) for column in (_NET, _TAX, _GROSS))
    values = (one.net.exact, one.tax.exact, one.gross.exact)
    first: Cell
    formulas: tuple[str, ...]
    if one.gross == line.amount:
        rounded = Money.round(one.gross.exact / (1 + Fraction(one.rate)), one.gross.currency)
        first = Formula(
            f"=ROUND({amount}/(1+{rate}){moved_by(one.net - rounded)},{digits})", values[0], "money"
        )
        formulas = (f"=ROUND({gross}-{net},{digits})", f"={amount}")
    else:
        rounded = Money.round(one.net.exact * Fraction(one.rate), one.net.currency)
        whole = one.net == line.amount
        first = Formula(f"={amount}", values[0], "money") if whole else Number(values[0], "money")
        formulas = (
            f"=ROUND({net}*{rate}{moved_by(one.tax - rounded)},{digits})",
            f"=ROUND({net}+{tax},{digits})",
        )
    return (
        _invoice(one),
        Number(Fraction(one.rate), "percent"),
        first,
        *(Formula(text, value, "money") for text, value in zip(formulas, values[1:], strict=True)),
    )


def _invoice(one: LineVat | VatSum) -> str:
    return f"{one.supplier} {vat_percent(one)}"


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
    _write_due(sheet, document, words)
    if one.warnings:
        sheet.skip()
        sheet.add(Styled(words.label("heading", "notes"), "heavy"))
        for text in one.warnings:
            sheet.add(words.phrase(text))


def _write_due(sheet: Sheet, document: StatementDocument, words: Wording) -> None:
    """What is to be paid for this run: its change, the tax on top, and the sum of both."""
    due = document.due
    if due is None or due.tax is None:
        return
    sheet.skip()
    for name, amount in (("delta", due.amount), ("tax_on_top", due.tax)):
        sheet.add(words.label("total", name), None, Number(amount.exact, "money"), None, str(amount))
    formula = f"={here(sheet.row - 2, 2)}+{here(sheet.row - 1, 2)}"
    _total(sheet, words, "with_tax", Formula(formula, due.with_tax.exact, "money"), due.with_tax)


def _write_deltas(sheet: Sheet, document: StatementDocument, words: Wording) -> None:
    """Each line of a correction against the run before it, and their sum against the recorded one."""
    names = ("number", "item", "code", "site", "in_total", "before", "now", "delta", "amount_text")
    sheet.head(*(words.label("column", name) for name in names))
    first = sheet.row
    for one in document.deltas:
        total = delta_counts_in(one)
        row = sheet.row
        sheet.add(
            None if one.number is None else Number(Fraction(one.number), "plain"),
            words.code(one.code),
            one.clause,
            one.site or "",
            words.label("total", total) if total else words.label("kind", "shown_only"),
            Number(one.before.exact, "money"),
            Number(one.now.exact, "money"),
            Formula(f"={here(row, 6)}-{here(row, 5)}", one.delta.exact, "money"),
            str(one.delta),
        )
    last = sheet.row - 1
    where, changes = sheet.span(first, last, 4), sheet.span(first, last, 7)
    sums = []
    for name in ("entitlement", "held"):
        row = sheet.row
        changed = sum(
            (one.delta.exact for one in document.deltas if delta_counts_in(one) == name), Fraction(0)
        )
        formula = Formula(f"=SUMIF({where},{here(row, 1)},{changes})", changed, "money")
        sums.append(here(sheet.add(None, words.label("total", name), *(None,) * 5, formula), 7))
    value = document.statement.delta
    formula = Formula(f"={sums[0]}-{sums[1]}", value.exact, "heavy_money")
    sheet.add(None, words.label("total", "delta"), *(None,) * 5, formula, str(value))


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
    """The pool as the sum of what each clause did with it, where the contract shows it to the party; what a
    clause did over all parties is as recorded."""
    if one.pool is None:
        return
    sheet.skip()
    first = sheet.row
    for use in one.pool_uses:
        name = f"{words.label('total', 'of_which')}: {words.code(use.clause.partition(', ')[2])}"
        sheet.add(
            name, words.label("made", "recorded"), Number(use.amount.exact, "money"), None, str(use.amount)
        )
    used = sum((use.amount.exact for use in one.pool_uses), Fraction(0))
    last = sheet.row - 1
    formula = f"=SUM({here(first, 2)}:{here(last, 2)})" if one.pool_uses else "=0"
    _total(sheet, words, "pool", Formula(formula, used, "money"), one.pool)
