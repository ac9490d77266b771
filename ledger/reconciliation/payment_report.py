"""A bank's statement held against what is open: paid, doubtful, and what neither side knows of the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import msgspec

from ledger.quantity import Money
from ledger.reconciliation.bank_payment import BankPayment, BankStatement
from ledger.reconciliation.match_payments import PaymentPolicy, Settling, match_payments
from ledger.reconciliation.operator_line import sum_of
from ledger.reconciliation.receivable import MarketKey, Receivable
from ledger.reconciliation.recorded_cash import RecordedCash
from ledger.refusal import Refused
from ledger.statement.life import StatementKey


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


class PaymentReport(msgspec.Struct, frozen=True, kw_only=True, tag="bank_statement"):
    """`total` = what matched bookings moved + what doubtful and unmatched ones did, each booking once."""

    account: str
    currency: str
    total: Money
    repeated: int
    """Bookings that an earlier file had already."""
    matched: tuple[PaidStatements, ...]
    doubtful: tuple[PaidStatements, ...]
    payments_only: tuple[Booking, ...]
    statements_only: tuple[OpenStatement, ...]
    markets_only: tuple[OpenMarket, ...] = ()

    def __post_init__(self) -> None:
        every = {
            one.digest: one.amount for paid in (*self.matched, *self.doubtful) for one in paid.bookings
        } | {one.digest: one.amount for one in self.payments_only}
        listed = sum_of(every.values(), self.currency)
        if listed != self.total:
            raise Refused("report_total", f"{listed} is listed of {self.total}", place="total")

    @property
    def settled(self) -> bool:
        """Whether nothing is left to look at; what is not paid yet is no difference."""
        return not (self.doubtful or self.payments_only)


def reconcile_payments(
    statement: BankStatement,
    new: Sequence[BankPayment],
    receivables: Sequence[Receivable],
    parties: Mapping[str, str],
    policy: PaymentPolicy | None = None,
    recorded: Sequence[RecordedCash] = (),
) -> PaymentReport:
    """Match a statement's `new` bookings (see `not_yet_imported`) with what is open, and what is recorded.

    Raises:
        Refused: `currency`; `account` for a booking of another account.
    """
    for one in new:
        if one.account != statement.account:
            raise Refused("account", f"{one.account} is not {statement.account}", place=one.place)
    found = match_payments(new, receivables, parties, policy or PaymentPolicy(), recorded)
    return PaymentReport(
        account=statement.account,
        currency=statement.currency,
        total=sum_of((one.amount for one in new), statement.currency),
        repeated=len(statement.payments) - len(new),
        matched=tuple(_paid(one) for one in found.matched),
        doubtful=tuple(_paid(one) for one in found.doubtful),
        payments_only=tuple(_booking(one) for one in found.payments_only),
        statements_only=_statements(found.receivables_only),
        markets_only=_markets(found.receivables_only),
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
