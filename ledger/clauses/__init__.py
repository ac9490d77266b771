"""The clauses that a contract is made of. A new clause is one file here and one line in this union."""

from __future__ import annotations

from ledger.clauses.base_fee import BaseFee
from ledger.clauses.capped_tier import CappedTier
from ledger.clauses.guarantee import Guarantee
from ledger.clauses.hurdle import Hurdle
from ledger.clauses.loss_split import LossSplit
from ledger.clauses.remainder_split import RemainderSplit
from ledger.clauses.service_fee import ServiceFee
from ledger.clauses.stream_tier import StreamTier

Clause = (
    BaseFee  # a fixed fee for contracted capacity
    | ServiceFee  # a fee per metered kWh
    | LossSplit  # who bears a negative pool
    | Hurdle  # the first return on capital
    | CappedTier  # up to a sum each month
    | StreamTier  # what certain streams earned
    | RemainderSplit  # all that is left
    | Guarantee  # a guaranteed sum and a share of the excess
)

__all__ = [
    "BaseFee",
    "CappedTier",
    "Clause",
    "Guarantee",
    "Hurdle",
    "LossSplit",
    "RemainderSplit",
    "ServiceFee",
    "StreamTier",
]
