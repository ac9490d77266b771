"""The clauses that a contract is made of. A new clause is one file here and one line in this union."""

from __future__ import annotations

from typing import Final, get_args

from ledger.clauses.base_fee import BaseFee
from ledger.clauses.capital_hurdle import CapitalHurdle
from ledger.clauses.capped_tier import CappedTier
from ledger.clauses.discharged_price import DischargedPrice
from ledger.clauses.early_termination import EarlyTermination
from ledger.clauses.floored_split import FlooredSplit
from ledger.clauses.guarantee import Guarantee
from ledger.clauses.hurdle import Hurdle
from ledger.clauses.indexed_fee import IndexedFee
from ledger.clauses.loss_split import LossSplit
from ledger.clauses.remainder_split import RemainderSplit
from ledger.clauses.service_fee import ServiceFee
from ledger.clauses.stream_tier import StreamTier
from ledger.clauses.tiered_share import TieredShare

Clause = (
    BaseFee  # a fixed fee for contracted capacity
    | ServiceFee  # a fee per metered kWh
    | IndexedFee  # a fixed fee that follows an index
    | DischargedPrice  # a discounted price per discharged kWh
    | LossSplit  # who bears a negative pool
    | Hurdle  # the first return on capital
    | CapitalHurdle  # the first return on what the capital accounts hold
    | CappedTier  # up to a sum each month
    | StreamTier  # what certain streams earned
    | RemainderSplit  # all that is left
    | TieredShare  # all that is left, by brackets
    | FlooredSplit  # all that is left, with a party's minimum
    | Guarantee  # a guaranteed sum and a share of the excess
    | EarlyTermination  # what is due when the contract ends before its time
)

FEES: Final = frozenset(str(kind.__struct_config__.tag) for kind in get_args(Clause) if kind.is_fee)
"""The types of the clauses by which one pays another for a service; all others divide the pool."""

__all__ = [
    "FEES",
    "BaseFee",
    "CapitalHurdle",
    "CappedTier",
    "Clause",
    "DischargedPrice",
    "EarlyTermination",
    "FlooredSplit",
    "Guarantee",
    "Hurdle",
    "IndexedFee",
    "LossSplit",
    "RemainderSplit",
    "ServiceFee",
    "StreamTier",
    "TieredShare",
]
