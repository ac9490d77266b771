"""Reads at a terminal: on record before anything is read, and none is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from adapters.access_log import AccessLog, Unrecorded
from adapters.cli.reads import ACTIONS, UNRECORDED, commands
from adapters.cli.session import Session
from adapters.main import application
from adapters.nats import access_stream
from adapters.settings import Settings
from ledger.access_record import AccessRecord
from ledger.refusal import Refused
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import HOST, Api
from tests.adapters.test_settling import filled


@pytest.fixture
def run(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Iterator[Terminal]:
    filled(bench)
    api = Api(bench)
    yield terminal_of(bench, capsys)
    api.close()


def records(bench: Bench) -> list[AccessRecord]:
    return [one.record for one in AccessLog(bench.client, bench.book, bench.database, bench.clock).read()]


def test_every_command_is_known_to_show_something_or_not() -> None:
    app = application(Session(Settings(), lambda: datetime.now(UTC)))
    known = {path for path, _ in commands(app)}
    assert known - UNRECORDED - ACTIONS.keys() == set(), "name it in adapters/cli/reads.py"
    assert (UNRECORDED | ACTIONS.keys()) - known == set()


def test_reading_at_a_terminal_is_on_record_and_recording_facts_is_not(run: Terminal, bench: Bench) -> None:
    run("settle", "2026-08")
    assert records(bench) == []
    run("statement", "2026-08", "--party", HOST)
    (one,) = records(bench)
    assert (one.actor, one.role, one.action, one.outcome) == ("cli", "shell", "statement", "asked")
    assert one.what["month"] == "2026-08"
    assert one.what["party"] == HOST
    assert one.what["uid"].isdigit()


def test_what_was_refused_is_on_record_with_its_code(run: Terminal, bench: Bench) -> None:
    with pytest.raises(Refused):
        run("statement", "2026-07")
    asked, refused = records(bench)
    assert (asked.outcome, refused.outcome, refused.code) == ("asked", "refused", "no_statement")
    assert asked.request == refused.request


def test_without_an_access_log_nothing_is_shown(
    run: Terminal, bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    run("settle", "2026-08")
    name = access_stream.stream_name(bench.book)
    bench.operator.run(bench.operator.request(f"$JS.API.STREAM.DELETE.{name}", b"", timeout=5))
    with pytest.raises(Unrecorded):
        run("statement", "2026-08")
    assert capsys.readouterr().out == ""


def test_the_access_log_is_listed_by_actor_by_what_and_since(run: Terminal, bench: Bench) -> None:
    run("settle", "2026-08")
    run("statement", "2026-08")
    run("journal", "2026-08")
    before = bench.now
    told = run("access-log", "--what", "statement")
    assert [line.split()[4] for line in told.splitlines()[:-1]] == ["statement", "access_log"], told
    assert told.endswith("2 records\n"), "who asks about statements is on record too"
    assert run("access-log", "--actor", "nobody") == "0 records\n"
    with pytest.raises(Refused, match="'foo' is not an instant with its offset"):
        run("access-log", "--since", "foo")
    since = run("access-log", "--since", before.isoformat(), "--format", "jsonl")
    assert since.count('"action":"access_log"') == since.count("\n") == 3
    table = run("access-log", "--format", "csv").splitlines()
    assert table[0].startswith("sequence,at,request,actor")
    assert len(table) == 1 + 6
