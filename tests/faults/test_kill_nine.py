"""kill -9 of everything, again and again, under load: each acknowledged command is stored exactly once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from signal import SIGKILL

import pytest

from adapters import replay
from adapters.front_door import Receipt, Wish
from adapters.mapper import EnvelopeMapper
from adapters.nats import wire
from tests.adapters import sample
from tests.faults.rig import Rig, Writer, patiently
from tests.faults.seeds import seeds

WRITERS = 6
KILLS = 9
VICTIMS = ("projector", "nats", "postgres")


def founded(rig: Rig) -> Writer:
    writer = rig.writer()
    writer.insist([Wish(sample.found_book(), "book")])
    writer.insist([Wish(sample.register_site(), "site")])
    writer.insist([Wish(sample.register_meter(f"M{n}"), f"meter-{n}") for n in range(3)])
    return writer


def wishes_of(pair: int, number: int) -> list[Wish]:
    """What both writers of a pair ask for in their turn `number`, with the same command ids."""
    kind = number % 4
    if kind == 0:
        return [Wish(sample.register_party(f"shared-{number % 3}"), f"{pair}-{number}")]
    if kind == 1:
        return [Wish(sample.record_readings(f"M{number % 3}", day=number % 28), f"{pair}-{number}")]
    return [
        Wish(sample.record_readings(f"M{meter}", day=number % 28), f"{pair}-{number}-{meter}")
        for meter in range(3)
    ]


@pytest.mark.fault
@pytest.mark.parametrize("seed", seeds(1))
def test_nothing_acknowledged_is_lost_and_nothing_is_doubled(rig: Rig, seed: int) -> None:
    dice = random.Random(seed)
    victims = dice.sample(VICTIMS * (KILLS // len(VICTIMS)), KILLS)
    first = founded(rig)
    doors = [first, rig.writer(), rig.writer()]
    rig.start_projector()
    stopping = threading.Event()

    def write(number: int) -> dict[str, Receipt]:
        acknowledged: dict[str, Receipt] = {}
        turn = 0
        while not stopping.is_set():
            turn += 1
            wishes = wishes_of(number // 2, turn)
            receipts = doors[number % len(doors)].insist(wishes)
            acknowledged |= {wish.command_id: receipt for wish, receipt in zip(wishes, receipts, strict=True)}
        return acknowledged

    with ThreadPoolExecutor(WRITERS) as pool:
        writing = [pool.submit(write, number) for number in range(WRITERS)]
        try:
            for victim in victims:
                time.sleep(dice.uniform(0.05, 0.6))
                _kill_and_restart(rig, victim, dice.uniform(0, 0.3))
        finally:
            stopping.set()
    acknowledged = [future.result() for future in writing]

    _check_stream(rig, first, acknowledged)
    rig.kill_projector()
    patiently(rig.projector(first).catch_up)
    assert rig.archived() == rig.payloads(first.log), "the archive is the stream, byte for byte"
    proof = replay.replay(first.log, rig.database)
    assert proof.position == first.recorder.max_notification_id()
    assert proof.equal, [table for table in proof.tables if table.difference]


@pytest.mark.fault
def test_a_projector_killed_between_rows_and_position_leaves_neither(rig: Rig) -> None:
    writer = founded(rig)
    archived = 0
    for day in range(3):
        writer.insist([Wish(sample.record_readings("M1", day=day), f"day-{day}")])
        dying = rig.start_projector(dies_after=archived)
        assert dying.process.wait(120) == -SIGKILL
        assert len(rig.archived()) == archived, "the rows went with the transaction"
        archived = rig.projector(writer).catch_up()
    with rig.database.owning() as connection:
        connection.execute("DELETE FROM ledger.position WHERE projection = 'dying'")
    assert rig.archived() == rig.payloads(writer.log)
    assert replay.replay(writer.log, rig.database).equal


def _kill_and_restart(rig: Rig, victim: str, pause: float) -> None:
    match victim:
        case "projector":
            rig.kill_projector()
            time.sleep(pause)
            rig.start_projector()
        case "nats":
            rig.nats.child.kill()
            time.sleep(pause)
            rig.nats.start()
        case _:
            rig.postgres.child.kill()
            time.sleep(pause)
            rig.postgres.start()


def _check_stream(rig: Rig, writer: Writer, acknowledged: list[dict[str, Receipt]]) -> None:
    mapper = EnvelopeMapper()
    stored: dict[str, tuple[str, int, int]] = {}
    seen: Counter[tuple[str, str]] = Counter()
    versions: Counter[str] = Counter()
    for sequence, payload in enumerate(rig.payloads(writer.log), 1):
        header = wire.header_of(payload)
        command = mapper.to_envelope(header.topic, wire.state_of(payload)).command
        stored[command] = (header.aggregate, header.version, sequence)
        seen[header.aggregate, command] += 1
        versions[header.aggregate] += 1
        assert header.version == versions[header.aggregate], "versions run on without a gap"
    assert max(seen.values()) == 1, "a command id is stored once"
    total = 0
    for one in acknowledged:
        total += len(one)
        for command, receipt in one.items():
            assert stored[command] == (receipt.aggregate, receipt.version, receipt.sequence)
    assert total > 20 * WRITERS, "the load was a load"
