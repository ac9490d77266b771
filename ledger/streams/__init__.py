"""The revenue streams of markets and customers: rules as data, the facts that are settled, what they earn.

A new stream is one file or folder here, its rule and facts in the unions below, and its line in
`ledger.settlement.markets`.
"""

from __future__ import annotations

from ledger.allocation.unit_fact import UnitFact
from ledger.streams.capacity_compensation import (
    AvailabilityMeasured,
    CapacityCertified,
    CapacityLeased,
    CapacityRule,
)
from ledger.streams.demand_response import (
    DemandResponseAnnualCut,
    DemandResponseCapacity,
    DemandResponseInstruction,
    DemandResponseInvitation,
    DemandResponseOutage,
    DemandResponseRule,
    DemandResponseTopUpInvitation,
    DemandResponseTopUpRule,
)
from ledger.streams.regulation import (
    AgcInstructions,
    RegulationAward,
    RegulationPerformance,
    RegulationPrices,
    RegulationRule,
    RegulationShare,
)
from ledger.streams.service_income import ServiceOrdered, ServiceRule
from ledger.streams.spot import (
    SpotClearing,
    SpotContract,
    SpotDeclaration,
    SpotGeneration,
    SpotIntradayTrade,
    SpotMonth,
    SpotRealTimeClearing,
    SpotRule,
)

Rule = DemandResponseRule | DemandResponseTopUpRule | SpotRule | RegulationRule | CapacityRule | ServiceRule
"""A market's or programme's rule as data."""

MarketWide = RegulationPrices | RegulationShare | DemandResponseAnnualCut | SpotGeneration
"""Facts about a market as a whole."""

SiteFact = (
    DemandResponseInvitation
    | DemandResponseInstruction
    | DemandResponseOutage
    | DemandResponseCapacity
    | DemandResponseTopUpInvitation
    | SpotClearing
    | SpotDeclaration
    | SpotRealTimeClearing
    | SpotIntradayTrade
    | SpotContract
    | SpotMonth
    | RegulationAward
    | RegulationPerformance
    | AgcInstructions
    | CapacityCertified
    | CapacityLeased
    | AvailabilityMeasured
    | ServiceOrdered
)
"""What a market or customer told about one site."""

Fact = SiteFact | MarketWide | UnitFact

__all__ = ["Fact", "MarketWide", "Rule", "SiteFact", "UnitFact"]
