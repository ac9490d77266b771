"""Settlement runs as facts: one aggregate per contract and month, a run for each new result.

Provisional runs, of a month that is not over, pay nothing. The first run of the whole month is the
initial one; each later one is a numbered correction that holds the full result again and, per party,
what changes against the run before it. A second person makes a run final; what is recorded after that
corrects a final run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from ledger.identity import checked_id
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.cause import Cause, CorrectionClass, causes, classes
from ledger.settlement.inputs import Part
from ledger.settlement.result import Result
from ledger.statement.life import Life, StatementKey

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

    def statements_up_to(self, number: int) -> tuple[tuple[int, str], ...]:
        """Every statement, as (run, party), that the paying runs up to `number` gave: those to be issued,
        and those of which a later run has taken the place, on which a dispute may stand all the same."""
        paying = (run for run in self.runs if run.kind != PROVISIONAL and run.number <= number)
        return tuple((run.number, party) for run in paying for party in sorted(run.delta))

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

    `too_old` says why a correction of this month now needs a waiver; empty where it needs none. `unamended`
    are the digests of what the month would be settled from now under the contract version of the run before,
    where that is another one: see `causes`. `before` are the digests of the run before as they are made now,
    where it is a correction. `voided` is the number of the run that it corrects, where that
    one was declared void.
    """

    result: Result
    too_old: str = ""
    unamended: dict[Part, str] | None = None
    voided: int | None = None
    before: dict[Part, str] | None = None

    @property
    def provisional(self) -> bool:
        return self.result.through is not None

    @property
    def aggregate(self) -> str:
        return f"settlement.{self.result.contract}_{self.result.month}"

    @property
    def reads(self) -> tuple[str, ...]:
        return () if self.voided is None else (self._void,)

    @property
    def _void(self) -> str:
        return f"voided_run.{self.result.contract}_{self.result.month}_{self.voided}"

    def decide(self, state: Runs | None, others: Mapping[str, object]) -> tuple[SettlementRecorded]:
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
            void = paid.number == self.voided and others.get(self._void) is not None
            corrections = sum(1 for one in runs.runs if one.kind not in {PROVISIONAL, INITIAL})
            run = msgspec.structs.replace(
                run,
                kind=f"correction {corrections + 1}",
                delta=_difference(self.result.payable, paid.result),
                causes=causes(
                    self.result,
                    paid.result.inputs if self.before is None else self.before,
                    first.result.position,
                    self.unamended,
                    void=void,
                ),
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
    """Make the latest run of a contract's month final: what is recorded later corrects it.

    `statements` are those of all paying runs of the month up to this one, `Runs.statements_up_to`: a dispute
    that was upheld on one of them ends in the delta of a later run before any run is final (DOMAIN.md 3.10).
    """

    contract: str
    month: str
    run: int
    prepared_by: str
    statements: tuple[StatementKey, ...]

    @property
    def aggregate(self) -> str:
        return f"settlement.{self.contract}_{self.month}"

    @property
    def reads(self) -> tuple[str, ...]:
        return (self._void, *(key.aggregate for key in self.statements))

    @property
    def _void(self) -> str:
        return f"voided_run.{self.contract}_{self.month}_{self.run}"

    def decide(self, state: Runs | None, others: Mapping[str, object]) -> tuple[RunFinalised]:
        """Raises:
        Refused: `unknown_run`, `not_latest`, `run_void`, `already_final`, `statement_missing`,
            `dispute_upheld`."""
        checked_id(self.prepared_by, "prepared_by")
        latest = state.latest if state else None
        if state is None or latest is None:
            raise Refused(
                "unknown_run", f"{self.contract} has no run of the whole of {self.month}", place="run"
            )
        if latest.number != self.run:
            raise Refused("not_latest", f"run {latest.number} is the latest, not {self.run}", place="run")
        if others.get(self._void) is not None:
            raise Refused("run_void", f"run {self.run} is void: settle {self.month} again", place="run")
        if state.final == self.run:
            raise Refused("already_final", f"run {self.run} is final already", place="run")
        check_named(self.contract, self.month, state.statements_up_to(self.run), self.statements)
        for key in self.statements:
            _check_corrected(key, others.get(key.aggregate))
        return (RunFinalised(self.run, self.prepared_by),)


def check_named(
    contract: str, month: str, given: Iterable[tuple[int, str]], named: Iterable[StatementKey]
) -> None:
    """That a decision looks at every statement that it is about.

    Raises:
        Refused: `statement_missing`.
    """
    looked_at = frozenset(named)
    for run, party in given:
        if StatementKey(contract, month, party, run) not in looked_at:
            raise Refused(
                "statement_missing",
                f"the statement of {party}, {contract}, {month}, run {run} is not among those looked at",
                place="statements",
            )


def _check_corrected(key: StatementKey, life: object) -> None:
    for dispute in life.disputes if isinstance(life, Life) else ():
        if dispute.status == "upheld":
            raise Refused(
                "dispute_upheld",
                f"dispute {dispute.id} of run {key.run}'s statement of {key.party} is upheld and not"
                f" corrected: settle again (wattledger settle {key.month}), review, approve and issue the"
                f" correction, and name its run: wattledger dispute correct {key.contract} {key.month}"
                f" {key.party} {dispute.id} --run {key.run} --as WHO",
                place=f"contract {key.contract}",
            )


def _difference(payable: Mapping[str, Money], before: Result) -> dict[str, Money]:
    zero = Money.zero(before.currency)
    parties = sorted({*payable, *before.payable})
    return {party: payable.get(party, zero) - before.payable.get(party, zero) for party in parties}
