"""Settling a month: wait for the projections, read at one sequence number, decide, record."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from typing import Final, NamedTuple

from adapters.correcting import Before, Ended, before, ended_contracts
from adapters.front_door import FrontDoor, Wish
from adapters.integrity import position_rows
from adapters.integrity.reading_events import check_corrected
from adapters.integrity.registered_rows import Read
from adapters.integrity.run_rows import Asked as AskedRuns
from adapters.integrity.run_rows import check_runs
from adapters.nats.log import BATCH_MESSAGES_MAX, Log
from adapters.postgres.database import Connection, Database, own_rights
from adapters.projections import PROJECTIONS
from adapters.queries import registered, settlement_inputs
from adapters.queries.no_contract import FallsToNobody, falls_to_nobody
from adapters.queries.opening_stock import heirs
from adapters.settling_compared import ComparedBeside
from adapters.settling_known import KnownRuns
from adapters.settling_sorted import Asked, NotSettled, Settled, Sorting
from adapters.settling_stale import earlier_stale
from ledger.contract import Contract
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.settlement.cause import Cause, causes
from ledger.settlement.inputs import Inputs
from ledger.settlement.provisional import check_over
from ledger.settlement.result import Result
from ledger.settlement.run import RecordSettlement
from ledger.settlement.settle import settle_all

__all__ = [
    "Behind",
    "MonthSettled",
    "NewerBefore",
    "NotSettled",
    "Settled",
    "lowest_position",
    "settle_month",
    "wait_until",
]


class Behind(RuntimeError):
    """The projections did not reach a sequence in time; ask again later."""


class NewerBefore(NamedTuple):
    """An earlier month of a contract that has newer inputs than its run: what the settled month opens with
    is not what that month would hand on."""

    contract: str
    month: Month
    what: str

    @property
    def words(self) -> str:
        """As a person reads it."""
        return f"contract {self.contract}: {self.month} has newer inputs, {self.what}: settle it first"


class MonthSettled(NamedTuple):
    """The runs of a month and of the later ones that follow it, and what was refused beside them.

    `nobody`: what markets told of sites that are under no contract in the month, where all were settled.
    `earlier`: contracts of which an earlier month would be settled otherwise by now, which comes first.
    """

    runs: list[Settled]
    refused: list[NotSettled]
    nobody: tuple[FallsToNobody, ...] = ()
    earlier: tuple[NewerBefore, ...] = ()


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
        Discontinuity: a position is not the archive's or is gone, or the archive does not end where it says.
    """
    names = [projection.name for projection in PROJECTIONS]
    with own_rights(connection):
        reached = position_rows.reached(connection)
    waiting = [name for name in names if name not in reached]
    if reached and waiting:
        with own_rights(connection):
            position_rows.check(connection)
        raise Behind(f"nothing is projected yet for {', '.join(waiting)}; is the projector running?")
    return min(reached.values(), default=0)


def settle_month(
    door: FrontDoor,
    database: Database,
    month: Month,
    *,
    actor: str,
    contracts: Sequence[str] = (),
    through: date | None = None,
    today: date | None = None,
    timeout: float = 60.0,
) -> MonthSettled:
    """Settle the named contracts of a month, or all that hold in it.

    With `through` a provisional run of the days up to and with that one; it pays nothing and changes no
    later month. `today` is the book's date: no day is settled before it is over, and a month older than a
    contract's run calendar looks back is corrected only with a waiver, which then holds for the later months
    too. Without it nobody asks.

    A contract whose correction comes too late keeps the run that it has, and is named in the answer:
    `look_back`. So is one that the streams or its clauses refuse, such as for a currency that is not its
    tariff's. The others are settled. One that was settled and that a newer version left without any day of
    the month is corrected to nothing.

    A contract whose inputs are those of its latest run is left alone, unless that run is void; so is one of
    which only the contract has another version, that says the same of the month. Later months
    that were settled already are settled again in order, because guarantees, hurdles and carried accounts
    depend on the path (DOMAIN.md 2.3); their runs are corrections.

    Raises:
        Refused: the month cannot be settled; nothing of it was recorded. So too where every contract was
            refused: the first one's refusal, which names the others. `month_not_over`, or `through`, for days
            that are not over.
        Behind: the projections are not level with the stream in time.
        Discontinuity: as an append, also where nothing is to be recorded; what a run was to be recorded from
            is not what was registered, a run's row is gone, or damage is known. Nothing of the month is
            recorded.
    """
    if today is not None:
        check_over(month, through, today)
    door.guard()
    if door.recorder.look_due():
        door.recorder.look()
    with _collecting_later():
        return _settle_and_follow(
            door, database, Asked(month, tuple(contracts), through, today), actor, timeout
        )


def _settle_and_follow(
    door: FrontDoor, database: Database, asked: Asked, actor: str, timeout: float
) -> MonthSettled:
    """The month, and the later ones that follow it."""
    month = asked.month
    done, refused, *_ = _settle_one_month(door, database, asked, actor, timeout)
    if refused and not done:
        raise _refusal_of(refused)
    nobody = () if asked.contracts or asked.through else _falls_to_nobody(door, database, month)
    earlier = () if asked.through else _newer_before(door, database, month, done)
    again = [one for one in done if one.recorded or one.amended]
    names = [one.result.contract for one in again if asked.through is None]
    while names:
        with database.reading(door.book) as connection:
            names = _with_heirs(connection, names, month, done)
            month = month.next()
            later = connection.execute(
                "SELECT DISTINCT contract, month FROM ledger.settlement"
                " WHERE contract = ANY(%s) AND month >= %s AND run_kind <> 'provisional'",
                [names, str(month)],
            ).fetchall()
        if not later:
            break
        named = sorted({contract for contract, settled in later if settled == str(month)})
        if named:
            more = _settle_one_month(door, database, Asked(month, tuple(named)), actor, timeout)
            done += more.runs
            refused += more.refused
    return MonthSettled(done, refused, nobody, earlier)


def _newer_before(
    door: FrontDoor, database: Database, month: Month, done: Sequence[Settled]
) -> tuple[NewerBefore, ...]:
    names = [one.result.contract for one in done]
    with database.reading(door.book) as connection:
        found = earlier_stale(connection, door.book, month, names, lowest_position(connection))
    return tuple(NewerBefore(name, first, one.words) for name, (first, one) in sorted(found.items()))


def _falls_to_nobody(door: FrontDoor, database: Database, month: Month) -> tuple[FallsToNobody, ...]:
    with database.reading(door.book) as connection:
        return falls_to_nobody(connection, door.book, month, lowest_position(connection))


def _with_heirs(connection: Connection, names: list[str], month: Month, done: list[Settled]) -> list[str]:
    """The contracts, and those that sites of theirs went to with something in stock."""
    contracts = registered.load(connection, "contract", Contract, lowest_position(connection))
    stored = {one.result.contract: one.result.stored for one in done if one.result.month == month}
    return sorted({*names, *heirs(connection, contracts, {n: stored.get(n, {}) for n in names}, month)})


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


_ENDED_NONE: Final = Ended({}, {}, others=True)


def _settle_one_month(
    door: FrontDoor, database: Database, asked: Asked, actor: str, timeout: float
) -> MonthSettled:
    log: Log = door.recorder.log
    position = log.client.run(log.last_sequence())
    wait_until(database, door.book, position, timeout)
    return _settle_as_of(door, database, asked, actor, position)


def _settle_as_of(
    door: FrontDoor, database: Database, asked: Asked, actor: str, position: int
) -> MonthSettled:
    month = asked.month
    with ExitStack() as begun:
        compared = begun.enter_context(ComparedBeside(database, door.book, position))
        connection = begun.enter_context(database.reading(door.book))
        beside = None if asked.contracts else begun.enter_context(database.reading(door.book))
        check_runs(connection, AskedRuns(position, last=str(month), contracts=asked.contracts or None))
        gone = _ENDED_NONE if asked.through else ended_contracts(connection, month, position, asked.contracts)
        names = tuple(name for name in asked.contracts if name not in gone.results)
        sorting = Sorting(door, connection, asked, position)
        if gone.others:
            for batch in settlement_inputs.batches(
                connection, door.book, month, position, names, through=asked.through, beside=beside
            ):
                own = _settled_each(batch, sorting.refused)
                fresh = sorting.add(own, {one.contract.id: one.contract for one in batch}, batch)
                compared.begin(Read.by(fresh, batch))
        compared.begin(Read.by(sorting.add([*gone.results.values()], gone.contracts), ()))
        compared.finish()
        earlier = _corrected(connection, door.book, sorting, position)
    done = [*sorting.done, *_recorded(door, sorting, earlier, actor, position)]
    done.sort(key=lambda one: one.result.contract)
    return MonthSettled(done, sorted(sorting.refused, key=lambda one: one.contract))


def _corrected(connection: Connection, book: str, sorting: Sorting, position: int) -> dict[str, Before]:
    """What the fresh results correct, by contract.

    Raises:
        Discontinuity: as `before` and `check_corrected`.
    """
    corrections = {
        one.contract: one
        for one in sorting.fresh
        if one.through is None and sorting.known.get(one.contract, KnownRuns()).paying is not None
    }
    month = sorting.month
    found = before(connection, book, month, position, corrections)
    earlier = {name: one._replace(inputs=sorting.again.get(name, one.inputs)) for name, one in found.items()}
    for name, one in earlier.items():
        check_corrected(connection, book, corrections[name], one.inputs, position)
    return earlier


def _recorded(
    door: FrontDoor, sorting: Sorting, earlier: Mapping[str, Before], actor: str, position: int
) -> list[Settled]:
    """The runs that the fresh results become."""
    month, known = sorting.month, sorting.known
    done: list[Settled] = []
    for start in range(0, len(sorting.fresh), BATCH_MESSAGES_MAX):
        chunk = sorting.fresh[start : start + BATCH_MESSAGES_MAX]
        wishes = [
            Wish(
                _record(result, sorting.too_old, earlier, sorting.voided),
                f"settle:{month}:{_number(known, result)}:{result.inputs_digest}",
            )
            for result in chunk
        ]
        receipts = door.execute_all(wishes, actor=actor, causation=f"sequence:{position}")
        done += [
            Settled(
                result,
                _number(known, result),
                receipt.sequence,
                recorded=not receipt.repeated,
                kind=known.get(result.contract, KnownRuns()).next_kind(result.through),
                causes=_causes(result, earlier, sorting.voided),
            )
            for result, receipt in zip(chunk, receipts, strict=True)
        ]
    return done


def _settled_each(batch: Sequence[Inputs], refused: list[NotSettled]) -> list[Result]:
    """What the contracts' months give; one that the streams or its clauses refuse does not hold up the
    others, and is added to `refused`."""
    try:
        return settle_all(batch)
    except Refused as first:
        if len(batch) == 1:
            (one,) = batch
            refused.append(_not_settled(one.contract.id, one.month, first))
            return []
    return [result for one in batch for result in _settled_each([one], refused)]


def _not_settled(contract: str, month: Month, why: Refused) -> NotSettled:
    own = why.place in {"", f"contract {contract}"}
    return NotSettled(contract, month, why.code, why.reason if own else str(why), why.place)


def _refusal_of(every_one: Sequence[NotSettled]) -> Refused:
    """Where nothing else is left to say: the first one's refusal, naming the others."""
    first, *others = every_one
    if not others and first.place:
        reason = first.reason.removeprefix(f"{first.place}: ")
        return Refused(first.code, reason, place=first.place)
    more = "".join(f"; contract {one.contract} ({one.code}): {one.reason}" for one in others)
    return Refused(first.code, f"{first.reason}{more}", place=f"contract {first.contract}")


def _number(known: Mapping[str, KnownRuns], result: Result) -> int:
    """The number of the run that this result becomes."""
    return known.get(result.contract, KnownRuns()).runs + 1


def _record(
    result: Result, too_old: Mapping[str, str], earlier: Mapping[str, Before], voided: Mapping[str, int]
) -> RecordSettlement:
    name = result.contract
    known = earlier.get(name)
    unamended = None if known is None else known.unamended
    then = None if known is None else known.inputs
    return RecordSettlement(
        result, too_old.get(name, ""), unamended, voided.get(name) if known else None, then
    )


def _causes(result: Result, earlier: Mapping[str, Before], voided: Mapping[str, int]) -> tuple[Cause, ...]:
    """Why it corrects the run before it, as deciding it says too."""
    known = earlier.get(result.contract)
    if known is None:
        return ()
    void = result.contract in voided
    return causes(result, known.inputs, known.first_position, known.unamended, void=void)
