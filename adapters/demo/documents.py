"""Chapter 10: every partner's statement as PDF in two languages and as a workbook."""

from __future__ import annotations

import time
from typing import Final

from adapters.demo.portfolio_book import PortfolioBook
from adapters.demo.site_month import MONTH
from adapters.documents.language import Language
from adapters.documents.readable import readable_money
from adapters.documents.statement_pdf import statement_pdfs
from adapters.documents.statement_xlsx import statement_xlsx
from adapters.documents.typesetting import Typesetters
from adapters.queries import statements
from adapters.queries.documents import documents, proofs

_LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")


def tell(book: PortfolioBook) -> None:
    """Raises:
    Refused: what a document is refused for."""
    book.console.rule("10. what the partners get")
    position = book.position()
    stack = book.stack
    with stack.database.reading(stack.settings.book) as connection:
        latest = statements.latest(connection, position, month=str(MONTH))
    proven = proofs(stack.published, latest)
    with stack.database.reading(stack.settings.book) as connection:
        found = documents(connection, position, latest, proven, stack.people)
    folder = book.folder / "statements"
    folder.mkdir(parents=True, exist_ok=True)
    for one in found:
        stated = one.statement
        book.console.print(
            f"  {stated.contract:<22} {stated.party:<16} run {stated.run}  {len(stated.lines):>3} lines"
            f"  payable {readable_money(stated.payable):>14} {stated.currency}"
        )
    began = time.monotonic()
    with Typesetters() as typesetters:
        for language in _LANGUAGES:
            made = statement_pdfs(found, language, typesetters)
            for one, content in zip(found, made, strict=True):
                (folder / f"{one.file_stem}_{language}.pdf").write_bytes(content)
    pdfs = time.monotonic() - began
    for one in found:
        (folder / f"{one.file_stem}.xlsx").write_bytes(statement_xlsx(one, "en"))
    book.console.print(
        f"  {len(found) * len(_LANGUAGES)} PDFs in {pdfs:.1f} s and {len(found)} workbooks in {folder}"
    )
