"""A statement whose run is void says so wherever it is printed, and stays readable."""

from __future__ import annotations

import re

import msgspec
import pytest

from adapters.documents.language import LANGUAGES, Language
from adapters.documents.statement_pdf import statement_pdf
from adapters.documents.statement_xlsx import statement_xlsx
from tests.adapters.documents.sample import Workbook, document, pdf_pages

MARK: dict[Language, str] = {"en": "VOID", "zh": "作废"}
REASON = "its discharge rows had been doubled"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_void_statement_says_so_on_every_page_and_why(language: Language) -> None:
    void = msgspec.structs.replace(document(), void=REASON)
    pages = pdf_pages(statement_pdf(void, language))
    assert all(MARK[language] in page for page in pages)
    assert REASON.replace(" ", "") in re.sub(r"[\s\u00ad-]", "", "".join(pages))
    stands = pdf_pages(statement_pdf(document(), language))
    assert not any(MARK[language] in page for page in stands)


def test_so_does_the_workbook() -> None:
    void = statement_xlsx(msgspec.structs.replace(document(), void=REASON), "en")
    note = "Void: the run was recorded from altered rows. A later run takes its place"
    assert str(Workbook(void).sheets["Statement"]["A2"][1]).startswith(note)
    stands = Workbook(statement_xlsx(document(), "en"))
    assert not str(stands.sheets["Statement"]["A2"][1]).startswith("Void")
