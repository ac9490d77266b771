"""A credit on account: what was paid beyond one statement pays another of the same party and side."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal

import msgspec

from ledger.command import known
from ledger.identity import checked_id
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.issue import ISSUED, at
from ledger.statement.life import Life, Payment, PaymentKind, StatementKey
from ledger.statement.money import PaymentRecorded


class Credit(msgspec.Struct, frozen=True, kw_only=True):
    """`amount`, from zero up, of what was paid too much on `of` settles `to`."""

    id: str
    of: StatementKey
    to: StatementKey
    on: date
    amount: Money

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        if self.amount.minor <= 0:
            raise Refused("payment_amount", f"{self.amount:,} is not above zero", place="amount")
        if self.of == self.to or self.of.party != self.to.party:
            raise Refused("credit", "a credit goes to another statement of the same party", place="to")

    @property
    def commands(self) -> tuple[GiveCredit, UseCredit]:
        """Both sides, that the front door accepts together or not at all."""
        return GiveCredit(self), UseCredit(self)


class GiveCredit(msgspec.Struct, frozen=True):
    """Take the credit from the overpaid statement; only together with its `UseCredit`."""

    credit: Credit

    @property
    def aggregate(self) -> str:
        return self.credit.of.aggregate

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Life | None, _: Mapping[str, object]) -> tuple[PaymentRecorded]:
        """Raises:
        Refused: `statement_status`, `currency`, `exists`; `credit` above what was paid too much."""
        life = at(state, self.credit.of, *ISSUED)
        if not life.item.is_advance:
            raise Refused("credit", f"nothing was paid beyond {life.key.aggregate}", place="of")
        return (_recorded(life, self.credit, "credit_given", self.credit.to, "of"),)


class UseCredit(msgspec.Struct, frozen=True):
    """Settle the other statement with it; only together with its `GiveCredit`."""

    credit: Credit

    @property
    def aggregate(self) -> str:
        return self.credit.to.aggregate

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.credit.of.aggregate,)

    def decide(self, state: Life | None, others: Mapping[str, object]) -> tuple[PaymentRecorded]:
        """Raises:
        Refused: `statement_status`, `currency`, `exists`; `credit` above what is open, or to the other
            side."""
        life = at(state, self.credit.to, *ISSUED)
        if known(others, self.reads[0], Life).due.minor * life.open_amount.minor <= 0:
            text = (
                f"{life.key.aggregate} asks for nothing on the side of the credit; net the two sides instead"
            )
            raise Refused("credit", text, place="to")
        return (_recorded(life, self.credit, "credit_used", self.credit.of, "to"),)


def _recorded(
    life: Life, credit: Credit, kind: PaymentKind, other: StatementKey, place: Literal["of", "to"]
) -> PaymentRecorded:
    left = life.open_amount
    if left.currency != credit.amount.currency:
        raise Refused(
            "currency", f"the statement is in {left.currency}, not {credit.amount.currency}", place=place
        )
    if any(one.id == credit.id for one in life.payments):
        raise Refused("exists", f"payment {credit.id} is recorded already", place="id")
    if credit.amount.minor > abs(left.minor):
        raise Refused("credit", f"{left:,} is there, not {credit.amount:,}", place=place)
    sign = 1 if left.minor > 0 else -1
    amount = Money(sign * credit.amount.minor, left.currency)
    return PaymentRecorded(
        Payment(id=credit.id, on=credit.on, amount=amount, kind=kind, reference=other.aggregate)
    )
