"""Settling a month: wait for the projections, read at one sequence number, decide, record."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from typing import Final, NamedTuple

import msgspec

from adapters.correcting import Before, Ended, before, ended_contracts
from adapters.front_door import FrontDoor, Wish
from adapters.integrity import position_rows
from adapters.integrity.reading_events import check_corrected
from adapters.integrity.registered_rows import Read, check_read
from adapters.integrity.run_rows import Asked as AskedRuns
from adapters.integrity.run_rows import check_runs
from adapters.nats.log import BATCH_MESSAGES_MAX, Log
from adapters.postgres.database import Connection, Database, own_rights
from adapters.projections import PROJECTIONS
from adapters.queries import registered, settlement_inputs
from adapters.queries.no_contract import FallsToNobody, falls_to_nobody
from adapters.queries.opening_stock import heirs
from adapters.queries.run_calendars import RunCalendars
from adapters.queries.void_runs import void_runs
from adapters.settling_again import changes_nothing
from adapters.settling_known import KnownRuns, known_runs, restated, same_inputs
from adapters.settling_stale import earlier_stale
from ledger.contract import Contract
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.settlement.cause import Cause, causes
from ledger.settlement.inputs import Inputs, Part
from ledger.settlement.provisional import check_over
from ledger.settlement.result import Result
from ledger.settlement.run import RecordSettlement, Runs
from ledger.settlement.settle import settle_all


class Behind(RuntimeError):
    """The projections did not reach a sequence in time; ask again later."""


class Settled(msgspec.Struct, frozen=True):
    """One contract's month: `recorded` is False when the latest run had the same inputs already.

    `kind` is the run's, and so are `causes` where it is recorded.
    """

    result: Result
    run: int
    sequence: int
    recorded: bool
    kind: str
    causes: tuple[Cause, ...] = ()
    amended: bool = False
    """Whether the contract has another version since the run, which changes nothing of the month; it may
    change later ones."""


class NotSettled(msgspec.Struct, frozen=True):
    """A contract's month that keeps the run that it has, or has none, and why, as a refusal says it."""

    contract: str
    month: Month
    code: str
    reason: str
    place: str = ""
    """Where the refusal points, if not at the contract."""


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
            door, database, _Asked(month, tuple(contracts), through, today), actor, timeout
        )


def _settle_and_follow(
    door: FrontDoor, database: Database, asked: _Asked, actor: str, timeout: float
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
            more = _settle_one_month(door, database, _Asked(month, tuple(named)), actor, timeout)
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


class _Asked(NamedTuple):
    """What to settle. Without `today` nothing is too old: a later month follows an earlier one's correction,
    for which the look-back was asked already."""

    month: Month
    contracts: tuple[str, ...]
    through: date | None = None
    today: date | None = None


def _settle_one_month(
    door: FrontDoor, database: Database, asked: _Asked, actor: str, timeout: float
) -> MonthSettled:
    log: Log = door.recorder.log
    position = log.client.run(log.last_sequence())
    wait_until(database, door.book, position, timeout)
    return _settle_as_of(door, database, asked, actor, position)


def _settle_as_of(
    door: FrontDoor, database: Database, asked: _Asked, actor: str, position: int
) -> MonthSettled:
    month = asked.month
    with ExitStack() as transactions:
        connection = transactions.enter_context(database.reading(door.book))
        beside = None if asked.contracts else transactions.enter_context(database.reading(door.book))
        check_runs(connection, AskedRuns(position, last=str(month), contracts=asked.contracts or None))
        gone = _ENDED_NONE if asked.through else ended_contracts(connection, month, position, asked.contracts)
        names = tuple(name for name in asked.contracts if name not in gone.results)
        results: list[Result] = []
        refused: list[NotSettled] = []
        settled: dict[str, Contract] = {}
        read: dict[str, Read] = {}
        again: dict[str, dict[Part, str]] = {}
        if gone.others:
            for batch in settlement_inputs.batches(
                connection, door.book, month, position, names, through=asked.through, beside=beside
            ):
                own = _settled_each(batch, refused)
                results += own
                again |= restated(connection, batch, {one.contract: one.inputs for one in own}, position)
                settled |= {one.contract.id: one.contract for one in batch}
                read |= {one.contract.id: Read.by([one.contract.id], [one]) for one in batch}
        results += gone.results.values()
        settled |= gone.contracts
        known = known_runs(connection, sorted(settled), month, position)
        void = void_runs(connection, position)
        corrected = [contract for name, contract in settled.items() if name in known]
        today = None if asked.through else asked.today
        looked = _looked_back(connection, position, corrected, month, today)
        too_old = looked.too_old
    done: list[Settled] = []
    fresh: list[Result] = []
    for result in results:
        runs = known.get(result.contract, KnownRuns())
        last = runs.paying if asked.through is None else runs.provisional
        if last is not None and (result.contract, str(month), last.run) in void:
            last = None
        then = again.get(result.contract)
        same = last is not None and same_inputs(last, result.inputs_digest, then)
        if last is not None and same and runs.comparable(asked.through):
            done.append(Settled(result, last.run, last.sequence, recorded=False, kind=last.kind))
        elif last is not None and asked.through is None and changes_nothing(door, result, last.run, then):
            done.append(
                Settled(result, last.run, last.sequence, recorded=False, kind=last.kind, amended=True)
            )
        elif runs.paying and result.contract in looked.refused:
            refused.append(looked.refused[result.contract])
        elif runs.paying and (late := _refused_as_late(door, result, too_old.get(result.contract, ""))):
            refused.append(late)
        else:
            fresh.append(result)
    to_record = [read.get(one.contract) or Read.by([one.contract], ()) for one in fresh]
    voided = {
        name: runs.paying.run
        for name, runs in known.items()
        if runs.paying is not None and (name, str(month), runs.paying.run) in void
    }
    with database.reading(door.book) as connection:
        check_read(connection, Read.of(to_record), position)
        corrections = {
            one.contract: one
            for one in fresh
            if one.through is None and known.get(one.contract, KnownRuns()).paying is not None
        }
        earlier = {
            name: one._replace(inputs=again.get(name, one.inputs))
            for name, one in before(connection, door.book, month, position, corrections).items()
        }
        for name, known_before in earlier.items():
            check_corrected(connection, door.book, corrections[name], known_before.inputs, position)
    for start in range(0, len(fresh), BATCH_MESSAGES_MAX):
        chunk = fresh[start : start + BATCH_MESSAGES_MAX]
        wishes = [
            Wish(
                _record(result, too_old, earlier, voided),
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
                causes=_causes(result, earlier, voided),
            )
            for result, receipt in zip(chunk, receipts, strict=True)
        ]
    done.sort(key=lambda one: one.result.contract)
    return MonthSettled(done, sorted(refused, key=lambda one: one.contract))


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


def _refused_as_late(door: FrontDoor, result: Result, too_old: str) -> NotSettled | None:
    """Of a correction that comes too late: why, unless two persons let it through."""
    runs = door.state(f"settlement.{result.contract}_{result.month}") if too_old else None
    if not too_old or (isinstance(runs, Runs) and runs.waiver):
        return None
    return NotSettled(result.contract, result.month, "look_back", too_old)


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


class _LookedBack(NamedTuple):
    """Of the contracts that were settled before: why a correction of the month comes too late, empty for one
    that does not; and those of which nobody can tell, as their run calendar is not published."""

    too_old: dict[str, str]
    refused: dict[str, NotSettled]


def _looked_back(
    connection: Connection, position: int, contracts: Sequence[Contract], month: Month, today: date | None
) -> _LookedBack:
    found = _LookedBack({}, {})
    if today is None or not contracts:
        return found
    calendars = RunCalendars(connection, position)
    for contract in contracts:
        calendar = calendars.published(contract, month)
        if calendar is None:
            missing = calendars.missing(contract, month)
            found.refused[contract.id] = NotSettled(
                contract.id, month, "run_calendar_missing", missing.reason
            )
        else:
            found.too_old[contract.id] = calendar.too_old(month, today)
    return found
