"""Statements as PDF, one a party or several in one file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from adapters.documents.language import Language, Wording
from adapters.documents.readable import readable_exact, readable_ratio, readable_text
from adapters.documents.statement_document import (
    StatementDocument,
    estimated_text,
    evidence,
    factors,
    facts,
    quantity_of,
    rule_of,
    share_rows,
    vat_percent,
    vat_text,
)
from adapters.documents.statement_proof import proof_facts
from adapters.documents.typesetting import Page, Typesetters, typeset
from ledger.clauses.flow import exact_text, grouped
from ledger.settlement.clause_terms import TermRow
from ledger.settlement.line import Basis, Line
from ledger.settlement.line_delta import LineDelta


def statement_pdf(document: StatementDocument, language: Language) -> bytes:
    """One statement; the same document gives the same bytes.

    Raises:
        Refused: `language`.
    """
    return typeset(statement_page([document], language))


def statement_pdfs(
    documents: Iterable[StatementDocument], language: Language, typesetters: Typesetters
) -> list[bytes]:
    """A file for each, in their order: what goes to different parties never shares one.

    Raises:
        Refused: `language`.
    """
    return typesetters.typeset(statement_page([document], language) for document in documents)


def statement_page(documents: Sequence[StatementDocument], language: Language) -> Page:
    """What the template is filled with: everything that the file will hold."""
    words = Wording(language)
    first = documents[0]
    title = f"{words.label('page', 'statement')} {first.statement.month}"
    data = {
        "language": language,
        "title": title if len(documents) > 1 else f"{title} {first.statement.contract} {first.party}",
        "author": first.issuer,
        "keywords": [document.statement.outputs_digest for document in documents],
        "words": words.section("page"),
        "headings": words.section("heading"),
        "columns": [
            words.label("column", name)
            for name in ("number", "item", "quantity", "price", "exact", "rounding", "amount")
        ],
        "delta_columns": [
            words.label("column", name) for name in ("number", "item", "before", "now", "delta")
        ],
        "sheets": [_sheet(document, words) for document in documents],
    }
    return Page("statement", data, max(document.recorded_at for document in documents))


def _sheet(document: StatementDocument, words: Wording) -> Mapping[str, object]:
    one = document.statement
    return {
        "title": words.label("page", "statement"),
        "issuer": document.issuer,
        "stamp": words.label("page", document.stamp) if document.stamp else "",
        "stamp_note": words.label("page", f"{document.stamp}_note") if document.stamp else "",
        "foot": f"{one.contract}  {one.month}  {one.party}  run {one.run}  {one.outputs_digest[:16]}",
        "currency": one.currency,
        "facts": facts(document, words),
        "totals": _totals(document, words),
        "shares": share_rows(one.percentages, words),
        "notes": [readable_text(words.phrase(text)) for text in one.warnings],
        "lines": [_line(line, document.terms.get(line.number, ()), words) for line in one.lines],
        "deltas": [_delta(one, words) for one in document.deltas],
        "evidence": evidence(document, words),
        "proof": proof_facts(document.proof, words),
    }


def _totals(document: StatementDocument, words: Wording) -> list[tuple[str, str, int]]:
    """(label, amount, 0 plain, 1 heavy or 2 indented)."""
    one, due = document.statement, document.due
    rows: list[tuple[str, str, int]] = []

    def add(name: str, amount: object, weight: int) -> None:
        rows.append((words.label("total", name), grouped(str(amount)), weight))

    if one.pool is not None:
        add("pool", one.pool, 0)
        of_which = words.label("total", "of_which")
        for use in one.pool_uses:
            name = f"{of_which}: {words.code(use.clause.partition(', ')[2])}"
            rows.append((name, grouped(str(use.amount)), 2))
    add("entitlement", one.entitlement, 0)
    add("held", one.held, 0)
    if one.payable.minor >= 0:
        add("payable_to", one.payable, 1)
    else:
        add("payable_by", -one.payable, 1)
    add("delta", one.delta, 0)
    if due is not None and due.tax is not None:
        add("tax_on_top", due.tax, 2)
        if due.with_tax.minor >= 0:
            add("with_tax_to", due.with_tax, 1)
        else:
            add("with_tax_by", -due.with_tax, 1)
    for bill in one.bills:
        for name, amount in (("without", bill.without_storage), ("with", bill.with_storage)):
            label = f"{words.label('total', f'site_bill_{name}')} {bill.site}"
            rows.append((label, grouped(str(amount)), 2))
    for of, sums in (("vat", one.vat), ("agent_vat", one.agent_vat)):
        for found in sums:
            name = f"{words.label('total', of)} {vat_percent(found)} ({found.supplier})"
            rows.append((f"{name}: {words.label('column', 'net')}", grouped(str(found.net)), 0))
            rows.append((words.label("column", "tax"), grouped(str(found.tax)), 2))
            rows.append((words.label("column", "gross"), grouped(str(found.gross)), 2))
    return rows


def _line(line: Line, rows: Sequence[TermRow], words: Wording) -> Mapping[str, object]:
    where = f" {line.site}" if line.site else ""
    rule = rule_of(line, words)
    told = f"{rule}: {readable_text(words.phrase(line.note))}" if line.note else rule
    estimated = estimated_text(line, words)
    return {
        "number": str(line.number),
        "what": words.code(line.code) + where,
        "quantity": _quantity(line.quantity, line.unit, words),
        "price": readable_ratio(line.price),
        "exact": readable_exact(line.exact),
        "rounding": readable_exact(line.rounding),
        "amount": grouped(str(line.amount)),
        "rule": f"{told}; {estimated}" if estimated else told,
        "vat": "" if line.vat is None else vat_text(line.vat, words),
        "terms": [_row(row, words) for row in rows] or [_term(term, words) for term in line.basis],
    }


def _delta(one: LineDelta, words: Wording) -> list[str]:
    """A line's number, what it is, its amount in the run before and in this one, and the change."""
    where = f" {one.site}" if one.site else ""
    number = "" if one.number is None else str(one.number)
    amounts = (grouped(str(money)) for money in (one.before, one.now, one.delta))
    return [number, f"{words.code(one.code)}{where}", *amounts]


def _term(term: Basis, words: Wording) -> Mapping[str, str]:
    return {
        "label": words.phrase(term.label),
        "quantity": _quantity(term.quantity, term.unit, words),
        "price": "" if term.price == "1" else words.phrase(readable_ratio(term.factor)),
        "exact": readable_exact(term.exact),
    }


def _row(row: TermRow, words: Wording) -> Mapping[str, str]:
    quantity, *others = factors(row)
    return {
        "label": words.phrase(row.label),
        "quantity": quantity,
        "price": " x ".join(others),
        "exact": readable_exact(exact_text(row.exact)),
    }


def _quantity(text: str, unit: str, words: Wording) -> str:
    shown = quantity_of(text, unit)
    return f"{shown.text} {words.phrase(shown.unit)}" if text else ""
