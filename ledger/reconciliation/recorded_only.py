"""Money that is recorded as moved in a statement's days, and that no booking of the bank answers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

import msgspec

from ledger.accounting.journal import EntryKind
from ledger.quantity import Money
from ledger.reconciliation.bank_payment import BankPayment, Days
from ledger.reconciliation.near_recorded import NEAR_DAYS, near_in_days, nearly
from ledger.reconciliation.recorded_cash import RecordedCash


class RecordedOnly(msgspec.Struct, frozen=True):
    """`amount` is above zero where our account is said to have received it; `reason` is what may be wrong."""

    document: str
    on: date
    amount: Money
    kind: EntryKind
    payer: str | None
    reason: str


def recorded_only(
    left: Sequence[RecordedCash],
    answered: Sequence[RecordedCash],
    bookings: Sequence[BankPayment],
    days: Days,
    elsewhere: Collection[str] = (),
) -> tuple[RecordedOnly, ...]:
    """Of what is `left`, what is of these days, oldest first, but for what is recorded and taken back in
    them: so is a mistake corrected.

    `answered` is what bookings answer, `bookings` are those that answer nothing for certain, `elsewhere` the
    documents that other files answered.
    """
    missing = [one for one in sorted(left, key=_day) if one.document not in elsewhere]
    beyond = [one for one in missing if one.on not in days]
    return tuple(
        RecordedOnly(
            one.document,
            one.on,
            one.amount,
            one.kind,
            one.payer,
            _taken_back(one, beyond) or _reason(one, answered, bookings, days),
        )
        for one in _standing([one for one in missing if one.on in days])
    )


def _standing(left: Sequence[RecordedCash]) -> list[RecordedCash]:
    """Without the pairs of the same payer that come to nothing."""
    found: list[RecordedCash] = []
    for one in left:
        taken_back = next((at for at, other in enumerate(found) if _takes_back(one, other)), None)
        if taken_back is None:
            found.append(one)
        else:
            del found[taken_back]
    return found


def _takes_back(one: RecordedCash, other: RecordedCash) -> bool:
    if one.payer is None and one.kind != other.kind:
        return False
    return one.payer == other.payer and one.amount == -other.amount


def _taken_back(one: RecordedCash, beyond: Sequence[RecordedCash]) -> str:
    other = next((other for other in beyond if _takes_back(other, one)), None)
    return "" if other is None else f"{other.document} of {other.on} takes it back"


def _day(one: RecordedCash) -> tuple[date, str]:
    return one.on, one.document


def _reason(
    one: RecordedCash, answered: Sequence[RecordedCash], bookings: Sequence[BankPayment], days: Days
) -> str:
    for other in answered:
        near = abs((other.on - one.on).days) <= NEAR_DAYS
        if near and (other.amount, other.payer, other.kind) == (one.amount, one.payer, one.kind):
            return f"{other.document} of {other.on} is as much, and the bank has it once: recorded twice?"
    for booking in bookings:
        if booking.amount == one.amount:
            name = booking.reference or booking.place
            return f"the bank has as much on {booking.booked_on} ({name}), which is not known to be this"
    for booking in bookings:
        if nearly(booking.amount, one.amount) and near_in_days(booking, one):
            off, name = booking.amount - one.amount, booking.reference or booking.place
            return f"differs by {off:,} from {name} of {booking.booked_on}, which is not known to be this"
    return (
        f"no booking of {days.first} to {days.last} is this: a wrong amount or day, money on its way, or"
        " another account"
    )
