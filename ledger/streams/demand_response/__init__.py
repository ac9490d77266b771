"""Demand response: what a market pays for consuming less, or more, than the baseline (DOMAIN.md 3.4)."""

from ledger.streams.demand_response.annual_cap import EventCut, annual_cut
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
from ledger.streams.demand_response.rule import DemandResponseRule
from ledger.streams.demand_response.site_weight import delivered_weights

__all__ = [
    "DemandResponseCapacity",
    "DemandResponseInstruction",
    "DemandResponseInvitation",
    "DemandResponseOutage",
    "DemandResponseRule",
    "Event",
    "EventCut",
    "EventResult",
    "annual_cut",
    "called_windows",
    "delivered_weights",
    "matched",
    "settle_availability",
    "settle_event",
]
