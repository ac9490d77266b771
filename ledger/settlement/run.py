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
from ledger.settlement.inputs import Part
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
    causes: tuple[Part, ...] = ()
    """Of a correction: the parts of the inputs that changed since the run before it."""


class Runs(msgspec.Struct, frozen=True):
    """The runs of a contract's month, oldest first; `final` is the number of the run made final."""

    runs: tuple[Run, ...] = ()
    final: int | None = None

    @property
    def latest(self) -> Run | None:
        """The newest run that pays; None while there are provisional ones only."""
        return next((run for run in reversed(self.runs) if run.kind != PROVISIONAL), None)


class SettlementRecorded(msgspec.Struct, frozen=True, tag_field="kind", tag="settlement.recorded.v1"):
    run: Run

    def apply(self, state: Runs | None) -> Runs:
        before = state or Runs()
        return msgspec.structs.replace(before, runs=(*before.runs, self.run))


class RunFinalised(msgspec.Struct, frozen=True, tag_field="kind", tag="settlement.finalised.v1"):
    run: int
    prepared_by: str

    def apply(self, state: Runs) -> Runs:
        return msgspec.structs.replace(state, final=self.run)


class RecordSettlement(msgspec.Struct, frozen=True):
    """Record a result; its command id is the contract, the month and the digest of its inputs."""

    result: Result
    provisional: bool = False

    @property
    def aggregate(self) -> str:
        return f"settlement.{self.result.contract}_{self.result.month}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Runs | None, _: Mapping[str, object]) -> tuple[SettlementRecorded]:
        """Raises:
        Refused: `provisional` for a provisional run of a month that has an initial one."""
        before = state.runs if state else ()
        paid = state.latest if state else None
        payable = self.result.payable
        delta: dict[str, Money] = {}
        causes: tuple[Part, ...] = ()
        if self.provisional:
            if paid is not None:
                raise Refused(
                    "provisional", f"{self.result.month} has its initial run already", place="month"
                )
            kind = PROVISIONAL
        elif paid is None:
            kind, delta = INITIAL, payable
        else:
            corrections = sum(1 for run in before if run.kind not in {PROVISIONAL, INITIAL})
            kind, delta = f"correction {corrections + 1}", _difference(payable, paid.result)
            old = paid.result.inputs
            causes = tuple(part for part, digest in self.result.inputs.items() if old.get(part) != digest)
        number = len(before) + 1
        run = Run(number, kind, self.result, self.result.digest(), delta, causes)
        return (SettlementRecorded(run),)


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
