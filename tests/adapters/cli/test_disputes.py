"""Two partners dispute a line each at a terminal: one ends in a delta, the other in a reasoned refusal."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
import pytest

from adapters import approving
from ledger.approval import Propose
from ledger.clauses.flow import grouped
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.dispute import DecideDispute
from ledger.statement.held_back import held_back
from ledger.statement.life import Life, StatementKey
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import HOST, Api
from tests.adapters.http.test_lives import TERMS
from tests.adapters.test_provisional import record_days
from tests.adapters.test_settling import CONTRACT, founded

MONTH = "2026-08"
OWNERS = "equipment-owner"
OF_HOST = (CONTRACT.id, MONTH, HOST)
OF_OWNER = (CONTRACT.id, MONTH, OWNERS)


@pytest.fixture
def run(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Iterator[Terminal]:
    """August is settled and its statements are issued."""
    founded(bench, msgspec.structs.replace(CONTRACT, statement_terms=TERMS))
    record_days(bench, 0, 31, "first")
    api = Api(bench)
    terminal = terminal_of(bench, capsys)
    issue(terminal)
    yield terminal
    api.close()


def issue(run: Terminal) -> None:
    run("settle", MONTH)
    for step, who in (("review", "ada"), ("approve", "bob"), ("issue", "ada")):
        run("statements", step, MONTH, "--as", who)


def life(bench: Bench, party: str, run: int = 1) -> Life:
    found = bench.door.state(StatementKey(CONTRACT.id, MONTH, party, run).aggregate)
    assert isinstance(found, Life)
    return found


def refused(code: str, run: Terminal, *arguments: str) -> Refused:
    with pytest.raises(Refused) as caught:
        run(*arguments)
    assert caught.value.code == code
    return caught.value


def test_one_dispute_ends_in_a_delta_and_another_in_a_refusal(run: Terminal, bench: Bench) -> None:
    raised_and_listed(run, bench)
    ended_in_a_refusal(run, bench)
    ended_in_a_delta(run, bench)
    assert run("dispute", "list", MONTH, "--status", "open") == "0 disputes\n"


def raised_and_listed(run: Terminal, bench: Bench) -> None:
    lines = life(bench, HOST).lines
    (number, amount), *_ = lines.items()
    told = run(
        "dispute", "raise", *OF_HOST, "q1", str(number), "--reason", "our meter read more", "--as", HOST
    )
    assert re.fullmatch(
        rf"dispute q1: line {number}, .* CNY of statement\.{CONTRACT.id}_{MONTH}_{HOST}_1 frozen,"
        r" to be answered until 2026-09-\d\d, event \d+\n"
        r"    the line counts -?[\d,.]+ in the -?[\d,.]+ CNY payable: .* frozen.*\n",
        told,
    )
    (dispute,) = life(bench, HOST).disputes
    assert (dispute.amount, dispute.status) == (amount, "open")
    assert life(bench, HOST).frozen.minor
    fee = str(next(iter(life(bench, OWNERS).lines)))
    run("dispute", "raise", *OF_OWNER, "q2", fee, "--reason", "the fee is meant by the month", "--as", OWNERS)
    listed = run("dispute", "list", MONTH).splitlines()
    assert [line.split("  ")[:2] for line in listed if line.startswith("q")] == [
        ["q2", "open"],
        ["q1", "open"],
    ], "by contract, month and party"
    assert "    raised by host-s1 on 2026-09-01: our meter read more" in listed
    assert listed[-1] == "2 disputes"
    assert run("dispute", "list", MONTH, "--party", HOST).endswith("1 dispute\n")
    again = ("--reason", "again", "--as", HOST)
    refused("line_disputed", run, "dispute", "raise", *OF_HOST, "q3", str(number), *again)
    refused("unknown_line", run, "dispute", "raise", *OF_HOST, "q3", "999", *again)
    unissued = refused(
        "unknown_statement", run, "dispute", "raise", *OF_HOST, "q3", "1", *again, "--run", "2"
    )
    assert str(unissued).endswith("run 2; there is run 1")


def ended_in_a_refusal(run: Terminal, bench: Bench) -> None:
    decide = ("dispute", "decide", *OF_OWNER, "q2", "rejected", "--as", "ada")
    refused("reason", run, *decide, "--answer", " ")
    told = run(*decide, "--answer", "the contract states kWh.year")
    assert told.startswith("dispute q2 rejected: event ")
    assert life(bench, OWNERS).frozen == Money.zero("CNY"), "its lines are free again"
    refused("dispute_status", run, *decide, "--answer", "again")
    refused("dispute_status", run, "dispute", "correct", *OF_OWNER, "q2", "--as", "ada")
    rejected = run("dispute", "list", "--status", "rejected")
    assert "answered by ada: the contract states kWh.year" in rejected
    unknown = refused(
        "unknown_dispute", run, "dispute", "decide", *OF_OWNER, "q9", "upheld", *decide[-2:], "--answer", "x"
    )
    assert "there is: q2" in str(unknown)


def ended_in_a_delta(run: Terminal, bench: Bench) -> None:
    upheld = (
        "dispute",
        "decide",
        *OF_HOST,
        "q1",
        "upheld",
        "--answer",
        "the ratio was read wrong",
        "--as",
        "ada",
    )
    run(*upheld)
    frozen = life(bench, HOST).frozen
    assert frozen.minor, "upheld, its lines wait for the correction"
    early = refused("unknown_run", run, "dispute", "correct", *OF_HOST, "q1", "--as", "ada")
    assert "no correction 1 after run 1" in str(early)
    record_days(bench, 2, 1, "more", discharge_wh=60_000)
    issue(run)
    delta = life(bench, HOST, 2).amount
    assert delta.minor
    told = run("dispute", "correct", *OF_HOST, "q1", "--as", "ada")
    assert told.startswith(f"dispute q1: corrected by run 2, delta {delta}, event ")
    assert life(bench, HOST).frozen == Money.zero("CNY")
    (one,) = life(bench, HOST).disputes
    assert (one.status, one.corrected_by_run) == ("corrected", 2)
    assert "q1  corrected by run 2  " in run("dispute", "list", MONTH)


def test_after_a_correction_the_run_is_meant_on_which_the_line_is_open(run: Terminal, bench: Bench) -> None:
    """The correction changes no money of the owner and some of the host: a dispute without --run is raised on
    the first run, and of the correction it holds back no more than the line's delta."""
    record_days(bench, 2, 1, "more", discharge_wh=60_000)
    issue(run)
    first, second = life(bench, OWNERS), life(bench, OWNERS, 2)
    number = str(next(line for line, amount in first.lines.items() if amount.minor * first.due.minor > 0))
    assert (second.amount.minor, set(second.lines.values())) == (0, {Money.zero("CNY")})
    why = ("--reason", "the fee is meant by the month", "--as", OWNERS)
    told = run("dispute", "raise", *OF_OWNER, "q1", number, *why)
    raised = life(bench, OWNERS)
    frozen = raised.frozen
    assert frozen == first.lines[int(number)]
    text = f"line {number}, {grouped(str(frozen))} CNY"
    assert told.startswith(f"dispute q1: {text} of {first.key.aggregate} frozen,")
    assert (
        f"q1  open  {CONTRACT.id} {MONTH} {OWNERS} run 1: {text}, {grouped(str(frozen))} CNY frozen"
        in run("dispute", "list", MONTH)
    )
    (row,) = [one for one in run("account", OWNERS).splitlines() if one.strip().startswith("disputed")]
    assert row.split()[-1] == grouped(str(frozen))
    (how,) = [one for one in run("account", OWNERS).splitlines() if "dispute q1 of" in one]
    assert how.endswith(f"{CONTRACT.id} {MONTH} run 1: {held_back(raised, raised.disputes[0])}")
    assert "all of it is frozen" in how
    named = run("dispute", "raise", *OF_OWNER, "q2", number, *why, "--run", "2")
    assert named.startswith(f"dispute q2: line {number}, 0.00 CNY of {second.key.aggregate} frozen,")

    delta = life(bench, HOST, 2)
    assert sum(delta.lines.values(), Money.zero("CNY")) == delta.amount != Money.zero("CNY")
    line = next(one for one, amount in delta.lines.items() if amount.minor * delta.due.minor > 0)
    run("dispute", "raise", *OF_HOST, "q3", str(line), "--reason", "less", "--as", HOST, "--run", "2")
    assert life(bench, HOST, 2).frozen.minor == max(delta.lines[line].minor, delta.due.minor) < 0
    refused_own = ("dispute", "decide", *OF_OWNER, "q1", "rejected", "--answer", "no", "--as", OWNERS)
    refused("four_eyes", run, *refused_own)


def test_an_upheld_dispute_that_no_settlement_corrects_is_rejected_after_all(
    run: Terminal, bench: Bench
) -> None:
    number = str(next(iter(life(bench, HOST).lines)))
    run("dispute", "raise", *OF_HOST, "q1", number, "--reason", "our meter read more", "--as", HOST)
    decide = ("dispute", "decide", *OF_HOST, "q1")
    run(*decide, "upheld", "--answer", "read again", "--as", "ada")
    run("settle", MONTH)
    stuck = refused("unknown_run", run, "dispute", "correct", *OF_HOST, "q1", "--as", "ada")
    assert "another person than upheld the dispute rejects it" in str(stuck)
    again = refused("dispute_status", run, *decide, "upheld", "--answer", "again", "--as", "bob")
    assert "another person than ada may reject it after all" in str(again)
    nothing = "settled again from the same readings: the same amounts"
    refused("four_eyes", run, *decide, "rejected", "--answer", nothing, "--as", "ada")
    run(*decide, "rejected", "--answer", nothing, "--as", "bob")
    found = life(bench, HOST)
    assert found.frozen == Money.zero("CNY")
    told = run("dispute", "list", MONTH)
    assert "q1  rejected" in told
    assert told.index("upheld first by ada: read again") < told.index(f"answered by bob: {nothing}")
    refused("dispute_status", run, *decide, "upheld", "--answer", "after all", "--as", "cyd")
    assert "refused" not in run("finalise", MONTH, "--as", "ada")


def test_who_raised_a_dispute_does_not_approve_its_decision(bench: Bench, run: Terminal) -> None:
    number = str(next(iter(life(bench, HOST).lines)))
    run("dispute", "raise", *OF_HOST, "q1", number, "--reason", "it read more", "--as", "clerk")
    decide = DecideDispute(life(bench, HOST).key, "q1", "upheld", "it did", "ada")
    bench.door.execute(Propose("p1", decide, "ada"), command_id="p1", actor="ada")
    with pytest.raises(Refused) as caught:
        approving.approve(bench.door, "p1", command_id="own", actor="clerk")
    assert (caught.value.code, caught.value.place) == ("four_eyes", "actor")
    approving.approve(bench.door, "p1", command_id="other", actor="bob")
    assert life(bench, HOST).disputes[0].status == "upheld"


def test_the_run_that_corrects_is_named_with_its_own_option(run: Terminal, bench: Bench) -> None:
    number = str(next(iter(life(bench, HOST).lines)))
    run("dispute", "raise", *OF_HOST, "q1", number, "--reason", "it read more", "--as", HOST)
    run("dispute", "decide", *OF_HOST, "q1", "upheld", "--answer", "it did", "--as", "ada")
    record_days(bench, 2, 1, "more", discharge_wh=60_000)
    issue(run)
    wrong = refused(
        "unknown_statement", run, "dispute", "correct", *OF_HOST, "q1", "--run", "2", "--as", "ada"
    )
    assert "no statement with dispute q1 of 2026-08" in wrong.reason
    assert wrong.reason.endswith("run 2; there is run 1; name the run that corrects it with --with-run")
    told = run("dispute", "correct", *OF_HOST, "q1", "--with-run", "2", "--as", "ada")
    assert told.startswith("dispute q1: corrected by run 2")
