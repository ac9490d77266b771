"""Settlement runs as facts: one aggregate per contract and month, a run for each new result.

Provisional runs, of a month that is not over, pay nothing. The first run of the whole month is the
initial one; each later one is a numbered correction that holds the full result again and, per party,
what changes against the run before it. A second person makes a run final; what is recorded after that
corrects a final run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from ledger.identity import checked_id
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.cause import Cause, CorrectionClass, causes, classes
from ledger.settlement.result import Result

INITIAL: Final = "initial"
PROVISIONAL: Final = "provisional"


class Run(msgspec.Struct, frozen=True):
    number: int
    kind: str
    """`provisional`, `initial`, or `correction 1`, `correction 2` ..."""
    result: Result
    outputs_digest: str
    delta: dict[str, Money]
    """Payable of this run less payable of the run before it, per party; the initial run's is payable,
    and a provisional run has none."""
    causes: tuple[Cause, ...] = ()
    """Of a correction: what changed since the run before it."""
    waiver: str = ""
    """Of a correction older than its run calendar looks back: the approved reason."""

    @property
    def classes(self) -> tuple[CorrectionClass, ...]:
        """Whether data were wrong (退补) or a rule or price changed (清算), or both."""
        return classes(self.causes)


class Runs(msgspec.Struct, frozen=True):
    """The runs of a contract's month, oldest first; `final` is the number of the run made final.

    `waiver` is the approved reason to correct the month once although it is older than the look-back.
    """

    runs: tuple[Run, ...] = ()
    final: int | None = None
    waiver: str = ""

    @property
    def latest(self) -> Run | None:
        """The newest run that pays; None while there are provisional ones only."""
        return next((run for run in reversed(self.runs) if run.kind != PROVISIONAL), None)

    @property
    def statements(self) -> tuple[tuple[int, str], ...]:
        """The statements that are to be issued, as (run, party): every party's of the latest run that pays,
        and of the runs before it those that changed what is payable: each asks for its own change only."""
        latest = self.latest
        return tuple(
            (run.number, party)
            for run in self.runs
            if run.kind != PROVISIONAL
            for party, delta in sorted(run.delta.items())
            if run is latest or delta.minor
        )

    @property
    def first(self) -> Run | None:
        """The initial run; None before it."""
        return next((run for run in self.runs if run.kind != PROVISIONAL), None)


class SettlementRecorded(msgspec.Struct, frozen=True, tag_field="kind", tag="settlement.recorded.v1"):
    run: Run

    def apply(self, state: Runs | None) -> Runs:
        before = state or Runs()
        waiver = before.waiver if self.run.kind == PROVISIONAL else ""
        return msgspec.structs.replace(before, runs=(*before.runs, self.run), waiver=waiver)


class RunFinalised(msgspec.Struct, frozen=True, tag_field="kind", tag="settlement.finalised.v1"):
    run: int
    prepared_by: str

    def apply(self, state: Runs) -> Runs:
        return msgspec.structs.replace(state, final=self.run)


class RecordSettlement(msgspec.Struct, frozen=True):
    """Record a result; its command id is the contract, the month and the digest of its inputs.

    `too_old` says why a correction of this month now needs a waiver; empty where it needs none.
    """

    result: Result
    too_old: str = ""

    @property
    def provisional(self) -> bool:
        return self.result.through is not None

    @property
    def aggregate(self) -> str:
        return f"settlement.{self.result.contract}_{self.result.month}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Runs | None, _: Mapping[str, object]) -> tuple[SettlementRecorded]:
        """Raises:
        Refused: `provisional` for a provisional run of a month that has an initial one; `through` for one
            that ends before the latest; `look_back` for a correction that needs a waiver and has none."""
        runs = state or Runs()
        paid, first = runs.latest, runs.first
        run = Run(len(runs.runs) + 1, PROVISIONAL, self.result, self.result.digest(), {})
        if self.provisional:
            self._check_provisional(runs)
        elif paid is None or first is None:
            run = msgspec.structs.replace(run, kind=INITIAL, delta=self.result.payable)
        else:
            if self.too_old and not runs.waiver:
                raise Refused("look_back", self.too_old, place=f"contract {self.result.contract}")
            corrections = sum(1 for one in runs.runs if one.kind not in {PROVISIONAL, INITIAL})
            run = msgspec.structs.replace(
                run,
                kind=f"correction {corrections + 1}",
                delta=_difference(self.result.payable, paid.result),
                causes=causes(self.result, paid.result.inputs, first.result.position),
                waiver=runs.waiver if self.too_old else "",
            )
        return (SettlementRecorded(run),)

    def _check_provisional(self, runs: Runs) -> None:
        contract, month = self.result.contract, self.result.month
        if runs.latest is not None:
            raise Refused(
                "provisional",
                f"contract {contract} has the initial run of {month} already: settle it whole",
                place="month",
            )
        before = max(
            (run.result.through for run in runs.runs if run.result.through is not None), default=None
        )
        through = self.result.through
        if before is not None and through is not None and through < before:
            raise Refused(
                "through",
                f"contract {contract} has a provisional run of {month} up to {before}: name that day or a"
                " later one",
                place="through",
            )


class FinaliseRun(msgspec.Struct, frozen=True, tag_field="command", tag="settlement.finalise"):
    """Make the latest run of a contract's month final: what is recorded later corrects it."""

    contract: str
    month: str
    run: int
    prepared_by: str

    @property
    def aggregate(self) -> str:
        return f"settlement.{self.contract}_{self.month}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Runs | None, _: Mapping[str, object]) -> tuple[RunFinalised]:
        """Raises:
        Refused: `unknown_run`, `not_latest`, `already_final`."""
        checked_id(self.prepared_by, "prepared_by")
        latest = state.latest if state else None
        if state is None or latest is None:
            raise Refused(
                "unknown_run", f"{self.contract} has no run of the whole of {self.month}", place="run"
            )
        if latest.number != self.run:
            raise Refused("not_latest", f"run {latest.number} is the latest, not {self.run}", place="run")
        if state.final == self.run:
            raise Refused("already_final", f"run {self.run} is final already", place="run")
        return (RunFinalised(self.run, self.prepared_by),)


def _difference(payable: Mapping[str, Money], before: Result) -> dict[str, Money]:
    zero = Money.zero(before.currency)
    parties = sorted({*payable, *before.payable})
    return {party: payable.get(party, zero) - before.payable.get(party, zero) for party in parties}
