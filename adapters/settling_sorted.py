"""What becomes of a month's results: which are recorded, and which stand or are refused as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

import msgspec

from adapters.front_door import FrontDoor
from adapters.postgres.database import Connection
from adapters.queries.run_calendars import RunCalendars
from adapters.queries.void_runs import void_runs
from adapters.settling_again import changes_nothing
from adapters.settling_known import KnownRuns, known_runs, restated, same_inputs
from ledger.contract import Contract
from ledger.interval import Month
from ledger.settlement.cause import Cause
from ledger.settlement.inputs import Inputs, Part
from ledger.settlement.result import Result
from ledger.settlement.run import Runs


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


class Asked(NamedTuple):
    """What to settle. Without `today` nothing is too old: a later month follows an earlier one's correction,
    for which the look-back was asked already."""

    month: Month
    contracts: tuple[str, ...]
    through: date | None = None
    today: date | None = None


class Sorting:
    """What becomes of results: what is `done` already or `refused`, and what is `fresh`, to be recorded.

    `again` are digests of the runs before as they are made now, `too_old` why a correction comes too late,
    `voided` the runs that are void.
    """

    def __init__(self, door: FrontDoor, connection: Connection, asked: Asked, position: int) -> None:
        self._door, self._connection, self._asked, self._position = door, connection, asked, position
        self.month = asked.month
        self._void = void_runs(connection, position)
        self.done: list[Settled] = []
        self.refused: list[NotSettled] = []
        self.fresh: list[Result] = []
        self.known: dict[str, KnownRuns] = {}
        self.again: dict[str, dict[Part, str]] = {}
        self.too_old: dict[str, str] = {}
        self.voided: dict[str, int] = {}

    def add(
        self,
        results: Sequence[Result],
        contracts: Mapping[str, Contract],
        inputs: Sequence[Inputs] = (),
    ) -> set[str]:
        """Sort what these contracts' month gives; those of which something is to be recorded."""
        month, through = self.month, self._asked.through
        known = known_runs(self._connection, sorted(contracts), month, self._position)
        digests = {one.contract: one.inputs for one in results if one.contract in known}
        again = restated(self._connection, inputs, digests, self._position)
        corrected = [contract for name, contract in contracts.items() if name in known]
        today = None if through else self._asked.today
        looked = _looked_back(self._connection, self._position, corrected, month, today)
        self.known |= known
        self.again |= again
        self.too_old |= looked.too_old
        self.voided |= {
            name: runs.paying.run
            for name, runs in known.items()
            if runs.paying is not None and self._is_void(name, runs.paying.run)
        }
        fresh: set[str] = set()
        for result in results:
            kept = self._kept(result, known.get(result.contract, KnownRuns()), again.get(result.contract))
            late = None if kept else self._late(result, looked)
            if kept is not None:
                self.done.append(kept)
            elif late is not None:
                self.refused.append(late)
            else:
                self.fresh.append(result)
                fresh.add(result.contract)
        return fresh

    def _is_void(self, contract: str, run: int) -> bool:
        return (contract, str(self.month), run) in self._void

    def _kept(self, result: Result, runs: KnownRuns, again: Mapping[Part, str] | None) -> Settled | None:
        """The latest run, where it stands as it is."""
        through = self._asked.through
        last = runs.paying if through is None else runs.provisional
        if last is None or self._is_void(result.contract, last.run):
            return None
        kept = Settled(result, last.run, last.sequence, recorded=False, kind=last.kind)
        if same_inputs(last, result.inputs_digest, again) and runs.comparable(through):
            return kept
        if through is None and changes_nothing(self._door, result, last.run, again):
            return msgspec.structs.replace(kept, amended=True)
        return None

    def _late(self, result: Result, looked: _LookedBack) -> NotSettled | None:
        """Why the correction of a month that was paid is not recorded, if it is not."""
        runs = self.known.get(result.contract)
        if runs is None or runs.paying is None:
            return None
        refused = looked.refused.get(result.contract)
        return refused or _refused_as_late(self._door, result, looked.too_old.get(result.contract, ""))


def _refused_as_late(door: FrontDoor, result: Result, too_old: str) -> NotSettled | None:
    """Of a correction that comes too late: why, unless two persons let it through."""
    runs = door.state(f"settlement.{result.contract}_{result.month}") if too_old else None
    if not too_old or (isinstance(runs, Runs) and runs.waiver):
        return None
    return NotSettled(result.contract, result.month, "look_back", too_old)


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
