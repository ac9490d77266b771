"""Is everything that is kept what the stream says? Reads all of it and recomputes the money."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

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
from ledger.settlement.voided import Void
from ledger.transparency.checkpoint import Checkpoint

Progress = Callable[[int, int], None]


class Verdict(msgspec.Struct, frozen=True):
    """What was checked; `faults` is empty when all of it holds. `checkpoints` are the signed ones that the
    envelopes were compared with, `void` says how each void run comes out when it is settled again."""

    position: int
    envelopes: int
    runs: int
    faults: tuple[Fault, ...]
    checkpoints: int = 0
    void: tuple[str, ...] = ()


class CheckedRuns(NamedTuple):
    """How many were settled again, what is wrong, and how those came out that are void."""

    runs: int
    faults: list[Fault]
    void: tuple[str, ...] = ()


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
        checked = settled_again(connection, log.book, position)
    faults += checked.faults
    if not faults:
        continuity.note_compared(log.client, database, log.book, standing)
        if known.newest is not None:
            note_seen(database, log.book, known.checkpoints[-1].size, known.newest)
    return Verdict(position, position, checked.runs, tuple(faults), len(known.checkpoints), checked.void)


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
    """How many runs were settled again, and what is wrong with them: see `settled_again`."""
    checked = settled_again(connection, book, position)
    return checked.runs, checked.faults


def settled_again(connection: Connection, book: str, position: int) -> CheckedRuns:
    """Settle every run up to `position` again.

    That one declared void comes out otherwise is what it is void for, and no fault; its row is still the
    event's.
    """
    try:
        runs = statements.run_rows(connection, position)
    except Discontinuity as altered:
        return CheckedRuns(0, [altered.fault])
    void = void_runs(connection, position)
    faults: list[Fault] = []
    told: list[str] = []
    for run in runs:
        found = _check_run(connection, book, run)
        if (why := void.get((run.contract, run.month, run.run))) is not None:
            told.append(_void(run, why, found))
            found = [one for one in found if one.code != "run_altered"]
        faults += found
    return CheckedRuns(len(runs), faults, tuple(told))


def _void(run: statements.RecordedRun, why: Void, found: Sequence[Fault]) -> str:
    wrong = next((one.message for one in found), "")
    out = wrong or "settled again it comes out the same: nothing is found that is wrong with it"
    return f"run {run.run} of {run.contract} for {run.month} is void ({why.reason}); {out}"


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
