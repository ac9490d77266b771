"""A bank's statement held against what is recorded and open: every booking in one class, and what is open."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Final, Literal, get_args

import msgspec

from ledger.quantity import Money
from ledger.reconciliation.bank_payment import BankPayment, BankStatement, Days
from ledger.reconciliation.match_payments import match_payments
from ledger.reconciliation.operator_line import sum_of
from ledger.reconciliation.payment_state import PaymentPolicy, Settling
from ledger.reconciliation.receivable import MarketKey, Receivable
from ledger.reconciliation.recorded_cash import RecordedCash
from ledger.reconciliation.recorded_only import RecordedOnly, recorded_only
from ledger.refusal import Refused
from ledger.statement.life import StatementKey

BookingClass = Literal["known_before", "recorded", "to_record", "amount_differs", "doubtful", "pays_nothing"]
"""What is known of a booking: it was matched in an earlier file; it is recorded; it pays what is open and is
not recorded yet; it is recorded with another amount; it could be meant in several ways; or in none."""
BOOKING_CLASSES: Final[tuple[BookingClass, ...]] = get_args(BookingClass)


class Booking(msgspec.Struct, frozen=True):
    """A bank booking as a report names it: without the counterparty's name and account, which may be a
    natural person's and stay in the bank's file."""

    reference: str
    digest: str
    booked_on: date
    amount: Money
    place: str


class OpenStatement(msgspec.Struct, frozen=True):
    """What a statement has open, before these bookings; above zero the party owes us."""

    key: StatementKey
    amount: Money


class OpenMarket(msgspec.Struct, frozen=True):
    """What a market still has to pay for a stream and month, before these bookings; above zero to us."""

    stream: str
    month: str
    amount: Money


class PaidStatements(msgspec.Struct, frozen=True):
    """`part` says that less was paid than is open. `recorded` names what is recorded of it already: the id of
    a payment, or the document of a market's receipt, a supplier's payment or a handover."""

    bookings: tuple[Booking, ...]
    statements: tuple[OpenStatement, ...]
    reason: str
    part: bool = False
    markets: tuple[OpenMarket, ...] = ()
    recorded: tuple[str, ...] = ()


class AmountDiffers(msgspec.Struct, frozen=True):
    """A booking and what is recorded of it with another amount: under its reference, or of its payer about
    its day (`reason`), and then it is a proposal.

    Both are as our account sees them: above zero it received the money.
    """

    booking: Booking
    document: str
    recorded: Money
    reason: str = ""

    @property
    def difference(self) -> Money:
        """The bank's less what is recorded."""
        return self.booking.amount - self.recorded


class ClassTotal(msgspec.Struct, frozen=True):
    """How many bookings are of a class, and what they moved together."""

    count: int
    amount: Money


class PaymentReport(msgspec.Struct, frozen=True, kw_only=True, tag="bank_statement"):
    """`total` is what the bookings moved that no earlier file had matched, each once, with those that still
    wait to be recorded. `matched` pay what is open, or are recorded already.

    `recorded_not_at_bank` is what is recorded as moved in the statement's `days` and no booking answers. Our
    balance is not compared with the bank's: the journal has one bank account for all that a book has at
    banks, and nothing of its balance from before the book.
    """

    account: str
    currency: str
    total: Money
    repeated: int
    """Bookings that an earlier file had already, and that need nothing any more."""
    repeated_total: Money
    """What those moved; with `total` all that the file's bookings did."""
    matched: tuple[PaidStatements, ...]
    doubtful: tuple[PaidStatements, ...]
    payments_only: tuple[Booking, ...]
    statements_only: tuple[OpenStatement, ...]
    markets_only: tuple[OpenMarket, ...] = ()
    amount_differs: tuple[AmountDiffers, ...] = ()
    days: Days | None = None
    recorded_not_at_bank: tuple[RecordedOnly, ...] = ()

    def __post_init__(self) -> None:
        listed = sum_of((one.amount for one in self.by_class.values()), self.currency)
        if listed != self.file_total:
            raise Refused("report_total", f"{listed:,} is listed of {self.file_total:,}", place="total")

    @property
    def file_total(self) -> Money:
        """What all bookings of the file moved."""
        return self.total + self.repeated_total

    @property
    def recorded(self) -> tuple[PaidStatements, ...]:
        """The bookings that are recorded already."""
        return tuple(one for one in self.matched if one.recorded)

    @property
    def to_record(self) -> tuple[PaidStatements, ...]:
        """The bookings that pay what is open, and that nobody recorded yet."""
        return tuple(one for one in self.matched if not one.recorded)

    @property
    def by_class(self) -> dict[BookingClass, ClassTotal]:
        """The classes that occur; they add up to `file_total`."""
        known: dict[BookingClass, Iterable[Booking]] = {
            "recorded": (one for paid in self.recorded for one in paid.bookings),
            "to_record": (one for paid in self.to_record for one in paid.bookings),
            "amount_differs": (one.booking for one in self.amount_differs),
            "doubtful": (one for paid in self.doubtful for one in paid.bookings),
            "pays_nothing": self.payments_only,
        }
        totals: dict[BookingClass, ClassTotal] = {
            "known_before": ClassTotal(self.repeated, self.repeated_total)
        }
        for name, bookings in known.items():
            once = {one.digest: one.amount for one in bookings}
            totals[name] = ClassTotal(len(once), sum_of(once.values(), self.currency))
        return {name: totals[name] for name in BOOKING_CLASSES if totals[name].count}

    @property
    def not_at_bank(self) -> ClassTotal:
        """What is recorded and not at the bank, together; no part of `file_total`."""
        amounts = [one.amount for one in self.recorded_not_at_bank]
        return ClassTotal(len(amounts), sum_of(amounts, self.currency))

    def without(self, documents: Collection[str]) -> PaymentReport:
        """As it is where another statement of the file answers these."""
        left = tuple(one for one in self.recorded_not_at_bank if one.document not in documents)
        return msgspec.structs.replace(self, recorded_not_at_bank=left)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to look at or to record; what is not paid yet is no difference."""
        to_look_at = (self.amount_differs, self.doubtful, self.payments_only, self.recorded_not_at_bank)
        return not (self.to_record or any(to_look_at))


def reconcile_payments(
    statement: BankStatement,
    new: Sequence[BankPayment],
    receivables: Sequence[Receivable],
    parties: Mapping[str, str],
    policy: PaymentPolicy | None = None,
    recorded: Sequence[RecordedCash] = (),
    elsewhere: Collection[str] = (),
) -> PaymentReport:
    """Match a statement's `new` bookings (see `not_yet_imported`) with what is open, and what is recorded.
    `elsewhere` are the documents of recorded money that bookings of other files answer.

    Raises:
        Refused: `currency`; `account` for a booking of another account.
    """
    for one in new:
        if one.account != statement.account:
            raise Refused("account", f"{one.account} is not {statement.account}", place=one.place)
    found = match_payments(new, receivables, parties, policy or PaymentPolicy(), recorded)
    left = {one.document for one in found.recorded_only}
    uncertain = [one for way in found.doubtful for one in way.payments] + found.payments_only
    days = statement.days
    return PaymentReport(
        account=statement.account,
        currency=statement.currency,
        total=sum_of((one.amount for one in new), statement.currency),
        repeated=len(statement.payments) - len(new),
        repeated_total=statement.total - sum_of((one.amount for one in new), statement.currency),
        matched=tuple(_paid(one) for one in found.matched),
        doubtful=tuple(_paid(one) for one in found.doubtful),
        payments_only=tuple(_booking(one) for one in found.payments_only),
        statements_only=_statements(found.receivables_only),
        markets_only=_markets(found.receivables_only),
        amount_differs=tuple(
            AmountDiffers(
                _booking(one.payments[0]), one.recorded[0].document, one.recorded[0].amount, one.reason
            )
            for one in found.differing
        ),
        days=days,
        recorded_not_at_bank=()
        if days is None
        else recorded_only(
            found.recorded_only,
            [one for one in recorded if one.document not in left],
            uncertain,
            days,
            elsewhere,
        ),
    )


def _statements(found: Iterable[Receivable]) -> tuple[OpenStatement, ...]:
    return tuple(OpenStatement(one.key, one.amount) for one in found if isinstance(one.key, StatementKey))


def _markets(found: Iterable[Receivable]) -> tuple[OpenMarket, ...]:
    return tuple(
        OpenMarket(one.key.stream, one.key.month, one.amount)
        for one in found
        if isinstance(one.key, MarketKey)
    )


def _paid(settling: Settling) -> PaidStatements:
    return PaidStatements(
        tuple(_booking(one) for one in settling.payments),
        _statements(settling.receivables),
        settling.reason,
        settling.part,
        _markets(settling.receivables),
        tuple(one.document for one in settling.recorded),
    )


def _booking(payment: BankPayment) -> Booking:
    return Booking(
        payment.reference,
        payment.digest,
        payment.booked_on,
        payment.amount,
        payment.place,
    )
