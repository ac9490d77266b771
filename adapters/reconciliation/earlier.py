"""What earlier files of a bank account had: a booking is matched once, and waits until it is recorded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from adapters.postgres.database import Connection
from adapters.queries import registered
from ledger.reconciliation.bank_payment import Identity
from ledger.reconciliation.payment_report import Booking, OpenMarket, OpenStatement, PaymentReport
from ledger.reconciliation.receivable import MarketKey, Receivable, market_payer
from ledger.reconciliation.record import Reconciliation
from ledger.reconciliation.recorded_cash import RecordedCash
from ledger.statement.life import StatementKey

_Waiting = Mapping[Identity, tuple[Booking, tuple[OpenStatement | OpenMarket, ...]]]
"""Bookings that pay what is open and were not recorded, and what they pay."""


class Earlier(NamedTuple):
    """Of earlier statements of the account: every booking, those that were matched, the documents of recorded
    payments that were, and the bookings that were to be recorded."""

    seen: frozenset[Identity]
    matched: frozenset[Identity]
    documents: frozenset[str]
    waiting: _Waiting

    @classmethod
    def of(cls, report: PaymentReport) -> Earlier:
        paid = {_identity(report.account, one) for each in report.matched for one in each.bookings}
        waiting: _Waiting = {
            _identity(report.account, one): (one, (*each.statements, *each.markets))
            for each in report.to_record
            for one in each.bookings
        }
        doubtful = (one for each in report.doubtful for one in each.bookings)
        differing = (one.booking for one in report.amount_differs)
        others = {_identity(report.account, one) for one in (*doubtful, *differing, *report.payments_only)}
        documents = frozenset(name for each in report.matched for name in each.recorded)
        return cls(frozenset(paid | others), frozenset(paid - waiting.keys()), documents, waiting)

    def joined(self, *others: Earlier) -> Earlier:
        return Earlier(
            self.seen.union(*(one.seen for one in others)),
            self.matched.union(*(one.matched for one in others)),
            self.documents.union(*(one.documents for one in others)),
            {**self.waiting, **{name: how for one in others for name, how in one.waiting.items()}},
        )

    def as_matched(self, report: PaymentReport) -> Earlier:
        """With all that the report matched: a later statement of the same file does not match it again."""
        paid = {_identity(report.account, one) for each in report.matched for one in each.bookings}
        return self._replace(matched=self.matched | paid)

    def under_other_names(self, now: Earlier, recorded: Iterable[RecordedCash]) -> frozenset[str]:
        """The documents under which those bookings are recorded that waited here, and do not `now`."""
        left = {one.document: one for one in recorded if one.document not in now.documents}
        found: set[str] = set()
        for name in sorted(self.waiting.keys() & (now.matched - self.matched)):
            one = _paid_under(*self.waiting[name], left.values())
            if one is not None:
                found.add(left.pop(one.document).document)
        return frozenset(found)

    def without_waiting(self, open_now: Sequence[Receivable], documents: Collection[str]) -> Earlier:
        """With those bookings matched, too, that were to be recorded and of which nothing is open any more;
        unless they are recorded under the bank's reference: then they are matched with that."""
        left = {_opened(one.key): one.amount.minor for one in open_now}
        done = {
            name
            for name, (booking, paid) in self.waiting.items()
            if booking.reference not in documents and not _still_pays(booking, paid, left)
        }
        return self._replace(matched=self.matched | done)


def recorded_before(connection: Connection, position: int) -> list[registered.Recorded[Reconciliation]]:
    """Every reconciliation, oldest first."""
    recorded = registered.load(connection, "reconciliation", Reconciliation, position).versions
    return sorted((versions[-1] for versions in recorded.values()), key=lambda one: one.sequence)


def earlier(before: Sequence[registered.Recorded[Reconciliation]], account: str | None = None) -> Earlier:
    """What the reports of the account's files say, or those of all accounts."""
    reports = (one.document.report for one in before)
    own = [one for one in reports if isinstance(one, PaymentReport) and account in (None, one.account)]
    return Earlier(frozenset(), frozenset(), frozenset(), {}).joined(*(Earlier.of(one) for one in own))


def _paid_under(
    booking: Booking, paid: Iterable[OpenStatement | OpenMarket], recorded: Iterable[RecordedCash]
) -> RecordedCash | None:
    """What is recorded with a booking's amount of who is paid by it, nearest in days."""
    payers = {one.key.party if isinstance(one, OpenStatement) else market_payer(one.stream) for one in paid}
    fits = (one for one in recorded if one.amount == booking.amount and one.payer in payers)
    return min(fits, key=lambda one: (abs((one.on - booking.booked_on).days), one.document), default=None)


def _still_pays(
    booking: Booking, paid: Iterable[OpenStatement | OpenMarket], left: Mapping[tuple[str, ...], int]
) -> bool:
    """Whether what a booking pays has at least that open still."""
    names = [_opened(one.key if isinstance(one, OpenStatement) else one) for one in paid]
    sign = 1 if booking.amount.minor > 0 else -1
    return sum(max(sign * left.get(name, 0), 0) for name in names) >= abs(booking.amount.minor) > 0


def _opened(key: StatementKey | MarketKey | OpenMarket) -> tuple[str, ...]:
    return (key.aggregate,) if isinstance(key, StatementKey) else (key.stream, key.month)


def _identity(account: str, booking: Booking) -> Identity:
    return Identity(account, booking.reference, booking.digest)
