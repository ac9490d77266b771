"""A full stream refuses new events, whole saves at a time, and keeps what it has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.front_door import Wish
from adapters.nats.log import StoreFull
from tests.adapters import sample
from tests.faults.rig import Rig


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path, max_bytes=48 << 10)
    yield made
    made.close()


@pytest.mark.fault
def test_a_full_stream_stores_nothing_by_halves(small: Rig) -> None:
    writer = small.writer()
    writer.insist([Wish(sample.register_site(), "site")])
    writer.insist([Wish(sample.register_meter(f"M{n}"), f"meter-{n}") for n in range(40)])
    before = writer.recorder.max_notification_id()
    batch = [Wish(sample.record_readings(f"M{n}", count=600), f"batch-{n}") for n in range(40)]
    with pytest.raises(StoreFull, match="full"):
        writer.door.execute_all(batch, actor="gateway")
    assert writer.recorder.max_notification_id() == before, "no part of a batch is stored"

    stored = 0
    with pytest.raises(StoreFull, match="full"):
        for day in range(1000):
            writer.door.execute(
                sample.record_readings("M0", day=day % 28), command_id=f"day-{day}", actor="gateway"
            )
            stored += 1
    assert stored > 2
    assert before is not None
    assert writer.recorder.max_notification_id() == before + stored
    payloads = small.payloads(writer.log)
    assert len(payloads) == before + stored, "earlier events remain"
    small.projector(writer).catch_up()
    assert small.archived() == payloads
    again = writer.door.execute(sample.record_readings("M0", day=0), command_id="day-0", actor="gateway")
    assert again.repeated, "what was stored still answers"
