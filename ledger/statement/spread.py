"""One bank payment that pays several statements of a party, those due first being paid first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final

import msgspec

from ledger.identity import checked_id
from ledger.netting import OpenStatement
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.issue import ISSUED, at
from ledger.statement.life import Life, Payment, StatementKey
from ledger.statement.money import PaymentRecorded

_DIGITS: Final = 32


class PaidPart(msgspec.Struct, frozen=True):
    """What of the payment a statement gets, and what was `open` of it: above zero the party receives it."""

    key: StatementKey
    amount: Money
    open: Money


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """`amount` as on statements: above zero the party received it. The parts add up to it.

    What is more than all of them asked for stands on the last part, as paid too much.
    """

    id: str
    party: str
    on: date
    amount: Money
    parts: tuple[PaidPart, ...]
    reference: str = ""

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        checked_id(self.party, "party")
        if not self.parts:
            raise Refused("empty", "a payment pays at least one statement", place="parts")
        if len({part.key for part in self.parts}) != len(self.parts):
            raise Refused("duplicate", "a statement is named twice", place="parts")
        for index, part in enumerate(self.parts):
            place = f"parts[{index}]"
            if part.key.party != self.party:
                text = f"a statement of {part.key.party} in a payment of {self.party}"
                raise Refused("payment_spread", text, place=place)
            more = abs(part.amount.minor) > abs(part.open.minor) and index + 1 < len(self.parts)
            if part.amount.minor * self.amount.minor <= 0 or part.amount.minor * part.open.minor <= 0 or more:
                raise Refused("payment_spread", f"{part.open} is open, not {part.amount}", place=place)
        if sum((part.amount for part in self.parts), Money.zero(self.amount.currency)) != self.amount:
            raise Refused("payment_spread", f"the parts are not {self.amount} together", place="parts")


def spread(
    statements: Iterable[OpenStatement], *, id: str, party: str, on: date, amount: Money, reference: str = ""
) -> Spread:
    """Divide a payment over the party's statements that ask for money in its direction, oldest due first.

    Statements due on one day follow by month, contract and run.

    Raises:
        Refused: `payment` for nothing; `payment_spread` where no statement asks for it.
    """
    if not amount.minor:
        raise Refused("payment", "a payment is not zero", place="amount")
    asking = [
        one
        for one in statements
        if one.key.party == party
        and one.open.currency == amount.currency
        and one.open.minor * amount.minor > 0
    ]
    if not asking:
        who = f"we owe {party}" if amount.minor > 0 else f"{party} owes us"
        text = f"{who} nothing in {amount.currency} on any issued statement"
        raise Refused("payment_spread", text, place="party")
    left, sign = abs(amount.minor), 1 if amount.minor > 0 else -1
    parts: list[PaidPart] = []
    for one in sorted(asking, key=lambda one: (one.due_on or date.max, *_rank(one.key))):
        taken = min(abs(one.open.minor), left)
        left -= taken
        if taken:
            parts.append(PaidPart(one.key, Money(sign * taken, amount.currency), one.open))
    if left:
        last = parts[-1]
        parts[-1] = msgspec.structs.replace(last, amount=last.amount + Money(sign * left, amount.currency))
    return Spread(id=id, party=party, on=on, amount=amount, parts=tuple(parts), reference=reference)


class PaymentSpread(msgspec.Struct, frozen=True, tag_field="kind", tag="payment.spread.v1"):
    spread: Spread

    def apply(self, _: object) -> Spread:
        return self.spread


class SpreadPayment(msgspec.Struct, frozen=True):
    """Record that one payment paid several statements; `payments` of the same save pay them."""

    spread: Spread

    @property
    def aggregate(self) -> str:
        return spread_aggregate(self.spread.party, self.spread.id)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    @property
    def payments(self) -> tuple[PayBySpread, ...]:
        """What pays each statement: given to the front door together with this."""
        one = self.spread
        return tuple(PayBySpread(part, one.id, one.on, one.reference) for part in one.parts)

    def decide(self, state: Spread | None, _: Mapping[str, object]) -> tuple[PaymentSpread]:
        """Raises:
        Refused: `exists` for an id that was given to another payment of the party."""
        if state is not None:
            raise Refused("exists", f"payment {self.spread.id} is recorded already", place="id")
        return (PaymentSpread(self.spread),)


class PayBySpread(msgspec.Struct, frozen=True):
    """Pay a statement its part; only together with its `SpreadPayment`."""

    part: PaidPart
    payment: str
    on: date
    reference: str

    @property
    def aggregate(self) -> str:
        return self.part.key.aggregate

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Life | None, _: Mapping[str, object]) -> tuple[PaymentRecorded]:
        """Raises:
        Refused: `statement_status`, `currency`, `exists`; `payment_spread` where another amount is open by
            now."""
        life, part = at(state, self.part.key, *ISSUED), self.part
        if life.open_amount.currency != part.amount.currency:
            raise Refused(
                "currency",
                f"the statement is in {life.open_amount.currency}, not {part.amount.currency}",
                place=part.key.aggregate,
            )
        if any(one.id == self.payment for one in life.payments):
            raise Refused("exists", f"payment {self.payment} is recorded already", place="id")
        if life.open_amount != part.open:
            text = f"{life.open_amount} is open by now, not {part.open}: spread the payment again"
            raise Refused("payment_spread", text, place=part.key.aggregate)
        return (
            PaymentRecorded(
                Payment(
                    id=self.payment,
                    on=self.on,
                    amount=part.amount,
                    kind="payment",
                    reference=self.reference,
                )
            ),
        )


def spread_aggregate(party: str, payment: str) -> str:
    """One a party and id; the id's digest has one length, so that no two pairs share a name."""
    return f"payment_spread.{party}_{hashlib.sha256(payment.encode()).hexdigest()[:_DIGITS]}"


def _rank(key: StatementKey) -> tuple[str, str, int]:
    return key.month, key.contract, key.run
