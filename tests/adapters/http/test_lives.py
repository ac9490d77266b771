"""A month from its run to its close, over the API: reviewed, issued, disputed, paid, final, closed."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from adapters.replay import replay
from ledger.signed_contract import RegisterContract
from ledger.statement.terms import Terms
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import HOST, Api, problem
from tests.adapters.test_settling import CONTRACT, filled
from tests.stack import NatsServer, PostgresServer

TERMS = Terms(
    calendar="CN",
    query_working_days=15,
    answer_working_days=5,
    due_working_days=10,
    late_interest_per_day="0.0005",
)
PATH = f"/v1/statements/{CONTRACT.id}/2026-08"


@pytest.fixture(scope="module")
def api(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Api]:
    bench = Bench(nats_server, migrated)
    filled(bench)
    contract = msgspec.structs.replace(CONTRACT, statement_terms=TERMS)
    bench.door.execute(RegisterContract(contract), command_id="with-terms", actor="setup")
    made = Api(bench)
    made.secrets["finance"] = made.grant("finance", actor="ada")
    made.secrets["admin"] = made.grant("admin", actor="bob")
    done = made.post("/v1/settlements", {"month": "2026-08"}, role="finance")
    assert done.status_code == 201, done.text
    made.wait()
    from_run_to_close(made)
    yield made
    made.close()
    bench.close()


def ok(answer: Any) -> Any:
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


def life(api: Api, party: str, role: Any = "finance") -> Any:
    api.wait()
    return ok(api.get(f"{PATH}/{party}/1/life", role))["life"]


def from_run_to_close(api: Api) -> None:
    """Every step as its person would take it, with what is refused before it is due."""
    problem(api.post("/v1/months/2026-08/close", {}, "finance"), 422, "not_final")
    checklist = ok(api.get("/v1/months/2026-08", "auditor"))
    assert (checklist["ready"], checklist["checklist"]["contracts"][0]["final"]) == (False, False)

    for party in CONTRACT.party_ids:
        path = f"{PATH}/{party}/1"
        ok(api.post(f"{path}/review", role="finance"))
        problem(api.post(f"{path}/approve", role="finance"), 422, "four_eyes", "actor")
        ok(api.post(f"{path}/approve", role="admin"))
        ok(api.post(f"{path}/issue", role="finance"))
    mine = life(api, HOST, "partner")
    assert (mine["status"], mine["standing"]) == ("issued", "not_due")
    statement = ok(api.get(f"{PATH}/{HOST}", "partner"))["statement"]
    assert mine["amount"] == statement["payable"] == mine["open_amount"]

    line = statement["lines"][-1]
    objection = {"id": "d1", "lines": [line["number"]], "reason": "our meter says otherwise"}
    ok(api.post(f"{PATH}/{HOST}/1/disputes", objection, "partner"))
    assert life(api, HOST)["disputed"] == line["amount"]
    ok(api.post(f"/v1/settlements/{CONTRACT.id}/2026-08/finalise", {"run": 1}, "finance"))
    api.wait()
    problem(api.post("/v1/months/2026-08/close", {}, "finance"), 422, "dispute_open", "carried_disputes")
    answer = {"decision": "rejected", "answer": "the meter was tested"}
    ok(api.post(f"{PATH}/{HOST}/1/disputes/d1/decide", answer, "finance"))
    ok(api.post(f"{PATH}/{HOST}/1/confirm", role="partner"))

    amount = life(api, HOST)["amount"]
    wrong = {"id": "x", "on": "2026-09-01", "amount": "1.234", "kind": "payment"}
    body = problem(api.post(f"{PATH}/{HOST}/1/payments", wrong, "finance"), 422, "money")
    assert body["place"] == "amount"
    payment = {"id": "bank-1", "on": "2026-09-01", "amount": amount, "kind": "payment", "reference": "0001"}
    ok(api.post(f"{PATH}/{HOST}/1/payments", payment, "finance"))
    paid = life(api, HOST)
    assert (paid["standing"], paid["open_amount"], paid["status"]) == ("paid", "0.00", "confirmed")

    closed = ok(api.post("/v1/months/2026-08/close", {}, "finance"))
    assert closed["aggregate"] == "closing.book"


def test_a_closed_month_stays_closed(api: Api) -> None:
    api.wait()
    assert ok(api.get("/v1/months/2026-08", "auditor"))["checklist"]["closed"] is True
    problem(api.post("/v1/months/2026-08/close", {}, "finance"), 422, "month_order")


def test_the_journal_balances_and_says_what_is_owed(api: Api) -> None:
    """After the host was paid nothing is receivable from it or payable to it."""
    api.wait()
    answer = ok(api.get("/v1/journal", "auditor", month="2026-08"))
    assert answer["without_owner"] == []
    kinds = [entry["kind"] for entry in answer["entries"]]
    assert {"recognition", "memo"} <= set(kinds)
    for entry in answer["entries"]:
        assert sum(Decimal(one["amount"]) for one in entry["postings"]) == 0
    september = ok(api.get("/v1/trial-balance", "auditor", month="2026-09"))
    assert september["debit"] == september["credit"] != "0.00"
    closing = {row["account"]: row["closing"] for row in september["rows"]}
    counterparty = [name for name in closing if name.endswith("Host-s1") or HOST in name.lower()]
    assert counterparty
    for name in counterparty:
        if "receivable" in name.lower() or "payable" in name.lower():
            assert closing[name] == "0.00", name
    for kind, sign in (("hledger", "recognition"), ("beancount", "2026-08-31"), ("text", "recognition")):
        text = api.get("/v1/journal", "auditor", format=kind).text
        assert sign.lower() in text.lower()
    problem(api.get("/v1/journal", "partner"), 403, "forbidden")


def test_a_partner_reaches_its_own_statement_only(api: Api) -> None:
    other = next(party for party in CONTRACT.party_ids if party != HOST)
    problem(api.get(f"{PATH}/{other}/1/life", "partner"), 404, "unknown_statement")
    problem(api.post(f"{PATH}/{other}/1/confirm", role="partner"), 404, "unknown_statement")
    own = ok(api.get("/v1/receivables", "partner"))["items"]
    assert {item["party"] for item in own} <= {HOST}
    everyone = ok(api.get("/v1/receivables", "auditor"))["items"]
    assert {item["party"] for item in everyone} == set(CONTRACT.party_ids)


def test_lives_are_the_same_after_a_replay(api: Api) -> None:
    api.wait()
    proof = replay(api.bench.log, api.bench.database)
    assert proof.equal, [table for table in proof.tables if table.difference]
    assert "statement_life" in {table.table for table in proof.tables}


def test_what_was_invoiced_and_paid_stands_in_the_register_and_the_account(api: Api) -> None:
    """The last test of this module that records: statement, invoice and payment become one."""
    mine = life(api, HOST)
    owed = Decimal(mine["to_issue"])
    assert owed > 0
    body = {"number": "F1", "direction": "issued", "on": "2026-09-01", "net": mine["to_issue"], "tax": "0.00"}
    beyond = body | {"net": str(owed + 1), "gross": str(owed + 1)}
    problem(api.post(f"{PATH}/{HOST}/1/invoices", beyond, "finance"), 422, "invoice_total", "gross")
    below = body | {"number": "F2", "net": "-1.00", "gross": "-1.00"}
    problem(api.post(f"{PATH}/{HOST}/1/invoices", below, "finance"), 422, "red_letter", "reverses")
    ok(api.post(f"{PATH}/{HOST}/1/invoices", body | {"gross": body["net"]}, "finance"))
    assert life(api, HOST)["to_issue"] == "0.00"
    register = ok(api.get("/v1/invoices", "partner", month="2026-08"))
    assert [(one["status"], one["number"], one["gross"]) for one in register["invoices"]] == [
        ("issued", "F1", mine["to_issue"])
    ]
    assert register["differences"] == []
    others = ok(api.get("/v1/invoices", "finance"))
    assert {one["party"] for one in others["invoices"]} > {HOST}
    assert "invoice" in {one["code"] for one in others["differences"]}
    account = ok(api.get(f"/v1/parties/{HOST}/account", "finance"))
    assert account["closing"] == account["rows"][-1]["balance"] == "0.00"
    assert {row["kind"] for row in account["rows"]} == {"statement", "receipt"}
    assert account["ageing"]["owed_to_us"]["not_due"] == "0.00"
    problem(api.get("/v1/parties/nobody/account", "finance"), 404, "unknown_account", "party")
    problem(api.get(f"/v1/parties/{HOST}/account", "partner"), 403, "forbidden")
    credit = {"id": "k1", "amount": "1.00", "contract": CONTRACT.id, "month": "2026-08", "run": 2}
    problem(api.post(f"{PATH}/{HOST}/1/credits", credit, "finance"), 422, "credit", "of")
    more = {"id": "b9", "on": "2026-08-30", "amount": "-5.00", "kind": "payment"}
    ok(api.post(f"{PATH}/{HOST}/1/payments", more, "finance"))
    problem(api.post(f"{PATH}/{HOST}/1/credits", credit, "finance"), 422, "unknown_statement")
    api.wait()
    account = ok(api.get(f"/v1/parties/{HOST}/account", "finance"))
    assert account["ageing"]["on_account"] == "5.00"
    late = account["rows"][-1]
    assert (late["posted_on"], late["value_date"]) == ("2026-09-01", "2026-08-30"), "August is closed"
    entries = ok(api.get("/v1/journal", "auditor", month="2026-09"))["entries"]
    (entry,) = [one for one in entries if one["document"] == "b9"]
    assert (entry["posted_on"], entry["value_date"]) == ("2026-09-01", "2026-08-30")
    assert entry["description"].endswith("value date 2026-08-30, a closed month")
    text = api.get("/v1/journal", "auditor", format="beancount").text
    assert 'value-date: "2026-08-30"' in text
    months = ok(api.get("/v1/months/2026-08", "auditor"))["checklist"]
    assert (months["journal_balanced"], months["journal_differences"]) == (True, [])
    assert HOST not in months["contracts"][0]["not_invoiced"]
