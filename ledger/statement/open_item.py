"""What one statement has open with its party, and which account of the party that stands in.

The one rule for it: the journal, the statement of account, ageing, netting and credits all read it here, so
that none of them shows in one place as owed what another shows as paid in advance.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ledger.quantity import Money

OpenRole = Literal["receivable", "payable", "advance_received", "advance_paid"]


class OpenItem(msgspec.Struct, frozen=True):
    """`due` and `settled` as on the statement: above zero the party receives it.

    >>> paid_too_much = OpenItem(Money(-10000, "CNY"), Money(-10005, "CNY"))
    >>> paid_too_much.role, str(paid_too_much.debit)
    ('advance_received', '-0.05')
    """

    due: Money
    settled: Money

    @property
    def left(self) -> Money:
        """What is still to be paid: above zero to the party."""
        return self.due - self.settled

    @property
    def debit(self) -> Money:
        """The balance in the party's account: above zero the party owes it to the book's owner."""
        return -self.left

    @property
    def role(self) -> OpenRole | None:
        """Receivable or payable as far as the statement asks for it, an advance beyond; None for nothing.

        Where nothing is due, all that was paid is an advance.
        """
        left = self.left.minor
        if not left:
            return None
        if left * self.due.minor > 0:
            return "payable" if left > 0 else "receivable"
        return "advance_received" if left > 0 else "advance_paid"

    @property
    def is_advance(self) -> bool:
        """Whether more was paid than it asks for."""
        return self.role in {"advance_received", "advance_paid"}

    @property
    def asks(self) -> bool:
        """Whether it still asks for what it asked for."""
        return self.role in {"receivable", "payable"}
