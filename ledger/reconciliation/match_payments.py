"""What a bank booking pays, a statement or what a market owes. One certain way is a match; several are listed
for a person."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ledger.reconciliation.bank_payment import BankPayment
from ledger.reconciliation.near_recorded import by_near_recorded, by_unknown_recorded, is_of
from ledger.reconciliation.operator_line import currency_of
from ledger.reconciliation.payment_proposals import by_bank_charge, by_part_or_more, by_return
from ledger.reconciliation.payment_state import PaymentPolicy, Settling, State, Ways
from ledger.reconciliation.receivable import Receivable
from ledger.reconciliation.recorded_cash import RecordedCash
from ledger.reconciliation.sums import sums


class PaymentMatching(NamedTuple):
    matched: list[Settling]
    differing: list[Settling]
    """Each a booking, and what is recorded under its reference with another amount."""
    doubtful: list[Settling]
    """Each a way in which a booking could be meant; the same booking may stand in several."""
    payments_only: list[BankPayment]
    receivables_only: list[Receivable]
    recorded_only: list[RecordedCash]
    """What no booking answers."""


def match_payments(
    payments: Sequence[BankPayment],
    receivables: Sequence[Receivable],
    parties: Mapping[str, str],
    policy: PaymentPolicy,
    recorded: Sequence[RecordedCash] = (),
) -> PaymentMatching:
    """Match with what is `recorded` already by its document, then with what is open by invoice number or what
    is recorded of the payer about the day, then by payer, amount and days, one statement or all that the
    payer and we have open, then by sums of either side, and by nets of what is open both ways.

    What settles nothing exactly is doubtful with its cause: returned money, a bank charge, less or more than
    a known party has open.

    `parties` gives the payer of a counterparty's account or name: a party, or a market (`market_payer`,
    `ANY_MARKET`). What two bookings could pay, or one
    booking could mean in two ways, is doubtful for all of them; so is an amount that fits while nobody
    knows who paid.

    Raises:
        Refused: `currency` for several currencies.
    """
    if payments and receivables:
        amounts = [one.amount for one in payments] + [one.amount for one in receivables]
        currency_of(amounts)
    state = State(list(payments), list(receivables), parties, policy, list(recorded))
    recorded_first = (_by_document, _by_recorded_day, by_return)
    by_open = (_by_name_or_near, _by_amount, _by_sum, _by_part_payments, _by_net, by_bank_charge, _by_guess)
    for step in (*recorded_first, *by_open):
        state.take(step(state))
    return PaymentMatching(
        state.matched, state.differing, state.doubtful, state.payments, state.receivables, state.recorded
    )


def _by_document(state: State) -> Ways:
    """What is recorded under the bank's reference, or under a document that the remittance text names.

    Another amount under the bank's own reference differs, and one of the two is wrong; unless another booking
    of that reference has the amount, as a bank gives a payment and its charge one number.
    """
    ways: Ways = []
    under = [
        (payment, one) for payment in state.payments for one in state.recorded if _names_it(payment, one)
    ]
    found = {one.document for payment, one in under if one.amount == payment.amount}
    for payment, one in under:
        if one.amount == payment.amount:
            reason = f"recorded as {one.document}"
            ways.append((Settling((payment,), (), reason, recorded=(one,)), True))
        elif one.document == payment.reference and one.document not in found:
            reason = (
                f"recorded as {one.document} with {one.amount:,}, and not with {payment.amount:,}:"
                f" the bank has {payment.amount - one.amount:,} more"
            )
            ways.append((Settling((payment,), (), reason, recorded=(one,), differs=True), False))
    return ways


def _names_it(payment: BankPayment, one: RecordedCash) -> bool:
    return one.document == payment.reference or _stands_in(one.document, payment.remittance)


def _by_recorded_day(state: State) -> Ways:
    """What is recorded of the payer on the booking's day, under a number of the payer's own."""
    ways: Ways = []
    for payment in state.payments:
        for one in state.recorded:
            if (one.amount, one.on) == (payment.amount, payment.booked_on) and is_of(state, payment, one):
                reason = f"recorded as {one.document}: the payer, the amount and the day fit"
                ways.append((Settling((payment,), (), reason, recorded=(one,)), True))
    return ways


def _by_name_or_near(state: State) -> Ways:
    """By invoice numbers; but where they do not make the whole amount, what is recorded about the day says
    more, and stands beside a statement that is open by just that."""
    named = _by_invoice(state)
    exact = {name for way, certain in named if certain and not way.part for name in _digests(way)}
    near = [way for way in by_near_recorded(state) if not _digests(way[0]) & exact]
    about = {name for way, _ in near for name in _digests(way)}
    beside = [way for way in _by_amount(state) if _digests(way[0]) & about] if near else []
    return [*(way for way in named if not _digests(way[0]) & about), *near, *beside]


def _digests(settling: Settling) -> set[str]:
    return {one.digest for one in settling.payments}


def _by_invoice(state: State) -> Ways:
    """Invoice numbers that the remittance text names; their sum, or a part of the only one, is certain."""
    ways: Ways = []
    for payment in state.payments:
        named = [
            one
            for one in state.receivables
            if any(_stands_in(number, payment.remittance) for number in one.invoices)
        ]
        if not named:
            continue
        numbers = ", ".join(dict.fromkeys(number for one in named for number in one.invoices))
        total = sum(one.amount.minor for one in named)
        paid = payment.amount.minor
        if total == paid:
            reason = f"names the invoices {numbers}, which are open by just that"
            ways.append((Settling((payment,), tuple(named), reason), True))
        elif len(named) == 1 and total * paid > 0 and abs(paid) < abs(total):
            reason = f"names the invoice {numbers} and pays a part of it"
            ways.append((Settling((payment,), tuple(named), reason, part=True), True))
        else:
            reason = f"names the invoices {numbers}, but their open amounts do not sum to it"
            ways.append((Settling((payment,), tuple(named), reason), False))
    return ways


def _stands_in(number: str, text: str) -> bool:
    """Whether the number stands in the text as a word of its own, not inside a longer number."""
    return re.search(rf"(?<![0-9A-Za-z]){re.escape(number)}(?![0-9A-Za-z])", text) is not None


def _by_amount(state: State) -> Ways:
    """The amount of one statement, or of all that a party has open, both ways."""
    ways: Ways = []
    for payment in state.payments:
        equal = [one for one in state.open_to(payment) if one.amount == payment.amount]
        for one in equal:
            reason = "the party, the amount and the days fit"
            ways.append((Settling((payment,), (one,), reason), True))
        ways.extend(_all_open(state, payment))
    return ways


def _all_open(state: State, payment: BankPayment) -> Ways:
    """All of several statements that the booking's party has open, where that is the booking's amount."""
    every = state.open_either_way(payment)
    amounts = [one.amount.minor for one in every]
    if len(every) < 2 or sum(amounts) != payment.amount.minor:
        return []
    reason = f"the {_kind_of_sum(amounts)}, all that is open"
    return [(Settling((payment,), tuple(every), reason), True)]


def _by_sum(state: State) -> Ways:
    """Several statements of one party that a booking pays together; what it could net instead is doubtful."""
    ways: Ways = []
    for payment in state.payments:
        paid, most = payment.amount.minor, state.policy.parts_max
        candidates, every = state.open_to(payment), state.open_either_way(payment)
        found = sums([one.amount.minor for one in candidates], paid, most)
        if not found:
            continue
        netted = sums([one.amount.minor for one in every], paid, most) or ()
        chosen = [tuple(candidates[at] for at in each) for each in found]
        chosen += [parts for each in netted if _both_ways(parts := tuple(every[at] for at in each))]
        for parts in chosen:
            reason = f"the {_kind_of_sum([one.amount.minor for one in parts])}"
            ways.append((Settling((payment,), parts, reason), True))
    return ways


def _both_ways(found: Sequence[Receivable]) -> bool:
    return min(one.amount.minor for one in found) < 0 < max(one.amount.minor for one in found)


def _by_net(state: State) -> Ways:
    """All that one party has open, or what of it both ways makes the booking's amount."""
    ways: Ways = []
    for payment in state.payments:
        if whole := _all_open(state, payment):
            ways.extend(whole)
            continue
        every = state.open_either_way(payment)
        amounts = [one.amount.minor for one in every]
        for chosen in sums(amounts, payment.amount.minor, state.policy.parts_max) or ():
            reason = f"the {_kind_of_sum([amounts[at] for at in chosen])}"
            ways.append((Settling((payment,), tuple(every[at] for at in chosen), reason), True))
    return ways


def _kind_of_sum(amounts: Sequence[int]) -> str:
    both = min(amounts) < 0 < max(amounts)
    return (
        f"net of {len(amounts)} open statements of both sides"
        if both
        else f"sum of {len(amounts)} open statements"
    )


def _by_part_payments(state: State) -> Ways:
    """Several bookings of one party that pay a statement together."""
    ways: Ways = []
    by_receivable: dict[str, list[BankPayment]] = defaultdict(list)
    for payment in state.payments:
        for one in state.open_to(payment):
            by_receivable[one.name].append(payment)
    for receivable in state.receivables:
        candidates = by_receivable.get(receivable.name, [])
        amounts = [one.amount.minor for one in candidates]
        found = sums(amounts, receivable.amount.minor, state.policy.parts_max)
        if found is None:
            reason = f"{len(candidates)} bookings of the party: too many sums to try"
            ways.append((Settling(tuple(candidates), (receivable,), reason), False))
            continue
        for chosen in found:
            reason = f"{len(chosen)} bookings pay it together"
            ways.append((Settling(tuple(candidates[at] for at in chosen), (receivable,), reason), True))
    return ways


def _by_guess(state: State) -> Ways:
    """Of one step, so that an unknown payer's exact amount stands beside a known one's other amount."""
    return [*by_unknown_recorded(state), *_by_unknown_payer(state), *by_part_or_more(state)]


def _by_unknown_payer(state: State) -> Ways:
    ways: Ways = []
    for payment in state.payments:
        if state.party(payment) is None:
            for one in state.receivables:
                if one.amount == payment.amount and state.in_days(payment, one):
                    reason = "the amount and the days fit, but the payer is not known"
                    ways.append((Settling((payment,), (one,), reason), False))
    return ways
