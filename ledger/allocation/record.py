"""Allocations as facts: one aggregate a statement of the market, a version for each result."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ledger.allocation.unit_allocation import Change, UnitAllocation
from ledger.allocation.unit_fact import UnitFact
from ledger.allocation.unit_rule import rule_of
from ledger.command import known
from ledger.effective import History
from ledger.refusal import Refused
from ledger.streams import Rule
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
        own = self.allocation
        return (f"market_fact.{own.fact}", f"trading_unit.{own.unit}", f"market_rule.{own.rule}")

    def decide(self, state: UnitAllocation | None, others: Mapping[str, object]) -> tuple[AllocationRecorded]:
        """Raises:
        Refused: `unknown_trading_unit`, `unknown_market_rule`; `allocation_stale` when the statement
            was corrected, or its unit or rule changed, since they were read. Readings that arrive
            meanwhile are seen when the allocation is settled."""
        del state
        own = self.allocation
        fact_name, unit_name, rule_name = self.reads
        history: History[TradingUnit] = known(others, unit_name, History)
        rules: History[Rule] = known(others, rule_name, History)
        fact = others.get(fact_name)
        changed: Change | None = "statement"
        if isinstance(fact, UnitFact):
            changed = own.outdated_by(fact, history, rule_of(fact, rules.at))
        if changed is not None:
            place = "fact" if changed == "statement" else changed
            raise Refused("allocation_stale", f"{own.stale(changed)}: allocate again", place=place)
        return (AllocationRecorded(self.allocation),)
