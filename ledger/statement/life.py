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


class StatementKey(msgspec.Struct, frozen=True):
    """Which statement: a party's, of a contract's month and run."""

    contract: str
    month: str
    party: str
    run: int

    @property
    def aggregate(self) -> str:
        return f"statement.{self.contract}_{self.month}_{self.party}_{self.run}"


class Dispute(msgspec.Struct, frozen=True):
    """A party's objection to certain lines; only they are frozen. `amount` is what they are about.

    It ends in a delta (`corrected` by a later run) or in a reasoned refusal (`rejected`).
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
        """What the disputes hold back of what is due: at most all of it, and never more than nothing."""
        held = sum(one.amount.minor for one in self.disputes if one.freezes)
        due = self.due.minor
        return Money(min(max(held, min(due, 0)), max(due, 0)), self.amount.currency)

    def frozen_by(self, name: str) -> Money:
        """What of `frozen` would be free without the dispute of that name."""
        others = tuple(one for one in self.disputes if one.id != name)
        return self.frozen - msgspec.structs.replace(self, disputes=others).frozen

    def beyond(self, name: str) -> Money:
        """What of the payment of that id had nothing to settle here when it was recorded, signed as it is: it
        is paid in advance. Zero of what is beside the amount, or pays back."""
        zero = Money.zero(self.amount.currency)
        number = next((at for at, one in enumerate(self.payments) if one.id == name), None)
        if number is None or self.payments[number].kind != "payment":
            return zero
        paid = self.payments[number].amount
        item = msgspec.structs.replace(self, payments=self.payments[:number]).item
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
        """The tax in `to_invoice`, or on it, by the contract's rates; None without them, or while a part of
        the side is disputed."""
        side = self.billing.side(direction)
        if side.tax is None or self._held_back(direction).minor:
            return None
        own = (one.tax for one in self.invoices if one.direction == direction)
        return side.tax - sum(own, Money.zero(side.amount.currency))

    @property
    def invoiced(self) -> bool:
        """Whether both sides' invoices are what they should be."""
        return not self.to_invoice("issued").minor and not self.to_invoice("received").minor

    @property
    def due(self) -> Money:
        """`amount`, and the invoices' tax where it is due on top: above zero to the party."""
        return self.amount + self.billing.tax_on_top(self.invoices)

    @property
    def open_amount(self) -> Money:
        """What is still to be paid and not disputed: above zero to the party, below zero by it."""
        return self.item.left

    @property
    def item(self) -> OpenItem:
        """What is open of it without what is disputed."""
        return OpenItem(self.due - self.frozen, self.settled)

    def _held_back(self, direction: Direction) -> Money:
        """What the disputes hold back of a side: at most the whole of it, and never more than nothing."""
        billed = self.billing.side(direction).amount
        frozen = -self.frozen.minor if direction == "issued" else self.frozen.minor
        return Money(min(max(frozen, min(billed.minor, 0)), max(billed.minor, 0)), billed.currency)

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
