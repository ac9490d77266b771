"""Correcting a month that is older than its run calendar looks back: once, with a reason, by two persons.

Beyond the look-back a market does not settle again (DOMAIN.md 3.10: the current month's price, no cascade).
A waiver lets one correction through. That correction is whole: it settles the later months again, as every
correction does, so that the original and all deltas stay a fresh settlement.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from ledger.identity import checked_id
from ledger.refusal import Refused
from ledger.settlement.run import Runs

_REASON_MAX: Final = 2000


class LookBackWaived(msgspec.Struct, frozen=True, tag_field="kind", tag="settlement.look_back_waived.v1"):
    reason: str
    prepared_by: str

    def apply(self, state: Runs) -> Runs:
        return msgspec.structs.replace(state, waiver=self.reason)


class WaiveLookBack(msgspec.Struct, frozen=True, tag_field="command", tag="settlement.waive_look_back"):
    """Let the next correction of a contract's month through, however old the month is."""

    contract: str
    month: str
    reason: str
    prepared_by: str

    @property
    def aggregate(self) -> str:
        return f"settlement.{self.contract}_{self.month}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Runs | None, _: Mapping[str, object]) -> tuple[LookBackWaived]:
        """Raises:
        Refused: `unknown_run` before the month's initial run, which needs no waiver; `waived` while one
            is open; `reason`."""
        checked_id(self.prepared_by, "prepared_by")
        if not 0 < len(self.reason.strip()) <= _REASON_MAX:
            raise Refused("reason", f"say why, in at most {_REASON_MAX} characters", place="reason")
        if state is None or state.latest is None:
            raise Refused(
                "unknown_run", f"{self.contract} has no run of {self.month} to correct", place="month"
            )
        if state.waiver:
            raise Refused(
                "waived", f"the next correction of {self.month} is let through already", place="month"
            )
        return (LookBackWaived(self.reason, self.prepared_by),)
