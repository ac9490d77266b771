"""Facts of a contract and its capital, given and shown at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from ledger.refusal import Refused
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api
from tests.adapters.http.test_contract_facts import AGENCY, book_of, example, measured, settled

OWNED = example("co-investment-s2")


@pytest.fixture
def two_persons(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Iterator[tuple[Api, Terminal]]:
    api = book_of(bench, AGENCY, "two_persons")
    yield api, terminal_of(bench, capsys)
    api.close()


def proof(text: str, by: str = "ada") -> tuple[str, ...]:
    return "--evidence", text, "--as", by


def test_an_exclusion_waits_for_a_second_person_and_is_withdrawn(two_persons: tuple[Api, Terminal]) -> None:
    _, run = two_persons
    days = ("--first", "2026-07-30", "--end", "2026-08-04")
    told = run("exclusion", "record", AGENCY.id, "storm", "force_majeure", *days, *proof("notice 12"))
    assert told.startswith(f"exclusion storm of {AGENCY.id}: waits for approval as p")
    proposal = told.rpartition(" ")[2].strip()
    assert run("exclusion", "list", AGENCY.id) == ""
    run("approve", proposal, "--as", "bob")
    shown = run("exclusion", "list", AGENCY.id)
    assert shown.startswith("storm  force_majeure 2026-07-30 to 2026-08-04, event ")
    assert shown.endswith(": notice 12\n")
    told = run("exclusion", "withdraw", AGENCY.id, "storm", *proof("notice 13"))
    run("approve", told.rpartition(" ")[2].strip(), "--as", "bob")
    assert run("exclusion", "list", AGENCY.id).startswith("storm  withdrawn, event ")


def test_scores_are_recorded_and_listed(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    contract = measured("shares")
    api = book_of(bench, contract)
    run = terminal_of(bench, capsys)
    try:
        for party, hours in (("operator", "300"), ("investor", "100"), ("operator", "310.5")):
            told = run("service-score", "record", contract.id, "2026-07", party, hours, *proof("report 7"))
            assert told.startswith(f"score of {party} for 2026-07: event ")
        lines = run("service-score", "list", contract.id).splitlines()
        assert [line.split()[:3] for line in lines] == [
            ["2026-07", "investor", "100"],
            ["2026-07", "operator", "310.5"],
        ]
        with pytest.raises(Refused) as refused:
            run("service-score", "record", contract.id, "2026-07", "nobody", "1", *proof("x"))
        assert refused.value.code == "not_measured"
    finally:
        api.close()


def test_capital_is_recorded_and_shown_with_its_return(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    api = book_of(bench, OWNED)
    run = terminal_of(bench, capsys)
    day = ("--on", "2025-07-01", *proof("agreement 4"))
    try:
        with pytest.raises(Refused) as refused:
            run("capital", "show", OWNED.id)
        assert refused.value.code == "unknown_capital"
        told = run("capital", "cash", OWNED.id, "investor", "900000", *day)
        assert told.startswith(f"cash contribution of {OWNED.id}: event ")
        run("capital", "in-kind", OWNED.id, "host-s2", "roof", "540000", *day)
        run("capital", "cash", OWNED.id, "operator", "1.00", *day)
        run("capital", "strike", OWNED.id, "3", *day)
        sale = ("180000", "--price", "200000", *day)
        run("capital", "transfer", OWNED.id, "investor", "operator", *sale)
        run("capital", "return", OWNED.id, "host-s2", "40000", *day)
        settled(api, "2026-07")
        shown = run("capital", "show", OWNED.id, "--effective", "2026-08-31")
        assert "  3  2025-07-01  cash contribution (struck): operator 1.00; agreement 4" in shown
        assert "  4  2025-07-01  struck entry: strikes entry 3; agreement 4" in shown
        assert "transfer: investor -180,000.00, operator 180,000.00; agreement 4" in shown
        assert "on 2026-08-31, in CNY" in shown
        balances = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if "  share " in line}
        assert balances == {
            "investor": ["720,000.00", "share", "≈51.4286%"],
            "host-s2": ["500,000.00", "share", "≈35.7143%"],
            "operator": ["180,000.00", "share", "≈12.8571%"],
        }
        assert shown.count("return with the balance given back: 0.") == 2
        assert "return with the balance given back: -0.0" in shown, "it paid 200,000 for 180,000"
    finally:
        api.close()


def test_a_registered_file_waits_for_a_second_person(two_persons: tuple[Api, Terminal]) -> None:
    """The command line takes what moves money by two persons, as the API does."""
    _, run = two_persons
    tariff = ("register", "tariff", "examples/tariffs/shanghai_two_part_35kv.toml")
    told = run(*tariff)
    assert ": waits for approval as p" in told
    assert run(*tariff) == told, "the same file waits once"
    policy = run("register", "exclusivity", "examples/exclusivity/strict.toml").strip()
    assert policy.startswith("exclusivity policy strict: waits for approval as p")
    approved = run("approve", policy.rpartition(" ")[2], "--as", "bob")
    assert approved
    again = run("register", "exclusivity", "examples/exclusivity/strict.toml")
    assert again.startswith("exclusivity policy strict: event ") and again.endswith("in force already\n")


def test_who_prepared_a_file_is_not_who_approves_it(two_persons: tuple[Api, Terminal]) -> None:
    _, run = two_persons
    told = run("register", "exclusivity", "examples/exclusivity/strict.toml", "--as", "bob").strip()
    name = told.rpartition(" ")[2]
    listed = f"{name}  exclusivity.publish    policy strict; prepared by bob, event "
    assert any(line.startswith(listed) for line in run("proposals").splitlines())
    shown = msgspec.json.decode(run("proposals", name))
    assert shown["command"]["policy"]["id"] == "strict"
    with pytest.raises(Refused, match="bob") as refused:
        run("approve", name, "--as", "bob")
    assert refused.value.code == "four_eyes"
    assert run("approve", name, "--as", "ada")
