"""What has become of one party's statement of one settlement run."""

from __future__ import annotations

from datetime import date
from typing import Final, Literal

import msgspec

from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.invoice import Billing, Direction, Invoice
from ledger.statement.open_item import OpenItem
from ledger.statement.terms import Terms

Status = Literal["reviewed", "approved", "issued", "confirmed", "deemed_accepted"]
DisputeStatus = Literal["open", "upheld", "corrected", "rejected"]
PaymentKind = Literal[
    "payment", "bank_charge", "late_interest", "write_off", "netting", "credit_given", "credit_used"
]
Standing = Literal["not_due", "part_paid", "paid", "overpaid", "overdue", "disputed"]
SETTLING: Final = frozenset({"payment", "write_off", "netting", "credit_given", "credit_used"})
"""The kinds that settle what is due; charges and interest are beside it."""


_SIGNS: Final[dict[Direction, int]] = {"issued": -1, "received": 1}
"""What is invoiced that way is paid: above zero to the party."""


class StatementKey(msgspec.Struct, frozen=True):
    """Which statement: a party's, of a contract's month and run."""

    contract: str
    month: str
    party: str
    run: int

    @property
    def aggregate(self) -> str:
        return f"statement.{self.contract}_{self.month}_{self.party}_{self.run}"


class Upheld(msgspec.Struct, frozen=True):
    """The decision that a later refusal took the place of."""

    decided_by: str
    answer: str


class Dispute(msgspec.Struct, frozen=True):
    """A party's objection to certain lines; only they are frozen. `amount` is what they are about.

    It ends in a delta (`corrected` by a later run) or in a reasoned refusal (`rejected`). One that was
    upheld, and of which a fresh settlement changes nothing, ends refused too: `upheld` is then what was
    decided before.
    """

    id: str
    lines: tuple[int, ...]
    amount: Money
    reason: str
    raised_by: str
    raised_on: date
    answer_until: date
    status: DisputeStatus = "open"
    decided_by: str = ""
    answer: str = ""
    corrected_by_run: int | None = None
    upheld: Upheld | None = None

    @property
    def freezes(self) -> bool:
        """Whether its lines wait: until it is rejected, or a correction has taken its place."""
        return self.status in {"open", "upheld"}


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """Money that moved, or was given up: above zero the party received it, as on the statement."""

    id: str
    on: date
    amount: Money
    kind: PaymentKind
    reference: str = ""

    def __post_init__(self) -> None:
        if not self.amount.minor:
            raise Refused("payment", "a payment is not zero", place="amount")


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """`amount` is what this statement adds to what the party is owed: the run's delta of payable.

    `lines` is what each line adds to it: of a correction the line's delta. `billing` is what the owner and
    the party invoice each other for it.
    """

    key: StatementKey
    status: Status
    amount: Money
    lines: dict[int, Money]
    billing: Billing
    reviewed_by: str
    approved_by: str = ""
    issued_on: date | None = None
    query_until: date | None = None
    due_on: date | None = None
    terms: Terms | None = None
    disputes: tuple[Dispute, ...] = ()
    invoices: tuple[Invoice, ...] = ()
    payments: tuple[Payment, ...] = ()

    @property
    def frozen(self) -> Money:
        """What the disputes hold back of what is due: at most all of it, and never more than nothing.

        Of the tax that is due on top, what it is beyond the tax of what is not disputed.
        """
        held = self.frozen_amount
        for direction, sign in _SIGNS.items():
            held += Money(sign * self._tax_due_of_disputed(direction).minor, held.currency)
        return _within(held, self.due)

    def frozen_by(self, name: str) -> Money:
        """What of `frozen` would be free without the dispute of that name."""
        return self.frozen - self.without(name).frozen

    @property
    def disputed(self) -> Money:
        """What the disputes hold back with the tax on top of it, invoiced or not: above zero to the party."""
        held = self.frozen_amount
        if self.billing.basis == "tax_inclusive" or not held.minor:
            return self.frozen
        for direction, sign in _SIGNS.items():
            tax = self._disputed_tax(direction)
            known = self._tax_due_of_disputed(direction) if tax is None else tax
            held += Money(sign * known.minor, held.currency)
        return held

    def disputed_by(self, name: str) -> Money:
        """What of `disputed` would be free without the dispute of that name."""
        return self.disputed - self.without(name).disputed

    @property
    def paid_disputed(self) -> Money:
        """What was paid of what the disputes hold back: it stays with their lines until they end, and is no
        advance. Above zero the party received it (DOMAIN.md 3.10: pay first, dispute after)."""
        return _within(self.settled - (self.due - self.frozen), self.frozen)

    def without(self, name: str) -> Life:
        """As it would stand without the dispute of that name."""
        return msgspec.structs.replace(self, disputes=tuple(one for one in self.disputes if one.id != name))

    @property
    def frozen_amount(self) -> Money:
        """What the disputes hold back of `amount`, whatever has been invoiced."""
        held = sum(one.amount.minor for one in self.disputes if one.freezes)
        return _within(Money(held, self.amount.currency), self.amount)

    def beyond(self, name: str) -> Money:
        """What of the payment of that id had nothing to settle here when it was recorded, signed as it is: it
        is paid in advance. Zero of what is beside the amount, pays back, or pays what is disputed."""
        zero = Money.zero(self.amount.currency)
        number = next((at for at, one in enumerate(self.payments) if one.id == name), None)
        if number is None or self.payments[number].kind != "payment":
            return zero
        paid = self.payments[number].amount
        item = OpenItem(self.due, msgspec.structs.replace(self, payments=self.payments[:number]).settled)
        pays_back = item.due.minor * paid.minor < 0 or (item.is_advance and item.left.minor * paid.minor > 0)
        asked = item.left if item.asks else zero
        return zero if pays_back or abs(paid.minor) <= abs(asked.minor) else paid - asked

    @property
    def settled(self) -> Money:
        """What has been paid, netted or written off of the amount; charges and interest are beside it."""
        zero = Money.zero(self.amount.currency)
        return sum((one.amount for one in self.payments if one.kind in SETTLING), zero)

    def to_invoice(self, direction: Direction) -> Money:
        """What is still to be invoiced that way, on the contract's split basis, without what is disputed."""
        billed = self.billing.side(direction).amount
        return billed - self._held_back(direction) - self.billing.invoiced(direction, self.invoices)

    def tax_to_invoice(self, direction: Direction) -> Money | None:
        """The tax in `to_invoice`, or on it, by the contract's rates, without that of what is disputed; None
        without them."""
        tax, disputed = self.billing.side(direction).tax, self._disputed_tax(direction)
        if tax is None or disputed is None:
            return None
        return tax - disputed - self._tax_invoiced(direction)

    @property
    def invoiced(self) -> bool:
        """Whether both sides' invoices are what they should be."""
        return not self.to_invoice("issued").minor and not self.to_invoice("received").minor

    @property
    def due(self) -> Money:
        """`amount`, and the tax where it is due on top: above zero to the party."""
        return self.amount + self.billing.tax_on_top(self.invoices)

    @property
    def open_amount(self) -> Money:
        """What is still to be paid and not disputed: above zero to the party, below zero by it."""
        return self.item.left

    @property
    def item(self) -> OpenItem:
        """What is open of it without what is disputed and not paid."""
        return OpenItem(self.due - self.frozen + self.paid_disputed, self.settled)

    def _held_back(self, direction: Direction) -> Money:
        """What the disputes hold back of a side: at most the whole of it, and never more than nothing."""
        frozen = self.frozen_amount
        held = Money(_SIGNS[direction] * frozen.minor, frozen.currency)
        return _within(held, self.billing.side(direction).amount)

    def _disputed_tax(self, direction: Direction) -> Money | None:
        """The tax of what is held back of a side; None where the contract states no rate of it."""
        lines = {line for one in self.disputes if one.freezes for line in one.lines}
        return self.billing.side(direction).tax_of(self._held_back(direction), lines)

    def _tax_invoiced(self, direction: Direction) -> Money:
        own = (one.tax for one in self.invoices if one.direction == direction)
        return sum(own, Money.zero(self.amount.currency))

    def _tax_due_of_disputed(self, direction: Direction) -> Money:
        """What of the tax, where it is due on top, is of disputed lines: what is due beyond the rest's tax.
        Where no rates are stated, in proportion to what the invoices have beyond the rest's amount."""
        zero = Money.zero(self.amount.currency)
        held = self._held_back(direction)
        if self.billing.basis == "tax_inclusive" or not held.minor:
            return zero
        side, tax = self.billing.side(direction), self.billing.tax_due(direction, self.invoices)
        disputed = self._disputed_tax(direction)
        if side.tax is not None and disputed is not None:
            return _within(tax - (side.tax - disputed), disputed)
        amount = self.billing.invoiced(direction, self.invoices)
        beyond = _within(amount - (side.amount - held), held)
        return Money.round(tax.exact * beyond.exact / amount.exact, tax.currency) if amount.minor else zero

    def standing(self, today: date) -> Standing:
        """How payment stands on `today`."""
        if self.item.is_advance:
            return "overpaid"
        if self.item.role is None:
            return "disputed" if self.frozen.minor else "paid"
        if self.due_on is not None and today > self.due_on:
            return "overdue"
        return "part_paid" if self.settled.minor else "not_due"

    def interest(self, today: date) -> Money:
        """Late interest on what is open, by calendar days since the due day; zero before it."""
        if self.due_on is None or self.terms is None or self.standing(today) != "overdue":
            return Money.zero(self.amount.currency)
        return self.terms.late_interest(self.open_amount, (today - self.due_on).days)


def _within(held: Money, whole: Money) -> Money:
    """What of `held` lies between nothing and `whole`, which may be below zero."""
    return Money(min(max(held.minor, min(whole.minor, 0)), max(whole.minor, 0)), whole.currency)
