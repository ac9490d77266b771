"""Settlement runs as facts: one aggregate per contract and month, a run for each new result.

The first run is the initial one; each later one is a numbered correction that holds the full result
again and, per party, what changes against the run before it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ledger.quantity import Money
from ledger.settlement.result import Result

INITIAL = "initial"


class Run(msgspec.Struct, frozen=True):
    number: int
    kind: str
    """`initial`, or `correction 1`, `correction 2` ..."""
    result: Result
    outputs_digest: str
    delta: dict[str, Money]
    """Payable of this run less payable of the run before it, per party; the initial run's is payable."""


class Runs(msgspec.Struct, frozen=True):
    """The runs of a contract's month, oldest first."""

    runs: tuple[Run, ...] = ()


class SettlementRecorded(msgspec.Struct, frozen=True, tag_field="kind", tag="settlement.recorded.v1"):
    run: Run

    def apply(self, state: Runs | None) -> Runs:
        return Runs((*(state.runs if state else ()), self.run))


class RecordSettlement(msgspec.Struct, frozen=True):
    """Record a result; its command id is the contract, the month and the digest of its inputs."""

    result: Result

    @property
    def aggregate(self) -> str:
        return f"settlement.{self.result.contract}_{self.result.month}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Runs | None, _: Mapping[str, object]) -> tuple[SettlementRecorded]:
        before = state.runs if state else ()
        number = len(before) + 1
        payable = self.result.payable
        if before:
            zero = Money.zero(self.result.currency)
            old = before[-1].result.payable
            delta = {
                party: payable.get(party, zero) - old.get(party, zero) for party in sorted({*payable, *old})
            }
        else:
            delta = payable
        kind = f"correction {number - 1}" if before else INITIAL
        return (SettlementRecorded(Run(number, kind, self.result, self.result.digest(), delta)),)
