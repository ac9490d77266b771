"""A power cut while a book is written to, as a process with mounts of its own.

`python -m tests.faults.power_cut FOLDER SEED CUTS SYNC` runs NATS and PostgreSQL on a disk each, copies the
disks' images CUTS times under load, then starts both on every copy. Prints a JSON `Cut` a line. SYNC is
`always`, or `default` for NATS's own two minutes.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Final, NamedTuple

import msgspec

from adapters import replay
from adapters.continuity import Discontinuity
from adapters.embedded.nats_server import NatsServer
from adapters.front_door import Receipt, Wish
from adapters.mapper import EnvelopeMapper
from adapters.nats import wire
from tests.adapters import sample
from tests.faults.disk_image import DiskImage
from tests.faults.rig import Rig, Writer, patiently

_WRITERS: Final = 4
_AGAIN: Final = 12
"""So many of the newest commands of each writer are given again after a cut."""


class Cut(msgspec.Struct, frozen=True):
    """What a copy of the disks held. `lost` counts commands that were acknowledged before it was begun."""

    acknowledged: int
    stored: int
    lost: int
    doubled: int
    in_order: bool
    projected: bool
    given_again_once: bool


class TwoMinutes(NatsServer):
    """NATS as it is without our configuration: it syncs every two minutes."""

    def _config(self) -> str:
        return super()._config().replace(", sync_interval: always", "")


class _Asked(NamedTuple):
    wish: Wish
    receipt: Receipt


class _Load:
    """Writers, each on a connection of its own, and what they were told so far."""

    def __init__(self, rig: Rig) -> None:
        self._writers = [rig.writer() for _ in range(_WRITERS)]
        self.told: list[list[_Asked]] = [[] for _ in range(_WRITERS)]
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(_WRITERS)
        self._writing = [self._pool.submit(self._write, number) for number in range(_WRITERS)]

    def _write(self, number: int) -> None:
        turn = 0
        while not self._stopping.is_set():
            turn += 1
            wishes = _wishes(number, turn)
            receipts = self._writers[number].insist(wishes)
            self.told[number] += map(_Asked, wishes, receipts)

    def stop(self) -> None:
        self._stopping.set()
        self._pool.shutdown()
        for future in self._writing:
            future.result()


def _wishes(number: int, turn: int) -> list[Wish]:
    """One command, or several that are stored all or none."""
    party = Wish(sample.register_party(f"party-{number}-{turn // 8}"), f"{number}-{turn}")
    if turn % 3:
        return [party]
    readings = sample.record_readings(f"M{number}", day=turn % 28)
    return [party, Wish(readings, f"{number}-{turn}-readings")]


class _Copy(NamedTuple):
    """The two images, and how many commands each writer had been acknowledged before they were begun."""

    nats: Path
    postgres: Path
    told: list[int]


def _cuts(folder: Path, seed: int, cuts: int, sync: str) -> Iterator[Cut]:
    dice = random.Random(seed)
    with ExitStack() as cleanup:
        disks = {name: DiskImage(folder, name) for name in ("nats", "postgres")}
        rig = Rig(folder, server=NatsServer if sync == "always" else TwoMinutes)
        cleanup.callback(rig.close)
        writer = rig.writer()
        writer.insist([Wish(sample.found_book(), "book")])
        writer.insist([Wish(sample.register_site(), "site")])
        writer.insist([Wish(sample.register_meter(f"M{n}"), f"meter-{n}") for n in range(_WRITERS)])
        for disk in disks.values():
            disk.sync()
        rig.start_projector()
        while len(rig.archived()) < writer.log.acknowledged:
            time.sleep(0.02)
        load = _Load(rig)
        copies: list[_Copy] = []
        for number in range(cuts):
            time.sleep(dice.uniform(0.2, 1.2))
            told = [len(one) for one in load.told]
            copy = _Copy(folder / f"nats-{number}.img", folder / f"postgres-{number}.img", told)
            # PostgreSQL's first: what it has projected must have been stored before.
            with _still(rig.postgres.child.process.pid):
                disks["postgres"].copy(copy.postgres)
            disks["nats"].copy(copy.nats)
            copies.append(copy)
        load.stop()
        rig.kill_projector()
        for copy in copies:
            rig.nats.child.kill()
            rig.postgres.child.kill()
            for disk, image in ((disks["nats"], copy.nats), (disks["postgres"], copy.postgres)):
                disk.unmount()
                disk.mount(image)
                image.unlink()
            rig.nats.start()
            rig.postgres.start()
            yield _judged(rig, copy, load.told)


@contextmanager
def _still(postmaster: int) -> Iterator[None]:
    """PostgreSQL's processes do nothing: its pages may not be copied later than the log that they rest on."""
    processes = [postmaster, *_children(postmaster)]
    for process in processes:
        os.kill(process, SIGSTOP)
    while not all(_state(process) in "TZ" for process in processes):
        time.sleep(0.001)
    yield
    for process in processes:
        os.kill(process, SIGCONT)


def _children(parent: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _state(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def _judged(rig: Rig, copy: _Copy, told: list[list[_Asked]]) -> Cut:
    """What is there after the cut; then what follows when writers give their newest commands again."""
    writer = rig.writer()
    before = [one[:count] for one, count in zip(told, copy.told, strict=True)]
    stored, doubled, in_order = _stored(rig, writer)
    lost = sum(stored.get(one.wish.command_id) != _place(one.receipt) for each in before for one in each)
    projected = _projected(rig, writer)
    again = [
        one for each, count in zip(told, copy.told, strict=True) for one in each[max(0, count - _AGAIN) :]
    ]
    given_again = projected and all(_given_again(writer, one.wish, stored) for one in again)
    _, doubled_again, in_order_again = _stored(rig, writer)
    return Cut(
        sum(copy.told),
        len(stored),
        lost,
        doubled + doubled_again,
        in_order and in_order_again and _as_asked(before, stored),
        projected,
        given_again,
    )


def _place(receipt: Receipt) -> tuple[str, int, int]:
    return receipt.aggregate, receipt.version, receipt.sequence


def _stored(rig: Rig, writer: Writer) -> tuple[dict[str, tuple[str, int, int]], int, bool]:
    """Where each command id is stored, how many are stored again, and whether versions run on."""
    mapper = EnvelopeMapper()
    stored: dict[str, tuple[str, int, int]] = {}
    versions: Counter[str] = Counter()
    doubled = 0
    in_order = True
    for sequence, payload in enumerate(patiently(lambda: rig.payloads(writer.log)), 1):
        header = wire.header_of(payload)
        command = mapper.to_envelope(header.topic, wire.state_of(payload)).command
        doubled += command in stored
        stored[command] = (header.aggregate, header.version, sequence)
        versions[header.aggregate] += 1
        in_order &= header.version == versions[header.aggregate]
    return stored, doubled, in_order


def _as_asked(before: list[list[_Asked]], stored: dict[str, tuple[str, int, int]]) -> bool:
    """Whether each writer's commands are stored in the order in which it gave them."""
    for each in before:
        places = [stored[one.wish.command_id][2] for one in each if one.wish.command_id in stored]
        if places != sorted(places):
            return False
    return True


def _projected(rig: Rig, writer: Writer) -> bool:
    """Whether PostgreSQL goes on from where it was, and has each event once."""
    try:
        patiently(rig.projector(writer).catch_up)
    except Discontinuity:
        return False
    return rig.archived() == rig.payloads(writer.log) and replay.replay(writer.log, rig.database).equal


def _given_again(writer: Writer, wish: Wish, stored: dict[str, tuple[str, int, int]]) -> bool:
    receipt = writer.insist([wish])[0]
    known = stored.get(wish.command_id)
    return receipt.repeated == (known is not None) and (known is None or known == _place(receipt))


def main() -> None:
    """Print each cut as it was judged."""
    folder, seed, cuts, sync = sys.argv[1:]
    for cut in _cuts(Path(folder), int(seed), int(cuts), sync):
        print(msgspec.json.encode(cut).decode(), flush=True)


if __name__ == "__main__":
    main()
