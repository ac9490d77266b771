"""Monthly revenue reports as PDF and workbook."""

from __future__ import annotations

import re
from fractions import Fraction

import msgspec
import pytest

from adapters.documents.language import LANGUAGES, Language, Wording
from adapters.documents.revenue_document import RevenueDocument, chart_rows
from adapters.documents.revenue_pdf import revenue_page, revenue_pdf
from adapters.documents.revenue_text import revenue_text
from adapters.documents.revenue_xlsx import revenue_xlsx
from ledger.appraisal.finance import internal_rate
from ledger.kpi.economy import appraised, payback
from ledger.kpi.monthly_revenue import (
    Breakdown,
    RevenueReport,
    Row,
    partner_report,
    portfolio_report,
    site_report,
)
from ledger.kpi.operation import round_trip_efficiency
from ledger.refusal import Refused
from ledger.settlement.statement import statements
from tests.adapters.documents.sample import RECORDED, Workbook, pdf_pages
from tests.ledger.kpi.sample import AUGUST, JULY, cny, run

RUNS = [
    run(),
    run(month=JULY, demand="-40000.00"),
    run("c-two", site="S2", host="host-two", demand="-900.00"),
]
KPIS = (
    round_trip_efficiency(42_000_123, 46_500_001, None),
    payback(cny("900000.00"), cny("0.00")),
    appraised("irr", internal_rate([Fraction(-100), Fraction(109)])),
)
OWNER = partner_report(
    [one for each in RUNS for one in statements(each, 7) if one.party == "owner-one"], AUGUST
)
REPORTS = {
    "site": site_report(RUNS, "S1", AUGUST, kpis=KPIS),
    "portfolio": portfolio_report(RUNS, "demo", AUGUST, kpis=KPIS),
    "partner": OWNER,
}


def document(report: RevenueReport) -> RevenueDocument:
    return RevenueDocument(report=report, recorded_at=RECORDED, issuer="示范虚拟电厂")


@pytest.mark.parametrize("scope", REPORTS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_amount_is_on_paper(scope: str, language: Language) -> None:
    report = REPORTS[scope]
    pdf = revenue_pdf([document(report)], language)
    assert pdf == revenue_pdf([document(report)], language)
    text = "".join(pdf_pages(pdf))
    assert ("月度收益报告" if language == "zh" else "Monthly revenue report") in text
    for row in (*report.figures, *(row for one in report.breakdowns for row in one.rows)):
        assert f"{row.amount.minor / 100:,.2f}" in text, row
    for kpi in report.kpis:
        assert kpi.formula.replace(" ", "") in text.replace(" ", "").replace("\n", "")


@pytest.mark.parametrize("scope", REPORTS)
def test_every_formula_gives_the_value_stored_beside_it(scope: str) -> None:
    data = revenue_xlsx(document(REPORTS[scope]), "zh")
    assert data == revenue_xlsx(document(REPORTS[scope]), "zh")
    book = Workbook(data)
    formulas = book.formulas()
    assert formulas
    for sheet, address, stored in formulas:
        assert float(book.value(sheet, address)) == pytest.approx(stored, rel=1e-9), (sheet, address)


def test_key_figures_are_live_where_the_formula_is_arithmetic() -> None:
    book = Workbook(revenue_xlsx(document(REPORTS["site"]), "en"))
    cells = book.sheets["Key figures"]
    named = {str(value): at[1:] for at, (_, value) in cells.items() if at[0] == "A"}
    efficiency = named["Observed round-trip efficiency"]
    assert cells[f"B{efficiency}"][0] == f"100 * B{int(efficiency) + 1} / B{int(efficiency) + 2}"
    assert cells[f"B{named['Internal rate of return']}"] == (None, 9.0), "a search is no cell arithmetic"
    assert f"B{named['Payback']}" not in cells, "no value is not zero"


def test_each_breakdown_has_its_chart() -> None:
    book = Workbook(revenue_xlsx(document(REPORTS["portfolio"]), "en"))
    charts = re.findall(r"<c:cat><c:(?:str|num)Ref><c:f>([^<]+)</c:f>", book.everything)
    assert charts == [
        "'By revenue stream'!$A$2:$A$4",
        "'By site'!$A$2:$A$3",
        "'By contract'!$A$2:$A$3",
        "'By party'!$A$2:$A$5",
        "'By month'!$A$2:$A$3",
    ]


def test_bars_are_as_long_as_their_amounts() -> None:
    breakdown = Breakdown("stream", (Row("arbitrage", cny("400.00")), Row("demand_charge", cny("-100.00"))))
    rows = chart_rows(breakdown, cny("300.00"), Wording("en"))
    assert [(row.label, row.permille, row.share) for row in rows] == [
        ("Time-of-use arbitrage", 1000, "133.3 %"),
        ("Demand charge", -250, "-33.3 %"),
    ]
    nothing = Breakdown("stream", (Row("arbitrage", cny("0.00")),))
    assert chart_rows(nothing, cny("0.00"), Wording("en"))[0].permille == 0


def test_a_partners_report_names_nobody_else() -> None:
    for language in LANGUAGES:
        page = msgspec.json.encode(revenue_page([document(OWNER)], language).data).decode()
        everything = page + Workbook(revenue_xlsx(document(OWNER), language)).everything
        for foreign in ("host-", "S1", "S2", "arbitrage", "峰谷套利"):
            assert foreign not in everything.replace("峰谷套利", "") or foreign not in page, foreign


def test_partners_never_share_a_file() -> None:
    for several in ([OWNER, REPORTS["site"]], [OWNER, msgspec.structs.replace(OWNER, subject="host-one")]):
        with pytest.raises(Refused) as refused:
            revenue_pdf([document(report) for report in several], "zh")
        assert refused.value.code == "several_partners"
    with pytest.raises(Refused):
        revenue_pdf([], "zh")


def test_a_provisional_report_says_so() -> None:
    report = site_report([run(kind="provisional")], "S1", AUGUST)
    assert all("暂估" in page for page in pdf_pages(revenue_pdf([document(report)], "zh")))
    assert "暂估" in Workbook(revenue_xlsx(document(report), "zh")).everything


def test_contracts_of_two_bases_are_shown_without_a_sum() -> None:
    """A partner's tax-inclusive and tax-exclusive contracts: neither text nor workbook adds them up."""
    runs = (run(), run("c-two", site="S2", host="host-two"))
    own = [one for each in runs for one in statements(each, 7) if one.party == "owner-one"]
    mixed = partner_report(own, AUGUST, split_bases={"c-one": "tax_inclusive", "c-two": "tax_exclusive"})
    report = RevenueDocument(report=mixed, recorded_at=RECORDED, issuer="issuer")
    text = revenue_text(report, "en")
    assert "contracts with and without tax, not added up: c-one with tax; c-two without tax" in text
    assert f"{mixed.total.minor / 100:,.2f}" not in text
    book = Workbook(revenue_xlsx(report, "en"))
    assert "Total" not in book.column("By contract", "A")
