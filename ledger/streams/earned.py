"""One stream's money at one site in a month, with the terms that it is made of."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from ledger.quantity import Money
from ledger.settlement.line import Basis
from ledger.stream import Stream


class Earned(NamedTuple):
    """`amount` is `exact` rounded once; the terms of `basis` sum to `exact`, where there are any.

    Above zero is receivable by the storage's side. Not `pooled` is what the exclusivity matrix keeps out of
    the contract's pool, whatever streams that has: it stays with the holder of the account.
    """

    stream: Stream
    exact: Fraction
    amount: Money
    basis: tuple[Basis, ...]
    note: str
    pooled: bool = True
