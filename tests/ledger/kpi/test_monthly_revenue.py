"""The monthly revenue report of sites, the portfolio and partners."""

from __future__ import annotations

import msgspec
import pytest

from ledger.kpi.monthly_revenue import (
    NOT_SPLIT,
    Breakdown,
    RevenueReport,
    partner_report,
    portfolio_report,
    site_report,
)
from ledger.refusal import Refused
from ledger.settlement.statement import Statement, statements
from tests.ledger.kpi.sample import AUGUST, JULY, cny, run

RUNS = [run(), run(month=JULY, demand="100.00"), run("c-two", site="S2", host="host-two", demand="-900.00")]


def rows(report: RevenueReport, dimension: str) -> dict[str, str]:
    (found,) = [one for one in report.breakdowns if one.dimension == dimension]
    return {row.key: str(row.amount) for row in found.rows}


def of(party: str) -> list[Statement]:
    return [one for each in RUNS for one in statements(each, 7) if one.party == party]


def test_a_site_by_stream_contract_and_month() -> None:
    """42,000.123 kWh x 1.144372 - 46,500.001 kWh x 0.316694 = 33,337.493... by hand."""
    report = site_report(RUNS, "S1", AUGUST)
    assert rows(report, "stream") == {
        "arbitrage": "33337.49",
        "demand_charge": "512.34",
        "power_factor": "-71.40",
    }
    assert str(report.total) == "33778.43"
    assert rows(report, "contract") == {"c-one": "33778.43"}
    assert rows(report, "month") == {"2026-07": "33366.09", "2026-08": "33778.43"}
    assert [(row.key, str(row.amount)) for row in report.figures] == [
        ("bill_without", "200000.00"),
        ("bill_with", "165992.64"),
    ]
    assert report.kpis[0].rounded(2) == "17.00"
    assert len(report.rests_on) == 1
    assert "S2" not in str(report)
    assert "c-two" not in str(report)


def test_the_portfolio_adds_its_sites_and_splits_all_of_it() -> None:
    report = portfolio_report(RUNS, "demo", AUGUST)
    sites = [site_report(RUNS, site, AUGUST).total for site in ("S1", "S2")]
    assert report.total == sites[0] + sites[1]
    assert rows(report, "site") == {"S1": str(sites[0]), "S2": str(sites[1])}
    assert rows(report, "party")[NOT_SPLIT] == "-142.80", "the stream that no pool has"
    assert set(rows(report, "party")) == {"host-one", "host-two", "owner-one", NOT_SPLIT}


def test_a_partner_sees_its_own_over_all_contracts_and_nothing_else() -> None:
    report = partner_report(of("owner-one"), AUGUST)
    found = [one for one in of("owner-one") if one.month == "2026-08"]
    assert report.total == found[0].entitlement + found[1].entitlement
    assert set(rows(report, "contract")) == {"c-one", "c-two"}
    assert set(rows(report, "clause")) == {"service_fee", "remainder_split"}
    assert {row.key: row.amount for row in report.figures}["payable"] == report.total, (
        "the owner holds nothing"
    )
    assert "host-" not in str(report)
    assert "S1" not in str(report)


def test_later_months_are_not_in_an_earlier_report() -> None:
    assert rows(site_report(RUNS, "S1", JULY), "month") == {"2026-07": "33366.09"}
    assert rows(partner_report(of("owner-one"), JULY), "month").keys() == {"2026-07"}


def test_a_provisional_run_marks_the_report() -> None:
    provisional = run(kind="provisional")
    assert site_report([provisional], "S1", AUGUST).provisional
    assert partner_report(statements(provisional, 7)[:1], AUGUST).provisional
    assert not site_report(RUNS, "S1", AUGUST).provisional


def test_a_site_without_a_bill_gives_no_saving() -> None:
    """Missing is never zero: without every site's bill there is no portfolio saving, and it says whose."""
    without = msgspec.structs.replace(RUNS[2], result=msgspec.structs.replace(RUNS[2].result, bills=()))
    report = portfolio_report([RUNS[0], without], "demo", AUGUST)
    assert report.figures == ()
    (saving,) = report.kpis
    assert (saving.value, saving.note) == (None, "there is no one bill without storage of S2")


def test_a_breakdown_that_does_not_add_up_cannot_be_made() -> None:
    report = site_report(RUNS, "S1", AUGUST)
    with pytest.raises(AssertionError):
        msgspec.structs.replace(report, total=cny("0.01"))
    with pytest.raises(AssertionError):
        msgspec.structs.replace(report, breakdowns=(Breakdown("site", ()),))


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("not_settled", lambda: site_report(RUNS, "S9", AUGUST)),
        ("not_settled", lambda: site_report(RUNS, "S2", JULY)),
        ("not_settled", lambda: partner_report([], AUGUST)),
        ("run_twice", lambda: portfolio_report([*RUNS, RUNS[0]], "demo", AUGUST)),
        ("run_twice", lambda: partner_report([*of("owner-one"), *of("owner-one")], AUGUST)),
        ("one_party", lambda: partner_report([*of("owner-one"), *of("host-one")], AUGUST)),
    ],
)
def test_wrong_input_is_refused(code: str, wrong: object) -> None:
    with pytest.raises(Refused) as refused:
        wrong()  # type: ignore[operator]
    assert refused.value.code == code
