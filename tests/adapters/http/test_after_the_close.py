"""What goes on after a close: a dispute that was open, an amendment, a party that leaves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from ledger.contract import Contract
from ledger.demand import ActualDemand
from ledger.grid_account import Account
from ledger.interval import Month
from ledger.meter import Meter, RegisterMeter
from ledger.published_tariff import PublishTariff
from ledger.signed_contract import RegisterContract
from ledger.site import RegisterSite, Site
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.http.test_lives import TERMS
from tests.adapters.test_corrections import AUGUST, JULY, SEPTEMBER, SUMMER, record
from tests.adapters.test_settling import CONTRACT

OWNER = "equipment-owner"
"""The party that leaves."""
NAMED = msgspec.structs.replace(CONTRACT, sites=("S3",), statement_terms=TERMS)


def without(contract: Contract, party: str, since: date) -> Contract:
    """The version from `since` on in which the operator has taken the party's place."""
    changed = msgspec.json.decode(msgspec.json.encode(contract))
    changed["parties"] = [one for one in changed["parties"] if one["id"] != party]
    changed["effective_from"] = str(since)
    for clause in changed["clauses"]:
        for field, value in clause.items():
            if value == party:
                clause[field] = "operator"
            elif isinstance(value, dict) and party in value:
                value["operator"] = value.pop(party)
    return msgspec.convert(changed, Contract)


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    """July and August metered and settled, every statement of July issued, July closed."""
    account = Account(id="A", zone="Asia/Shanghai", parts="two_part", demand=ActualDemand())
    site = Site("S3", "Plant", "Asia/Shanghai", 800_000, 400_000, SUMMER.id, account)
    storage = Meter("S3-STORAGE", "S3", "storage", ("charge", "discharge"), 900, 400_000, "Asia/Shanghai")
    commands = [
        sample.found_book(),
        PublishTariff(SUMMER),
        RegisterSite(sample.FROM_2026, site),
        RegisterMeter(sample.FROM_2026, storage),
        *(sample.register_party(party) for party in NAMED.party_ids),
        RegisterContract(NAMED),
    ]
    for number, command in enumerate(commands):
        bench.door.execute(command, command_id=f"c{number}", actor="ada")
    for month, wh in ((JULY, 20_000), (AUGUST, 25_000)):
        record(bench, month, wh, "first")
    made = Api(bench)
    for role, actor in (("finance", "ada"), ("admin", "bob")):
        made.secrets[role] = made.grant(role, actor=actor)  # type: ignore[arg-type]
    for month in (JULY, AUGUST):
        settle(made, month)
        issue(made, month, 1)
    yield made
    made.close()


def ok(answer: Any) -> Any:
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


def settle(api: Api, month: Month) -> list[Any]:
    runs: list[Any] = ok(api.post("/v1/settlements", {"month": str(month)}, "finance"))["runs"]
    api.wait()
    return runs


def issue(api: Api, month: Month, run: int, parties: tuple[str, ...] = NAMED.party_ids) -> None:
    """Review, approve and issue the run's statements, and make it final."""
    for party in parties:
        issue_to(api, month, run, party)
    ok(finalise(api, month, run))
    api.wait()


def issue_to(api: Api, month: Month, run: int, party: str) -> None:
    path = f"/v1/statements/{NAMED.id}/{month}/{party}/{run}"
    ok(api.post(f"{path}/review", role="finance"))
    ok(api.post(f"{path}/approve", role="admin"))
    ok(api.post(f"{path}/issue", role="finance"))


def finalise(api: Api, month: Month, run: int) -> Any:
    return api.post(f"/v1/settlements/{NAMED.id}/{month}/finalise", {"run": run}, "finance")


def close(api: Api, month: Month, *carried: str) -> Any:
    answer = api.post(f"/v1/months/{month}/close", {"carried_disputes": list(carried)}, "finance")
    api.wait()
    return answer


def entries(api: Api, month: Month) -> list[Any]:
    """The journal's entries that are posted in `month`."""
    found: list[Any] = ok(api.get("/v1/journal", "auditor", month=str(month)))["entries"]
    return found


def asked(api: Api, party: str) -> dict[tuple[str, int], Any]:
    """The party's statement of account: month and run to what is open."""
    items = ok(api.get("/v1/receivables", "auditor", party=party))["items"]
    return {(one["month"], one["run"]): one for one in items}


def test_a_month_closes_with_a_dispute_that_is_named_and_asked_for_again(api: Api) -> None:
    """Unresolved goes into the next cycle, the undisputed part is still paid (DOMAIN.md 3.10)."""
    path = f"/v1/statements/{NAMED.id}/2026-07/{OWNER}/1"
    ok(api.post(f"{path}/disputes", {"id": "d1", "lines": [fee(api)], "reason": "too low"}, "finance"))
    api.wait()
    problem(close(api, JULY), 422, "dispute_open", "carried_disputes")
    problem(close(api, JULY, "d1", "d2"), 422, "unknown_dispute", "carried_disputes")
    ok(close(api, JULY, "d1"))
    frozen = asked(api, OWNER)["2026-07", 1]
    assert (frozen["standing"], frozen["open_amount"]) == ("disputed", "0.00")
    others = asked(api, "operator")["2026-07", 1]
    assert others["open_amount"] == others["amount"] != "0.00", "what nobody disputes is paid"

    problem(close(api, AUGUST), 422, "dispute_open", "carried_disputes")
    listed = ok(api.get("/v1/months/2026-08", "auditor"))["checklist"]
    assert listed["open_disputes"] == ["d1"]
    ok(api.post(f"{path}/disputes/d1/decide", {"decision": "upheld", "answer": "you are right"}, "admin"))
    api.wait()
    problem(close(api, AUGUST), 422, "dispute_open", "carried_disputes")
    record(api.bench, JULY, 24_000, "read again")
    before = entries(api, JULY)
    (july, *_) = settle(api, JULY)
    corrected = {"run": july["run"]}
    problem(api.post(f"{path}/disputes/d1/correct", corrected, "finance"), 422, "not_issued", "run")
    issue_to(api, JULY, july["run"], OWNER)
    place = f"contract {NAMED.id}"
    problem(finalise(api, JULY, july["run"]), 422, "dispute_upheld", place)
    ok(api.post(f"{path}/disputes/d1/correct", corrected, "finance"))
    ok(finalise(api, JULY, july["run"]))
    api.wait()
    assert asked(api, OWNER)["2026-07", 1]["disputed"] == "0.00"
    assert entries(api, JULY) == before, "a closed month never changes"
    (posted,) = [
        one for one in entries(api, AUGUST) if (one["month"], one["kind"]) == ("2026-07", "correction")
    ]
    assert posted["run"] == 2
    ok(close(api, AUGUST))


def fee(api: Api) -> int:
    """The line of the owner's base fee in July."""
    statement = ok(api.get(f"/v1/statements/{NAMED.id}/2026-07/{OWNER}", "auditor"))["statement"]
    (line,) = [one for one in statement["lines"] if one["code"] == "base_fee"]
    return int(line["number"])


def test_an_amendment_after_the_close_lands_in_the_first_open_month(api: Api) -> None:
    ok(close(api, JULY))
    ok(close(api, AUGUST))
    before = entries(api, JULY), entries(api, AUGUST)
    text = msgspec.json.encode(NAMED).replace(b'"rate":"0.1"', b'"rate":"0.2"')
    amended = msgspec.structs.replace(
        msgspec.json.decode(text, type=Contract), effective_from=date(2026, 7, 1)
    )
    assert amended.clauses != NAMED.clauses
    api.bench.door.execute(RegisterContract(amended), command_id="amended", actor="ada")
    runs = settle(api, JULY)
    assert [(one["month"], one["run_kind"], one["causes"]) for one in runs] == [
        ("2026-07", "correction 1", ["retroactive_amendment"]),
        ("2026-08", "correction 1", ["retroactive_amendment"]),
    ]
    assert (entries(api, JULY), entries(api, AUGUST)) == before
    posted = [one for one in entries(api, SEPTEMBER) if one["kind"] == "correction"]
    assert [one["month"] for one in posted] == ["2026-07", "2026-08"], "each under its origin month"
    assert {one["posted_on"][:7] for one in posted} == {"2026-09"}


def test_a_party_that_leaves_is_still_owed_what_it_earned(api: Api) -> None:
    api.bench.now += timedelta(days=30)
    owed = asked(api, OWNER)["2026-08", 1]
    assert Decimal(owed["open_amount"]) > 0
    leaves = without(NAMED, OWNER, date(2026, 9, 1))
    api.bench.door.execute(RegisterContract(leaves), command_id="leaves", actor="ada")
    record(api.bench, SEPTEMBER, 22_000, "first")
    (september,) = settle(api, SEPTEMBER)
    assert OWNER not in september["payable"]
    assert settle(api, AUGUST)[0]["recorded"] is False, "the months before keep their version"
    assert asked(api, OWNER)["2026-08", 1] == owed
    assert set(asked(api, OWNER)) == {("2026-07", 1), ("2026-08", 1)}


def test_a_party_that_an_amendment_takes_out_of_a_settled_month_gives_it_back(api: Api) -> None:
    """Its delta is all that it was owed of the month; it is told so, and its account comes to nothing."""
    owed = asked(api, OWNER)["2026-08", 1]["amount"]
    leaves = without(NAMED, OWNER, date(2026, 8, 1))
    api.bench.door.execute(RegisterContract(leaves), command_id="leaves", actor="ada")
    (august,) = settle(api, AUGUST)
    assert (august["run_kind"], august["causes"]) == ("correction 1", ["retroactive_amendment"])
    statement = ok(api.get(f"/v1/statements/{NAMED.id}/2026-08/{OWNER}", "auditor"))["statement"]
    assert (statement["run"], statement["payable"], statement["lines"]) == (2, "0.00", [])
    assert Decimal(statement["delta"]) == -Decimal(owed)
    checklist = ok(api.get("/v1/months/2026-08", "auditor"))["checklist"]
    assert OWNER in checklist["contracts"][0]["not_issued"]
    issue(api, AUGUST, 2)
    amounts = [Decimal(asked(api, OWNER)["2026-08", run]["open_amount"]) for run in (1, 2)]
    assert sum(amounts) == 0
    rows = ok(api.get("/v1/trial-balance", "auditor", month="2026-12"))["rows"]
    named = {one["account"]: Decimal(one["closing"]) for one in rows if OWNER in one["account"].lower()}
    july = Decimal(asked(api, OWNER)["2026-07", 1]["amount"])
    due = (money for name, money in named.items() if name.partition(":")[0] in ("Assets", "Liabilities"))
    assert sum(due) == -july, named
