"""Under which kind of rule each kind of fact is settled; under another one nobody would look at it."""

from __future__ import annotations

from typing import Final

from ledger.refusal import Refused
from ledger.streams import Fact, Rule
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

TOLD_UNDER: Final[dict[type[Fact], tuple[type[Rule], ...]]] = {
    DemandResponseInvitation: (DemandResponseRule,),
    DemandResponseInstruction: (DemandResponseRule,),
    DemandResponseOutage: (DemandResponseRule,),
    DemandResponseCapacity: (DemandResponseRule,),
    DemandResponseTopUpInvitation: (DemandResponseTopUpRule,),
    DemandResponseAnnualCut: (DemandResponseRule, DemandResponseTopUpRule),
    SpotClearing: (SpotRule,),
    SpotDeclaration: (SpotRule,),
    SpotRealTimeClearing: (SpotRule,),
    SpotIntradayTrade: (SpotRule,),
    SpotContract: (SpotRule,),
    SpotMonth: (SpotRule,),
    SpotGeneration: (SpotRule,),
    RegulationAward: (RegulationRule,),
    RegulationPerformance: (RegulationRule,),
    AgcInstructions: (RegulationRule,),
    RegulationPrices: (RegulationRule,),
    RegulationShare: (RegulationRule,),
    CapacityCertified: (CapacityRule,),
    CapacityLeased: (CapacityRule,),
    AvailabilityMeasured: (CapacityRule, ServiceRule),
    ServiceOrdered: (ServiceRule,),
}
"""Facts about sites and about markets as a whole; a unit's statements are checked when they are allocated."""


def check_rule(fact: Fact, rule: Rule) -> None:
    """That a fact about a site or market is told under a rule that settles it.

    Raises:
        Refused: `fact_kind`.
    """
    kinds = TOLD_UNDER[type(fact)]
    if not isinstance(rule, kinds):
        named, told = " or ".join(stored_name(kind) for kind in kinds), stored_name(type(rule))
        message = f"a {stored_name(type(fact))} is told under a {named} rule, and {rule.id} is a {told} rule"
        raise Refused("fact_kind", message, place=fact.id)


def stored_name(kind: type[Fact | Rule]) -> str:
    """The kind's stored name."""
    return str(kind.__struct_config__.tag)
