"""Payments of statements under their ids: recorded once, whoever gives them, by whichever way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Final

import msgspec

from adapters.founded import book_at
from adapters.front_door import FrontDoor, Receipt, Wish
from adapters.postgres.database import Connection
from adapters.queries import lives
from adapters.queries.netting import contracts_of, counterparties, nettings
from ledger.netting import OpenStatement, positions
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.asking import Asks, asks_to_pay, first_asking, meant_otherwise, taking_in_advance
from ledger.statement.late_interest import nothing_late
from ledger.statement.left_open import left_open
from ledger.statement.life import Life, Payment, StatementKey
from ledger.statement.money import RecordPayment
from ledger.statement.named_payment import NamedPayment, named_already, payment_aggregate
from ledger.statement.spread import OpenChanged, in_advance, recording, spread

_ATTEMPTS: Final = 20
"""How often a payment is divided while others pay the same statements."""


class Paying(msgspec.Struct, frozen=True, kw_only=True):
    """A payment that is to be divided; above zero the party received it.

    Without `first`, a contract and a month, over all statements of the party that ask for it; `on` is None
    where the payer stated no day, and then it is `today`.
    """

    id: str
    party: str
    amount: Money
    on: date | None
    today: date
    reference: str = ""
    first: tuple[str, str] | None = None


class Recorded(msgspec.Struct, frozen=True):
    """What is recorded under the id; `receipts` are the id's, then each part's."""

    payment: NamedPayment
    receipts: tuple[Receipt, ...]

    @property
    def sequence(self) -> int:
        return self.receipts[0].sequence


def pay(door: FrontDoor, connection: Connection, position: int, asked: Paying, *, actor: str) -> Recorded:
    """Divide a payment over the statements that ask for it, and record it in one save.

    The same payment given again is answered as it was recorded. Of a month named of which no statement asks
    for it, it pays back what one was paid too much, or else pays the party's other statements; where none of
    those asks for it either, it is recorded on the month's only statement. Where others pay the same
    statements meanwhile it is divided anew, over what is open then.

    Raises:
        Refused: `exists` for an id of another payment; what `spread`, `PayPart`, `first_asking` and
            `RecordPayment` refuse.
    """
    known = recorded(door, asked.id)
    if known is not None:
        if not _same(known, asked):
            raise named_already(known)
        return _record(door, known, actor)
    owner = book_at(connection, position).owner
    ours = contracts_of(connection, position, owner)
    of_party = lives.page(connection, position, party=asked.party)
    for _ in range(_ATTEMPTS - 1):
        try:
            return _record(door, _divided(asked, of_party, owner, ours), actor)
        except Refused as refused:
            if not isinstance(refused, OpenChanged):
                raise
        of_party = [_as_of_now(door, one) for one in of_party]
    return _record(door, _divided(asked, of_party, owner, ours), actor)


def _divided(asked: Paying, of_party: Sequence[Life], owner: str, ours: Collection[str]) -> NamedPayment:
    """What each statement of the party gets of the payment, as they stand."""
    found = positions(owner, of_party, ours)
    same = (one for each in found if each.currency == asked.amount.currency for one in each.statements)
    open_now = [one for one in same if not one.advance]
    on = asked.today if asked.on is None else asked.on
    wanted = [one.key for one in open_now if one.open.minor * asked.amount.minor > 0]
    own = [one for one in of_party if (one.key.contract, one.key.month) == asked.first]
    asks = asks_to_pay("payment", lambda _: asked.amount)
    advance = None if wanted else _in_advance(of_party, ours, asked.amount)
    gives_back = any(one.item.is_advance and asks(one) for one in own)
    if asked.first is not None and not any(one.key in wanted for one in own) and (gives_back or not wanted):
        life = _first_asking(own, asks, asked, open_now, advance)
        payment = Payment(id=asked.id, on=on, amount=asked.amount, kind="payment", reference=asked.reference)
        return RecordPayment(life.key, payment).named
    return spread(
        open_now,
        id=asked.id,
        party=asked.party,
        on=on,
        amount=asked.amount,
        reference=asked.reference,
        first=asked.first,
        advance=advance,
    )


def _as_of_now(door: FrontDoor, life: Life) -> Life:
    now = door.state(life.key.aggregate)
    return now if isinstance(now, Life) else life


def _first_asking(
    own: Sequence[Life],
    asks: Asks,
    asked: Paying,
    open_now: Sequence[OpenStatement],
    advance: StatementKey | None,
) -> Life:
    """Which statement of the month is paid; a refusal says first where the other sign would fit.

    Raises:
        Refused: as `first_asking`.
    """
    try:
        return first_asking(own, asks, in_advance(advance, asked.amount))
    except Refused as refused:
        meant = meant_otherwise(asked.party, asked.amount, [one.open for one in open_now])
        raise Refused(refused.code, f"{meant}{refused.reason}", place=refused.place) from None


def after(door: FrontDoor, connection: Connection, position: int, done: Recorded) -> tuple[str, ...]:
    """What the payment left open though the party's money is there, and what of it was perhaps not meant, as
    lines for a person; `position` is of after it."""
    one = done.payment
    if one.kind != "payment":
        return doubts(door, done)
    found = counterparties(connection, position, one.party)
    beyond = {part.key: _beyond(door, one, part.key) for part in one.parts}
    held = nettings(connection, position).get(one.party)
    agreed = held is not None and bool(held.agreements) and held.agreements[-1].holds_on(one.on)
    open_now = [each for of in found for each in of.statements]
    return left_open(one, beyond, open_now, netting_agreed=agreed)


def doubts(door: FrontDoor, done: Recorded) -> tuple[str, ...]:
    """What was recorded and perhaps not meant."""
    found = []
    for part in done.payment.parts:
        life = door.state(part.key.aggregate)
        if isinstance(life, Life) and (told := nothing_late(life, done.payment.payment_of(part))):
            found.append(told)
    return tuple(found)


def _beyond(door: FrontDoor, one: NamedPayment, key: StatementKey) -> Money:
    """What of a part is paid in advance."""
    life = door.state(key.aggregate)
    return life.beyond(one.id) if isinstance(life, Life) else Money.zero(one.amount.currency)


def pay_statement(door: FrontDoor, key: StatementKey, payment: Payment, *, actor: str) -> Recorded:
    """Record a payment, charge or interest of one statement.

    The same again is answered as it was recorded.

    Raises:
        Refused: `exists` for an id of another payment; what `RecordPayment` refuses.
    """
    named = RecordPayment(key, payment).named
    known = recorded(door, payment.id)
    if known is not None and known != named:
        raise named_already(known)
    return _record(door, named, actor)


def recorded(door: FrontDoor, name: str) -> NamedPayment | None:
    """The payment that an id names; None for an id that was not given yet."""
    known = door.state(payment_aggregate(name))
    return known if isinstance(known, NamedPayment) else None


def _record(door: FrontDoor, payment: NamedPayment, actor: str) -> Recorded:
    command_id = f"payment:{payment.id}"
    wishes = [Wish(command, command_id) for command in recording(payment)]
    return Recorded(payment, tuple(door.execute_all(wishes, actor=actor)))


def _same(known: NamedPayment, asked: Paying) -> bool:
    """Whether it is the payment that was recorded, however that was divided; a day that is not stated, and a
    month that it began with, are that of the recorded one."""
    about = (known.party, known.amount, known.kind, known.reference)
    if about != (asked.party, asked.amount, "payment", asked.reference):
        return False
    if asked.on is not None and asked.on != known.on:
        return False
    return asked.first is None or asked.first in known.begun_with


def _in_advance(of_party: Sequence[Life], ours: Collection[str], amount: Money) -> StatementKey | None:
    """A statement of the party and ours on which the money could stand on account."""
    last = taking_in_advance((one for one in of_party if one.key.contract in ours), amount)
    return None if last is None else last.key
