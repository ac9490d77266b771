"""A contract with VAT terms, from its file to what a partner reads."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

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


def test_every_clause_line_has_net_tax_and_gross(bench: Bench) -> None:
    api, statements = shown(bench, msgspec.structs.replace(CONTRACT, vat=TERMS))
    try:
        rates = {}
        for party, one in statements.items():
            sums: dict[tuple[str, str], Decimal] = {}
            for line in one["lines"]:
                if line["kind"] == "stream":
                    assert "vat" not in line
                    continue
                vat = line["vat"]
                assert vat["gross"] == line["amount"]
                assert Decimal(vat["net"]) + Decimal(vat["tax"]) == Decimal(vat["gross"])
                rates[party, line["code"]] = (vat["supplier"], vat["rate"])
                key = (vat["supplier"], vat["rate"])
                sums[key] = sums.get(key, Decimal(0)) + Decimal(vat["net"])
            assert {(s["supplier"], s["rate"]): Decimal(s["net"]) for s in one["vat"]} == sums
            gross = sum(Decimal(s["gross"]) for s in one["vat"])
            assert gross == Decimal(one["entitlement"])
        assert rates["equipment-owner", "base_fee"] == ("equipment-owner", "0.03")
        assert rates["operator", "service_fee"] == ("operator", "0.06")
        path = f"/v1/statements/{CONTRACT.id}/2026-08/{HOST}"
        assert "VAT 13%: net " in api.get(path, "partner", format="text").text
        assert "vat_rate,net,tax,gross,supplier" in api.get(path, "partner", format="csv").text
        assert api.get(f"{path}/document", "partner", format="xlsx").status_code == 200
        run = ok(api.get(f"/v1/settlements/{CONTRACT.id}/2026-08", "auditor"))
        assert any("vat" in line for line in run["settlement"]["lines"])
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
