"""What a bank booking pays, a statement or what a market owes. One certain way is a match; several are listed
for a person."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import combinations
from math import comb
from typing import Final, NamedTuple

import msgspec

from ledger.reconciliation.bank_payment import BankPayment
from ledger.reconciliation.operator_line import currency_of
from ledger.reconciliation.receivable import ANY_MARKET, Receivable, market_payer
from ledger.reconciliation.recorded_cash import RecordedCash
from ledger.refusal import Refused

TRIES_MAX: Final = 20_000
"""The most sums that are tried for one booking or one statement."""


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


class PaymentMatching(NamedTuple):
    matched: list[Settling]
    differing: list[Settling]
    """Each a booking, and what is recorded under its reference with another amount."""
    doubtful: list[Settling]
    """Each a way in which a booking could be meant; the same booking may stand in several."""
    payments_only: list[BankPayment]
    receivables_only: list[Receivable]


def match_payments(
    payments: Sequence[BankPayment],
    receivables: Sequence[Receivable],
    parties: Mapping[str, str],
    policy: PaymentPolicy,
    recorded: Sequence[RecordedCash] = (),
) -> PaymentMatching:
    """Match with what is `recorded` already by its document, then with what is open by invoice number, then
    by payer, amount and days, then by sums of either side.

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
    state = _State(list(payments), list(receivables), parties, policy, list(recorded))
    by_open = (_by_invoice, _by_amount, _by_sum, _by_part_payments, _by_unknown_payer)
    for step in (_by_document, _by_recorded_day, *by_open):
        state.take(step(state))
    return PaymentMatching(state.matched, state.differing, state.doubtful, state.payments, state.receivables)


class _State:
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
        return [
            one
            for one in self.receivables
            if self.pays(payment, one.payer)
            and one.amount.minor * payment.amount.minor > 0
            and self.in_days(payment, one)
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


_Ways = list[tuple[Settling, bool]]


def _by_document(state: _State) -> _Ways:
    """What is recorded under the bank's reference, or under a document that the remittance text names.

    Another amount under the bank's own reference differs, and one of the two is wrong; unless another booking
    of that reference has the amount, as a bank gives a payment and its charge one number.
    """
    ways: _Ways = []
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
                f"recorded as {one.document} with {one.amount}, and not with {payment.amount}: the bank has"
                f" {payment.amount - one.amount} more"
            )
            ways.append((Settling((payment,), (), reason, recorded=(one,), differs=True), False))
    return ways


def _names_it(payment: BankPayment, one: RecordedCash) -> bool:
    return one.document == payment.reference or _stands_in(one.document, payment.remittance)


def _by_recorded_day(state: _State) -> _Ways:
    """What is recorded of the payer on the booking's day, under a number of the payer's own."""
    ways: _Ways = []
    for payment in state.payments:
        for one in state.recorded:
            if (one.amount, one.on) == (payment.amount, payment.booked_on) and state.pays(payment, one.payer):
                reason = f"recorded as {one.document}: the payer, the amount and the day fit"
                ways.append((Settling((payment,), (), reason, recorded=(one,)), True))
    return ways


def _by_invoice(state: _State) -> _Ways:
    """Invoice numbers that the remittance text names; their sum, or a part of the only one, is certain."""
    ways: _Ways = []
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


def _by_amount(state: _State) -> _Ways:
    ways: _Ways = []
    for payment in state.payments:
        equal = [one for one in state.open_to(payment) if one.amount == payment.amount]
        for one in equal:
            reason = "the party, the amount and the days fit"
            ways.append((Settling((payment,), (one,), reason), True))
    return ways


def _by_sum(state: _State) -> _Ways:
    """Several statements of one party that a booking pays together."""
    ways: _Ways = []
    for payment in state.payments:
        candidates = state.open_to(payment)
        sums = _sums([one.amount.minor for one in candidates], payment.amount.minor, state.policy.parts_max)
        if sums is None:
            reason = f"{len(candidates)} statements are open: too many sums to try"
            ways.append((Settling((payment,), tuple(candidates), reason), False))
            continue
        for chosen in sums:
            reason = f"the sum of {len(chosen)} open statements"
            ways.append((Settling((payment,), tuple(candidates[at] for at in chosen), reason), True))
    return ways


def _by_part_payments(state: _State) -> _Ways:
    """Several bookings of one party that pay a statement together."""
    ways: _Ways = []
    by_receivable: dict[str, list[BankPayment]] = defaultdict(list)
    for payment in state.payments:
        for one in state.open_to(payment):
            by_receivable[one.name].append(payment)
    for receivable in state.receivables:
        candidates = by_receivable.get(receivable.name, [])
        amounts = [one.amount.minor for one in candidates]
        sums = _sums(amounts, receivable.amount.minor, state.policy.parts_max)
        if sums is None:
            reason = f"{len(candidates)} bookings of the party: too many sums to try"
            ways.append((Settling(tuple(candidates), (receivable,), reason), False))
            continue
        for chosen in sums:
            reason = f"{len(chosen)} bookings pay it together"
            ways.append((Settling(tuple(candidates[at] for at in chosen), (receivable,), reason), True))
    return ways


def _by_unknown_payer(state: _State) -> _Ways:
    ways: _Ways = []
    for payment in state.payments:
        if state.party(payment) is None:
            for one in state.receivables:
                if one.amount == payment.amount and state.in_days(payment, one):
                    reason = "the amount and the days fit, but the payer is not known"
                    ways.append((Settling((payment,), (one,), reason), False))
    return ways


def _sums(amounts: Sequence[int], total: int, parts_max: int) -> list[tuple[int, ...]] | None:
    """Every choice of two to `parts_max` amounts that sums to the total; None for too many to try."""
    sizes = range(2, min(parts_max, len(amounts)) + 1)
    if sum(comb(len(amounts), size) for size in sizes) > TRIES_MAX:
        return None
    return [
        chosen
        for size in sizes
        for chosen in combinations(range(len(amounts)), size)
        if sum(amounts[at] for at in chosen) == total
    ]
