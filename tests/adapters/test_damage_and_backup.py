"""A book of which any copy is damaged leaves no backup; what is refused is what `verify` names."""

from __future__ import annotations

import pytest

from adapters import backup
from adapters.continuity import Discontinuity
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.test_tamper import ARCHIVE, NAMED, Kept, kept, own_nats, swapped

__all__ = ["kept", "own_nats"]


def refused(book: Kept) -> tuple[str, str]:
    """The code and place of what a backup is refused for."""
    file = book.folder / "book.backup"
    with pytest.raises(Discontinuity) as found:
        backup.backup(book.bench.log, book.bench.database, file, book.published.latest())
    assert not list(book.folder.glob("book.backup*")), "no part of it is left"
    return found.value.fault.code, found.value.fault.place


@pytest.mark.parametrize("change", ARCHIVE)
def test_an_altered_archive_row(kept: Kept, change: str) -> None:
    kept.bench.query(f"{ARCHIVE[change]} RETURNING 1")  # type: ignore[arg-type]
    assert refused(kept) == NAMED[change]
    first = kept.verify().faults[0]
    assert refused(kept) == (first.code, first.place)


def test_an_altered_leaf_of_the_tree(kept: Kept) -> None:
    kept.bench.query(
        "UPDATE ledger.tree_tile SET content = set_byte(content, 69, get_byte(content, 69) # 1)"
        " WHERE level = 0 RETURNING 1"
    )
    assert refused(kept) == ("tree_altered", "sequence 3")


def test_a_truncated_stream(kept: Kept) -> None:
    kept.recreate(kept.payloads()[:3])
    assert refused(kept) == ("stream_lost", "sequence 4")


def test_a_stream_in_another_order(kept: Kept) -> None:
    kept.recreate(swapped(kept.payloads()))
    assert refused(kept) == ("stream_altered", "sequences 2 to 3")


def test_a_checkpoint_that_is_gone(kept: Kept) -> None:
    """Neither without any, nor with an older one put in its place."""
    kept.published.sign()
    older = (kept.published.folder.path / "latest").read_bytes()
    kept.add()
    kept.published.sign()
    newest = kept.published.folder.path / "000/000/000/005"
    aside = newest.read_bytes()
    newest.unlink()
    (kept.published.folder.path / "latest").write_bytes(older)
    file = kept.folder / "gone.backup"
    for checkpoint in (kept.published.latest(), None):
        with pytest.raises(Refused) as found:
            backup.backup(kept.bench.log, kept.bench.database, file, checkpoint)
        assert found.value.code == "checkpoint_gone"
        assert not list(kept.folder.glob("gone.backup*"))
    newest.write_bytes(aside)
    backup.backup(kept.bench.log, kept.bench.database, file, kept.published.latest())


def test_a_whole_book_and_one_that_is_not_archived_yet(kept: Kept) -> None:
    kept.published.sign()
    kept.door().execute(sample.register_party("P1"), command_id="late", actor="ada")
    file = kept.folder / "whole.backup"
    made = backup.backup(kept.bench.log, kept.bench.database, file, kept.published.latest())
    assert made.last_sequence == backup.checked(file).last_sequence == 5
