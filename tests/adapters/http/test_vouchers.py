"""Vouchers over the API: a published layout, and a month in it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from ledger.quantity import Money
from tests.adapters.http.conftest import HOST, Api, problem

ACCOUNTS = Path(__file__).parents[3] / "examples" / "accounts"


def layout(**changes: str) -> dict[str, str]:
    texts = {"profile": "voucher_yonyou.toml", "mapping": "voucher_mapping.toml"}
    read = {name: (ACCOUNTS / file).read_text(encoding="utf-8") for name, file in texts.items()}
    return {"id": "yonyou", **read, **changes}


def test_a_months_vouchers_in_the_published_layout(settled: Api) -> None:
    problem(
        settled.get("/v1/vouchers", "finance", month="2026-08", layout="yonyou"),
        404,
        "unknown_voucher_layout",
    )
    first = layout(mapping=layout()["mapping"].replace(f"{HOST} =", "somebody ="))
    for body in (first, layout()):
        done = settled.post("/v1/voucher-layouts", body, "finance")
        assert done.status_code == 201, done.text
        settled.wait()
        answer = settled.get("/v1/vouchers", "finance", month="2026-08", layout="yonyou")
        if body is first:
            assert HOST in problem(answer, 422, "voucher_party", "parties")["detail"]
    told = answer.json()
    header, *rows = told["rows"]
    sums: dict[str, int] = defaultdict(int)
    for row in rows:
        values = dict(zip(header, row, strict=True))
        net = Money.parse(values["金额借方"], "CNY") - Money.parse(values["金额贷方"], "CNY")
        sums[values["业务号"]] += net.minor
    assert (told["layout_version"], sums) == (2, dict.fromkeys(map(str, range(1, told["vouchers"] + 1)), 0))
    assert sums
    history = settled.get("/v1/voucher-layouts/yonyou", "auditor").json()["versions"]
    assert [one["version"] for one in history] == [1, 2]

    file = settled.get("/v1/vouchers", "finance", month="2026-08", layout="yonyou", file=True)
    assert file.headers["content-type"] == "text/csv; charset=gb18030"
    assert file.content.decode("gb18030").count("\r\n") == len(rows) + 1


def test_a_layout_that_cannot_be_read_is_refused_with_its_field(settled: Api) -> None:
    body = layout(profile=layout()["profile"].replace('field = "debit"', 'field = "debits"'))
    answer = problem(settled.post("/v1/voucher-layouts", body, "finance"), 422, "not_allowed")
    assert answer["place"].startswith("profile: line ")
