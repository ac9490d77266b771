"""Settling a month: wait for the projections, read at one sequence number, decide, record."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import NamedTuple

import msgspec

from adapters.front_door import FrontDoor, Wish
from adapters.nats.log import BATCH_MESSAGES_MAX, Log
from adapters.postgres.database import Connection, Database
from adapters.projections import PROJECTIONS
from adapters.queries import registered, settlement_inputs
from adapters.queries.contracts_in_force import holding
from adapters.queries.no_contract import FallsToNobody, falls_to_nobody
from adapters.queries.opening_stock import heirs
from adapters.queries.run_calendars import RunCalendars
from ledger.contract import Contract
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.settlement.cause import Cause, causes
from ledger.settlement.inputs import Part
from ledger.settlement.result import Result
from ledger.settlement.run import INITIAL, PROVISIONAL, RecordSettlement, Runs
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


class NotSettled(msgspec.Struct, frozen=True):
    """A contract's month that keeps the run that it has, and why, as a refusal says it."""

    contract: str
    month: Month
    code: str
    reason: str


class MonthSettled(NamedTuple):
    """The runs of a month and of the later ones that follow it, and what was refused beside them.

    `nobody`: what markets told of sites that are under no contract in the month, where all were settled.
    """

    runs: list[Settled]
    refused: list[NotSettled]
    nobody: tuple[FallsToNobody, ...] = ()


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
    through: date | None = None,
    today: date | None = None,
    timeout: float = 60.0,
) -> MonthSettled:
    """Settle the named contracts of a month, or all that hold in it.

    With `through` a provisional run of the days up to and with that one; it pays nothing and changes no
    later month. `today` is the book's date: a month older than a contract's run calendar looks back is
    corrected only with a waiver, which then holds for the later months too. Without it nobody asks.

    A contract whose correction comes too late, or that was settled and holds in the month no more, keeps the
    run that it has, and is named in the answer: `look_back`, `contract_ended`. The others are settled.

    A contract whose inputs are those of its latest run is left alone. Later months that were settled
    already are settled again in order, because guarantees, hurdles and carried accounts depend on the
    path (DOMAIN.md 2.3); their runs are corrections.

    Raises:
        Refused: the month cannot be settled; nothing of it was recorded. So too where every contract was
            refused: the first one's refusal, which names the others.
        Behind: the projections are not level with the stream in time.
    """
    check = _Asked(month, tuple(contracts), through, today)
    done, refused, _ = _settle_one_month(door, database, check, actor, timeout)
    if refused and not done:
        raise _refusal_of(refused)
    nobody = () if contracts or through else _falls_to_nobody(door, database, month)
    names = [one.result.contract for one in done if one.recorded and through is None]
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
        again = sorted({contract for contract, settled in later if settled == str(month)})
        if again:
            more = _settle_one_month(door, database, _Asked(month, tuple(again)), actor, timeout)
            done += more.runs
            refused += more.refused
    return MonthSettled(done, refused, nobody)


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
    with _collecting_later():
        return _settle_as_of(door, database, asked, actor, position)


def _settle_as_of(
    door: FrontDoor, database: Database, asked: _Asked, actor: str, position: int
) -> MonthSettled:
    month = asked.month
    with database.reading(door.book) as connection:
        refused, others = _ended(connection, position, asked)
        if not others:
            return MonthSettled([], refused)
        ended = {one.contract for one in refused}
        names = tuple(name for name in asked.contracts if name not in ended)
        inputs = settlement_inputs.load(connection, door.book, month, position, names, through=asked.through)
        known = _known_runs(connection, [one.contract.id for one in inputs], month, position)
        corrected = [one.contract for one in inputs if one.contract.id in known]
        today = None if asked.through else asked.today
        too_old = _too_old(connection, position, corrected, month, today)
    results = settle_all(inputs)
    done: list[Settled] = []
    fresh: list[Result] = []
    for result in results:
        runs = known.get(result.contract, _Runs())
        before = runs.paying if asked.through is None else runs.provisional
        if before is not None and before.digest == result.inputs_digest and runs.comparable(asked.through):
            done.append(Settled(result, before.run, before.sequence, recorded=False, kind=before.kind))
        elif runs.paying and (late := _refused_as_late(door, result, too_old.get(result.contract, ""))):
            refused.append(late)
        else:
            fresh.append(result)
    with database.reading(door.book) as connection:
        because = _causes(connection, [one for one in fresh if one.contract in known], known, month)
    for start in range(0, len(fresh), BATCH_MESSAGES_MAX):
        chunk = fresh[start : start + BATCH_MESSAGES_MAX]
        wishes = [
            Wish(
                RecordSettlement(result, too_old.get(result.contract, "")),
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
                kind=known.get(result.contract, _Runs()).next_kind(result.through),
                causes=because.get(result.contract, ()),
            )
            for result, receipt in zip(chunk, receipts, strict=True)
        ]
    done.sort(key=lambda one: one.result.contract)
    return MonthSettled(done, sorted(refused, key=lambda one: one.contract))


def _ended(connection: Connection, position: int, asked: _Asked) -> tuple[list[NotSettled], bool]:
    """The contracts that were settled for the month and that a later version left without any day of it; and
    whether others are left to settle.

    What the ended ones paid stands: to take it back is for their contracts to say, and no rule of settling.
    """
    month = asked.month
    rows = connection.execute(
        "SELECT DISTINCT contract FROM ledger.settlement"
        " WHERE month = %s AND sequence <= %s AND run_kind <> 'provisional' ORDER BY contract",
        [str(month), position],
    )
    settled = [name for (name,) in rows if not asked.contracts or name in asked.contracts]
    if not settled:
        return [], True
    versions = registered.load(connection, "contract", Contract, position).versions
    ended = [name for name in settled if holding(versions[name], month) is None]
    others = set(asked.contracts or versions).difference(ended)
    found = [
        NotSettled(
            name,
            month,
            "contract_ended",
            f"contract {name} was settled for {month}, and its newest version does not hold there: its run"
            " stands; publish the version that holds",
        )
        for name in ended
    ]
    if asked.contracts:
        return found, bool(others)
    return found, any(holding(versions[name], month) for name in others)


def _refused_as_late(door: FrontDoor, result: Result, too_old: str) -> NotSettled | None:
    """Of a correction that comes too late: why, unless two persons let it through."""
    runs = door.state(f"settlement.{result.contract}_{result.month}") if too_old else None
    if not too_old or (isinstance(runs, Runs) and runs.waiver):
        return None
    return NotSettled(result.contract, result.month, "look_back", too_old)


def _refusal_of(every_one: Sequence[NotSettled]) -> Refused:
    """Where nothing else is left to say: the first one's refusal, naming the others."""
    first, *others = every_one
    more = "".join(f"; contract {one.contract} ({one.code}): {one.reason}" for one in others)
    return Refused(first.code, f"{first.reason}{more}", place=f"contract {first.contract}")


def _number(known: Mapping[str, _Runs], result: Result) -> int:
    """The number of the run that this result becomes."""
    return known.get(result.contract, _Runs()).runs + 1


def _causes(
    connection: Connection, results: Sequence[Result], known: Mapping[str, _Runs], month: Month
) -> dict[str, tuple[Cause, ...]]:
    """Why each of the results corrects the run before it, as deciding it says too."""
    corrected = {one.contract: one for one in results if known[one.contract].paying and one.through is None}
    if not corrected:
        return {}
    rows = connection.execute(
        "SELECT DISTINCT ON (contract) contract, (result->'inputs')::text,"
        " min(position) OVER (PARTITION BY contract) FROM ledger.settlement"
        " WHERE contract = ANY(%s) AND month = %s AND run_kind <> 'provisional'"
        " ORDER BY contract, run DESC",
        [list(corrected), str(month)],
    )
    return {
        contract: causes(corrected[contract], msgspec.json.decode(text, type=dict[Part, str]), first)
        for contract, text, first in rows
    }


def _too_old(
    connection: Connection, position: int, contracts: Sequence[Contract], month: Month, today: date | None
) -> dict[str, str]:
    """Of the contracts that were settled before: why a correction of the month comes too late."""
    if today is None or not contracts:
        return {}
    calendars = RunCalendars(connection, position)
    return {contract.id: calendars.of(contract, month).too_old(month, today) for contract in contracts}


class _Run(NamedTuple):
    run: int
    kind: str
    digest: str
    sequence: int


class _Runs(NamedTuple):
    """What is recorded of a contract's month: how many runs, the latest paying and the latest provisional."""

    runs: int = 0
    paying: _Run | None = None
    provisional: _Run | None = None

    @property
    def corrections(self) -> int:
        """How many of them correct another."""
        return 0 if self.paying is None or self.paying.kind == INITIAL else int(self.paying.kind.split()[-1])

    def next_kind(self, through: date | None) -> str:
        """Of the run that comes next, as `RecordSettlement` decides it."""
        if through is not None:
            return PROVISIONAL
        return INITIAL if self.paying is None else f"correction {self.corrections + 1}"

    def comparable(self, through: date | None) -> bool:
        """Whether equal inputs mean that nothing is to be recorded: a provisional run after the initial one
        is refused, whatever its inputs."""
        return through is None or self.paying is None


def _known_runs(
    connection: Connection, contracts: list[str], month: Month, position: int
) -> dict[str, _Runs]:
    rows = connection.execute(
        "SELECT contract, run, run_kind, inputs_digest, sequence FROM ledger.settlement"
        " WHERE contract = ANY(%s) AND month = %s AND sequence <= %s ORDER BY contract, run",
        [contracts, str(month), position],
    )
    found: dict[str, _Runs] = {}
    for contract, run, kind, digest, sequence in rows:
        before = found.get(contract, _Runs())
        one = _Run(run, kind, digest, sequence)
        found[contract] = (
            before._replace(runs=run, provisional=one)
            if kind == PROVISIONAL
            else before._replace(runs=run, paying=one)
        )
    return found
