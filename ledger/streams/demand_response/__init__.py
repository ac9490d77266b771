"""Demand response: what a market pays for consuming less, or more, than the baseline (DOMAIN.md 3.4)."""

from ledger.streams.demand_response.annual_cap import DemandResponseAnnualCut, annual_cut
from ledger.streams.demand_response.availability import settle_availability
from ledger.streams.demand_response.event import EventResult, settle_event
from ledger.streams.demand_response.facts import (
    DemandResponseCapacity,
    DemandResponseInstruction,
    DemandResponseInvitation,
    DemandResponseOutage,
    Event,
    called_windows,
    matched,
)
from ledger.streams.demand_response.rule import DemandResponseRule, DemandResponseTopUpRule
from ledger.streams.demand_response.top_up import (
    DemandResponseTopUpInvitation,
    check_top_ups,
    settle_top_up,
)

__all__ = [
    "DemandResponseAnnualCut",
    "DemandResponseCapacity",
    "DemandResponseInstruction",
    "DemandResponseInvitation",
    "DemandResponseOutage",
    "DemandResponseRule",
    "DemandResponseTopUpInvitation",
    "DemandResponseTopUpRule",
    "Event",
    "EventResult",
    "annual_cut",
    "called_windows",
    "check_top_ups",
    "matched",
    "settle_availability",
    "settle_event",
    "settle_top_up",
]
