"""Allocations as facts: one aggregate a statement of the market, a version for each result."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ledger.allocation.unit_allocation import UnitAllocation
from ledger.allocation.unit_fact import UnitFact
from ledger.command import known
from ledger.effective import History
from ledger.refusal import Refused
from ledger.trading_unit import TradingUnit


class AllocationRecorded(msgspec.Struct, frozen=True, tag_field="kind", tag="allocation.recorded.v1"):
    allocation: UnitAllocation

    def apply(self, _: object) -> UnitAllocation:
        return self.allocation


class RecordAllocation(msgspec.Struct, frozen=True):
    """Record how a unit's statement is shared out; a newer one of the same statement corrects it."""

    allocation: UnitAllocation

    @property
    def aggregate(self) -> str:
        return f"allocation.{self.allocation.fact}"

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"market_fact.{self.allocation.fact}", f"trading_unit.{self.allocation.unit}")

    def decide(self, state: UnitAllocation | None, others: Mapping[str, object]) -> tuple[AllocationRecorded]:
        """Raises:
        Refused: `unknown_trading_unit`; `allocation_stale` when the statement was
            corrected, or its unit changed, since they were read."""
        del state
        fact_name, unit_name = self.reads
        history: History[TradingUnit] = known(others, unit_name, History)
        fact = others.get(fact_name)
        own = self.allocation
        changed = own.outdated_by(fact, history) if isinstance(fact, UnitFact) else "statement"
        if changed == "statement":
            wrong = f"{own.fact} is not the statement that was shared out: allocate again"
            raise Refused("allocation_stale", wrong, place="fact")
        if changed == "unit":
            wrong = f"unit {own.unit} is not as it was when {own.fact} was shared out: allocate again"
            raise Refused("allocation_stale", wrong, place="unit")
        return (AllocationRecorded(self.allocation),)
