"""A book that is empty where a checkpoint was signed: nothing was lost that a backup does not bring back."""

from __future__ import annotations

from adapters.integrity.judgement import Judge
from ledger.transparency.checkpoint import Checkpoint


def test_an_empty_book_is_told_to_restore_a_backup() -> None:
    """As on a new cluster, where the folder of checkpoints came along."""
    (fault,) = Judge("demo", [Checkpoint("wattledger/demo", 4, bytes(32))]).judge().faults
    assert fault.code == "checkpoint_ahead"
    assert fault.message.startswith("this book is empty")
    assert "`wattledger restore FILE`" in fault.remedy
