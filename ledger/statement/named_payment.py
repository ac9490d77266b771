"""What a payment's id names: one payment of one party, and the statements that it pays.

An id, such as the bank's booking number, is given once in the book. A payment over several statements is one
payment with several parts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import Final

import msgspec

from ledger.identity import checked_id
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.life import Payment, PaymentKind, StatementKey

_DIGITS: Final = 32


class PaidPart(msgspec.Struct, frozen=True):
    """What of the payment a statement gets, and what was `open` of it: above zero the party receives it.

    `open` is None where a person named the statement, whatever it asked for.
    """

    key: StatementKey
    amount: Money
    open: Money | None = None


class NamedPayment(msgspec.Struct, frozen=True, kw_only=True):
    """`amount` as on statements: above zero the party received it. The parts add up to it.

    `first` is the contract and month that it was given with, where no statement of theirs asked for it, so
    that none of the parts is one; it is how the same payment given again is known.
    """

    id: str
    party: str
    on: date
    amount: Money
    kind: PaymentKind
    parts: tuple[PaidPart, ...]
    reference: str = ""
    first: tuple[str, str] | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        checked_id(self.party, "party")
        if not self.parts:
            raise Refused("empty", "a payment pays at least one statement", place="parts")
        if len({part.key for part in self.parts}) != len(self.parts):
            raise Refused("duplicate", "a statement is named twice", place="parts")
        for index, part in enumerate(self.parts):
            if part.key.party != self.party:
                text = f"a statement of {part.key.party} in a payment of {self.party}"
                raise Refused("payment_spread", text, place=f"parts[{index}]")
        if sum((part.amount for part in self.parts), Money.zero(self.amount.currency)) != self.amount:
            raise Refused("payment_spread", f"the parts are not {self.amount:,} together", place="parts")

    @property
    def words(self) -> str:
        """What it is, for a person who gives its id again."""
        where = ", ".join(part.key.aggregate for part in self.parts)
        what = f"{self.kind.replace('_', ' ')} of {self.amount:,} {self.amount.currency}"
        return f"{what} with {self.party} on {self.on}, on {where}"

    @property
    def begun_with(self) -> frozenset[tuple[str, str]]:
        """The contracts and months that it may have been given with."""
        given = frozenset() if self.first is msgspec.UNSET else frozenset({self.first})
        return given.union((part.key.contract, part.key.month) for part in self.parts)

    def payment_of(self, part: PaidPart) -> Payment:
        """The payment as the part's statement records it."""
        return Payment(id=self.id, on=self.on, amount=part.amount, kind=self.kind, reference=self.reference)


class PaymentNamed(msgspec.Struct, frozen=True, tag_field="kind", tag="payment.named.v1"):
    payment: NamedPayment

    def apply(self, _: object) -> NamedPayment:
        return self.payment


class NamePayment(msgspec.Struct, frozen=True):
    """Take a payment's id; only together with what records it on its statements, in the same save, so that of
    two recorders one is refused."""

    payment: NamedPayment

    @property
    def aggregate(self) -> str:
        return payment_aggregate(self.payment.id)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: NamedPayment | None, _: Mapping[str, object]) -> tuple[PaymentNamed]:
        """Raises:
        Refused: `exists` for an id that names a payment already."""
        if state is not None:
            raise named_already(state)
        return (PaymentNamed(self.payment),)


def payment_aggregate(name: str) -> str:
    """The aggregate of a payment's id; its digest has one length, whatever the id is."""
    return f"payment.{hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]}"


def named_already(known: NamedPayment) -> Refused:
    """What is told who gives the id to another payment."""
    return Refused("exists", f"payment {known.id} is recorded already: {known.words}", place="id")
