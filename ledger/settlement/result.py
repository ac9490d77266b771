"""What settling a contract's month gives."""

from __future__ import annotations

import hashlib

import msgspec

from ledger.clauses.flow import Notice
from ledger.interval import Month
from ledger.quantity import Money
from ledger.settlement.line import Line, Source
from ledger.waterfall import PriorMonth


class SiteBill(msgspec.Struct, frozen=True):
    """A site's electricity bill without and with its storage; amounts above zero are owed to the grid."""

    site: str
    without_storage: Money
    with_storage: Money
    explanation: str


class Result(msgspec.Struct, frozen=True):
    """A settled month. Per party, entitlement = held + payable; payable sums to zero over all parties."""

    contract: str
    title: str
    model: str
    month: Month
    currency: str
    rules_version: str
    position: int
    inputs_digest: str
    pool: Money
    lines: tuple[Line, ...]
    sources: tuple[Source, ...]
    bills: tuple[SiteBill, ...]
    entitlement: dict[str, Money]
    held: dict[str, Money]
    payable: dict[str, Money]
    warnings: tuple[Notice, ...]
    carry: PriorMonth
    sees_pool: tuple[str, ...]
    """The parties to whom the contract shows the pool's total."""

    def __post_init__(self) -> None:
        assert sum(money.minor for money in self.payable.values()) == 0
        assert sum(money.minor for money in self.entitlement.values()) == self.pool.minor

    def digest(self) -> str:
        """SHA-256 of the result without the position it was read at."""
        same_anywhere = msgspec.structs.replace(self, position=0)
        return hashlib.sha256(msgspec.json.Encoder(order="deterministic").encode(same_anywhere)).hexdigest()
