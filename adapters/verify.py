"""Is everything that is kept what the stream says? Reads all of it and recomputes the money."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date

import msgspec

from adapters import continuity
from adapters.continuity import Discontinuity
from adapters.correcting import ended_contracts
from adapters.integrity import checkpoint_files, compared_row, position_rows
from adapters.integrity.copies import Copies, side_by_side
from adapters.integrity.fault import Fault
from adapters.integrity.judgement import Judge, Judgement
from adapters.nats import stream
from adapters.nats.log import Log
from adapters.postgres.database import Connection, Database
from adapters.queries import positions, settlement_inputs, statements
from adapters.queries.void_runs import void_runs
from adapters.transparency.published_log import PublishedLog
from adapters.transparency.seen_checkpoint import note_seen
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.settlement.result import Result
from ledger.settlement.settle import check_line, settle_all
from ledger.transparency.checkpoint import Checkpoint

Progress = Callable[[int, int], None]


class Verdict(msgspec.Struct, frozen=True):
    """What was checked; `faults` is empty when all of it holds. `checkpoints` are the signed ones that the
    envelopes were compared with."""

    position: int
    envelopes: int
    runs: int
    faults: tuple[Fault, ...]
    checkpoints: int = 0


def verify(
    log: Log,
    database: Database,
    monitor_url: str | None,
    progress: Progress | None = None,
    published: PublishedLog | None = None,
) -> Verdict:
    """Check the stream's guarantees, every envelope in the stream, the archive, the tree and below the signed
    checkpoints, its aggregate's chain, where projections stand, and every settlement run by settling it again
    from the ledger as it was.

    Raises:
        WeakStream: the stream or its server could lose facts.
    """
    standing = stream.verify(log.client, log.book, monitor_url)
    known = checkpoint_files.Signed((), None, ()) if published is None else checkpoint_files.signed(published)
    with database.reading(log.book) as connection:
        position = min(positions.reached(connection).values())
        faults = [*known.faults, *position_rows.faults(connection)]
        if (changed := compared_row.fault(connection)) is not None:
            faults.append(changed)
        if published is not None:
            gone = checkpoint_files.check_not_rolled_back(connection, published)
            faults += [one for one in gone if one not in faults]
        faults = distinct([*faults, *judged(log, connection, position, known.compared, progress).faults])
        runs, wrong = check_runs(connection, log.book, position)
    faults += wrong
    if not faults:
        continuity.note_compared(log.client, database, log.book, standing)
        if known.newest is not None:
            note_seen(database, log.book, known.checkpoints[-1].size, known.newest)
    return Verdict(position, position, runs, tuple(faults), len(known.checkpoints))


def distinct(faults: Sequence[Fault]) -> list[Fault]:
    """Each place once with each code."""
    return list({(one.code, one.place): one for one in faults}.values())


def judged(
    log: Log,
    connection: Connection,
    position: int,
    checkpoints: Sequence[Checkpoint] = (),
    progress: Progress | None = None,
) -> Judgement:
    """Every envelope in both copies, and what follows; `position` is where the archive ought to be."""
    judge = Judge(log.book, checkpoints)
    for one in _told(side_by_side(log, connection), position, progress):
        judge.take(one)
    return judge.judge()


def _told(copies: Iterator[Copies], position: int, progress: Progress | None) -> Iterator[Copies]:
    for one in copies:
        yield one
        if progress is not None and one.sequence % 1000 == 0:
            progress(one.sequence, max(one.sequence, position))


def check_runs(connection: Connection, book: str, position: int) -> tuple[int, list[Fault]]:
    """Settle every run up to `position` again; answers how many, and those that come out otherwise.

    A run that was declared void is not settled again.
    """
    try:
        runs = statements.run_rows(connection, position)
    except Discontinuity as altered:
        return 0, [altered.fault]
    void = void_runs(connection, position)
    faults: list[Fault] = []
    for run in runs:
        if (run.contract, run.month, run.run) in void:
            # What it was recorded from is known to have been altered; its row is still the event's.
            faults += _check_row(connection, run)
        else:
            faults += _check_run(connection, book, run)
    return len(runs), faults


def _check_row(connection: Connection, run: statements.RecordedRun) -> list[Fault]:
    try:
        statements.result_row(connection, run.contract, run.month, run.run)
    except Discontinuity as altered:
        return [altered.fault]
    return []


def _check_run(connection: Connection, book: str, run: statements.RecordedRun) -> list[Fault]:
    """Settle the run again from the ledger as it was at its position."""
    place = f"sequence {run.sequence}, run {run.run} of {run.contract} for {run.month}"
    try:
        result = statements.result_row(connection, run.contract, run.month, run.run)
    except Discontinuity as altered:
        return [altered.fault]
    assert result is not None
    faults: list[Fault] = []
    if result.digest() != run.outputs_digest:
        faults.append(Fault("run_altered", place, "its result is not the one that its digest names"))
    for line in result.lines:
        try:
            check_line(line)
        except AssertionError:
            faults.append(Fault("run_altered", place, f"line {line.number} does not add up"))
    try:
        again = _settled_again(connection, book, run, result.through)
    except Refused as refused:
        faults.append(Fault("run_altered", place, f"it is refused now ({refused.code}): {refused}"))
        return faults
    except Discontinuity as altered:
        return [*faults, altered.fault]
    if again.digest() != run.outputs_digest:
        faults.append(Fault("run_altered", place, "settling it again gives another result"))
    return faults


def _settled_again(
    connection: Connection, book: str, run: statements.RecordedRun, through: date | None
) -> Result:
    month, asked = Month.parse(run.month), [run.contract]
    if through is None:
        gone = ended_contracts(connection, month, run.position, asked).results.get(run.contract)
        if gone is not None:
            return gone
    inputs = settlement_inputs.load(connection, book, month, run.position, asked, through=through)
    (again,) = settle_all(inputs)
    return again
