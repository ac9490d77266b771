"""A contract in another currency than its tariff: refused before it is stored, and no bar to the others."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from adapters.cli.session import Session
from adapters.closing import checklist
from adapters.contract_currency import check_currency
from adapters.main import application
from adapters.queries import registered
from adapters.queries.contracts_in_force import in_force
from adapters.settling import lowest_position
from adapters.withdrawing import withdrawal
from ledger.contract import Contract
from ledger.contract_withdrawal import WithdrawContract
from ledger.effective import History
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.signed_contract import RegisterContract
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.test_look_back import FROM_AUGUST, IN_TIME, settings_of, settle, told, two_contracts
from tests.adapters.test_settling import AUGUST, CONTRACT, EXAMPLES, TARIFF

EUROS = msgspec.structs.replace(FROM_AUGUST, id="euros", currency="EUR")
"""Of the site of `agency-s3`, which steps back."""


def in_euros(bench: Bench) -> None:
    """August metered under two contracts, of which one is in another currency than its tariff."""
    two_contracts(bench)
    execute(bench, withdrawal(bench.door, FROM_AUGUST.id, "signed as another one"))
    execute(bench, RegisterContract(EUROS))


def execute(bench: Bench, command: Any) -> None:
    number = bench.recorder.max_notification_id()
    bench.door.execute(command, command_id=f"currency-{number}", actor="ada")


def month_of(bench: Bench) -> list[tuple[str, int | None]]:
    with bench.database.reading(bench.book) as connection:
        found = checklist(connection, AUGUST, lowest_position(connection))
    return [(one.contract, one.run) for one in found.contracts]


def test_the_others_are_settled_and_the_close_waits_until_it_is_withdrawn(bench: Bench) -> None:
    in_euros(bench)
    found = settle(bench, IN_TIME)
    assert told(found) == [("eaas-s1", "initial")]
    (other,) = found.refused
    assert (other.contract, other.month, other.code) == ("euros", AUGUST, "currency")
    assert "site S3 is paid in CNY, the contract is in EUR" in other.reason
    assert month_of(bench) == [("eaas-s1", 1), ("euros", None)]
    with pytest.raises(Refused, match="is paid in CNY") as caught:
        settle(bench, IN_TIME, "euros")
    assert (caught.value.code, caught.value.place) == ("currency", "contract euros")

    execute(bench, withdrawal(bench.door, "euros", "it is in CNY"))
    assert settle(bench, IN_TIME).refused == []
    assert month_of(bench) == [("eaas-s1", 1)]
    history = bench.door.state("contract.euros")
    assert isinstance(history, History)
    assert history.latest.document.withdrawn == "it is in CNY"
    execute(bench, RegisterContract(msgspec.structs.replace(EUROS, currency="CNY")))
    assert told(settle(bench, IN_TIME)) == [("eaas-s1", "initial"), ("euros", "initial")]
    assert month_of(bench) == [("eaas-s1", 1), ("euros", 1)]
    with pytest.raises(Refused, match="has run 1 of 2026-08") as caught:
        execute(bench, withdrawal(bench.door, "euros", "too late"))
    assert caught.value.code == "contract_settled"


def test_it_is_refused_at_the_check_and_at_registration(
    bench: Bench, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    two_contracts(bench)
    settle(bench, IN_TIME)
    wrong = msgspec.structs.replace(CONTRACT, id="eaas-s1", currency="EUR")
    with pytest.raises(Refused, match='state currency = "CNY"') as caught:
        check_currency(bench.door, bench.database, RegisterContract(wrong))
    assert (caught.value.code, caught.value.place) == ("currency", "currency")
    check_currency(bench.door, bench.database, RegisterContract(CONTRACT))
    api = Api(bench)
    try:
        body = msgspec.to_builtins(wrong)
        problem(api.post("/v1/contracts?check=true", body, "finance"), 422, "currency", "currency")
        problem(api.post("/v1/contracts", body, "finance"), 422, "currency", "currency")
    finally:
        api.close()
    file = tmp_path / "contract.toml"
    text = (EXAMPLES / "contracts/eaas-s1.toml").read_text(encoding="utf-8")
    file.write_text(text.replace('currency = "CNY"', 'currency = "EUR"'), encoding="utf-8")
    terminal: Any = application(Session(settings_of(bench), bench.clock), ["contract"])
    for command in (("contract", "check"), ("register", "contract")):
        with pytest.raises(Refused, match=f"site S1 is billed by tariff {TARIFF.id} in CNY, and"):
            terminal((*command, str(file)), exit_on_error=False)


def test_what_is_withdrawn_is_on_record_and_takes_two(bench: Bench) -> None:
    two_contracts(bench)
    command = withdrawal(bench.door, FROM_AUGUST.id, "never signed")
    with pytest.raises(Refused) as caught:
        withdrawal(bench.door, FROM_AUGUST.id, " ")
    assert caught.value.code == "reason"
    with pytest.raises(Refused) as caught:
        withdrawal(bench.door, "nobody", "x")
    assert caught.value.code == "unknown_contract"
    short = WithdrawContract(FROM_AUGUST.id, "x", AUGUST, AUGUST)
    with pytest.raises(Refused) as caught:
        execute(bench, short)
    assert caught.value.code == "contract_change"
    with pytest.raises(Refused) as caught:
        execute(bench, RegisterContract(msgspec.structs.replace(FROM_AUGUST, withdrawn="x")))
    assert caught.value.code == "withdrawn"
    execute(bench, command)
    with pytest.raises(Refused) as caught:
        execute(bench, command)
    assert caught.value.code == "already_withdrawn"
    settle(bench, IN_TIME)
    with bench.database.reading(bench.book) as connection:
        position = lowest_position(connection)
        register = registered.load(connection, "contract", Contract, position)
        assert sorted(in_force(register, AUGUST, ())) == ["eaas-s1"]
        assert sorted(in_force(register, Month(2030, 1), ())) == ["eaas-s1"]
        assert register.versions[FROM_AUGUST.id][-1].document.withdrawn == "never signed"


def test_the_api_withdraws_it(bench: Bench) -> None:
    two_contracts(bench)
    api = Api(bench)
    try:
        path = f"/v1/contracts/{FROM_AUGUST.id}/withdraw"
        answer = api.post(path, {"reason": "never signed"}, "finance")
        assert answer.status_code == 201, answer.text
        problem(api.post(path, {"reason": "again"}, "finance"), 422, "already_withdrawn", "contract")
    finally:
        api.close()
