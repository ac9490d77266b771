"""A run that was recorded from altered rows is declared void; settling again corrects it from right ones.

The run stays as it was recorded: what was told is on record. A void run is never made final, is not
reviewed before another one corrects it, and the next run of its month is recorded even where the inputs'
digests are the same; that one's deltas take back what the void one asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from ledger.command import known
from ledger.identity import checked_id
from ledger.refusal import Refused
from ledger.settlement.run import Runs

_REASON_MAX: Final = 2000


class Void(msgspec.Struct, frozen=True):
    """That a run is void, since when it is on record."""

    contract: str
    month: str
    run: int
    reason: str
    prepared_by: str


class RunVoided(msgspec.Struct, frozen=True, tag_field="kind", tag="settlement.voided.v1"):
    void: Void

    def apply(self, _: object) -> Void:
        return self.void


class VoidRun(msgspec.Struct, frozen=True, tag_field="command", tag="settlement.void"):
    """Declare a recorded run void."""

    contract: str
    month: str
    run: int
    reason: str
    prepared_by: str

    @property
    def aggregate(self) -> str:
        return void_name(self.contract, self.month, self.run)

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"settlement.{self.contract}_{self.month}",)

    def decide(self, state: Void | None, others: Mapping[str, object]) -> tuple[RunVoided]:
        """Raises:
        Refused: `unknown_settlement`, `unknown_run`, `run_void` for one that is void, `reason`."""
        checked_id(self.prepared_by, "prepared_by")
        if not 0 < len(self.reason.strip()) <= len(self.reason) <= _REASON_MAX:
            raise Refused("reason", f"say why, in at most {_REASON_MAX} characters", place="reason")
        runs = known(others, self.reads[0], Runs)
        if self.run not in {one.number for one in runs.runs}:
            text = f"{self.contract} has no run {self.run} of {self.month}; its last is {len(runs.runs)}"
            raise Refused("unknown_run", text, place="run")
        if state is not None:
            raise Refused("run_void", f"run {self.run} is void already: {state.reason}", place="run")
        return (RunVoided(Void(self.contract, self.month, self.run, self.reason, self.prepared_by)),)


def void_name(contract: str, month: str, run: int) -> str:
    """The aggregate that says whether a run is void."""
    return f"voided_run.{contract}_{month}_{run}"
