"""One posting: an account, a signed amount and the settlement lines that it rests on."""

from __future__ import annotations

import msgspec

from ledger.accounting.account import Account
from ledger.quantity import Money
from ledger.refusal import Refused


class Posting(msgspec.Struct, frozen=True):
    """`amount` above zero is a debit, below zero a credit; never zero.

    `lines` are line numbers of the entry's run; `replaced_lines` those of the run that it replaces.
    """

    account: Account
    amount: Money
    lines: tuple[int, ...] = ()
    replaced_lines: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.amount.minor == 0:
            raise Refused("zero_posting", f"nothing to post to {self.account}", place="amount")

    @property
    def debit(self) -> Money:
        return self.amount if self.amount.minor > 0 else Money.zero(self.amount.currency)

    @property
    def credit(self) -> Money:
        return -self.amount if self.amount.minor < 0 else Money.zero(self.amount.currency)

    def reversed(self) -> Posting:
        """The same on the other side."""
        return msgspec.structs.replace(self, amount=-self.amount)
