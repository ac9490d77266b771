"""An allocation shares out a market's statement about a trading unit, under a rule."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.link import Found, LinkKind
from ledger.allocation.record import AllocationRecorded
from ledger.envelope import Envelope


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        if isinstance(event, AllocationRecorded):
            own = event.allocation
            yield Found(f"market_fact.{own.fact}")
            yield Found(f"trading_unit.{own.unit}")
            yield Found(f"market_rule.{own.rule}")


KIND = LinkKind(
    "shares_out", "shared_out_by", (AllocationRecorded,), "the unit's statement, the unit, the rule", _found
)
