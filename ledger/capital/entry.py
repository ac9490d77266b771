"""Entries of capital accounts: contributions, transfers, returns, and the striking of a wrong entry.

(DOMAIN.md 2.1 Q08: equipment, platform and site are contributions in kind at an agreed valuation.)
"""

from __future__ import annotations

from datetime import date

import msgspec

from ledger.identity import checked_id
from ledger.interval import checked_year
from ledger.quantity import Money
from ledger.refusal import Refused


class _Dated(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="none"
):
    """What every entry states: its local day in the contract's zone, and what proves it."""

    on: date
    evidence: str

    def __post_init__(self) -> None:
        checked_year(self.on, "on")
        if not self.evidence.strip():
            raise Refused("evidence", "state the document that proves the entry", place="evidence")


class CashContribution(_Dated, frozen=True, kw_only=True, tag="cash_contribution"):
    """Money that a party paid in."""

    party: str
    amount: Money

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_id(self.party, "party")
        _above_zero(self.amount, "amount")

    @property
    def currencies(self) -> tuple[str, ...]:
        return (self.amount.currency,)

    def balances(self) -> dict[str, int]:
        """What the entry adds to each party's account, in minor units."""
        return {self.party: self.amount.minor}

    def flows(self) -> dict[str, int]:
        """What each party received by it, in minor units; below zero it paid."""
        return {self.party: -self.amount.minor}


class InKindContribution(_Dated, frozen=True, kw_only=True, tag="in_kind_contribution"):
    """Equipment, a site or a platform, at the value that the parties agreed on."""

    party: str
    asset: str
    valuation: Money

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_id(self.party, "party")
        if not self.asset.strip():
            raise Refused("empty", "say what was contributed", place="asset")
        _above_zero(self.valuation, "valuation")

    @property
    def currencies(self) -> tuple[str, ...]:
        return (self.valuation.currency,)

    def balances(self) -> dict[str, int]:
        return {self.party: self.valuation.minor}

    def flows(self) -> dict[str, int]:
        """The valuation counts as if it had been paid."""
        return {self.party: -self.valuation.minor}


class CapitalTransfer(_Dated, frozen=True, kw_only=True, tag="transfer"):
    """Paid-in capital that changes hands for a price, which may be nothing."""

    seller: str
    buyer: str
    amount: Money
    """What moves from one account to the other."""
    price: Money
    """What the buyer paid the seller."""

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_id(self.seller, "seller")
        checked_id(self.buyer, "buyer")
        if self.seller == self.buyer:
            raise Refused("transfer_parties", "a party cannot transfer to itself", place="buyer")
        _above_zero(self.amount, "amount")
        if self.price.minor < 0:
            raise Refused("capital_amount", f"{self.price:,} is below zero", place="price")

    @property
    def currencies(self) -> tuple[str, ...]:
        return (self.amount.currency, self.price.currency)

    def balances(self) -> dict[str, int]:
        return {self.seller: -self.amount.minor, self.buyer: self.amount.minor}

    def flows(self) -> dict[str, int]:
        return {self.seller: self.price.minor, self.buyer: -self.price.minor}


class CapitalReturn(_Dated, frozen=True, kw_only=True, tag="return"):
    """Paid-in capital that a party got back; not a return on it."""

    party: str
    amount: Money

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_id(self.party, "party")
        _above_zero(self.amount, "amount")

    @property
    def currencies(self) -> tuple[str, ...]:
        return (self.amount.currency,)

    def balances(self) -> dict[str, int]:
        return {self.party: -self.amount.minor}

    def flows(self) -> dict[str, int]:
        return {self.party: self.amount.minor}


class StruckEntry(_Dated, frozen=True, kw_only=True, tag="struck_entry"):
    """Entry number `entry`, from 1, was wrong and never counted; it stays on record."""

    entry: int

    @property
    def currencies(self) -> tuple[str, ...]:
        return ()

    def balances(self) -> dict[str, int]:
        return {}

    def flows(self) -> dict[str, int]:
        return {}


CapitalEntry = CashContribution | InKindContribution | CapitalTransfer | CapitalReturn | StruckEntry


def _above_zero(money: Money, place: str) -> None:
    if money.minor <= 0:
        raise Refused("capital_amount", f"{money:,} is not above zero", place=place)
