"""Statements as Parquet by the API: whole minor units, and for a partner its own rows only."""

from __future__ import annotations

import io

import httpx
from arro3.io import read_parquet

from adapters.documents.statement_parquet import PARQUET
from ledger.access import Role
from ledger.quantity import Money
from tests.adapters.http.conftest import HOST, Api, problem

STATEMENT = f"/v1/statements/eaas-s1/2026-08/{HOST}"


def rows(answer: httpx.Response) -> list[dict[str, object]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == PARQUET
    table = read_parquet(io.BytesIO(answer.content)).read_all()
    columns = {name: table[name].to_pylist() for name in table.column_names}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def month(api: Api, table: str, role: Role = "finance") -> list[dict[str, object]]:
    return rows(api.get(f"/v1/statement-tables/2026-08/{table}", role))


def test_a_month_s_lines_are_those_of_all_its_statements(settled: Api) -> None:
    items = settled.get("/v1/statements", "finance", month="2026-08").json()["items"]
    wanted = [
        (one["party"], line["number"], Money.parse(line["amount"], "CNY").minor)
        for one in items
        for line in one["lines"]
    ]
    assert len(items) > 1
    assert [(r["party"], r["line"], r["amount_minor"]) for r in month(settled, "lines")] == wanted
    assert len(month(settled, "terms")) == sum(len(line["basis"]) for one in items for line in one["lines"])


def test_payables_of_a_month_sum_to_zero(settled: Api) -> None:
    payable = [row["amount_minor"] for row in month(settled, "totals") if row["total"] == "payable"]
    assert any(payable)
    assert sum(payable) == 0  # type: ignore[arg-type]


def test_a_partner_s_tables_hold_its_own_rows_only(settled: Api) -> None:
    for table in ("lines", "terms", "totals"):
        own = month(settled, table, "partner")
        assert {row["party"] for row in own} == {HOST}
        assert own == [row for row in month(settled, table) if row["party"] == HOST]
    shown = settled.get(STATEMENT, "partner").json()["statement"]
    shares, bills = month(settled, "percentages", "partner"), month(settled, "bills", "partner")
    assert {row["party"] for row in (*shares, *bills)} == {HOST}
    assert [(row["share_of"], row["share"]) for row in shares] == [
        (one["party"], one["share"]) for one in shown["percentages"]
    ]
    assert [(row["site"], row["with_storage"]) for row in bills] == [
        (one["site"], one["with_storage"]) for one in shown["bills"]
    ]


def test_a_statement_is_parquet_by_parameter_or_header(settled: Api) -> None:
    by_name = rows(settled.get(STATEMENT, "finance", format="parquet", table="totals"))
    assert [row["total"] for row in by_name][:4] == ["entitlement", "held", "payable", "delta"]
    secret = settled.secret("finance")
    answer = settled.client.get(STATEMENT, headers={"Authorization": f"Bearer {secret}", "Accept": PARQUET})
    assert rows(answer) == [row for row in month(settled, "lines") if row["party"] == HOST]


def test_a_table_that_there_is_not(settled: Api) -> None:
    problem(settled.get("/v1/statement-tables/2026-08/prices", "finance"), 400, "parameter", "table")
    assert rows(settled.get("/v1/statement-tables/2027-01/lines", "finance")) == []


def test_a_stream_outside_the_pool_is_marked(settled: Api) -> None:
    """Every stream that the contract does not share counts in no total, in every format."""
    statement = settled.get(STATEMENT, "finance").json()["statement"]
    shown = {line["number"]: line["pooled"] for line in statement["lines"]}
    tabled = {row["line"]: row["counts_in"] is not None for row in month(settled, "lines")}
    assert shown == {number: tabled[number] for number in shown}
    assert all("pool" not in line["clause"] for line in statement["lines"])
