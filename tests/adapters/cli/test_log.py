"""The log from the command line: what an auditor keeps, and what it proves later."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.cli.session import Session
from adapters.main import application
from adapters.settings import Settings
from adapters.settling import wait_until
from adapters.transparency.log_key import signer_of
from ledger.refusal import Refused
from ledger.transparency.checkpoint import Checkpoint, open_checkpoint
from ledger.transparency.note import Note, cosign
from ledger.transparency.note_key import NoteKey
from tests.adapters.conftest import Bench
from tests.adapters.transparency.books import append_parties
from tests.ledger.transparency.signers import WITNESS

Run = Callable[..., tuple[object, str]]
"""Runs `wattledger log ...`; answers its exit code and what it printed."""


@pytest.fixture
def log(bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """On servers of yours, where a key is made only when asked for."""
    settings = Settings(
        state=tmp_path / "state",
        book=bench.book,
        nats_url=bench.nats.url,
        nats_monitor_url=bench.nats.monitor_url,
        nats_seed=bench.nats.app_seed,
        nats_operator_seed=bench.nats.operator_seed,
        postgres_url=bench.postgres_url,
        log_origin="ledger.example",
    )
    app: Any = application(Session(settings, bench.clock), ["log"])
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()

    def run(*arguments: str) -> tuple[object, str]:
        capsys.readouterr()
        code = app(("log", *arguments), exit_on_error=False)
        return code, capsys.readouterr().out

    yield run
    projector.stop()
    thread.join()


def grown(bench: Bench, names: range) -> None:
    append_parties(bench, names)
    wait_until(bench.database, bench.book, names.stop, 20)


def test_a_kept_checkpoint_is_extended_until_history_changes(log: Run, bench: Bench, tmp_path: Path) -> None:
    grown(bench, range(5))
    with pytest.raises(Refused, match="--make"):
        log("key")
    with pytest.raises(Refused, match="signs and checks nothing"):
        log("checkpoint")
    key = NoteKey.parse(log("key", "--make")[1].strip())
    assert log("key", "--make")[1].strip() == str(key), "it is made once"
    kept = tmp_path / "kept"
    kept.write_text(log("checkpoint")[1])
    first = open_checkpoint(Note.parse(kept.read_bytes()), f"ledger.example/{bench.book}", key).checkpoint
    assert first.size == 5
    grown(bench, range(5, 8))
    later = log("checkpoint")[1]
    code, said = log("check", str(kept))
    assert (code, "8 events today go on from the 5" in said) == (0, True)
    assert log("check", str(kept), "--key", str(key))[0] == 0

    bench.query(
        "UPDATE ledger.tree_tile SET content = set_byte(content, 39, get_byte(content, 39) # 1)"
        " WHERE level = 0 RETURNING 1"
    )
    code, said = log("check", str(kept))
    assert code == 1
    assert "FAULT split_view" in said
    assert kept.read_text() in said
    assert later in said, "both are named: the kept one and today's"


def test_a_log_that_became_shorter_is_a_fault(log: Run, bench: Bench, tmp_path: Path) -> None:
    grown(bench, range(5))
    log("key", "--make")
    origin = f"ledger.example/{bench.book}"
    signer = signer_of(tmp_path / "state" / "log.key", origin)
    assert signer is not None
    kept = tmp_path / "kept"
    kept.write_bytes(Checkpoint(origin, 9, bytes(32)).signed(signer).content())
    code, said = log("check", str(kept))
    assert code == 1
    assert "FAULT checkpoint_ahead" in said
    assert "no signed checkpoint" in said


def test_proofs_are_printed_in_the_standards_formats(log: Run, bench: Bench, tmp_path: Path) -> None:
    grown(bench, range(7))
    log("key", "--make")
    printed = log("inclusion", "3")[1]
    assert printed.startswith("c2sp.org/tlog-proof@v1\nindex 2\n")
    assert f"\n\nledger.example/{bench.book}\n7\n" in printed
    file = tmp_path / "three.tlog-proof"
    log("inclusion", "3", "--out", str(file))
    assert file.read_text() == printed
    lines = log("consistency", "3", "7")[1].splitlines()
    assert [lines[0][:2], lines[1][:2], len(lines)] == ["3 ", "7 ", 6]
    for beyond in ("8", "0", "-1"):
        with pytest.raises(Refused, match=f"no event {beyond}: the log's events are 1 to 7") as caught:
            log("inclusion", beyond)
        assert (caught.value.code, caught.value.place) == ("log_index", "sequence")
    with pytest.raises(Refused) as caught:
        log("consistency", "7", "3")
    assert caught.value.code == "log_size"


def test_another_logs_checkpoint_is_refused(log: Run, bench: Bench, tmp_path: Path) -> None:
    grown(bench, range(3))
    log("key", "--make")
    kept = tmp_path / "kept"
    text = log("checkpoint")[1]
    kept.write_text(text.replace("\n3\n", "\n2\n"))
    with pytest.raises(Refused) as caught:
        log("check", str(kept))
    assert caught.value.code == "note_forged"
    kept.write_text("nothing\n")
    with pytest.raises(Refused) as caught:
        log("check", str(kept))
    assert caught.value.code == "note"


def test_a_witness_s_signature_is_kept_and_asked_for(log: Run, bench: Bench, tmp_path: Path) -> None:
    grown(bench, range(3))
    log("key", "--make")
    note = Note.parse(log("checkpoint")[1].encode())
    file, witness = tmp_path / "note", ("--witness", str(WITNESS.key))
    file.write_bytes(note.content())
    with pytest.raises(Refused, match="did not cosign this"):
        log("check", str(file), *witness)
    file.write_bytes(note.with_signature(cosign(note.text, WITNESS, 1_800_000_000)).content())
    told = "witness.example/w1 saw the checkpoint of 3 events at 2027-01-15T08:00:00+00:00; kept\n"
    assert log("cosignature", str(file), *witness) == (None, told)
    assert log("checkpoint")[1].encode() == file.read_bytes()
    code, said = log("check", str(file), *witness)
    assert (code, "3 events today go on from the 3" in said) == (0, True)
