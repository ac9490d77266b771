"""Settling a month: wait for the projections, read at one sequence number, decide, record."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from adapters.front_door import FrontDoor, Wish
from adapters.nats.log import BATCH_MESSAGES_MAX, Log
from adapters.postgres.database import Connection, Database
from adapters.projections import PROJECTIONS
from adapters.queries import settlement_inputs
from ledger.interval import Month
from ledger.settlement.result import Result
from ledger.settlement.run import PROVISIONAL, RecordSettlement
from ledger.settlement.settle import settle_all


class Behind(RuntimeError):
    """The projections did not reach a sequence in time; ask again later."""


class Settled(msgspec.Struct, frozen=True):
    """One contract's month: `recorded` is False when the latest run had the same inputs already."""

    result: Result
    run: int
    sequence: int
    recorded: bool


def wait_until(database: Database, book: str, sequence: int, timeout: float) -> None:
    """Block until every projection has reached `sequence`.

    Raises:
        Behind: after `timeout` seconds.
    """
    give_up = time.monotonic() + timeout
    while (behind := _behind(database, book, sequence)) is not None:
        if time.monotonic() > give_up:
            raise behind
        time.sleep(0.01)


def _behind(database: Database, book: str, sequence: int) -> Behind | None:
    """What is not yet projected up to `sequence`, if anything is."""
    try:
        with database.reading(book) as connection:
            reached = lowest_position(connection)
    except Behind as behind:
        return behind
    if reached >= sequence:
        return None
    return Behind(f"projected up to {reached}, not yet {sequence}; is the projector running?")


def lowest_position(connection: Connection) -> int:
    """What every projection has reached; 0 before anything of the book was projected.

    Positions that retired projections left behind do not count.

    Raises:
        Behind: a projection has projected nothing yet although others have.
    """
    names = [projection.name for projection in PROJECTIONS]
    reached: dict[str, int] = dict(
        connection.execute(
            "SELECT projection, sequence FROM ledger.position WHERE projection = ANY(%s)", [names]
        ).fetchall()
    )
    waiting = [name for name in names if name not in reached]
    if reached and waiting:
        raise Behind(f"nothing is projected yet for {', '.join(waiting)}; is the projector running?")
    return min(reached.values(), default=0)


def settle_month(
    door: FrontDoor,
    database: Database,
    month: Month,
    *,
    actor: str,
    contracts: Sequence[str] = (),
    timeout: float = 60.0,
) -> list[Settled]:
    """Settle the named contracts of a month, or all that hold in it.

    A contract whose inputs are those of its latest run is left alone. Later months that were settled
    already are settled again in order, because guarantees, hurdles and carried accounts depend on the
    path (DOMAIN.md 2.3); their runs are corrections.

    Raises:
        Refused: the month cannot be settled; nothing of it was recorded.
        Behind: the projections are not level with the stream in time.
    """
    done = _settle_one_month(door, database, month, actor, contracts, timeout)
    names = [one.result.contract for one in done if one.recorded]
    while names:
        month = month.next()
        with database.reading(door.book) as connection:
            later = connection.execute(
                "SELECT DISTINCT contract, month FROM ledger.settlement"
                " WHERE contract = ANY(%s) AND month >= %s",
                [names, str(month)],
            ).fetchall()
        if not later:
            break
        again = sorted({contract for contract, settled in later if settled == str(month)})
        if again:
            done += _settle_one_month(door, database, month, actor, again, timeout)
    return done


@contextmanager
def _collecting_later() -> Iterator[None]:
    """What a month is settled from and gives is all kept to its end: to look through it for garbage again
    and again, as it grows, frees nothing and takes a tenth of the time and more."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _settle_one_month(
    door: FrontDoor, database: Database, month: Month, actor: str, contracts: Sequence[str], timeout: float
) -> list[Settled]:
    log: Log = door.recorder.log
    position = log.client.run(log.last_sequence())
    wait_until(database, door.book, position, timeout)
    with _collecting_later():
        return _settle_as_of(door, database, month, actor, contracts, position)


def _settle_as_of(
    door: FrontDoor, database: Database, month: Month, actor: str, contracts: Sequence[str], position: int
) -> list[Settled]:
    with database.reading(door.book) as connection:
        inputs = settlement_inputs.load(connection, door.book, month, position, contracts)
        known = _known_runs(connection, [one.contract.id for one in inputs], month, position)
    results = settle_all(inputs)
    done: list[Settled] = []
    fresh: list[Result] = []
    for result in results:
        before = known.get(result.contract, _Known())
        if before.digest == result.inputs_digest:
            done.append(Settled(result, before.run, before.sequence, recorded=False))
        else:
            fresh.append(result)
    for start in range(0, len(fresh), BATCH_MESSAGES_MAX):
        chunk = fresh[start : start + BATCH_MESSAGES_MAX]
        wishes = [
            Wish(
                RecordSettlement(result),
                f"settle:{month}:{_number(known, result)}:{result.inputs_digest}",
            )
            for result in chunk
        ]
        receipts = door.execute_all(wishes, actor=actor, causation=f"sequence:{position}")
        done += [
            Settled(result, _number(known, result), receipt.sequence, recorded=not receipt.repeated)
            for result, receipt in zip(chunk, receipts, strict=True)
        ]
    return sorted(done, key=lambda one: one.result.contract)


def _number(known: Mapping[str, _Known], result: Result) -> int:
    """The number of the run that this result becomes."""
    return known.get(result.contract, _Known()).runs + 1


class _Known(NamedTuple):
    """What is recorded of a contract's month: how many runs, and the latest that pays."""

    runs: int = 0
    run: int = 0
    digest: str = ""
    sequence: int = 0


def _known_runs(
    connection: Connection, contracts: list[str], month: Month, position: int
) -> dict[str, _Known]:
    rows = connection.execute(
        "SELECT contract, run, run_kind, inputs_digest, sequence FROM ledger.settlement"
        " WHERE contract = ANY(%s) AND month = %s AND sequence <= %s ORDER BY contract, run",
        [contracts, str(month), position],
    )
    found: dict[str, _Known] = {}
    for contract, run, kind, digest, sequence in rows:
        before = found.get(contract, _Known())
        found[contract] = (
            before._replace(runs=run) if kind == PROVISIONAL else _Known(run, run, digest, sequence)
        )
    return found
