"""A contract with VAT terms, from its file to what a partner reads."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from ledger.accounting.vat import VatRate
from ledger.contract import Contract
from ledger.vat_terms import VatTerms
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import HOST, Api
from tests.adapters.http.test_contract_facts import ok
from tests.adapters.test_settling import CONTRACT, filled

_NOW = date(2019, 4, 1)
ITEMS = (*CONTRACT.pool_streams, *CONTRACT.pass_through_costs, *CONTRACT.clause_types)
GENERAL: dict[str, Any] = dict.fromkeys(CONTRACT.party_ids, "general")
TERMS = VatTerms(
    taxpayers=GENERAL | {"equipment-owner": "small_scale"},
    categories={item: "service" if item == "service_fee" else "supply" for item in ITEMS},
    rates=(
        VatRate(category="supply", taxpayer="general", rate="13%", effective_from=_NOW, source="law"),
        VatRate(category="supply", taxpayer="small_scale", rate="3%", effective_from=_NOW, source="law"),
        VatRate(category="service", taxpayer="general", rate="6%", effective_from=_NOW, source="law"),
    ),
)


def shown(bench: Bench, contract: Contract) -> tuple[Api, dict[str, Any]]:
    filled(bench, contract)
    api = Api(bench)
    ok(api.post("/v1/settlements", {"month": "2026-08"}))
    api.wait()
    found = {
        party: ok(api.get(f"/v1/statements/{contract.id}/2026-08/{party}"))["statement"]
        for party in contract.party_ids
    }
    return api, found


def sums_of(lines: list[dict[str, Any]]) -> dict[tuple[str, str], Decimal]:
    sums: dict[tuple[str, str], Decimal] = {}
    for line in lines:
        if "vat" in line:
            vat = line["vat"]
            assert Decimal(vat["net"]) + Decimal(vat["tax"]) == Decimal(vat["gross"])
            key = (vat["supplier"], vat["rate"])
            sums[key] = sums.get(key, Decimal(0)) + Decimal(vat["net"])
    return sums


@pytest.mark.parametrize("basis", ["tax_inclusive", "tax_exclusive"])
def test_what_is_invoiced_has_net_tax_and_gross(bench: Bench, basis: Any) -> None:
    """The host holds its whole saving: it is invoiced what it hands on and the fees, and nothing else."""
    api, statements = shown(bench, msgspec.structs.replace(CONTRACT, vat=TERMS, split_basis=basis))
    try:
        for one in statements.values():
            sums = sums_of(one["lines"])
            assert {(s["supplier"], s["rate"]): Decimal(s["net"]) for s in one.get("vat", ())} == sums
            held = sum(Decimal(x["amount"]) for x in one["lines"] if x["kind"] == "stream" and x["pooled"])
            assert held == Decimal(one["held"]), "the lines are what the party holds"
        host, equipment = statements[HOST], statements["equipment-owner"]
        assert {key[0] for key in sums_of(host["lines"])} == {"operator"}
        stated = "gross" if basis == "tax_inclusive" else "net"
        assert sum(Decimal(s[stated]) for s in host["vat"]) == Decimal(host["payable"])
        assert sum(Decimal(s[stated]) for s in equipment["vat"]) == Decimal(equipment["payable"])
        assert {(s["supplier"], s["rate"]) for s in equipment["vat"]} == {("equipment-owner", "0.03")}
        rates = {x["code"]: (x["vat"]["supplier"], x["vat"]["rate"]) for x in host["lines"] if "vat" in x}
        assert rates["arbitrage"] == ("operator", "0.13")
        assert "remainder_split" not in rates, "its share is its own saving"
        path = f"/v1/statements/{CONTRACT.id}/2026-08/{HOST}"
        assert "VAT 13%: net " in api.get(path, "partner", format="text").text
        assert "vat_rate,net,tax,gross,supplier" in api.get(path, "partner", format="csv").text
        assert api.get(f"{path}/document", "partner", format="xlsx").status_code == 200
        run = ok(api.get(f"/v1/settlements/{CONTRACT.id}/2026-08", "auditor"))
        assert any("vat" in line for line in run["settlement"]["lines"])
        assert ok(api.get("/v1/journal", "auditor"))["entries"], "the month is posted"
        for name in ("payable", "held"):
            told = ok(api.get(f"{path}/amounts/{name}/explain", "auditor"))
            assert Decimal(told["leaves"]["amount"]) == Decimal(host[name])
    finally:
        api.close()


def test_without_terms_nothing_is_added(bench: Bench) -> None:
    api, statements = shown(bench, CONTRACT)
    try:
        for one in statements.values():
            assert "vat" not in one
            assert not any("vat" in line for line in one["lines"])
    finally:
        api.close()
