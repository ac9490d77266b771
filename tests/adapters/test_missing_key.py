"""Taking the log's key away switches no check off: what was signed is compared with the book without it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.integrity import checkpoint_files
from adapters.stated_settings import state_settings
from ledger.transparency.checkpoint import Checkpoint
from tests.adapters.test_tamper import Kept
from tests.stack import NatsServer, PostgresServer


@pytest.fixture
def kept(nats_server: NatsServer, migrated: PostgresServer, tmp_path: Path) -> Iterator[Kept]:
    made = Kept(nats_server, migrated, tmp_path)
    yield made
    made.close()


def signed_of(kept: Kept, size: int) -> None:
    """A checkpoint of another book than this, in the folder, by the log's key; PostgreSQL has not seen it."""
    signer = kept.published.signer()
    assert signer is not None
    note = Checkpoint(kept.published.origin, size, bytes(32)).signed(signer)
    with kept.published.folder.locked():
        kept.published.folder.keep(size, note.content())


def test_a_book_that_both_stores_rolled_back_is_not_written_on(kept: Kept) -> None:
    signed_of(kept, 9)
    assert kept.refuses_to_write().fault.code == "checkpoint_ahead"
    kept.published.key_file.unlink()
    halted = kept.refuses_to_write().fault
    assert (halted.code, halted.place) == ("checkpoint_ahead", "sequence 5")
    assert "a checkpoint was signed over 9 envelopes" in halted.message
    verdict = kept.verify()
    assert {fault.code for fault in verdict.faults} == {"checkpoint_key", "checkpoint_ahead"}
    assert verdict.checkpoints == 0
    (missing,) = (fault for fault in verdict.faults if fault.code == "checkpoint_key")
    assert missing.place == str(kept.published.key_file)
    assert "the key that signed them is missing" in missing.message


def test_another_history_of_the_same_size_is_not_written_on(kept: Kept) -> None:
    signed_of(kept, 4)
    kept.published.key_file.unlink()
    assert kept.refuses_to_write().fault.code == "checkpoint_split"
    assert kept.codes() == {"checkpoint_key", "checkpoint_split"}


def test_signatures_are_checked_with_the_key_on_record(kept: Kept) -> None:
    state_settings(kept.door(), kept.published, actor="ada")
    kept.bench.project()
    kept.published.sign()
    key = kept.published.key()
    kept.published.key_file.unlink()
    assert kept.published.recorded_key() == key
    verdict = kept.verify()
    assert ([fault.code for fault in verdict.faults], verdict.checkpoints) == (["checkpoint_key"], 1)
    kept.published.makes_key = False
    assert kept.verify().faults == (), "another machine signs, and is checked without its key"
    size = kept.verify().position
    file = kept.published.folder.file(size)
    file.write_bytes(file.read_bytes()[:-8] + b"AAAAAA=\n")
    assert "checkpoint_file" in kept.codes()


def test_a_book_whose_log_was_never_signed_needs_no_key(kept: Kept) -> None:
    assert checkpoint_files.signed(kept.published) == checkpoint_files.Signed((), None, ())
    assert kept.codes() == set()
    kept.add()
