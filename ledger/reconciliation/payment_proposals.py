"""Causes of bookings that settle nothing exactly: a person decides what is recorded of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ledger.quantity import Money
from ledger.reconciliation.bank_payment import BankPayment
from ledger.reconciliation.payment_state import Settling, State, Ways
from ledger.reconciliation.receivable import Receivable, market_payer
from ledger.reconciliation.sums import too_many

_CHARGE: Final = re.compile(r"手续费|汇划费|\bbank (charge|fee)s?\b", re.IGNORECASE)
_RETURN: Final = re.compile(r"退回|退汇|\breturn(ed)?\b", re.IGNORECASE)


def by_return(state: State) -> Ways:
    """Money that came back: its text says so, and the same counterparty moved the opposite amount before, in
    this file or as it is recorded. It pays nothing, and neither does what it returns."""
    ways: Ways = []
    taken: set[int] = set()
    for at, back in enumerate(state.payments):
        if _RETURN.search(back.remittance) is None:
            continue
        name = back.reference or back.place
        before = next(
            (
                other
                for other in range(at - 1, -1, -1)
                if other not in taken and _takes_back(state, back, state.payments[other])
            ),
            None,
        )
        if before is not None:
            taken.add(before)
            one = state.payments[before]
            reason = (
                f"returned: {name} takes back {one.amount:,} of {one.booked_on}, {one.reference or one.place}"
            )
            ways.append((Settling((one, back), (), reason), False))
            continue
        for cash in state.recorded_before:
            if cash.amount == -back.amount and cash.on <= back.booked_on and state.pays(back, cash.payer):
                what = f"{cash.amount:,} of {cash.on}, which is recorded as {cash.document}"
                reason = f"returned: {name} takes back {what}"
                ways.append((Settling((back,), (), reason, recorded=(cash,)), False))
    return ways


def _takes_back(state: State, back: BankPayment, one: BankPayment) -> bool:
    if one.amount != -back.amount:
        return False
    party = state.party(one)
    if party is not None and party == state.party(back):
        return True
    if one.counterparty_account and back.counterparty_account:
        return one.counterparty_account == back.counterparty_account
    return bool(one.counterparty_name) and one.counterparty_name == back.counterparty_name


def by_bank_charge(state: State) -> Ways:
    """What the bank took for itself, by its text; money to a party that is to receive some is not."""
    return [
        (Settling((one,), (), "bank charge, as its text says"), False)
        for one in state.payments
        if is_bank_charge(one) and not state.open_to(one)
    ]


def is_bank_charge(payment: BankPayment) -> bool:
    """Whether the text of what left the account says so."""
    return payment.amount.minor < 0 and _CHARGE.search(payment.remittance) is not None


def by_part_or_more(state: State) -> Ways:
    """A known party's money that is less, or more, than all that is open in its direction; of less, what is
    due first is named."""
    ways: Ways = []
    for payment in state.payments:
        asked = sorted(state.open_to(payment), key=lambda one: (one.due_on, one.key.month, one.name))
        if not asked:
            continue
        paid, total = _size(payment.amount), _size(_total(asked))
        who = ", ".join(sorted({one.payer.replace(market_payer(""), "the market of ") for one in asked}))
        owes = (
            f"we have {total:,} to pay to {who}"
            if payment.amount.minor < 0
            else f"{who} has {total:,} to pay"
        )
        if paid.minor > total.minor:
            reason = f"overpaid by {paid - total:,}: {owes}"
        else:
            whose, it = ("to", "we have") if payment.amount.minor < 0 else ("of", "it has")
            reason = (
                f"part payment {whose} {who}: {paid:,} of the {total:,} that {it} to pay,"
                f" {total - paid:,} is left"
            )
        every = state.open_either_way(payment)
        other = [one for one in every if one not in asked]
        if other:
            reason += f"; the other way {_size(_total(other)):,} is open"
        if too_many(len(every), state.policy.parts_max):
            reason += f"; {len(every)} are open: too many sums to try"
        part = paid.minor < total.minor
        ways.append((Settling((payment,), _first(asked, paid), reason, part=part), False))
    return ways


def _total(found: Sequence[Receivable]) -> Money:
    return sum((one.amount for one in found), Money.zero(found[0].amount.currency))


def _first(asked: Sequence[Receivable], paid: Money) -> tuple[Receivable, ...]:
    """Those, in their order, that the payment reaches."""
    left, found = paid.minor, []
    for one in asked:
        if left <= 0:
            break
        found.append(one)
        left -= abs(one.amount.minor)
    return tuple(found)


def _size(amount: Money) -> Money:
    return amount if amount.minor > 0 else -amount
