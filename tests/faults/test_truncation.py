"""The store came back older than it was: nobody reads on, and nobody writes on reused numbers."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping

import pytest

from adapters.continuity import Discontinuity
from adapters.front_door import Receipt, Wish
from adapters.nats import stream
from ledger.party import PartyRegistered, RegisterParty
from tests.adapters import sample
from tests.faults.relay import Relay
from tests.faults.rig import AWAY, BOOK, Rig, Writer

WRITERS = 4


@pytest.mark.fault
def test_an_older_copy_of_the_store_stops_projector_and_writers(rig: Rig) -> None:
    writer = rig.writer()
    store, copy = rig.nats.folder / "store", rig.folder / "older"
    for number in range(3):
        writer.insist([Wish(sample.register_party(f"p{number}"), f"early-{number}")])
    rig.nats.stop()
    shutil.copytree(store, copy)
    rig.nats.start()
    for number in range(3, 6):
        writer.insist([Wish(sample.register_party(f"p{number}"), f"late-{number}")])
    rig.projector(writer).catch_up()
    assert len(rig.archived()) == 6

    following = rig.projector(rig.writer())
    running = threading.Thread(target=following.run)
    running.start()
    relay = Relay(rig.nats.port)
    hammers = [Hammer(rig.writer(relay.url), number) for number in range(WRITERS)]
    for hammer in hammers:
        hammer.start()
    rig.nats.child.kill()
    shutil.rmtree(store)
    shutil.copytree(copy, store)
    relay.answers_late_s = 0.05
    rig.nats.start()

    for hammer in hammers:
        hammer.join(120)
        assert isinstance(hammer.ended_by, Discontinuity), hammer.ended_by
        reused = [receipt for receipt in hammer.acknowledged if receipt.sequence <= 6]
        assert not reused, "nothing was acknowledged on reused numbers"
    relay.close()
    running.join(120)
    assert following.halted is not None
    assert "was archived" in following.halted
    with pytest.raises(Discontinuity):
        writer.door.execute(sample.register_party("much-later"), command_id="much-later", actor="ada")
    assert writer.recorder.max_notification_id() == 3, "nothing was appended"


@pytest.mark.fault
def test_a_writer_misses_what_it_was_told_is_stored_though_no_archive_has_it(rig: Rig) -> None:
    writer = rig.writer()
    store, copy = rig.nats.folder / "store", rig.folder / "older"
    writer.insist([Wish(sample.register_party("p1"), "early")])
    rig.projector(writer).catch_up()
    rig.nats.stop()
    shutil.copytree(store, copy)
    rig.nats.start()
    writer.insist([Wish(sample.register_party("p2"), "late")])
    rig.nats.child.kill()
    shutil.rmtree(store)
    shutil.copytree(copy, store)
    rig.nats.start()
    with pytest.raises(Discontinuity, match="ends at 1, but 2 was acknowledged"):
        writer.insist([Wish(sample.register_party("p3"), "later")])


class WhileTheStoreIsReplaced(RegisterParty, frozen=True):
    """A decision so slow that the connection it was read on is gone when it is made."""

    def decide(self, state: object, others: Mapping[str, object]) -> tuple[PartyRegistered]:
        replace = REPLACING.pop("store", None)
        if replace is not None:
            replace()
        return super().decide(state, others)


REPLACING: dict[str, Callable[[], None]] = {}


@pytest.mark.fault
def test_a_decision_read_before_a_truncation_is_not_written_after_it(rig: Rig) -> None:
    """The append is made on the new connection, before anyone has compared the stream."""
    relay = Relay(rig.nats.port)
    writer = rig.writer(relay.url)
    store, copy = rig.nats.folder / "store", rig.folder / "older"
    writer.insist([Wish(sample.register_party("p1"), "early")])
    rig.nats.stop()
    shutil.copytree(store, copy)
    rig.nats.start()
    writer.insist([Wish(sample.register_party("p2"), "late")])
    rig.projector(writer).catch_up()

    def replace() -> None:
        rig.nats.child.kill()
        shutil.rmtree(store)
        shutil.copytree(copy, store)
        while writer.client.connected:
            time.sleep(0.001)
        relay.answers_late_s = 0.3
        rig.nats.start()
        while not writer.client.connected:
            time.sleep(0.001)

    REPLACING["store"] = replace
    party = sample.register_party("new").party
    with pytest.raises(Discontinuity):
        writer.door.execute(WhileTheStoreIsReplaced(sample.FROM_2026, party), command_id="slow", actor="ada")
    relay.close()
    operator = rig.nats.operator()
    assert stream.state(operator, BOOK).last_seq == 1
    operator.close()


class Hammer(threading.Thread):
    """Registers one new party after another, so that no expected sequence protects the stream."""

    def __init__(self, writer: Writer, number: int) -> None:
        super().__init__(daemon=True)
        self._writer = writer
        self._number = number
        self.acknowledged: list[Receipt] = []
        self.ended_by: Exception | None = None

    def run(self) -> None:
        for turn in range(1_000_000):
            name = f"hammer-{self._number}-{turn}"
            while True:
                try:
                    receipt = self._writer.door.execute(
                        sample.register_party(name), command_id=name, actor="ada"
                    )
                except AWAY:
                    time.sleep(0.01)
                except Exception as error:
                    self.ended_by = error
                    return
                else:
                    self.acknowledged.append(receipt)
                    break
