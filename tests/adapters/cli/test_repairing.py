"""`wattledger repair` at a terminal: it names what it would do, and ends with 1 while anything is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters import replay
from adapters.cli.session import Session
from adapters.integrity.copies import stored_messages
from adapters.main import application
from adapters.nats import stream, wire
from adapters.settings import Settings
from adapters.transparency.checkpoint_folder import CheckpointFolder
from adapters.transparency.published_log import PublishedLog
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.conftest import Bench

Run = Callable[..., tuple[object, str]]
"""Runs `wattledger repair ...`; answers its exit code and what it printed."""


class Kept:
    """A book with three events and one day of readings, whose log was signed over them."""

    def __init__(self, bench: Bench, state: Path) -> None:
        self.bench = bench
        self.folder = state / "checkpoints" / bench.book
        commands = (sample.found_book(), sample.register_site(), sample.register_meter())
        for number, command in enumerate((*commands, sample.record_readings())):
            bench.door.execute(command, command_id=f"c{number}", actor="ada")
        bench.project()
        self.published = PublishedLog(
            bench.database,
            bench.book,
            f"wattledger/{bench.book}",
            CheckpointFolder(self.folder),
            state / "log.key",
            makes_key=True,
        )
        self.published.sign()

    def alter_a_row(self) -> None:
        self.bench.query("UPDATE ledger.meter_run SET wh[1] = wh[1] + 1 RETURNING 1")

    def alter_the_archive(self) -> None:
        self.bench.query("UPDATE ledger.envelope SET hash = sha256('x') WHERE sequence = 2 RETURNING 1")

    def alter_the_stream(self) -> None:
        operator, book = self.bench.operator, self.bench.book
        whole = [payload for _, payload in stored_messages(operator, book)]
        stream.delete(operator, book)
        stream.create(operator, book, max_bytes=64 << 20)
        for payload in whole[:-1]:
            operator.run(
                operator.request(wire.subject(book, wire.header_of(payload).aggregate), payload, timeout=5)
            )

    def lose_a_checkpoint(self) -> None:
        shutil.rmtree(self.folder)


@pytest.fixture
def kept(bench: Bench, tmp_path: Path) -> Kept:
    return Kept(bench, tmp_path / "state")


@pytest.fixture
def run(kept: Kept, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    bench = kept.bench
    settings = Settings(
        state=tmp_path / "state",
        book=bench.book,
        nats_url=bench.nats.url,
        nats_monitor_url=bench.nats.monitor_url,
        nats_seed=bench.nats.app_seed,
        nats_operator_seed=bench.nats.operator_seed,
        postgres_url=bench.postgres_url,
    )
    app: Any = application(Session(settings, bench.clock), ["repair"])

    def repair(*arguments: str) -> tuple[object, str]:
        capsys.readouterr()
        code = app(("repair", *arguments), exit_on_error=False)
        return code, capsys.readouterr().out

    return repair


def test_a_whole_book_has_nothing_to_repair(run: Run) -> None:
    assert run("--dry-run") == (0, "nothing to repair up to position 4\n")
    assert run() == (0, "nothing to repair up to position 4\n")


def test_a_changed_row_is_named_and_what_proves_its_repair(kept: Kept, run: Run) -> None:
    before = kept.bench.query("SELECT * FROM ledger.meter_run")
    kept.alter_a_row()
    altered = kept.bench.query("SELECT * FROM ledger.meter_run")
    code, said = run("--dry-run")
    assert code == 1
    assert "would make table meter_run anew, of which these differ (1 row):\n" in said
    assert "  meter M1, register charge, start 2026-08-01 00:00:00+00, sequence 4\n" in said
    assert "nothing to repair" not in said
    assert kept.bench.query("SELECT * FROM ledger.meter_run") == altered, "a dry run changes nothing"
    code, said = run()
    assert code == 0
    assert "rows_restored        meter_run: 1 row\n" in said
    assert "proven by the signed checkpoint of 4 events\n" in said
    assert kept.bench.query("SELECT * FROM ledger.meter_run") == before
    assert run("--dry-run") == (0, "nothing to repair up to position 5\n")


def test_of_a_table_just_the_rows_that_differed_are_counted(kept: Kept, run: Run) -> None:
    """One altered, one gone and one made up, of a table with more."""
    for name in ("P1", "P2", "P3"):
        kept.bench.door.execute(sample.register_party(name), command_id=name, actor="ada")
    kept.bench.project()
    rows = "ledger.registered"
    kept.bench.query(f"DELETE FROM {rows} WHERE id = 'P1' RETURNING 1")
    kept.bench.query(f"""UPDATE {rows} SET document = '{{"name":"x"}}' WHERE id = 'P2' RETURNING 1""")
    kept.bench.query(
        f"INSERT INTO {rows} SELECT book, kind, 'P4', version, effective_from, effective_to, from_seq,"
        f" to_seq, document FROM {rows} WHERE id = 'P3' RETURNING 1"
    )
    assert "rows_restored        registered: 3 rows\n" in run()[1]
    ((recorded,),) = kept.bench.query(
        "SELECT convert_from(payload, 'UTF8') FROM ledger.envelope WHERE starts_with(aggregate, 'repair.')"
    )
    assert '"place":"registered","first":5,"last":7,"count":3' in str(recorded)


def test_events_after_the_last_checkpoint_are_said_to_be_proven_otherwise(kept: Kept, run: Run) -> None:
    kept.bench.door.execute(sample.register_party("late"), command_id="late", actor="ada")
    kept.bench.project()
    kept.alter_a_row()
    said = run()[1]
    assert "by the signed checkpoint of 4 events; 1 later event by what the copies say of each other" in said


@pytest.mark.parametrize(
    ("damage", "told", "after"),
    [
        (Kept.alter_the_archive, "FAULT archive_altered at sequence 2", 0),
        (Kept.alter_the_stream, "FAULT stream_lost at sequence 4", 0),
        (Kept.lose_a_checkpoint, "FAULT checkpoint_file at", 1),
    ],
)
def test_each_kind_of_damage_ends_a_dry_run_with_1(
    kept: Kept, run: Run, damage: Callable[[Kept], None], told: str, after: int
) -> None:
    """And the repair with 0 unless something is left that it cannot put back."""
    damage(kept)
    code, said = run("--dry-run")
    assert code == 1
    assert told in said
    assert run()[0] == after
    assert replay.replay(kept.bench.log, kept.bench.database).equal
    assert run("--dry-run")[0] == after


def test_a_tail_that_no_checkpoint_proves_is_asked_for(kept: Kept, run: Run) -> None:
    for name in ("L1", "L2"):
        kept.bench.door.execute(sample.register_party(name), command_id=name, actor="ada")
    kept.bench.project()
    kept.alter_the_stream()
    kept.alter_the_stream()
    tail = "2 events, sequences 5 to 6, stand in another copy than the stream only, and the newest checkpoint"
    code, said = run("--dry-run")
    assert (code, f"would not be repaired unasked: {tail}" in said) == (1, True)
    code, said = run()
    assert (code, f"not repaired: {tail} that holds covers 4: nothing was changed\n" in said) == (1, True)
    assert "--beyond-checkpoint archive --reason TEXT" in said
    for half in (("--reason", "why"), ("--beyond-checkpoint", "archive")):
        with pytest.raises(Refused, match="go together"):
            run(*half)
    code, said = run("--beyond-checkpoint", "archive", "--reason", "the receipts agree")
    assert code == 0
    told = "archive believed beyond the newest checkpoint: sequences 5 to 6, 2 events"
    assert f"{told}; reason: the receipts agree\n" in said
    assert run("--dry-run") == (0, "nothing to repair up to position 7\n")


def test_a_checkpoint_that_is_gone_is_named_once(kept: Kept, run: Run) -> None:
    """Also where `latest` still names it."""
    file = next(one for one in kept.folder.glob("*/*/*/*") if one.is_file())
    file.unlink()
    _, said = run("--dry-run")
    assert said.count("FAULT checkpoint_file") == 1, said
