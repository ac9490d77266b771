"""A witness's signature is kept with the checkpoint that it is of once it holds, and changes nothing else."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import msgspec
import pytest

from adapters.integrity import checkpoint_files
from adapters.transparency.published_log import PublishedLog
from ledger.transparency.checkpoint import open_checkpoint
from ledger.transparency.note import Note, cosign
from ledger.transparency.note_key import KeyKind, NoteSigner
from tests.adapters.conftest import Bench
from tests.adapters.transparency.books import append_parties, published_log
from tests.ledger.transparency.refusal_code import code
from tests.ledger.transparency.signers import LOG, WITNESS

SECOND = NoteSigner.of_seed("witness.example/w2", KeyKind.COSIGNATURE_V1, bytes(range(3, 35)))
SEEN_S = 1_800_000_000


@pytest.fixture
def log(bench: Bench, tmp_path: Path) -> PublishedLog:
    """Two checkpoints: of 3 and of 5 events."""
    made = published_log(bench, tmp_path)
    for names in (range(3), range(3, 5)):
        append_parties(bench, names)
        bench.project()
        made.sign()
    return made


def at(log: PublishedLog, size: int) -> Note:
    found = log.signed_at(size)
    assert found is not None
    return found


def cosigned(log: PublishedLog, size: int, witness: NoteSigner = WITNESS, seen_s: int = SEEN_S) -> Note:
    note = at(log, size)
    return note.with_signature(cosign(note.text, witness, seen_s))


@pytest.mark.parametrize("size", [3, 5])
def test_a_witness_s_signature_is_kept_and_holds(log: PublishedLog, size: int) -> None:
    before = at(log, size)
    assert log.keep_cosignatures(cosigned(log, size), [WITNESS.key]) == (size, {WITNESS.key: SEEN_S})
    log.keep_cosignatures(cosigned(log, size, SECOND), [SECOND.key])
    after = at(log, size)
    assert after.text == before.text
    opened = open_checkpoint(after, log.origin, log.key(), [WITNESS.key, SECOND.key])
    assert opened.note.witnessed_s == {WITNESS.key: SEEN_S, SECOND.key: SEEN_S}
    assert (log.folder.path / "latest").read_bytes() == at(log, 5).content()


def test_what_was_cosigned_is_no_fault_and_signing_goes_on(log: PublishedLog, bench: Bench) -> None:
    log.keep_cosignatures(cosigned(log, 5), [WITNESS.key])
    assert checkpoint_files.signed(log).faults == ()
    with bench.database.reading(bench.book) as connection:
        assert checkpoint_files.check_not_rolled_back(connection, log) == []
    assert log.sign() == at(log, 5)
    append_parties(bench, range(5, 6))
    bench.project()
    log.sign()
    assert log.signed_size() == 6


def test_a_newer_signature_takes_the_place_of_the_witness_s_older(log: PublishedLog) -> None:
    for seen_s in (SEEN_S, SEEN_S + 60):
        log.keep_cosignatures(cosigned(log, 5, seen_s=seen_s), [WITNESS.key])
    assert len(at(log, 5).signatures) == 2


def test_what_does_not_hold_is_not_kept(log: PublishedLog) -> None:
    content = at(log, 5).content()
    good = cosigned(log, 5)
    older = at(log, 3)
    line = good.signatures[-1]
    forged = msgspec.structs.replace(line, signature=line.signature[:-1] + bytes([line.signature[-1] ^ 1]))
    moved = at(log, 5).with_signature(cosign(older.text, WITNESS, SEEN_S))
    other = Note(good.text.replace("\n5\n", "\n4\n"), good.signatures)
    root = at(log, 3).text.split("\n")[2]
    split = Note(good.text.replace(good.text.split("\n")[2], root), good.signatures)
    for note, keys, expected in (
        (at(log, 5).with_signature(forged), [WITNESS.key], "note_forged"),
        (moved, [WITNESS.key], "note_forged"),
        (good, [SECOND.key], "note_unsigned"),
        (good, [LOG.key], "note_signer"),
        (other, [WITNESS.key], "unknown_checkpoint"),
        (split, [WITNESS.key], "split_view"),
    ):
        assert code(partial(log.keep_cosignatures, note, keys)) == expected
    assert at(log, 5).content() == content
