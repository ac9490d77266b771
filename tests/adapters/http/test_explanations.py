"""Any amount of a statement, over the wire, as leaves that sum to it; a partner's only what it may see."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import msgspec
import pytest

from ledger.contract import Visibility
from ledger.signed_contract import RegisterContract
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import CONTRACT, HOST, Api, problem
from tests.adapters.test_provisional import record_days
from tests.adapters.test_settling import filled, founded

STATEMENT = f"/v1/statements/{CONTRACT.id}/2026-08/{HOST}"


def leaves(part: dict[str, Any], share: Fraction = Fraction(1)) -> Iterator[tuple[Fraction, dict[str, Any]]]:
    """As a client reads the tree, knowing nothing but its ratios."""
    if part["type"] == "leaf":
        yield share, part
        return
    for inner in part["parts"]:
        yield from leaves(inner, share * Fraction(part.get("ratio", "1")))


def summed(found: dict[str, Any]) -> Fraction:
    told = list(leaves(found["tree"]))
    assert len(told) == found["leaves_in_all"]
    return sum((share * Fraction(leaf["exact"]) for share, leaf in told), Fraction(0))


@pytest.mark.parametrize("role", ["auditor", "partner"])
def test_every_line_and_total_sums_to_the_fen(settled: Api, role: str) -> None:
    statement = settled.get(STATEMENT, role).json()["statement"]
    assert statement["lines"]
    for line in statement["lines"]:
        found = settled.get(f"{STATEMENT}/lines/{line['number']}/explain", role).json()["leaves"]
        assert summed(found) == Fraction(line["amount"])
    for name in ("entitlement", "held", "payable", "delta", "pool"):
        found = settled.get(f"{STATEMENT}/amounts/{name}/explain", role).json()["leaves"]
        assert summed(found) == Fraction(found["amount"]) == Fraction(statement[name])


def test_a_bill_is_explained_by_its_items(settled: Api) -> None:
    whole = settled.get(f"/v1/settlements/{CONTRACT.id}/2026-08", "auditor").json()["settlement"]
    (bill,) = whole["bills"]
    for name, total in (("bill_without", "without_storage"), ("bill_with", "with_storage")):
        answer = settled.get(f"{STATEMENT}/amounts/{name}/explain", "auditor", site=bill["site"]).json()
        assert summed(answer["leaves"]) == Fraction(bill[total])
    problem(settled.get(f"{STATEMENT}/amounts/bill_with/explain"), 404, "unknown_site", "site")
    problem(settled.get(f"{STATEMENT}/amounts/profit/explain"), 400, "parameter", "name")


def test_a_partner_who_sees_neither_pool_nor_bill_gets_them_in_one_sum(bench: Bench) -> None:
    blind = Visibility(pool_total=False, others_percentages=False, host_bill=False)
    parties = tuple(
        msgspec.structs.replace(party, sees=blind, role="investor" if party.id == HOST else party.role)
        for party in CONTRACT.parties
    )
    filled(bench, msgspec.structs.replace(CONTRACT, parties=parties))
    api = Api(bench)
    try:
        assert api.post("/v1/settlements", {"month": "2026-08"}, role="finance").status_code == 201
        api.wait()
        kinds: dict[str, set[str]] = {}
        for line in api.get(STATEMENT, "partner").json()["statement"]["lines"]:
            found = api.get(f"{STATEMENT}/lines/{line['number']}/explain", "partner").json()["leaves"]
            assert summed(found) == Fraction(line["amount"])
            told = [leaf for _, leaf in leaves(found["tree"])]
            kinds[line["code"]] = {leaf["kind"] for leaf in told}
            assert {leaf["reference"] for leaf in told} <= {f"line {line['number']}"}
            assert "sources" not in found["tree"]
        assert kinds["demand_charge"] == kinds["interaction"] == {"withheld"}
        shares = [found for code, found in kinds.items() if code in ("remainder_split", "loss_split")]
        assert shares
        assert all("withheld" in found <= {"withheld", "rounding"} for found in shares)
        assert "event" in kinds["arbitrage"]
        problem(api.get(f"{STATEMENT}/amounts/pool/explain", "partner"), 422, "not_shown", "amount")
        refused = api.get(f"{STATEMENT}/amounts/bill_with/explain", "partner", site="S1")
        problem(refused, 422, "not_shown", "amount")
        payable = api.get(f"{STATEMENT}/amounts/payable/explain", "partner").json()["leaves"]
        assert summed(payable) == Fraction(payable["amount"])
    finally:
        api.close()


def test_every_delta_is_the_statements_of_every_run(bench: Bench) -> None:
    """A provisional run, the initial one, and a correction whose contract names another in one's place."""
    founded(bench)
    api = Api(bench)
    try:
        left, came = "equipment-owner", "new-owner"
        record_days(bench, 0, 14, "first")
        settled_again(api, through="2026-08-14")
        record_days(bench, 14, 17, "second")
        settled_again(api)
        bench.door.execute(sample.register_party(came), command_id="party", actor="ada")
        text = msgspec.json.encode(CONTRACT).replace(left.encode(), came.encode())
        amended = msgspec.json.decode(text, type=type(CONTRACT))
        bench.door.execute(RegisterContract(amended), command_id="amended", actor="ada")
        settled_again(api)
        deltas: dict[tuple[int, str], str] = {}
        own = {"Authorization": f"Bearer {api.grant('partner', left)}"}
        for run in (1, 2, 3):
            for party in sorted({*CONTRACT.party_ids, came}):
                path = f"/v1/statements/{CONTRACT.id}/2026-08/{party}"
                answer = api.get(path, "auditor", run=run)
                if party == came and run < 3:
                    problem(answer, 404, "unknown_statement", "party")
                    continue
                deltas[run, party] = answer.json()["statement"]["delta"]
                found = [api.get(f"{path}/amounts/delta/explain", "auditor", run=run)]
                if party == left:
                    found.append(
                        api.client.get(f"{path}/amounts/delta/explain", params={"run": run}, headers=own)
                    )
                for one in found:
                    assert one.status_code == 200, one.text
                    told = one.json()["leaves"]
                    assert summed(told) == Fraction(told["amount"]) == Fraction(deltas[run, party])
        for name in ("entitlement", "held", "payable"):
            path = f"/v1/statements/{CONTRACT.id}/2026-08/{left}/amounts/{name}/explain"
            for one in (api.get(path, "auditor"), api.client.get(path, headers=own)):
                assert one.status_code == 200, one.text
                assert (one.json()["run"], one.json()["leaves"]["amount"]) == (3, "0.00"), name
        assert {delta for (run, _), delta in deltas.items() if run == 1} == {"0.00"}
        assert Fraction(deltas[2, left]) > 0
        assert Fraction(deltas[3, left]) == -Fraction(deltas[2, left]) == -Fraction(deltas[3, came])
    finally:
        api.close()


def settled_again(api: Api, **body: str) -> None:
    done = api.post("/v1/settlements", {"month": "2026-08", **body}, role="finance")
    assert done.status_code == 201, done.text
    api.wait()
