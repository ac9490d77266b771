"""Reports, tables, analysts and reconciliation from the command line, on the demo's book."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from arro3.io import read_parquet

from tests.adapters.cli.program import wattledger

TABLES = ("lines", "terms", "totals")


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with the demo's four sites settled, and what its key figures rest on."""
    state = tmp_path_factory.mktemp("reports")
    done = wattledger(state, "demo", "--part", "settle", "--exit")
    assert done.returncode == 0, done.stderr
    for command in (
        ("economics", "examples/economics/demo.toml"),
        ("factors", "examples/co2/scenario_0_4.toml"),
        ("availability", "S1", "2026-08", "--unavailable-hours", "3.5", "--evidence", "ticket 17"),
    ):
        stated = wattledger(state, "report", *command)
        assert stated.returncode == 0, stated.stderr
    return state


def test_the_report_shows_each_figure_with_its_formula(book: Path) -> None:
    out = wattledger(book, "report", "2026-08", "--language", "en").stdout
    assert "Internal rate of return" in out
    assert "100 * net_per_year / capital" in out
    assert "capital = 6,300,000.00 CNY" in out
    assert "Availability, weighted by kWh: -\n      not stated: unavailable time of S2, S3, S4" in out
    assert "Revenue per kWh of capacity: each site alone" in out
    one = wattledger(book, "report", "2026-08", "--site", "S1", "--language", "en").stdout
    assert "Availability, weighted by kWh: 99.53 %" in one


def test_site_totals_add_up_to_the_portfolio_s(book: Path) -> None:
    def total(*scope: str) -> int:
        done = wattledger(book, "report", "2026-08", "--format", "json", *scope)
        assert done.returncode == 0, done.stderr
        return int(json.loads(done.stdout)["report"]["total"]["minor"])

    assert total() == sum(total("--site", f"S{n}") for n in (1, 2, 3, 4))
    assert total("--contract", "eaas-s1") == total("--site", "S1")


def test_files_and_what_they_need(book: Path, tmp_path: Path) -> None:
    pdf = tmp_path / "august.pdf"
    done = wattledger(book, "report", "2026-08", "--party", "host-s2", "--format", "pdf", "--out", str(pdf))
    assert done.returncode == 0, done.stderr
    assert pdf.read_bytes().startswith(b"%PDF")
    refused = wattledger(book, "report", "2026-08", "--format", "pdf")
    assert (refused.returncode, "refused (out)" in refused.stderr) == (2, True)
    both = wattledger(book, "report", "2026-08", "--site", "S1", "--party", "host-s1")
    assert (both.returncode, "refused (scope)" in both.stderr) == (2, True)


def test_a_month_as_parquet(book: Path, tmp_path: Path) -> None:
    done = wattledger(book, "statement", "2026-08", "--format", "parquet", "--out", str(tmp_path))
    assert done.stdout == f"5 files in {tmp_path}\n", done.stderr
    statements = json.loads(wattledger(book, "statement", "2026-08", "--format", "json").stdout)
    tables = {}
    for name in TABLES:
        data = (tmp_path / f"2026-08_{name}.parquet").read_bytes()
        tables[name] = read_parquet(io.BytesIO(data)).read_all()
    wanted = [line["amount"]["minor"] for one in statements for line in one["lines"]]
    assert tables["lines"]["amount_minor"].to_pylist() == wanted


def test_an_analyst_is_added_listed_and_removed(book: Path) -> None:
    nobody = wattledger(book, "analyst", "add", "wang", "--party", "nobody")
    assert (nobody.returncode, "unknown_party" in nobody.stderr) == (2, True)
    out = wattledger(book, "analyst", "add", "wang", "--party", "host-s1").stdout
    assert re.search(r"^password  \S{32}$", out, re.MULTILINE)
    assert "analyst_wang" in wattledger(book, "analyst", "list").stdout
    assert wattledger(book, "analyst", "remove", "wang").stdout == "wang is removed\n"
    assert wattledger(book, "analyst", "list").stdout == ""


def test_an_operator_s_statement_is_compared_and_recorded(book: Path, tmp_path: Path) -> None:
    file, profile = tmp_path / "august.csv", tmp_path / "profile.toml"
    file.write_text("no,item,month,site,amount\n1,arb,2026-08,S1,1.00\n", encoding="utf-8")
    profile.write_text(
        'operator = "SIMULATED"\nformat = "csv"\ncurrency = "CNY"\n[columns]\nreference = "no"\n'
        'site = "site"\n'
        'item = "item"\nperiod = "month"\namount = "amount"\n[period]\nkind = "month"\npattern = "%Y-%m"\n'
        'zone = "Asia/Shanghai"\n[items]\n"arb" = "arbitrage"\n',
        encoding="utf-8",
    )
    done = wattledger(
        book, "reconcile", "statement", str(file), "eaas-s1", "2026-08", "--profile", str(profile)
    )
    assert done.returncode == 0, done.stderr
    assert "unexplained" in done.stdout
    assert re.search(r"^recorded as reconciliation r[0-9a-f]{16}, event \d+$", done.stdout, re.MULTILINE)
