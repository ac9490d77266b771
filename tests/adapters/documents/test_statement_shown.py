"""What stands on a statement beside its money: corrections, estimated energy, percentages, bills."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from adapters import statement_text
from adapters.documents.language import LANGUAGES, Language, Wording, _labels
from adapters.documents.revenue_document import RevenueDocument
from adapters.documents.revenue_pdf import revenue_pdf
from adapters.documents.revenue_text import revenue_text
from adapters.documents.revenue_xlsx import revenue_xlsx
from adapters.documents.statement_document import StatementDocument
from adapters.documents.statement_pdf import statement_page, statement_pdf
from adapters.documents.statement_xlsx import statement_xlsx
from ledger.kpi.monthly_revenue import partner_report
from ledger.settlement.cause import TERMS, Cause
from ledger.settlement.result import Percentage
from ledger.settlement.statement import ShownBill
from tests.adapters.documents.sample import RECORDED, Workbook, document, pdf_pages, statement
from tests.ledger.kpi.sample import AUGUST, cny

SHARES = tuple(
    Percentage("clause 2, tiered_share", of, party, share)
    for of, parts in (("bracket 1, up to 100", ("60%", "40%")), ("bracket 2", ("50%", "50%")))
    for party, share in zip(("host-one", "owner-one"), parts, strict=True)
)


def changed(**more: object) -> StatementDocument:
    one = document()
    return msgspec.structs.replace(one, statement=msgspec.structs.replace(one.statement, **more))  # type: ignore[arg-type]


CORRECTION = changed(
    run=3,
    run_kind="correction 2",
    causes=("meter", "price"),
    classes=("data_error", "rule_or_price_change"),
)


def on_paper(one: StatementDocument, language: Language) -> str:
    return "".join("".join(pdf_pages(statement_pdf(one, language))).split())


def front(one: StatementDocument, language: Language) -> dict[str, str]:
    book = Workbook(statement_xlsx(one, language))
    sheet = next(iter(book.sheets.values()))
    return {
        str(value): str(sheet[f"B{at[1:]}"][1])
        for at, (_, value) in sheet.items()
        if at[0] == "A" and f"B{at[1:]}" in sheet
    }


def test_every_cause_and_class_has_a_label() -> None:
    """A new part of the inputs needs a line in labels.toml."""
    literals = {one for part in get_args(Cause) for one in (get_args(part) or (part,))}
    assert literals == set(_labels()["cause"])
    assert {*TERMS, "follows"} == set(_labels()["class"])
    for name, term in TERMS.items():
        for language in LANGUAGES:
            assert term in Wording(language).label("class", name), "the trade's own word"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_correction_names_its_month_class_and_causes(language: Language) -> None:
    """DOMAIN.md 3.10: 退补 for wrong data, 清算 for rules and prices, itemised by origin month."""
    paper, cells = on_paper(CORRECTION, language), front(CORRECTION, language)
    wanted = {
        "zh": {
            "更正所属月份": "2026-08",
            "更正类别": "退补（数据差错）, 清算（规则或价格调整）",
            "更正原因": "计量读数, 电价",
        },
        "en": {
            "Corrects the month": "2026-08",
            "Class of the correction": "data error (退补), rule or price change (清算)",
            "Cause of the correction": "meter readings, price",
        },
    }[language]  # fmt: skip
    for label, value in wanted.items():
        assert (label + value).replace(" ", "") in paper
        assert cells[label] == value


def test_an_initial_run_corrects_nothing() -> None:
    assert "更正" not in on_paper(document(), "zh")
    assert not [label for label in front(document(), "zh") if "更正" in label]


def test_what_follows_an_earlier_month_says_so() -> None:
    follows = changed(run_kind="correction 1", causes=("earlier_month",), classes=())
    assert "由以前月份的更正引起" in on_paper(follows, "zh")
    assert front(follows, "zh")["更正原因"] == "以前月份"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_estimated_share_stands_with_its_line(language: Language) -> None:
    first, *others = document().statement.lines
    one = changed(lines=(msgspec.structs.replace(first, estimated="2.5 %"), *others))
    label = Wording(language).label("column", "estimated")
    assert f"{label} 2.5 %".replace(" ", "") in on_paper(one, language)
    assert on_paper(one, language).count("2.5%") == 1
    assert "2.5%" not in on_paper(document(), language)
    book = Workbook(statement_xlsx(one, language))
    sheet = Wording(language).label("heading", "lines")
    assert book.column(sheet, "P") == [label, "2.5 %", "", "", ""]


@pytest.mark.parametrize("language", LANGUAGES)
def test_percentages_are_shown_as_the_contract_writes_them(language: Language) -> None:
    one = changed(percentages=SHARES)
    rows = statement_page([one], language).data["sheets"][0]["shares"]  # type: ignore[index]
    wanted = {
        "zh": [("合同第 2 款，阶梯分成, 第 1 档，至 100"), ("合同第 2 款，阶梯分成, 第 2 档")],
        "en": ["clause 2, tiered_share, bracket 1, up to 100", "clause 2, tiered_share, bracket 2"],
    }[language]
    assert rows == list(
        zip(wanted, ("host-one 60%, owner-one 40%", "host-one 50%, owner-one 50%"), strict=True)
    )
    assert "host-one60%,owner-one40%" in on_paper(one, language)
    assert front(one, language)[wanted[1]] == "host-one 50%, owner-one 50%"


def test_a_text_statement_shows_percentages_and_bills() -> None:
    bills = (ShownBill("S1", cny("200000.00"), cny("165992.64")),)
    text = statement_text.text(changed(percentages=SHARES, bills=bills).statement)
    assert "shares of the tiered share, bracket 2: host-one 50%, owner-one 50%" in text
    assert "bill of S1: 200,000.00 CNY without storage, 165,992.64 CNY with it" in text
    assert "shares of" not in statement_text.text(statement("owner-one"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_bills_are_shown_with_what_the_storage_saves(language: Language) -> None:
    bills = (ShownBill("S1", cny("200000.00"), cny("165992.64")),)
    one = changed(bills=bills)
    for amount in ("200,000.00", "165,992.64"):
        assert amount in on_paper(one, language)
        assert amount not in on_paper(changed(bills=()), language)
    book = Workbook(statement_xlsx(one, language))
    saved = [stored for _, _, stored in book.formulas() if stored == 34007.36]
    assert len(saved) == 1
    for sheet, address, stored in book.formulas():
        assert float(book.value(sheet, address)) == pytest.approx(stored, abs=1e-9), (sheet, address)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_partners_report_shows_its_percentages_everywhere(language: Language) -> None:
    made = partner_report([changed(percentages=SHARES).statement], AUGUST)
    one = RevenueDocument(report=made, recorded_at=RECORDED, issuer="示范虚拟电厂")
    heading = Wording(language).label("heading", "shares")
    text = revenue_text(one, language)
    paper = "".join("".join(pdf_pages(revenue_pdf([one], language))).split())
    everything = Workbook(revenue_xlsx(one, language)).everything
    for shown in (text, everything):
        assert "host-one 60%, owner-one 40%" in shown
        assert heading in shown
    assert "host-one60%,owner-one40%" in paper
    assert heading.replace(" ", "") in paper
