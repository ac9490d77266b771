"""Statement = invoice = payment: what a tax-exclusive statement says is to be paid is what is due."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from tests.adapters.conftest import Bench
from tests.adapters.documents.sample import pdf_pages
from tests.adapters.http.conftest import HOST, Api
from tests.adapters.http.test_contract_facts import ok
from tests.adapters.http.test_lives import TERMS as STATEMENT_TERMS
from tests.adapters.http.test_vat import TERMS as VAT
from tests.adapters.test_settling import CONTRACT, filled

PATH = f"/v1/statements/{CONTRACT.id}/2026-08/{HOST}"


def test_what_is_to_be_paid_with_tax_is_what_is_due_once_it_is_invoiced(bench: Bench) -> None:
    filled(
        bench,
        msgspec.structs.replace(
            CONTRACT, vat=VAT, split_basis="tax_exclusive", statement_terms=STATEMENT_TERMS
        ),
    )
    api = Api(bench)
    try:
        api.secrets["finance"] = api.grant("finance", actor="ada")
        api.secrets["admin"] = api.grant("admin", actor="bob")
        ok(api.post("/v1/settlements", {"month": "2026-08"}))
        api.wait()
        draft = ok(api.get(PATH, "partner"))
        vat = draft["statement"]["vat"]
        to_pay = draft["to_pay"]
        assert to_pay["amount"] == draft["statement"]["payable"]
        assert Decimal(to_pay["tax"]) == sum(Decimal(one["tax"]) for one in vat)
        assert Decimal(to_pay["with_tax"]) == sum(Decimal(one["gross"]) for one in vat)
        assert to_pay["status"] == ""
        assert _listed(api) == to_pay
        assert "to be paid by you, with tax" in api.get(PATH, "partner", format="text").text
        for step, role in (("review", "finance"), ("approve", "admin"), ("issue", "finance")):
            ok(api.post(f"{PATH}/1/{step}", role=role))  # type: ignore[arg-type]
        api.wait()
        issued = ok(api.get(PATH, "partner"))["to_pay"]
        assert _listed(api) == issued
        assert _listed(api, as_of=str(draft["position"])) == to_pay
        assert "to be paid by" in api.get("/v1/statements", "partner", format="text").text
        life = _life(api)
        assert issued == to_pay | {
            "status": "issued", "issued_on": life["issued_on"], "due_on": life["due_on"]
        }  # fmt: skip
        paper = "".join(pdf_pages(api.get(f"{PATH}/document", "partner", language="en").content))
        for shown in ("Issued on", life["issued_on"], life["due_on"], _with_commas(to_pay["with_tax"])):
            assert shown in paper, shown
        net, tax = life["to_issue"], str(abs(Decimal(to_pay["tax"])))
        gross = str(Decimal(net) + Decimal(tax))
        body = {"number": "F1", "direction": "issued", "on": life["issued_on"], "net": net, "tax": tax}
        ok(api.post(f"{PATH}/1/invoices", body | {"gross": gross}, "finance"))
        api.wait()
        assert _life(api)["open_amount"] == to_pay["with_tax"] == f"-{gross}"
        assert ok(api.get(PATH, "partner"))["to_pay"] == issued
    finally:
        api.close()


def _listed(api: Api, **asked: str) -> Any:
    """What the partner's only statement in the list says is to be paid."""
    (one,) = ok(api.get("/v1/statements", "partner", **asked))["items"]
    return one["to_pay"]


def _life(api: Api) -> Any:
    return ok(api.get(f"{PATH}/1/life", "finance"))["life"]


def _with_commas(amount: str) -> str:
    return f"{abs(Decimal(amount)):,}"
