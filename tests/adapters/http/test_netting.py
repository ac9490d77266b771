"""Netting over two contracts with one host: positions, agreement, netting, journal, and what stays open."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest

from adapters.replay import replay
from ledger.book import Approvals, FoundBook
from ledger.clauses import LossSplit, RemainderSplit
from ledger.contract import Contract
from ledger.demand import ActualDemand
from ledger.grid_account import Account
from ledger.interval import zone_of
from ledger.meter import Meter, RegisterMeter
from ledger.meter_import import RecordReadings
from ledger.published_tariff import PublishTariff
from ledger.quantity import Money
from ledger.readings import run_of
from ledger.signed_contract import RegisterContract
from ledger.site import RegisterSite, Site
from ledger.statement.life import Payment, StatementKey
from ledger.statement.money import RecordPayment
from tests.adapters import sample
from tests.adapters.cli.terminal import terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.http.test_contract_facts import ok
from tests.adapters.http.test_lives import TERMS
from tests.adapters.test_corrections import AUGUST, SUMMER
from tests.ledger.contract_samples import contract as sample_contract

SHARES = {"host": "70%", "operator": "30%"}
CLAUSES = (LossSplit(shares=SHARES, carry_forward=False), RemainderSplit(shares=SHARES))


def contract_of(name: str, site: str, holder: str) -> Contract:
    """70 : 30 of what one site's storage earns; `holder` has the cash."""
    made = sample_contract(
        CLAUSES,
        id=name,
        sites=(site,),
        cash_holder={"arbitrage": holder},
        effective_from=date(2026, 7, 1),
        statement_terms=TERMS,
    )
    return msgspec.structs.replace(made, parties=made.parties[:2])


OURS, THEIRS = contract_of("held-by-host", "S3", "host"), contract_of("held-by-us", "S4", "operator")
"""The host owes 30 per cent of the one, the operator 70 per cent of the other."""


def issued_august(bench: Bench, *contracts: Contract, approvals: Approvals = "one_person") -> Api:
    """August settled under the contracts of S3 and S4, and the host's statements issued."""
    founded = msgspec.structs.replace(sample.found_book().book, approvals=approvals)
    commands: list[Any] = [FoundBook(founded), PublishTariff(SUMMER)]
    commands += [sample.register_party(party) for party in ("host", "operator", "third")]
    for site in ("S3", "S4"):
        account = Account(id=f"A-{site}", zone="Asia/Shanghai", parts="two_part", demand=ActualDemand())
        meter = Meter(f"{site}-M", site, "storage", ("charge", "discharge"), 900, 400_000, "Asia/Shanghai")
        place = Site(site, site, "Asia/Shanghai", 800_000, 400_000, SUMMER.id, account)
        commands += [RegisterSite(sample.FROM_2026, place), RegisterMeter(sample.FROM_2026, meter)]
    commands += [RegisterContract(contract) for contract in contracts]
    whole = AUGUST.interval(zone_of("Asia/Shanghai"))
    cut = sample.AUGUST
    for site, wh in (("S3", 1_000), ("S4", 250)):
        for start, end in ((whole.start, cut), (cut, whole.end)):
            count = int((end - start).total_seconds()) // 900
            runs = tuple(
                run_of(f"{site}-M", register, start, 900, np.full(count, value), "A")  # type: ignore[arg-type]
                for register, value in (("charge", 0), ("discharge", wh))
            )
            commands.append(RecordReadings(f"{site}-M", f"{start:%Y-%m}", "first", runs))
    for number, command in enumerate(commands):
        bench.door.execute(command, command_id=f"c{number}", actor="setup")
    made = Api(bench)
    made.secrets["finance"] = made.grant("finance", actor="ada")
    made.secrets["admin"] = made.grant("admin", actor="bob")
    ok(made.post("/v1/settlements", {"month": "2026-08"}, "finance"))
    made.wait()
    for contract in contracts:
        path = f"/v1/statements/{contract.id}/2026-08/host/1"
        ok(made.post(f"{path}/review", role="finance"))
        ok(made.post(f"{path}/approve", role="admin"))
        ok(made.post(f"{path}/issue", role="finance"))
    made.wait()
    return made


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    made = issued_august(bench, OURS, THEIRS)
    yield made
    made.close()


AGREED = {"effective_from": "2026-01-01", "evidence": "framework agreement 7"}


def position(api: Api) -> Any:
    api.wait()
    items = ok(api.get("/v1/netting", "auditor"))["items"]
    return items[0] if items else None


def balances(api: Api) -> dict[str, Decimal]:
    rows = ok(api.get("/v1/trial-balance", "auditor", month="2026-09"))["rows"]
    return {row["account"]: Decimal(row["closing"]) for row in rows}


def of_host(api: Api, kind: str) -> Decimal:
    """The closing balance of the host's receivable or payable, not what is only accrued."""
    found = [
        closing
        for name, closing in balances(api).items()
        if "host" in name.lower() and kind in name.lower() and "accrued" not in name.lower()
    ]
    return sum(found, Decimal(0))


def life(api: Api, contract: Contract) -> Any:
    return ok(api.get(f"/v1/statements/{contract.id}/2026-08/host/1/life", "finance"))["life"]


def test_both_sides_are_paid_by_the_smaller_one(api: Api) -> None:
    """30 per cent of a quarter-hour's 1 kWh against 70 per cent of 0.25 kWh: 0.3 is owed, 0.175 is due."""
    before = position(api)
    assert (before["party"], before["currency"], before["agreed"]) == ("host", "CNY", False)
    receivable, payable = Decimal(before["receivable"]), Decimal(before["payable"])
    assert receivable > payable > 0
    assert Decimal(before["net"]) == receivable - payable
    assert [one["contract"] for one in before["statements"]] == [OURS.id, THEIRS.id]
    assert [Decimal(one["open"]) for one in before["statements"]] == [-receivable, payable]

    body = {"id": "n-1", "currency": "CNY"}
    problem(api.post("/v1/netting/host", body, "finance"), 422, "netting_not_agreed", "party")
    ok(api.post("/v1/netting/host/agreement", AGREED, "finance"))
    assert position(api)["agreed"] is True
    owed_before = (of_host(api, "receivable"), of_host(api, "payable"))
    done = ok(api.post("/v1/netting/host", body, "finance", key="net"))
    assert done["netting"]["amount"] == before["payable"]
    parts = {part["contract"]: Decimal(part["amount"]) for part in done["netting"]["parts"]}
    assert parts == {OURS.id: -payable, THEIRS.id: payable}
    again = api.post("/v1/netting/host", body, "finance", key="net")
    assert (again.json(), again.headers["idempotency-replayed"]) == (done, "true")

    after = position(api)
    assert (Decimal(after["receivable"]), after["payable"]) == (receivable - payable, "0.00")
    assert (life(api, THEIRS)["standing"], life(api, THEIRS)["open_amount"]) == ("paid", "0.00")
    left = life(api, OURS)
    assert (left["standing"], Decimal(left["open_amount"])) == ("part_paid", payable - receivable)
    assert [one["kind"] for one in left["payments"]] == ["netting"]

    entries = ok(api.get("/v1/journal", "auditor", month="2026-09"))["entries"]
    (entry,) = [one for one in entries if one["kind"] == "netting"]
    assert sorted(Decimal(one["amount"]) for one in entry["postings"]) == [-payable, payable]
    assert (entry["document"], entry["party"]) == ("n-1", "host")
    assert (of_host(api, "receivable"), of_host(api, "payable")) == (
        owed_before[0] - payable,
        owed_before[1] + payable,
    )
    problem(api.post("/v1/netting/host", {"id": "n-2", "currency": "CNY"}), 422, "nothing_to_net", "party")
    history = ok(api.get("/v1/netting/host", "auditor"))
    assert [one["id"] for one in history["nettings"]] == ["n-1"]
    assert [one["evidence"] for one in history["agreements"]] == ["framework agreement 7"]
    proof = replay(api.bench.log, api.bench.database)
    assert proof.equal, [table for table in proof.tables if table.difference]


def test_a_netting_waits_for_what_was_paid_just_before(api: Api) -> None:
    """One fen of ours is paid while the projections are late: the netting sets off one fen less."""
    ok(api.post("/v1/netting/host/agreement", AGREED, "finance"))
    before = position(api)
    api.projector.stop()
    api._thread.join()
    day, fen = date(2026, 9, 3), Money(1, "CNY")
    paid = Payment(id="b-1", on=day, amount=fen, kind="payment")
    key = StatementKey(THEIRS.id, "2026-08", "host", 1)
    api.bench.door.execute(RecordPayment(key, paid), command_id="b-1", actor="ada")
    late = threading.Timer(0.5, api.bench.project)
    late.start()
    done = ok(api.post("/v1/netting/host", {"id": "n-1", "currency": "CNY"}, "finance"))
    late.join()
    assert done["netting"]["amount"] == str(Money.parse(before["payable"], "CNY") - fen)


def test_what_we_have_no_part_in_is_neither_aged_nor_a_difference(bench: Bench) -> None:
    parties = tuple(
        msgspec.structs.replace(one, id="third") if one.id == "operator" else one for one in THEIRS.parties
    )
    shares = {"host": "70%", "third": "30%"}
    foreign = msgspec.structs.replace(
        THEIRS,
        parties=parties,
        clauses=(LossSplit(shares=shares, carry_forward=False), RemainderSplit(shares=shares)),
        cash_holder={"arbitrage": "third"},
    )
    api = issued_august(bench, OURS, foreign)
    try:
        owed = position(api)["receivable"]
        account = ok(api.get("/v1/parties/host/account", "auditor"))
        assert account["closing"] == owed
        assert (account["ageing"]["owed_to_us"]["not_due"], account["ageing"]["owed_by_us"]["not_due"]) == (
            owed,
            "0.00",
        )
        found = ok(api.get("/v1/invoices", "auditor"))["differences"]
        assert {one["contract"] for one in found} == {OURS.id}
    finally:
        api.close()


def test_what_may_not_be_netted_is_named(api: Api) -> None:
    ok(api.post("/v1/netting/host/agreement", AGREED, "finance"))
    problem(api.post("/v1/netting/nobody/agreement", AGREED), 404, "unknown_party", "party")
    problem(api.post("/v1/netting/operator/agreement", AGREED), 422, "netting_part", "party")
    ended = AGREED | {"effective_to": "2026-02-01"}
    ok(api.post("/v1/netting/host/agreement", ended, "finance"))
    api.wait()
    body = {"id": "n-1", "currency": "CNY"}
    problem(api.post("/v1/netting/host", body), 422, "netting_not_agreed", "party")
    problem(api.post("/v1/netting/host", body | {"currency": "USD"}), 422, "nothing_to_net", "party")
    problem(api.get("/v1/netting", "market_desk"), 403, "forbidden")
    by_hand = {"id": "x", "on": "2026-09-01", "amount": "1.00", "kind": "netting"}
    problem(api.post(f"/v1/statements/{OURS.id}/2026-08/host/1/payments", by_hand), 422, "netting", "kind")


@pytest.fixture
def two_persons(bench: Bench) -> Iterator[Api]:
    """The same month in a book whose nettings need a second person; an agreement is in force."""
    made = issued_august(bench, OURS, THEIRS, approvals="two_persons")
    agreed = ok(made.post("/v1/netting/host/agreement", AGREED, "finance"))
    ok(made.post(f"/v1/proposals/{agreed['proposal']}/approve", role="admin"))
    made.wait()
    yield made
    made.close()


def test_a_netting_takes_effect_when_a_second_person_approves_it(two_persons: Api) -> None:
    """Prepared by ada it pays nothing; approved by bob it pays every statement in the same save."""
    api = two_persons
    before = position(api)
    body = {"id": "n-1", "currency": "CNY"}
    done = ok(api.post("/v1/netting/host", body, "finance", key="net"))
    assert done["netting"]["amount"] == before["payable"]
    name = done["proposal"]
    assert position(api) == before, "nothing is set off yet"
    assert ok(api.post("/v1/netting/host", body, "finance")) == done, "asked again it waits as the same"
    (waiting,) = ok(api.get("/v1/proposals", "auditor", status="open"))["items"]
    assert (waiting["id"], waiting["what"], waiting["prepared_by"]) == (name, "netting.record", "ada")
    problem(api.post(f"/v1/proposals/{name}/approve", role="finance"), 422, "four_eyes", "actor")
    approved = ok(api.post(f"/v1/proposals/{name}/approve", role="admin"))
    assert approved["aggregate"] == "netting.host"
    assert position(api)["payable"] == "0.00"
    assert life(api, THEIRS)["standing"] == "paid"
    kinds = [one["kind"] for one in ok(api.get("/v1/journal", "auditor", month="2026-09"))["entries"]]
    assert kinds.count("netting") == 1
    proof = replay(api.bench.log, api.bench.database)
    assert proof.equal, [table for table in proof.tables if table.difference]


def test_what_was_prepared_is_decided_again_when_it_is_approved(two_persons: Api) -> None:
    """One fen of ours is paid meanwhile: what was prepared is no longer open and cannot be approved."""
    api = two_persons
    done = ok(api.post("/v1/netting/host", {"id": "n-1", "currency": "CNY"}, "finance"))
    paid = {"id": "b-1", "on": "2026-09-01", "amount": "0.01", "kind": "payment"}
    ok(api.post(f"/v1/statements/{THEIRS.id}/2026-08/host/1/payments", paid, "finance"))
    approve = f"/v1/proposals/{done['proposal']}/approve"
    problem(api.post(approve, role="admin"), 422, "netting_part")
    assert life(api, OURS)["payments"] == []
    ok(api.post(f"/v1/proposals/{done['proposal']}/reject", {"reason": "paid meanwhile"}, "admin"))
    again = {"id": "n-1", "currency": "CNY"}
    assert "turned down by bob" in problem(api.post("/v1/netting/host", again), 409, "exists", "id")["detail"]
    api.wait()
    new = ok(api.post("/v1/netting/host", {"id": "n-2", "currency": "CNY"}, "finance"))
    ok(api.post(f"/v1/proposals/{new['proposal']}/approve", role="admin"))
    assert position(api)["payable"] == "0.00"


def test_a_partner_sees_its_own_position_and_no_other(api: Api) -> None:
    whole = position(api)
    for party, expected in (("host", [whole]), ("third", [])):
        secret = api.grant("partner", party)
        headers = {"Authorization": f"Bearer {secret}"}
        found = api.client.get("/v1/netting", headers=headers)
        assert found.status_code == 200, found.text
        assert found.json()["items"] == expected
        of_host = api.client.get("/v1/netting", headers=headers, params={"party": "host"})
        assert of_host.json()["items"] == expected
        hidden = api.client.get("/v1/netting/host", headers=headers)
        problem(hidden, 403, "forbidden")


def test_a_terminal_shows_agrees_and_sets_off(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    run = terminal_of(api.bench, capsys)
    before = position(api)
    shown = run("netting", "show", "host")
    assert shown.startswith("host ")
    assert "netting agreed" not in shown
    assert f"    {OURS.id} 2026-08 run 1: -" in shown
    day = ("--from", "2026-01-01", "--evidence", "framework agreement 7", "--as", "ada")
    assert run("netting", "agree", "host", *day).startswith("netting with host agreed: event ")
    told = run("netting", "set-off", "host", "n-1", "--as", "ada")
    amount = f"{Decimal(before['payable']):,}"
    assert told.startswith(f"netting n-1: {amount} CNY each way, event ")
    assert run("netting", "set-off", "host", "n-1", "--as", "ada") == told, "given again, it is the same"
    assert ", net " in run("netting", "show")
