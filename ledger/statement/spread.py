"""One payment over several statements of a party: those due first are paid first.

The one rule for a payment of which no statement is named, or only its month: the month's statements that ask
for it come first, then the party's others, each by its due day. What is more than all of them ask for is paid
in advance, on the last one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

import msgspec

from ledger.netting import OpenStatement
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.asking import meant_otherwise
from ledger.statement.issue import ISSUED, at
from ledger.statement.life import Life, StatementKey
from ledger.statement.money import PaymentRecorded, RecordPayment
from ledger.statement.named_payment import NamedPayment, NamePayment, PaidPart


def spread(
    statements: Iterable[OpenStatement],
    *,
    id: str,
    party: str,
    on: date,
    amount: Money,
    reference: str = "",
    first: tuple[str, str] | None = None,
    advance: StatementKey | None = None,
) -> NamedPayment:
    """Divide a payment over the party's statements that ask for money in its direction, oldest due first; one
    on which something stands on account asks for nothing.

    Those of `first`, a contract and a month, come before all others. Statements due on one day follow by
    month, contract and run. `advance` is a statement on which the money could stand where none asks for it.

    Raises:
        Refused: `payment` for nothing; `payment_spread` where no statement asks for it.
    """
    statements = tuple(statements)
    if not amount.minor:
        raise Refused("payment", "a payment is not zero", place="amount")
    asking = [
        one
        for one in statements
        if one.key.party == party
        and not one.advance
        and one.open.currency == amount.currency
        and one.open.minor * amount.minor > 0
    ]
    if not asking:
        others = [one.open for one in statements if one.key.party == party and not one.advance]
        meant = meant_otherwise(party, amount, others)
        text = f"{meant}{nothing_due(party, amount)}{in_advance(advance, amount)}"
        raise Refused("payment_spread", text, place="party")
    left, sign = abs(amount.minor), 1 if amount.minor > 0 else -1
    parts: list[PaidPart] = []
    for one in sorted(asking, key=lambda one: _rank(one, first)):
        taken = min(abs(one.open.minor), left)
        left -= taken
        if taken:
            parts.append(PaidPart(one.key, Money(sign * taken, amount.currency), one.open))
    if left:
        last = parts[-1]
        parts[-1] = msgspec.structs.replace(last, amount=last.amount + Money(sign * left, amount.currency))
    moved_on = first is not None and all((part.key.contract, part.key.month) != first for part in parts)
    return NamedPayment(
        id=id,
        party=party,
        on=on,
        amount=amount,
        kind="payment",
        parts=tuple(parts),
        reference=reference,
        first=first if first is not None and moved_on else msgspec.UNSET,
    )


def nothing_due(party: str, amount: Money) -> str:
    """That no statement asks for money in the payment's direction."""
    who = f"we owe {party}" if amount.minor > 0 else f"{party} owes us"
    return f"{who} nothing in {amount.currency} on any issued statement"


def in_advance(on: StatementKey | None, amount: Money) -> str:
    """How money for which nothing is due is recorded: on a statement that is named, where it stands on
    account until `record credit` or a netting uses it."""
    if on is None:
        return "; it can be recorded in advance once a statement of that side is issued"
    command = f"wattledger record payment {on.contract} {on.month} {on.party} --run {on.run}"
    return f"; to record it as paid in advance name a statement, such as: {command} ... -- {amount}"


def recording(payment: NamedPayment) -> tuple[NamePayment | RecordPayment | PayPart, ...]:
    """What the front door accepts together or not at all: the id, then what each statement gets."""
    parts = (
        RecordPayment(part.key, payment.payment_of(part)) if part.open is None else PayPart(payment, part)
        for part in payment.parts
    )
    return NamePayment(payment), *parts


class OpenChanged(Refused):
    """A statement has something else open than when the payment was divided: it is to be divided anew."""


class PayPart(msgspec.Struct, frozen=True):
    """Pay a statement its part; only together with the payment's `NamePayment`."""

    payment: NamedPayment
    part: PaidPart

    @property
    def aggregate(self) -> str:
        return self.part.key.aggregate

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Life | None, _: Mapping[str, object]) -> tuple[PaymentRecorded]:
        """Raises:
        Refused: `statement_status`, `currency`, `exists`.
        OpenChanged: `payment_spread` where another amount is open by now."""
        life, part, one = at(state, self.part.key, *ISSUED), self.part, self.payment
        if life.open_amount.currency != part.amount.currency:
            raise Refused(
                "currency",
                f"the statement is in {life.open_amount.currency}, not {part.amount.currency}",
                place=part.key.aggregate,
            )
        if any(each.id == one.id for each in life.payments):
            raise Refused("exists", f"payment {one.id} is recorded already", place="id")
        if life.open_amount != part.open:
            text = f"{life.open_amount:,} is open by now, not {part.open}: spread the payment again"
            raise OpenChanged("payment_spread", text, place=part.key.aggregate)
        return (PaymentRecorded(one.payment_of(part)),)


def _rank(one: OpenStatement, first: tuple[str, str] | None) -> tuple[bool, date, str, str, int]:
    key: StatementKey = one.key
    later = (key.contract, key.month) != first
    return later, one.due_on or date.max, key.month, key.contract, key.run
