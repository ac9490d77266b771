"""Facts of a contract over the API: days that do not count, services rendered, and what they correct."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import msgspec
import pytest

from ledger import contract_file
from ledger.book import Book, FoundBook
from ledger.clauses import CappedTier
from ledger.contract import Contract
from ledger.demand import ActualDemand
from ledger.grid_account import Account
from ledger.meter import Meter, RegisterMeter
from ledger.published_tariff import PublishTariff
from ledger.signed_contract import RegisterContract
from ledger.site import RegisterSite, Site
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.test_corrections import AUGUST, JULY, SUMMER, record
from tests.adapters.test_settling import EXAMPLES


def example(name: str) -> Contract:
    """An example contract, from July on and for site S3."""
    found = contract_file.parse((EXAMPLES / f"contracts/{name}.toml").read_bytes())
    return msgspec.structs.replace(found, effective_from=date(2026, 7, 1), sites=("S3",))


AGENCY = example("agency-carve-outs-s3")
STORM = {
    "id": "storm",
    "cause": "force_majeure",
    "first": "2026-07-30",
    "end": "2026-08-04",
    "evidence": "typhoon notice 12",
}
EXCLUSIONS = f"/v1/contracts/{AGENCY.id}/exclusions"


def book_of(bench: Bench, contract: Contract, approvals: Any = "one_person") -> Api:
    """A book whose July and August are metered, and its API."""
    account = Account(id="A", zone="Asia/Shanghai", parts="two_part", demand=ActualDemand())
    site = Site("S3", "Plant", "Asia/Shanghai", 800_000, 400_000, SUMMER.id, account)
    storage = Meter("S3-STORAGE", "S3", "storage", ("charge", "discharge"), 900, 400_000, "Asia/Shanghai")
    commands = [
        FoundBook(Book("Facts", "operator", "CNY", "Asia/Shanghai", approvals)),
        PublishTariff(SUMMER),
        RegisterSite(sample.FROM_2026, site),
        RegisterMeter(sample.FROM_2026, storage),
        *(sample.register_party(party) for party in contract.party_ids),
        RegisterContract(contract),
    ]
    for number, command in enumerate(commands):
        bench.door.execute(command, command_id=f"c{number}", actor="ada")
    for month in (JULY, AUGUST):
        record(bench, month, 1_000, "first")
    made = Api(bench)
    made.secrets["finance"] = made.grant("finance", actor="ada")
    made.secrets["admin"] = made.grant("admin", actor="bob")
    return made


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    made = book_of(bench, AGENCY)
    yield made
    made.close()


def ok(answer: Any) -> Any:
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


def settled(api: Api, month: str) -> Any:
    done = ok(api.post("/v1/settlements", {"month": month, "contracts": []}))
    api.wait()
    return {run["month"]: run for run in done["runs"]}


def statement(api: Api, contract: Contract, month: str, party: str) -> Any:
    return ok(api.get(f"/v1/statements/{contract.id}/{month}/{party}", "finance"))["statement"]


def test_a_late_exclusion_corrects_the_months_that_it_lies_in(api: Api) -> None:
    """240,000 a year are 20,000 a month; two of July's and three of August's 31 days do not count: 29/31 of
    20,000 are 18,709.68, 57/31 are 36,774.19 (DOMAIN.md 2.3, carve-outs; 5, true-up across re-settlement)."""
    for month in ("2026-07", "2026-08"):
        settled(api, month)
        assert statement(api, AGENCY, month, "host-s3")["entitlement"] == "20000.00"
    ok(api.post(EXCLUSIONS, STORM, "finance"))
    assert {month: run["run"] for month, run in settled(api, "2026-07").items()} == {
        "2026-07": 2,
        "2026-08": 2,
    }
    july, august = (statement(api, AGENCY, month, "host-s3") for month in ("2026-07", "2026-08"))
    assert (july["entitlement"], july["delta"], july["causes"]) == ("18709.68", "-1290.32", ["exclusion"])
    assert (august["entitlement"], august["delta"]) == ("18064.51", "-1935.49")
    assert sorted(august["causes"]) == ["earlier_month", "exclusion"]

    number = next(line["number"] for line in july["lines"] if line["code"] == "guarantee")
    path = f"/v1/statements/{AGENCY.id}/2026-07/host-s3/lines/{number}/explain"
    explained = ok(api.get(path, "finance"))
    assert any(source.startswith(f"exclusion.{AGENCY.id}: ") for source in explained["sources"])

    ok(api.post(f"{EXCLUSIONS}/storm/withdraw", {"evidence": "notice 13 revokes 12"}, "finance"))
    settled(api, "2026-07")
    july = statement(api, AGENCY, "2026-07", "host-s3")
    assert (july["run"], july["entitlement"], july["delta"]) == (3, "20000.00", "1290.32")
    assert july["causes"] == ["exclusion"]
    (shown,) = ok(api.get(EXCLUSIONS, "auditor"))["items"]
    assert (shown["id"], shown["withdrawn"], shown["evidence"]) == ("storm", True, "notice 13 revokes 12")


def test_an_exclusion_of_other_days_corrects_nothing(api: Api) -> None:
    """The part of a statement that lies outside a month does not touch the month."""
    settled(api, "2026-07")
    ok(api.post(EXCLUSIONS, STORM | {"first": "2026-08-01"}, "finance"))
    assert [run["recorded"] for run in settled(api, "2026-07").values()] == [False]
    assert statement(api, AGENCY, "2026-07", "host-s3")["run"] == 1


def test_what_a_contract_does_not_leave_out_is_refused(api: Api) -> None:
    before = STORM | {"first": "2026-01-01", "end": "2026-02-01"}
    problem(api.post(EXCLUSIONS, before, "finance"), 422, "not_carved_out", "cause")
    problem(api.post(EXCLUSIONS, STORM | {"end": "2026-07-30"}, "finance"), 422, "exclusion", "end")
    problem(api.post(EXCLUSIONS, STORM | {"cause": "holiday"}, "finance"), 422, "not_allowed", "cause")
    problem(api.post(EXCLUSIONS, STORM, "auditor"), 403, "forbidden")
    problem(api.post("/v1/contracts/nobody/exclusions", STORM), 404, "unknown_contract", "contract")
    problem(api.get("/v1/contracts/nobody/exclusions"), 404, "unknown_contract", "contract")
    body = {"evidence": "none"}
    problem(api.post(f"{EXCLUSIONS}/calm/withdraw", body), 404, "unknown_exclusion", "exclusion")
    ok(api.post(EXCLUSIONS, STORM))
    ok(api.post(f"{EXCLUSIONS}/storm/withdraw", body))
    problem(api.post(f"{EXCLUSIONS}/storm/withdraw", body), 422, "already_withdrawn", "exclusion")


def test_a_book_of_two_persons_asks_the_second_one(bench: Bench) -> None:
    api = book_of(bench, AGENCY, "two_persons")
    try:
        name = ok(api.post(EXCLUSIONS, STORM, "finance"))["proposal"]
        api.wait()
        assert ok(api.get(EXCLUSIONS, "finance"))["items"] == []
        problem(api.post(f"/v1/proposals/{name}/approve", role="finance"), 422, "four_eyes", "actor")
        ok(api.post(f"/v1/proposals/{name}/approve", role="admin"))
        api.wait()
        (shown,) = ok(api.get(EXCLUSIONS, "finance"))["items"]
        assert (shown["id"], shown["first"], shown["end"]) == ("storm", "2026-07-30", "2026-08-04")
    finally:
        api.close()


def measured(zero_scores: Any) -> Contract:
    """The example of a co-investment, whose operating tier is divided by what the parties rendered."""
    found = example("co-investment-s2")
    clauses = tuple(
        msgspec.structs.replace(clause, weights="evidence", zero_scores=zero_scores, cap="1000")
        if isinstance(clause, CappedTier)
        else clause
        for clause in found.clauses
        if clause.phase != "tier" or isinstance(clause, CappedTier)
    )
    return msgspec.structs.replace(found, clauses=clauses)


def test_a_tier_is_divided_by_the_services_that_were_rendered(bench: Bench) -> None:
    """Of a tier whose every score is recorded: hours of 100, 300 and 0 are 1/4, 3/4 and nothing; a later
    score corrects the month and says so."""
    contract = measured("refused")
    path = f"/v1/contracts/{contract.id}/service-scores"
    api = book_of(bench, contract)
    try:
        api.wait()
        problem(api.post("/v1/settlements", {"month": "2026-07"}), 422, "service_missing", "facts.service")
        score = {"month": "2026-07", "evidence": "availability report 7"}
        for party, hours in (("investor", "100"), ("operator", "300")):
            ok(api.post(path, score | {"party": party, "score": hours}, "finance"))
        problem(api.post("/v1/settlements", {"month": "2026-07"}), 422, "service_missing", "facts.service")
        ok(api.post(path, score | {"party": "host-s2", "score": "0"}, "finance"))
        settled(api, "2026-07")
        lines = {
            party: {
                line["code"]: line["amount"] for line in statement(api, contract, "2026-07", party)["lines"]
            }
            for party in contract.party_ids
        }
        tier = {party: found.get("capped_tier") for party, found in lines.items()}
        assert sum(int(one.replace(".", "")) for one in tier.values() if one) > 0
        taken = int(str(tier["investor"]).replace(".", ""))
        assert tier["host-s2"] is None
        assert abs(3 * taken - int(str(tier["operator"]).replace(".", ""))) <= 3

        ok(api.post(path, score | {"party": "investor", "score": "0"}, "finance"))
        settled(api, "2026-07")
        assert statement(api, contract, "2026-07", "operator")["causes"] == ["service"]
        shown = ok(api.get(path, "auditor"))["items"]
        assert [(one["party"], one["score"]) for one in shown] == [
            ("host-s2", "0"),
            ("investor", "0"),
            ("operator", "300"),
        ]
        ok(api.post(path, score | {"party": "operator", "score": "0"}, "finance"))
        problem(api.post("/v1/settlements", {"month": "2026-07"}), 422, "zero_scores", "facts.service")
        stranger = score | {"party": "nobody", "score": "1"}
        problem(api.post(path, stranger), 422, "not_measured", "party")
        problem(api.post(path, score | {"party": "operator", "score": "-1"}), 422, "field_type", "score")
    finally:
        api.close()
