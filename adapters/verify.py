"""Is everything that is kept what the stream says? Reads all of it and recomputes the money."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec

from adapters.mapper import EnvelopeMapper
from adapters.nats import stream, wire
from adapters.nats.log import Log
from adapters.nats.pull import Pull
from adapters.postgres.database import Connection, Database
from adapters.queries import settlement_inputs, statements
from adapters.settling import lowest_position
from ledger.interval import Month
from ledger.settlement.settle import check_line, settle_all

_IDLE_S = 10.0


class Verdict(msgspec.Struct, frozen=True):
    """What was checked; `faults` is empty when all of it holds."""

    position: int
    envelopes: int
    runs: int
    faults: tuple[str, ...]


def verify(
    log: Log, database: Database, monitor_url: str | None, progress: Callable[[int, int], None] | None = None
) -> Verdict:
    """Check the stream's guarantees, every envelope against the archive and its aggregate's chain, and
    every settlement run by settling it again from the ledger as it was.

    Raises:
        WeakStream: the stream or its server could lose facts.
    """
    stream.verify(log.client, log.book, monitor_url)
    with database.reading(log.book) as connection:
        position = lowest_position(connection)
        faults = _check_envelopes(log, connection, position, progress)
        runs = statements.runs(connection, position)
        for run in runs:
            faults += _check_run(connection, log.book, run)
    return Verdict(position, position, len(runs), tuple(faults))


def _check_envelopes(
    log: Log, connection: Connection, position: int, progress: Callable[[int, int], None] | None
) -> list[str]:
    """The stream beside the archive: no gap, equal bytes, unbroken chains."""
    mapper = EnvelopeMapper()
    chains: dict[str, tuple[int, str]] = {}
    faults: list[str] = []
    pull = Pull(log.client, log.book, 1)
    expected = 1
    with connection.cursor(name="archive") as archive:
        archive.itersize = 2000
        archive.execute("SELECT sequence, hash FROM ledger.envelope ORDER BY sequence")
        while expected <= position:
            pulled = pull.batch(_IDLE_S)
            if not pulled:
                faults.append(f"the stream ends before sequence {expected}, the ledger is at {position}")
                break
            for item in pulled:
                if item.sequence > position:
                    break
                digest = hashlib.sha256(item.payload)
                kept = archive.fetchone()
                if kept is None or (kept[0], bytes(kept[1])) != (item.sequence, digest.digest()):
                    faults.append(f"sequence {item.sequence}: the archive holds another envelope, or none")
                header = wire.header_of(item.payload)
                envelope = mapper.to_envelope(header.topic, wire.state_of(item.payload))
                version, before = chains.get(header.aggregate, (0, ""))
                if header.version != version + 1 or envelope.previous != before:
                    faults.append(f"sequence {item.sequence}: the chain of {header.aggregate} is broken")
                chains[header.aggregate] = (header.version, digest.hexdigest())
                expected = item.sequence + 1
            if progress is not None:
                progress(expected - 1, position)
    pull.close()
    return faults


def _check_run(connection: Connection, book: str, run: statements.RecordedRun) -> list[str]:
    """Settle the run again from the ledger as it was at its position."""
    place = f"run {run.run} of {run.contract} for {run.month}"
    result = statements.result(connection, run.contract, run.month, run.run)
    assert result is not None
    faults: list[str] = []
    if result.digest() != run.outputs_digest:
        faults.append(f"{place}: its result is not the one that its digest names")
    for line in result.lines:
        try:
            check_line(line)
        except AssertionError:
            faults.append(f"{place}: line {line.number} does not add up")
    inputs = settlement_inputs.load(
        connection,
        book,
        Month.parse(run.month),
        run.position,
        [run.contract],
        through=result.through,
    )
    (again,) = settle_all(inputs)
    if again.digest() != run.outputs_digest:
        faults.append(f"{place}: settling it again gives another result")
    return faults
