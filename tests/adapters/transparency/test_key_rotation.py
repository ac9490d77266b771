"""A book's log handed to another key: what was signed before and after it is believed, and nothing else."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.bundle.book_bundle import book_bundle
from adapters.cli.log import keys_of
from adapters.cli.session import Session
from adapters.integrity import checkpoint_files
from adapters.main import application
from adapters.settings import Settings
from adapters.transparency.log_key import next_key_file, signer_of
from adapters.transparency.published_log import PublishedLog
from ledger.refusal import Refused
from ledger.setting_record import StateSetting
from ledger.transparency.checkpoint import Checkpoint, open_checkpoint
from ledger.transparency.handover import Handover, LogKeys
from ledger.transparency.note import Note
from ledger.transparency.note_key import KeyKind, NoteKey, NoteSigner
from tests.adapters.conftest import Bench
from tests.adapters.transparency.books import append_parties, published_log
from tests.ledger.transparency.refusal_code import code
from tests.verifier.test_verify_bundle import verifier


def grown(bench: Bench, start: int, end: int) -> None:
    append_parties(bench, range(start, end))
    bench.project()


def rotated(bench: Bench, log: PublishedLog) -> Handover:
    def state(key: NoteKey) -> None:
        bench.door.record(StateSetting("log-key", str(key)), actor="ada")
        bench.project()

    return log.rotate_key(state)


def checked(bundle: bytes, key: NoteKey, earlier: str | None = None) -> list[str]:
    told: list[str] = verifier().checked(io.BytesIO(bundle), verifier().key_of(str(key), "key"), earlier)
    return told


def bundle(bench: Bench, log: PublishedLog, up_to: int | None = None) -> bytes:
    return b"".join(book_bundle(bench.database, log, up_to))


def test_both_keys_sign_one_checkpoint_and_then_the_new_one_alone(bench: Bench, tmp_path: Path) -> None:
    log = published_log(bench, tmp_path)
    grown(bench, 0, 3)
    log.sign()
    first = log.key()
    found = rotated(bench, log)
    assert (found.size, found.former, found.following) == (4, first, log.key())
    assert not next_key_file(log.key_file).exists()
    grown(bench, 3, 5)
    after = log.sign()
    assert [one.key_id for one in after.signatures] == [log.key().key_id]
    for size in (3, 4, 6):
        assert log.signed_at(size) is not None, "what each key signed is believed"
    assert log.proof(2) is not None
    assert checkpoint_files.signed(log).faults == ()
    assert log.latest() == after
    with bench.database.reading(bench.book) as connection:
        rows = connection.execute("SELECT aggregate FROM ledger.envelope WHERE sequence = 4").fetchall()
    assert rows == [("setting.log-key",)], "on record in what both signed"


def test_a_former_key_signs_nothing_after_its_handover(bench: Bench, tmp_path: Path) -> None:
    log = published_log(bench, tmp_path)
    grown(bench, 0, 2)
    log.sign()
    stolen = signer_of(log.key_file, log.origin)
    assert stolen is not None
    rotated(bench, log)
    grown(bench, 2, 4)
    newest = Checkpoint.parse(log.sign().text)
    forged = newest.signed(stolen)
    file = log.folder.path / "000/000/000/005"
    assert file.is_file()
    file.write_bytes(forged.content())
    assert code(log.latest) == "note_unsigned"
    assert [one.code for one in checkpoint_files.signed(log).faults] == ["checkpoint_file"]


def test_the_verifier_takes_any_of_the_keys(bench: Bench, tmp_path: Path) -> None:
    log = published_log(bench, tmp_path)
    grown(bench, 0, 3)
    log.sign()
    keys = [log.key()]
    before = bundle(bench, log)
    assert b'"handovers"' not in before
    for number in (3, 4):
        rotated(bench, log)
        keys.append(log.key())
        grown(bench, number, number + 1)
    log.sign()
    for made in (bundle(bench, log), bundle(bench, log, 2), bundle(bench, log, 5)):
        for key in keys:
            assert checked(made, key)
    assert checked(before, keys[0])
    with pytest.raises(verifier().Wrong, match="another key"):
        checked(before, keys[2])


def thrice(bench: Bench, log: PublishedLog) -> tuple[list[NoteKey], list[Note]]:
    """Three keys, each with a checkpoint of its own, of 2, 5 and 8 envelopes."""
    keys, notes = [], []
    for number in (0, 2, 4):
        grown(bench, number, number + 2)
        notes.append(log.sign())
        keys.append(log.key())
        if number < 4:
            rotated(bench, log)
    return keys, notes


def test_an_earlier_checkpoint_may_be_under_any_of_the_keys(bench: Bench, tmp_path: Path) -> None:
    log = published_log(bench, tmp_path)
    stolen = signer_of(log.key_file, log.origin) if log.signer() else None
    assert stolen is not None
    keys, notes = thrice(bench, log)
    made = bundle(bench, log)
    for key in keys:
        for note in notes:
            assert checked(made, key, note.content().decode())
    forged = Checkpoint.parse(notes[1].text).signed(stolen).content().decode()
    with pytest.raises(verifier().Wrong, match=r"--earlier: .* did not sign it"):
        checked(made, keys[0], forged)


def test_log_check_takes_any_of_the_keys_of_what_any_of_them_signed(bench: Bench, tmp_path: Path) -> None:
    log = published_log(bench, tmp_path)
    keys, notes = thrice(bench, log)
    for away in (False, True):
        if away:
            log.key_file.unlink()
        for key in keys:
            for note in notes:
                size = Checkpoint.parse(note.text).size
                opened = open_checkpoint(note, log.origin, keys_of(log, str(key)).at(size))
                assert opened.checkpoint.size == size
    other = NoteSigner.of_seed(log.origin, KeyKind.ED25519, bytes(32)).key
    assert keys_of(log, str(other)) == LogKeys(other), "no key of this log says nothing of another's"


@pytest.mark.parametrize("lost", [[3], [6], [3, 6]])
def test_a_lost_handover_is_named_and_nothing_is_bundled(
    bench: Bench, tmp_path: Path, lost: list[int]
) -> None:
    log = published_log(bench, tmp_path)
    keys, _ = thrice(bench, log)
    assert sorted(one.size for one in log.handovers()) == [3, 6]
    for size in lost:
        log.folder.handover_file(size).unlink()
    faults = checkpoint_files.signed(log).faults
    assert [(one.code, one.place) for one in faults] == [
        ("checkpoint_file", str(log.folder.handover_file(size))) for size in lost
    ]
    assert code(partial(bundle, bench, log)) == "key_handover"
    for size, fault in zip(lost, faults, strict=True):
        kept, target = log.folder.file(size), log.folder.handover_file(size)
        assert f"copy {kept} to {target}" in fault.message
        target.write_bytes(kept.read_bytes())
    assert checkpoint_files.signed(log).faults == ()
    assert checked(bundle(bench, log), keys[0])


def tampered(made: bytes, name: str) -> bytes:
    """The bundle with another history of its keys."""
    head: dict[str, Any]
    first, _, rest = made.partition(b"\n")
    head = verifier().parsed(first, "line 1")
    match name:
        case "dropped":
            head["handovers"] = head["handovers"][1:]
        case "swapped":
            head["handovers"].reverse()
        case "one signature":
            text, _, lines = head["handovers"][0].rpartition("\n\n")
            head["handovers"][0] = f"{text}\n\n{lines.splitlines()[0]}\n"
        case "another next key":
            old, new = head["handovers"]
            named = [one for one in new.splitlines() if one.startswith("next-key ")]
            due = [one for one in old.splitlines() if one.startswith("next-key ")]
            head["handovers"][0] = old.replace(due[0], named[0])
    return bytes(verifier().canonical(head)) + b"\n" + rest


@pytest.mark.parametrize("name", ["dropped", "swapped", "one signature", "another next key"])
def test_another_history_of_the_keys_is_refused(bench: Bench, tmp_path: Path, name: str) -> None:
    log = published_log(bench, tmp_path)
    grown(bench, 0, 2)
    first = log.key()
    rotated(bench, log)
    rotated(bench, log)
    made = bundle(bench, log)
    assert checked(made, first)
    with pytest.raises(verifier().Wrong):
        checked(tampered(made, name), first)


def test_what_was_interrupted_is_done_by_asking_again(bench: Bench, tmp_path: Path) -> None:
    log = published_log(bench, tmp_path)
    grown(bench, 0, 2)
    first = log.key()

    def fails(_: NoteKey) -> None:
        raise Refused("interrupted", "between")

    assert code(partial(log.rotate_key, fails)) == "interrupted"
    waiting = signer_of(next_key_file(log.key_file), log.origin)
    assert waiting is not None
    assert log.key() == first
    grown(bench, 2, 3)
    assert Checkpoint.parse(log.sign().text).size == 3, "the former key goes on meanwhile"
    assert rotated(bench, log).following == waiting.key == log.key()


def test_without_an_event_of_it_nothing_is_handed_over(bench: Bench, tmp_path: Path) -> None:
    log = published_log(bench, tmp_path)
    grown(bench, 0, 2)
    first = log.key()
    assert code(partial(log.rotate_key, lambda _: None)) == "key_handover"
    assert log.key() == first


def test_a_key_that_signs_another_book_too_is_not_handed_over(bench: Bench, tmp_path: Path) -> None:
    log = published_log(bench, tmp_path)
    grown(bench, 0, 2)
    log.sign()
    beside = log.folder.path.with_name("beside") / "000/000/000"
    beside.mkdir(parents=True)
    (beside / "001").write_text("of another book")
    assert code(partial(rotated, bench, log)) == "key_handover"


def test_log_check_of_a_former_keys_checkpoint_under_the_new_key(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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

    def run(*arguments: str) -> str:
        capsys.readouterr()
        assert app(arguments, exit_on_error=False) in (None, 0)
        return capsys.readouterr().out

    with projecting(bench):
        append_parties(bench, range(2))
        former = run("log", "key", "--make").strip()
        kept = tmp_path / "kept"
        kept.write_text(run("log", "checkpoint"))
        run("log", "rotate-key", "--as", "ada")
        following = run("log", "key").strip()
        assert following != former
        for key in (former, following):
            assert "go on from the 2" in run("log", "check", str(kept), "--key", key)


@contextmanager
def projecting(bench: Bench) -> Iterator[None]:
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()
    try:
        yield
    finally:
        projector.stop()
        thread.join()
