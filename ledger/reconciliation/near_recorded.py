"""What is recorded about the day of a booking, of its payer, with its amount or one that is nearly it."""

from __future__ import annotations

from typing import Final

from ledger.quantity import Money
from ledger.reconciliation.bank_payment import BankPayment
from ledger.reconciliation.payment_proposals import is_bank_charge
from ledger.reconciliation.payment_state import Settling, State, Ways
from ledger.reconciliation.recorded_cash import RecordedCash

NEAR_DAYS: Final = 5
"""A value date and the bank's booking day lie no further apart: enough for a weekend and a holiday."""
_NEAR_PERCENT: Final = 5
"""By how much of the larger amount two differ that may be one: a charge that was taken off on the way."""


def is_of(state: State, payment: BankPayment, one: RecordedCash) -> bool:
    """Whether the booking is known to be of who is recorded: the payer, or the bank for its charge."""
    if one.kind == "bank_charge":
        return is_bank_charge(payment)
    return state.pays(payment, one.payer)


def near_in_days(payment: BankPayment, one: RecordedCash) -> bool:
    return abs((payment.booked_on - one.on).days) <= NEAR_DAYS


def by_near_recorded(state: State) -> Ways:
    """The same amount is certain, as long as nothing else fits; another one differs, and one of both is
    wrong."""
    ways: Ways = []
    for payment in state.payments:
        for one in state.recorded:
            if not is_of(state, payment, one) or not near_in_days(payment, one):
                continue
            if one.amount == payment.amount:
                reason = f"recorded as {one.document} of {one.on}: the payer and the amount fit"
                ways.append((Settling((payment,), (), reason, recorded=(one,)), True))
            elif nearly(payment.amount, one.amount):
                off = payment.amount - one.amount
                size = off if off.minor > 0 else -off
                reason = f"differs by {size:,} from {one.document} of {one.on}: the payer and the days fit"
                ways.append((Settling((payment,), (), reason, recorded=(one,), differs=True), False))
    return ways


def by_unknown_recorded(state: State) -> Ways:
    """What is recorded with the booking's amount about its day, where nobody knows whose one of both is."""
    ways: Ways = []
    for payment in state.payments:
        for one in state.recorded:
            if one.amount != payment.amount or not near_in_days(payment, one) or one.kind == "bank_charge":
                continue
            if state.party(payment) is None:
                reason = f"the amount and the days of {one.document} fit, but the payer is not known"
            elif one.payer is None:
                reason = f"the amount and the days of {one.document} fit, but it is recorded without a party"
            else:
                continue
            ways.append((Settling((payment,), (), reason, recorded=(one,)), False))
    return ways


def nearly(one: Money, other: Money) -> bool:
    """Whether two different amounts may be one and the same: they are near, or a slip of the pen apart.

    >>> pairs = (45546808, 45546880), (10000, 9000), (123456, 12345), (710000, 170000)
    >>> [nearly(Money(one, "CNY"), Money(other, "CNY")) for one, other in pairs]
    [True, False, True, True]
    """
    if one.minor * other.minor <= 0:
        return False
    small, large = sorted((abs(one.minor), abs(other.minor)))
    return (large - small) * 100 <= large * _NEAR_PERCENT or _one_slip(str(large), str(small))


def _one_slip(longer: str, shorter: str) -> bool:
    """One digit left out, or two neighbours that changed places."""
    if len(longer) == len(shorter) + 1:
        return any(longer[:at] + longer[at + 1 :] == shorter for at in range(len(longer)))
    unlike = [at for at in range(len(longer)) if longer[at : at + 1] != shorter[at : at + 1]]
    if len(longer) != len(shorter) or len(unlike) != 2 or unlike[1] != unlike[0] + 1:
        return False
    first, second = unlike
    return (longer[first], longer[second]) == (shorter[second], shorter[first])
