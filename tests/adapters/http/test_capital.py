"""Capital accounts over the API: recorded, struck, transferred, and what they gave each party."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from ledger.contract import Contract
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.http.test_contract_facts import book_of, example, ok, settled

CONTRACT: Contract = example("co-investment-s2")
PATH = f"/v1/contracts/{CONTRACT.id}/capital"
PROOF = {"evidence": "agreement 4"}


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    made = book_of(bench, CONTRACT)
    yield made
    made.close()


def record(api: Api, kind: str, on: str, role: Any = "finance", **fields: object) -> Any:
    return api.post(PATH, {"entry": {"type": kind, "on": on, **PROOF, **fields}}, role)


def paid_in(api: Api) -> None:
    """900,000 in cash, a site at 540,000, a platform at 360,000: 50, 30 and 20 per cent."""
    ok(record(api, "cash_contribution", "2025-07-01", party="investor", amount="900000"))
    site = {"party": "host-s2", "asset": "roof and transformer", "valuation": "540000.00"}
    ok(record(api, "in_kind_contribution", "2025-07-01", **site))
    platform = {"party": "operator", "asset": "platform", "valuation": "360000"}
    ok(record(api, "in_kind_contribution", "2025-07-01", **platform))
    api.wait()


def parties(answer: Any) -> dict[str, Any]:
    return {one["party"]: one for one in answer["parties"]}


def test_accounts_show_balances_shares_and_returns(api: Api) -> None:
    paid_in(api)
    settled(api, "2026-07")
    statement = ok(api.get(f"/v1/statements/{CONTRACT.id}/2026-07/investor", "finance"))["statement"]
    assert statement["entitlement"] != "0.00"
    shown = ok(api.get(PATH, "auditor", effective="2026-08-31"))
    assert (shown["at"], shown["currency"], len(shown["entries"])) == ("2026-08-31", "CNY", 3)
    found = parties(shown)
    assert {party: (one["balance"], one["share"]) for party, one in found.items()} == {
        "investor": ("900000.00", "0.5"),
        "host-s2": ("540000.00", "0.3"),
        "operator": ("360000.00", "0.2"),
    }
    investor = found["investor"]
    assert investor["settled"] == statement["entitlement"]
    assert investor["capital_flows"] == [{"on": "2025-07-01", "amount": "-900000.00"}]
    assert investor["settled_flows"] == [{"on": "2026-07-31", "amount": statement["entitlement"]}]
    early = parties(ok(api.get(PATH, "auditor", effective="2026-07-30")))["investor"]
    assert (early["settled"], early["return_to_date"]["rate"]) == ("0.00", None)
    assert early["return_to_date"]["reason"].startswith("irr_not_unique: ")
    assert (early["return_with_balance"]["rate"], early["return_with_balance"]["reason"]) == ("0.0000", "")
    assert Decimal(investor["return_with_balance"]["rate"]) > 0


def test_a_struck_entry_stays_on_record_and_does_not_count(api: Api) -> None:
    paid_in(api)
    ok(record(api, "cash_contribution", "2026-01-01", party="investor", amount="90000"))
    ok(record(api, "struck_entry", "2026-01-02", entry=4))
    api.wait()
    shown = ok(api.get(PATH, "finance", effective="2026-02-01"))
    assert [one["struck"] for one in shown["entries"]] == [False, False, False, True, False]
    assert shown["entries"][3]["entry"]["amount"] == "90000.00"
    assert parties(shown)["investor"]["balance"] == "900000.00"
    problem(record(api, "struck_entry", "2026-01-02", entry=4), 422, "already_struck", "entry")


def test_capital_changes_hands_and_comes_back(api: Api) -> None:
    paid_in(api)
    sale = {"seller": "investor", "buyer": "operator", "amount": "180000", "price": "200000"}
    ok(record(api, "transfer", "2026-03-01", **sale))
    ok(record(api, "return", "2026-04-01", party="host-s2", amount="40000.50"))
    api.wait()
    found = parties(ok(api.get(PATH, "finance", effective="2026-04-01")))
    assert {party: one["balance"] for party, one in found.items()} == {
        "investor": "720000.00",
        "operator": "540000.00",
        "host-s2": "499999.50",
    }
    assert found["operator"]["capital_flows"][-1] == {"on": "2026-03-01", "amount": "-200000.00"}
    before = parties(ok(api.get(PATH, "finance", effective="2026-03-31")))
    assert before["host-s2"]["balance"] == "540000.00"
    too_much = record(api, "return", "2026-05-01", party="host-s2", amount="500000")
    problem(too_much, 422, "capital_overdrawn", "amount")


def test_what_is_wrong_is_named(api: Api) -> None:
    problem(api.get(PATH), 404, "unknown_capital", "contract")
    problem(api.get("/v1/contracts/nobody/capital"), 404, "unknown_contract", "contract")
    entry = {"type": "cash_contribution", "on": "2026-01-01", "party": "investor", "amount": "1", **PROOF}
    problem(api.post("/v1/contracts/nobody/capital", {"entry": entry}), 404, "unknown_contract", "contract")
    problem(api.post(PATH, {"entry": entry | {"amount": "1.234"}}), 422, "money", "entry.amount")
    problem(api.post(PATH, {"entry": entry | {"amount": "0"}}), 422, "capital_amount", "amount")
    problem(api.post(PATH, {"entry": entry | {"party": "nobody"}}), 422, "party_unknown", "entry")
    problem(api.post(PATH, {"entry": entry | {"evidence": " "}}), 422, "evidence", "evidence")
    problem(api.post(PATH, {"entry": entry | {"type": "gift"}}), 422, "not_allowed", "entry.type")
    problem(api.post(PATH, {"entry": entry}, "auditor"), 403, "forbidden")
