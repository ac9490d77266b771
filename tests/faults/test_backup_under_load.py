"""A backup is written while the book is; restored on other servers, it proves that it is the same book."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters import backup, replay
from adapters.front_door import Receipt, Wish
from adapters.transparency.checkpoint_folder import CheckpointFolder
from adapters.transparency.published_log import PublishedLog
from adapters.transparency.signing_projector import SigningProjector
from adapters.verify import verify
from ledger.refusal import Refused
from ledger.transparency.checkpoint import Checkpoint
from tests.adapters import sample
from tests.faults.rig import BOOK, Rig, Writer

WRITERS = 3


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path / "elsewhere")
    yield made
    made.close()


def published(rig: Rig, folder: Path) -> PublishedLog:
    """The book's signed log: the same key and checkpoints wherever its servers are."""
    checkpoints = CheckpointFolder(folder / "checkpoints")
    return PublishedLog(rig.database, BOOK, f"test/{BOOK}", checkpoints, folder / "log.key", makes_key=True)


class Hand(threading.Thread):
    """Registers parties until it is told to stop."""

    def __init__(self, writer: Writer, number: int) -> None:
        super().__init__()
        self._writer, self._number = writer, number
        self.stopping = threading.Event()
        self.told: list[Receipt] = []

    def run(self) -> None:
        turn = 0
        while not self.stopping.is_set():
            turn += 1
            wish = Wish(sample.register_party(f"p{self._number}-{turn // 8}"), f"{self._number}-{turn}")
            self.told += self._writer.insist([wish])


@pytest.mark.fault
def test_a_backup_under_load_proves_itself_elsewhere(rig: Rig, elsewhere: Rig, tmp_path: Path) -> None:
    keeper = rig.writer()
    keeper.insist([Wish(sample.found_book(), "book")])
    signed = published(rig, tmp_path)
    projector = SigningProjector(keeper.log, rig.database, signed)
    projecting = threading.Thread(target=projector.run)
    projecting.start()
    hands = [Hand(rig.writer(), number) for number in range(WRITERS)]
    for hand in hands:
        hand.start()
    file = tmp_path / "book.backup"
    try:
        give_up = time.monotonic() + 120
        while signed.latest() is None or min(len(hand.told) for hand in hands) < 20:
            assert time.monotonic() < give_up, "the load is no load, or nothing is signed"
            time.sleep(0.05)
        before = [receipt for hand in hands for receipt in list(hand.told)]
        checkpoint = signed.latest()
        manifest = backup.backup(rig.writer().log, rig.database, file, checkpoint)
        during = sum(len(hand.told) for hand in hands) - len(before)
    finally:
        for hand in hands:
            hand.stopping.set()
            hand.join()
        projector.stop()
        projecting.join()
    assert during, "it was written to meanwhile"
    assert checkpoint is not None
    assert max(receipt.sequence for receipt in before) <= manifest.last_sequence

    there = elsewhere.writer()
    assert backup.restore(there.log, file, [Checkpoint.parse(checkpoint.text)]) == manifest
    elsewhere.projector(there).catch_up()
    payloads = elsewhere.payloads(there.log)
    assert payloads == rig.payloads(keeper.log)[: manifest.last_sequence]
    assert elsewhere.archived() == payloads
    assert verify(there.log, elsewhere.database, elsewhere.nats.monitor_url).faults == ()
    assert replay.replay(there.log, elsewhere.database).equal
    again = there.insist([Wish(sample.register_party("p0-0"), "0-1")])[0]
    assert again.repeated, "a command that was given before the backup has its answer here too"


@pytest.mark.fault
def test_a_restored_book_that_lacks_what_was_signed_is_refused(
    rig: Rig, elsewhere: Rig, tmp_path: Path
) -> None:
    """The backup is older than the newest checkpoint that somebody kept."""
    writer = rig.writer()
    writer.insist([Wish(sample.found_book(), "book")])
    signed = published(rig, tmp_path)
    projector = rig.projector(writer)
    projector.catch_up()
    file = tmp_path / "book.backup"
    backup.backup(writer.log, rig.database, file, signed.sign())
    assert verify(writer.log, rig.database, rig.nats.monitor_url, published=signed).faults == ()
    writer.insist([Wish(sample.register_party("later"), "later")])
    projector.catch_up()
    newest = Checkpoint.parse(signed.sign().text)
    there = elsewhere.writer()
    with pytest.raises(Refused) as refused:
        backup.restore(there.log, file, [newest])
    assert refused.value.code == "checkpoint_ahead"
    assert elsewhere.payloads(there.log) == []
