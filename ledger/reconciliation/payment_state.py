"""What is left of a bank's bookings, of what is open and of what is recorded, while they are matched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Final, NamedTuple

import msgspec

from ledger.reconciliation.bank_payment import BankPayment
from ledger.reconciliation.receivable import ANY_MARKET, Receivable, market_payer
from ledger.reconciliation.recorded_cash import RecordedCash
from ledger.refusal import Refused


class PaymentPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A booking may stand `days_before` the issue to `days_after` the due day of what it pays, and pay, or
    be a part of, at most `parts_max` others."""

    days_before: int = 0
    days_after: int = 90
    parts_max: int = 4

    def __post_init__(self) -> None:
        for field, limit in (("days_before", 366), ("days_after", 3660)):
            if not 0 <= getattr(self, field) <= limit:
                raise Refused("days_window", f"0 to {limit} days", place=field)
        if not 1 <= self.parts_max <= _PARTS_LIMIT:
            raise Refused("parts_max", f"1 to {_PARTS_LIMIT}", place="parts_max")


_PARTS_LIMIT: Final = 8


class Settling(NamedTuple):
    """Bookings and what they pay; of a match, one side has exactly one.

    `part` says that the booking pays less than what is open. `recorded` is what is recorded of it already,
    `differs` that it is recorded with another amount.
    """

    payments: tuple[BankPayment, ...]
    receivables: tuple[Receivable, ...]
    reason: str
    part: bool = False
    recorded: tuple[RecordedCash, ...] = ()
    differs: bool = False


Ways = list[tuple[Settling, bool]]
"""How bookings may be meant, and whether that is certain."""


class State:
    """What is left to match."""

    def __init__(
        self,
        payments: list[BankPayment],
        receivables: list[Receivable],
        parties: Mapping[str, str],
        policy: PaymentPolicy,
        recorded: list[RecordedCash],
    ) -> None:
        self.recorded = recorded
        self.recorded_before = tuple(recorded)
        self.payments = payments
        self.receivables = receivables
        self.parties = parties
        self.policy = policy
        self.matched: list[Settling] = []
        self.doubtful: list[Settling] = []
        self.differing: list[Settling] = []

    def party(self, payment: BankPayment) -> str | None:
        """Whose booking it is: the account says so before the name does."""
        by_account = self.parties.get(payment.counterparty_account) if payment.counterparty_account else None
        return by_account or (
            self.parties.get(payment.counterparty_name) if payment.counterparty_name else None
        )

    def pays(self, payment: BankPayment, payer: str | None) -> bool:
        """Whether the booking is known to be the payer's."""
        known = self.party(payment)
        any_market = known == ANY_MARKET and payer is not None and payer.startswith(market_payer(""))
        return known is not None and (any_market or known == payer)

    def in_days(self, payment: BankPayment, receivable: Receivable) -> bool:
        first = receivable.issued_on - timedelta(days=self.policy.days_before)
        last = receivable.due_on + timedelta(days=self.policy.days_after)
        return first <= payment.booked_on <= last

    def open_to(self, payment: BankPayment) -> list[Receivable]:
        """What the booking could pay: of its party, of its direction, in its days."""
        return [one for one in self.open_either_way(payment) if one.amount.minor * payment.amount.minor > 0]

    def open_either_way(self, payment: BankPayment) -> list[Receivable]:
        """What its party and we have open with each other, in its days."""
        return [
            one for one in self.receivables if self.pays(payment, one.payer) and self.in_days(payment, one)
        ]

    def take(self, ways: Iterable[tuple[Settling, bool]]) -> None:
        """Sort a step's ways into certain and doubtful, and put what they are about aside."""
        ways = list(ways)
        uses: dict[str, int] = defaultdict(int)
        for settling, _ in ways:
            for name in _names(settling):
                uses[name] += 1
        for settling, certain in ways:
            alone = all(uses[name] == 1 for name in _names(settling))
            found = self.differing if settling.differs else self.matched if certain else self.doubtful
            (found if alone else self.doubtful).append(settling)
        self.payments = [one for one in self.payments if not uses[_payment_name(one)]]
        self.receivables = [one for one in self.receivables if not uses[one.name]]
        self.recorded = [one for one in self.recorded if not uses[_recorded_name(one)]]


def _names(settling: Settling) -> list[str]:
    own = [_payment_name(one) for one in settling.payments] + [one.name for one in settling.receivables]
    return own + [_recorded_name(one) for one in settling.recorded]


def _recorded_name(recorded: RecordedCash) -> str:
    return f"recorded {recorded.document}"


def _payment_name(payment: BankPayment) -> str:
    return f"payment {payment.account} {payment.digest}"
