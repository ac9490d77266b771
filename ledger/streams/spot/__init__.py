"""The spot market: two-settlement of energy with contracts for difference (DOMAIN.md 3.5)."""

from ledger.streams.spot.facts import (
    SpotClearing,
    SpotContract,
    SpotDeclaration,
    SpotGeneration,
    SpotIntradayTrade,
    SpotMonth,
    SpotRealTimeClearing,
    StatedRecovery,
)
from ledger.streams.spot.prices import SpotPrices, spot_prices
from ledger.streams.spot.rule import (
    DeclarationRecovery,
    ExecutionPenalty,
    Levelling,
    NoContractUser,
    PriceLimits,
    SpotRule,
)
from ledger.streams.spot.settlement import spot_earnings
from ledger.streams.spot.unified import nodes_of, published, unified_price, unified_series
from ledger.streams.spot.unit import GridCharges, TradingUnit

__all__ = [
    "DeclarationRecovery",
    "ExecutionPenalty",
    "GridCharges",
    "Levelling",
    "NoContractUser",
    "PriceLimits",
    "SpotClearing",
    "SpotContract",
    "SpotDeclaration",
    "SpotGeneration",
    "SpotIntradayTrade",
    "SpotMonth",
    "SpotPrices",
    "SpotRealTimeClearing",
    "SpotRule",
    "StatedRecovery",
    "TradingUnit",
    "nodes_of",
    "published",
    "spot_earnings",
    "spot_prices",
    "unified_price",
    "unified_series",
]
