"""What storage was worth, on paper: every amount, with its sign, and sums that hold."""

from __future__ import annotations

import pytest

from adapters.documents.language import LANGUAGES, Language
from adapters.documents.value_document import ValueDocument
from adapters.documents.value_pdf import value_page, value_pdf
from adapters.documents.value_xlsx import value_xlsx
from dispatch.value.losses import losses
from dispatch.value.report import ValueReport, ValueRow
from tests.adapters.documents.sample import RECORDED, Workbook, pdf_pages


def row(site: str, stream: str, day: str, perfect: int, plan: int, settled: int) -> ValueRow:
    worth = {"perfect": perfect, "plan": plan, "delivered": settled, "settled": settled}
    return ValueRow(site, stream, day, worth, {"rule": settled // 2, "idle": 0}, losses(worth))  # type: ignore[arg-type]


REPORT = ValueReport(
    contract="c-one", month="2026-08", through="", currency="CNY",
    rows=(
        row("S1", "arbitrage", "2026-08-10", 30_000_00, 19_500_00, 15_600_00),
        row("S1", "demand_charge", "", 5_000_00, 4_000_00, -1_234_56),
        row("S2", "arbitrage", "2026-08-11", 7_000_00, 7_000_00, 7_100_01),
    ),
    energy=(), notes=("S1: no plan is on record of 2026-08-12",),
)  # fmt: skip
DOCUMENT = ValueDocument(report=REPORT, subject="vpp", recorded_at=RECORDED, issuer="示范虚拟电厂")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_amount_is_on_paper(language: Language) -> None:
    pdf = value_pdf(DOCUMENT, language)
    assert pdf == value_pdf(DOCUMENT, language)
    text = "".join(pdf_pages(pdf))
    assert ("储能价值报告" if language == "zh" else "What storage was worth") in text
    # By way in all; what was lost by parts; by stream; by site.
    for amount in (
        "42,000.00", "30,500.00", "21,465.45", "10,732.72",
        "11,500.00", "9,034.55", "0.00",
        "22,700.01", "-1,234.56",
        "14,365.44", "7,100.01",
    ):  # fmt: skip
        assert amount in text, amount


def test_bars_are_in_proportion_and_keep_their_sign() -> None:
    (sheet,) = value_page(DOCUMENT, "en").data["sheets"]  # type: ignore[misc, attr-defined]
    charts = {one["heading"]: one for one in sheet["charts"]}
    assert [bar[3] for bar in charts["By revenue stream"]["rows"]] == [1000, -54]
    assert [(bar[0], bar[3]) for bar in charts["Settled by day"]["rows"]] == [("10", 1000), ("11", 455)]
    assert charts["Settled by day"]["upright"]
    assert [bar[3] for bar in charts["Lost of the best"]["rows"]] == [1000, 786, 0]


def test_the_workbook_adds_up() -> None:
    data = value_xlsx(DOCUMENT, "en")
    assert data == value_xlsx(DOCUMENT, "en")
    book = Workbook(data)
    formulas = book.formulas()
    assert [stored for _, _, stored in formulas] == [20_534.55]
    for sheet, address, stored in formulas:
        assert float(book.value(sheet, address)) == pytest.approx(stored, rel=1e-9)
