"""The monthly revenue report by the API: real results and readings, and for a partner its own only."""

from __future__ import annotations

import io
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from pypdf import PdfReader

from adapters.queries.meter_month import load
from ledger.clauses import RemainderSplit
from ledger.interval import Month, zone_of
from tests.adapters.documents.sample import Workbook
from tests.adapters.http.conftest import CONTRACT, HOST, Api, problem

EXAMPLES = Path(__file__).parents[3] / "examples"
REPORT = "/v1/reports/2026-08"
TOML = {"Content-Type": "application/toml"}
ECONOMICS = b"""\
id = "plant"
title = "The plant"
currency = "CNY"
years = 10
discount_rate = 0.06
fade = 0.015
residual = 0.05

[[sites]]
site = "S1"
capital = 900000
operating_cost = 18000
source = "simulated"
"""


def report(api: Api, role: Any = "finance", **parameters: object) -> dict[str, Any]:
    answer = api.get(REPORT, role, **parameters)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def kpis(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {kpi["name"]: kpi for kpi in body["kpis"]}


def rows(body: dict[str, Any], dimension: str) -> dict[str, str]:
    (found,) = [one["rows"] for one in body["breakdowns"] if one["dimension"] == dimension]
    return {row["key"]: row["amount"] for row in found}


def test_nothing_that_nobody_stated_is_invented(settled: Api) -> None:
    found = kpis(report(settled))
    for name in ("availability", "co2_avoided", "simple_return", "irr", "lcoe", "cost_per_kwh_capacity"):
        assert found[name]["value"] is None, name
        assert found[name]["note"].startswith("not stated: "), name


def test_the_report_is_the_settlement_s_streams_and_the_meters_energy(settled: Api) -> None:
    body = report(settled, site="S1")
    settlement = settled.get("/v1/settlements/eaas-s1/2026-08", "finance").json()["settlement"]
    streams = {one["code"]: one["amount"] for one in settlement["lines"] if one["kind"] == "stream"}
    assert rows(body, "stream") == streams
    assert Fraction(body["total"]) == sum(map(Fraction, streams.values()))
    assert body["subject"] == "S1"
    keys = [("S1-STORAGE", "charge"), ("S1-STORAGE", "discharge")]
    bench = settled.bench
    with bench.database.reading(bench.book) as connection:
        interval = Month(2026, 8).interval(zone_of("Asia/Shanghai"))
        wh = load(connection, bench.book, keys, interval, 900, 1 << 62).wh  # type: ignore[arg-type]
    charged, discharged = np.sum(wh, axis=1).tolist()
    found = kpis(body)
    assert Fraction(found["equivalent_cycles"]["value"]) == Fraction(discharged, 500_000)
    assert Fraction(found["round_trip_efficiency"]["value"]) == Fraction(100 * discharged, charged)
    assert (
        Fraction(found["revenue_per_kwh_discharged"]["value"]) == Fraction(body["total"]) * 1000 / discharged
    )


def test_what_is_stated_becomes_key_figures(settled: Api) -> None:
    factors = (EXAMPLES / "co2/scenario_0_4.toml").read_bytes()
    hours = {"site": "S1", "month": "2026-08", "unavailable_s": 31 * 864, "evidence": "ticket 17"}
    before = settled.bench.recorder.max_notification_id()
    assert settled.post("/v1/economics", ECONOMICS, "finance", headers=TOML).status_code == 201
    assert settled.post("/v1/emission-factors", factors, "finance", headers=TOML).status_code == 201
    done = settled.post("/v1/availability", hours, "operator")
    assert done.status_code == 201, done.text
    body = report(settled, after=done.json()["sequence"], co2_method="discharge_only")
    found = kpis(body)
    assert found["availability"]["value"] == "99"
    assert Fraction(found["co2_avoided"]["value"]) > 0
    for name in ("simple_return", "payback", "irr", "npv", "lcoe"):
        assert found[name]["formula"], name
        assert {one["name"] for one in found[name]["inputs"]} >= {"capital"}, name
    year = 12 * Fraction(body["total"]) - 18_000
    assert abs(Fraction(found["payback"]["value"]) - 900_000 / year) < Fraction(1, 10**6)
    (revenue,) = body["comparisons"]
    assert revenue["multiple"]["value"] == "1", "one site, no market: together it is the same"
    then = kpis(report(settled, as_of=before))
    assert then["irr"]["value"] is None, "as of then nobody had stated it"
    problem(settled.get(REPORT, "finance", economics="other"), 404, "unknown_economics", "economics")
    assert settled.post("/v1/economics?check=true", ECONOMICS, "finance", headers=TOML).status_code == 200
    wrong = ECONOMICS.replace(b"years = 10", b"years = 0")
    problem(settled.post("/v1/economics", wrong, "finance", headers=TOML), 422, "economics")


def test_satisfaction_is_of_the_work_that_was_rated(settled: Api) -> None:
    """Two orders of August rated 4 and 5 are 4.5; September's is another month's; before, there is none."""
    assert "satisfaction" not in kpis(report(settled))
    bench = settled.bench
    before = bench.recorder.max_notification_id()
    due = f"{bench.now + timedelta(days=2):%Y-%m-%dT%H:%M:%SZ}"
    month = Month(2026, 8).interval(zone_of("Asia/Shanghai"))
    for name, rating, done in (
        ("W1", 4, month.start), ("W2", 5, month.end - timedelta(hours=1)), ("W3", 1, month.end),
    ):  # fmt: skip
        body = {"id": name, "site": "S1", "kind": "repair", "planned": False, "title": "fan"}
        for path, given, role in (
            ("", body, "operator"),
            (f"/{name}/assign", {"party": "operator", "due": due}, "operator"),
            (f"/{name}/done", {"done_at": done.isoformat(), "evidence": "report"}, "operator"),
            (f"/{name}/rate", {"rating": rating}, "finance"),
        ):
            answer = settled.post(f"/v1/work-orders{path}", given, role)
            assert answer.status_code == 201, answer.text
    body = report(settled, after=answer.json()["sequence"])
    found = kpis(body)["satisfaction"]
    assert (found["value"], found["unit"]) == ("4.5", "of 5")
    assert [one["value"] for one in found["inputs"]] == ["9", "2"]
    assert kpis(report(settled, site="S1"))["satisfaction"] == found
    assert "satisfaction" not in kpis(report(settled, as_of=before))


def test_files_hold_what_the_answer_says(settled: Api) -> None:
    body = report(settled)
    pdf = settled.get(REPORT, "finance", format="pdf", language="en")
    assert pdf.headers["content-type"] == "application/pdf"
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf.content)).pages)
    assert f"{float(body['total']):,.2f}" in text
    assert "Equivalent full cycles" in text
    book = Workbook(settled.get(REPORT, "finance", format="xlsx", language="en").content)
    for sheet, address, stored in book.formulas():
        assert abs(float(book.value(sheet, address)) - stored) < 1e-6 * max(1.0, abs(stored))


def test_a_partner_sees_its_own_report_only(settled: Api) -> None:
    body = report(settled, "partner")
    assert (body["scope"], body["subject"]) == ("partner", HOST)
    own = settled.get(f"/v1/statements/eaas-s1/2026-08/{HOST}", "partner").json()["statement"]
    assert body["total"] == own["entitlement"]
    assert body == report(settled, "partner", party=HOST)
    assert body | {"position": 0} == report(settled, party=HOST) | {"position": 0}
    others = [party for party in CONTRACT.party_ids if party != HOST]
    money = {key: value for key, value in body.items() if key != "percentages"}
    for party in others:
        assert party not in str(money)
        problem(settled.get(REPORT, "partner", party=party), 403, "forbidden")
    problem(settled.get(REPORT, "partner", site="S1"), 403, "forbidden")
    assert body == report(settled, "partner", contract="eaas-s1"), "its own part of the contract"
    problem(settled.get(REPORT, "partner", contract="nobody"), 422, "not_settled", "month")
    problem(settled.get("/v1/reports/2026-07", "partner"), 422, "not_settled", "month")


def test_a_partners_key_figures_are_of_what_it_may_see(settled: Api) -> None:
    """The host sees its own site's storage and bill, and its own money: no capital, no project."""
    body = report(settled, "partner")
    found, whole = kpis(body), kpis(report(settled, site="S1"))
    for name in ("equivalent_cycles", "round_trip_efficiency", "bill_saving"):
        assert found[name] == whole[name], name
    per_kwh = Fraction(found["revenue_per_kwh_discharged"]["value"])
    assert per_kwh / Fraction(whole["revenue_per_kwh_discharged"]["value"]) == Fraction(
        body["total"]
    ) / Fraction(report(settled, site="S1")["total"])
    for name in ("simple_return", "payback", "irr"):
        assert (found[name]["value"], found[name]["note"]) == (
            None,
            "not stated: capital paid in by this party",
        )
    assert not {"npv", "lcoe", "cost_per_kwh_capacity"} & found.keys()
    assert "100 * discharged / charged" in found["round_trip_efficiency"]["formula"]
    figures = {row["key"]: row["amount"] for row in body["figures"]}
    bills = settled.get("/v1/settlements/eaas-s1/2026-08", "finance").json()["settlement"]["bills"]
    assert (figures["bill_without"], figures["bill_with"]) == (
        bills[0]["without_storage"],
        bills[0]["with_storage"],
    )
    shares = {(one["percentage"]["party"], one["percentage"]["share"]) for one in body["percentages"]}
    clause = next(one for one in CONTRACT.clauses if isinstance(one, RemainderSplit))
    assert set(clause.shares.items()) <= shares, "the contract shows the host the others' percentages"


def test_what_cannot_be_reported_is_refused(settled: Api) -> None:
    problem(settled.get(REPORT, "finance", site="S1", contract="eaas-s1"), 422, "scope", "site")
    problem(settled.get(REPORT, "finance", site="S9"), 422, "not_settled", "month")
    problem(settled.get(REPORT, "finance", contract="nobody"), 422, "not_settled", "month")
    problem(settled.get(REPORT, "market_desk"), 403, "forbidden")
