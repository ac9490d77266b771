"""A book on three nodes, written to without a pause while something happens to one of them."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from adapters.embedded.cluster import NODES
from adapters.embedded.postgres_server import PostgresServer
from adapters.front_door import Receipt, Wish
from adapters.mapper import EnvelopeMapper
from adapters.nats import stream, wire
from adapters.nats.pull import Pull
from adapters.postgres.database import Database
from adapters.projector import Projector
from tests.adapters import sample
from tests.faults.cluster import Cluster
from tests.faults.rig import BOOK, Clock, Writer, patiently

WRITERS: Final = 6
_TURNS_A_PARTY: Final = 16
_HEARD_S: Final = 120.0


class Acknowledged(NamedTuple):
    """What a writer was told, and when (monotonic seconds)."""

    command: str
    receipt: Receipt
    at: float


class Ridden(NamedTuple):
    """How a load came through: the longest time without any acknowledgement, and the longest that one writer
    waited, in seconds; how many commands were acknowledged, lost and stored twice."""

    outage_s: float
    wait_s: float
    acknowledged: int
    lost: int
    doubled: int


class ClusterRig:
    """Three nodes, a PostgreSQL that stays, a projector and writers with a connection each."""

    def __init__(self, folder: Path) -> None:
        self.cluster = Cluster(folder / "nats")
        self.postgres = PostgresServer(folder / "postgres")
        self.postgres.ensure_database(BOOK)
        self.database = Database(self.postgres.url(BOOK))
        self.database.migrate()
        self.operator = self.cluster.operator()
        patiently(lambda: stream.create(self.operator, BOOK, replicas=NODES, max_bytes=1 << 28))
        clock = Clock()
        seed = self.cluster.accounts.app_seed
        self.writers = [Writer(self.cluster.url, seed, self.database, clock) for _ in range(WRITERS)]
        self.witness = Writer(self.cluster.url, seed, self.database, clock)
        self.projector = Projector(Writer(self.cluster.url, seed, self.database, clock).log, self.database)
        self._projecting = threading.Thread(target=self.projector.run)
        self._projecting.start()
        self._loads = 0

    def leader(self) -> int:
        return patiently(lambda: self.cluster.leader(self.operator, BOOK))

    def ride(self, happen: Callable[[], None], *, before_s: float = 0.7, after_s: float = 0.7) -> Ridden:
        """Write all the while `happen` runs and until every writer was heard after it; see what became of it.

        Two writers ask for the same with the same command ids, so that each of them sees repeats.
        """
        self._loads += 1
        load = self._loads
        stopping = threading.Event()
        told: list[list[Acknowledged]] = [[] for _ in range(WRITERS)]

        def write(number: int) -> None:
            turn = 0
            while not stopping.is_set():
                turn += 1
                command = f"load-{load}-{number // 2}-{turn}"
                party = sample.register_party(f"party-{load}-{number // 2}-{turn // _TURNS_A_PARTY}")
                receipt = self.writers[number].insist([Wish(party, command)])[0]
                told[number].append(Acknowledged(command, receipt, time.monotonic()))

        with ThreadPoolExecutor(WRITERS) as pool:
            writing = [pool.submit(write, number) for number in range(WRITERS)]
            try:
                time.sleep(before_s)
                happen()
                over = time.monotonic()
                while not all(one and one[-1].at > over for one in told):
                    assert not any(future.done() for future in writing), "a writer gave up"
                    assert time.monotonic() < over + _HEARD_S, "a writer was not heard again"
                    time.sleep(0.05)
                time.sleep(after_s)
            finally:
                stopping.set()
        for future in writing:
            future.result()
        return self._judged(told)

    def _judged(self, told: list[list[Acknowledged]]) -> Ridden:
        stored, doubled = self._stored()
        every = [one for writer in told for one in writer]
        lost = sum(
            stored.get(one.command) != (one.receipt.aggregate, one.receipt.version, one.receipt.sequence)
            for one in every
        )
        return Ridden(
            longest_gap([one.at for one in every]),
            max(longest_gap([one.at for one in writer]) for writer in told),
            len({one.command for one in every}),
            lost,
            doubled,
        )

    def _stored(self) -> tuple[dict[str, tuple[str, int, int]], int]:
        mapper = EnvelopeMapper()
        stored: dict[str, tuple[str, int, int]] = {}
        seen: Counter[tuple[str, str]] = Counter()
        versions: Counter[str] = Counter()
        for sequence, payload in enumerate(self.payloads(), 1):
            header = wire.header_of(payload)
            command = mapper.to_envelope(header.topic, wire.state_of(payload)).command
            stored[command] = (header.aggregate, header.version, sequence)
            seen[header.aggregate, command] += 1
            versions[header.aggregate] += 1
            assert header.version == versions[header.aggregate], "versions run on without a gap"
        return stored, sum(count - 1 for count in seen.values())

    def payloads(self) -> list[bytes]:
        """Every message of the stream, in order."""
        log = self.witness.log
        last = patiently(lambda: log.client.run(log.last_sequence()))
        pull = Pull(log.client, BOOK, 1)
        found: list[bytes] = []
        while len(found) < last:
            pulled = pull.batch(60.0)
            assert pulled, f"the stream stopped answering after {len(found)} of {last}"
            found += [item.payload for item in pulled]
        pull.close()
        return found[:last]

    def close(self) -> None:
        self.projector.stop()
        self._projecting.join()
        for writer in (*self.writers, self.witness):
            writer.close()
        self.projector.log.client.close()
        self.operator.close()
        self.database.close()
        self.cluster.stop()
        self.postgres.stop()


def longest_gap(moments: list[float]) -> float:
    """The longest time between two that follow each other."""
    ordered = sorted(moments)
    return max(after - before for before, after in itertools.pairwise(ordered))
