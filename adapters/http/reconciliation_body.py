"""Reconciliations as clients read them: amounts as decimal text in the currency named."""

from __future__ import annotations

from datetime import date

import msgspec

from ledger.accounting.journal import EntryKind
from ledger.interval import Interval
from ledger.reconciliation.difference import DifferenceClass
from ledger.reconciliation.line_report import DoubtfulLines, LineReport, MatchedLines
from ledger.reconciliation.lone_line import LoneKind, LoneLine
from ledger.reconciliation.payment_report import (
    AmountDiffers,
    Booking,
    BookingClass,
    OpenMarket,
    OpenStatement,
    PaidStatements,
    PaymentReport,
)
from ledger.reconciliation.record import Reconciliation
from ledger.reconciliation.recorded_only import RecordedOnly


class CauseBody(msgspec.Struct, frozen=True):
    """Operator's less ours, as far as it has this cause."""

    kind: DifferenceClass
    amount: str
    reason: str


class MatchBody(msgspec.Struct, frozen=True):
    """Lines of either side about the same thing; the causes add up to `difference`."""

    site: str
    item: str
    interval: Interval
    operator: tuple[str, ...]
    ours: tuple[str, ...]
    operator_amount: str
    our_amount: str
    difference: str
    causes: tuple[CauseBody, ...]
    note: str

    @classmethod
    def of(cls, line: MatchedLines) -> MatchBody:
        return cls(
            line.site,
            line.item,
            line.interval,
            line.operator,
            line.ours,
            str(line.operator_amount),
            str(line.our_amount),
            str(line.difference),
            tuple(CauseBody(part.kind, str(part.amount), part.reason) for part in line.parts),
            line.note,
        )


class LonePartBody(msgspec.Struct, frozen=True):
    """What of a line's amount has this cause."""

    cause: LoneKind
    amount: str
    reason: str


class LoneLineBody(msgspec.Struct, frozen=True):
    """A line that only one side has, and why; `ask` is what to ask the operator where nobody knows."""

    reference: str
    site: str
    item: str
    interval: Interval
    amount: str
    cause: LoneKind
    reason: str
    parts: tuple[LonePartBody, ...]
    ask: str

    @classmethod
    def of(cls, line: LoneLine) -> LoneLineBody:
        return cls(
            line.reference,
            line.site,
            line.item,
            line.interval,
            str(line.amount),
            line.cause,
            line.reason,
            tuple(LonePartBody(part.kind, str(part.amount), part.reason) for part in line.parts),
            line.ask,
        )


class DoubtfulBody(msgspec.Struct, frozen=True):
    """Lines of which it is not certain which belong together."""

    site: str
    item: str
    interval: Interval
    operator: tuple[str, ...]
    ours: tuple[str, ...]
    operator_amount: str
    our_amount: str
    reason: str

    @classmethod
    def of(cls, one: DoubtfulLines) -> DoubtfulBody:
        return cls(
            one.site,
            one.item,
            one.interval,
            one.operator,
            one.ours,
            str(one.operator_amount),
            str(one.our_amount),
            one.reason,
        )


class OperatorReportBody(msgspec.Struct, frozen=True):
    """operator_total - our_total = all of `by_class` + all of `by_cause` + what is doubtful. `by_cause` sums
    the lines that one side has; `unexplained` is what of the difference has no known cause. `our_compared` is
    our total of the `streams` that the operator's statement is about."""

    operator: str
    ours: str
    currency: str
    operator_total: str
    our_total: str
    our_compared: str
    streams: tuple[str, ...]
    by_class: dict[DifferenceClass, str]
    by_cause: dict[LoneKind, str]
    unexplained: str
    matched: tuple[MatchBody, ...]
    operator_only: tuple[LoneLineBody, ...]
    ours_only: tuple[LoneLineBody, ...]
    doubtful: tuple[DoubtfulBody, ...]

    @classmethod
    def of(cls, report: LineReport) -> OperatorReportBody:
        return cls(
            report.operator,
            report.ours,
            report.currency,
            str(report.operator_total),
            str(report.our_total),
            str(report.our_compared),
            report.streams,
            {kind: str(amount) for kind, amount in report.by_class.items()},
            {kind: str(amount) for kind, amount in report.by_cause.items()},
            str(report.unexplained),
            tuple(MatchBody.of(one) for one in report.matched),
            tuple(LoneLineBody.of(one) for one in report.operator_only),
            tuple(LoneLineBody.of(one) for one in report.ours_only),
            tuple(DoubtfulBody.of(one) for one in report.doubtful),
        )


class BookingBody(msgspec.Struct, frozen=True):
    """A bank booking without the counterparty's name and account."""

    reference: str
    booked_on: date
    amount: str
    place: str

    @classmethod
    def of(cls, one: Booking) -> BookingBody:
        return cls(one.reference, one.booked_on, str(one.amount), one.place)


class OpenStatementBody(msgspec.Struct, frozen=True):
    """What a statement has open, before these bookings; above zero the party owes us."""

    contract: str
    month: str
    party: str
    run: int
    amount: str

    @classmethod
    def of(cls, one: OpenStatement) -> OpenStatementBody:
        return cls(one.key.contract, one.key.month, one.key.party, one.key.run, str(one.amount))


class OpenMarketBody(msgspec.Struct, frozen=True):
    """What a market still has to pay for a stream and month, before these bookings; above zero to us."""

    stream: str
    month: str
    amount: str

    @classmethod
    def of(cls, one: OpenMarket) -> OpenMarketBody:
        return cls(one.stream, one.month, str(one.amount))


class PaidBody(msgspec.Struct, frozen=True):
    """`part` says that less was paid than is open; `recorded` names what is recorded of it already."""

    bookings: tuple[BookingBody, ...]
    statements: tuple[OpenStatementBody, ...]
    markets: tuple[OpenMarketBody, ...]
    recorded: tuple[str, ...]
    reason: str
    part: bool

    @classmethod
    def of(cls, one: PaidStatements) -> PaidBody:
        return cls(
            tuple(BookingBody.of(booking) for booking in one.bookings),
            tuple(OpenStatementBody.of(statement) for statement in one.statements),
            tuple(OpenMarketBody.of(market) for market in one.markets),
            one.recorded,
            one.reason,
            one.part,
        )


class AmountDiffersBody(msgspec.Struct, frozen=True):
    """A booking and the `document` that is recorded of it with another amount: under its reference, or of its
    payer about its day; `difference` is the bank's less what is recorded."""

    booking: BookingBody
    document: str
    recorded: str
    difference: str
    reason: str

    @classmethod
    def of(cls, one: AmountDiffers) -> AmountDiffersBody:
        return cls(
            BookingBody.of(one.booking), one.document, str(one.recorded), str(one.difference), one.reason
        )


class RecordedOnlyBody(msgspec.Struct, frozen=True):
    """What is recorded as moved in the statement's days and no booking answers; above zero our account is
    said to have received it. `payer` is a party, or a market by its stream; `reason` is what may be wrong."""

    document: str
    on: date
    amount: str
    kind: EntryKind
    payer: str | None
    reason: str

    @classmethod
    def of(cls, one: RecordedOnly) -> RecordedOnlyBody:
        return cls(one.document, one.on, str(one.amount), one.kind, one.payer, one.reason)


class BankReportBody(msgspec.Struct, frozen=True):
    """`repeated` are bookings that an earlier file had, that were matched then and of which nothing is to be
    recorded any more. `by_class` adds up to
    `file_total`, all that the file's bookings moved; `total` is that without the repeated ones. Of `matched`
    those without anything `recorded` are still to be recorded. `recorded_not_at_bank` is what is recorded of
    `first_day` to `last_day` and the bank does not have, together `recorded_not_at_bank_total`: no part of
    `by_class`, which is of bookings. The days are those that the file states, and from its first to its last
    booking."""

    account: str
    currency: str
    total: str
    repeated: int
    file_total: str
    by_class: dict[BookingClass, str]
    matched: tuple[PaidBody, ...]
    amount_differs: tuple[AmountDiffersBody, ...]
    doubtful: tuple[PaidBody, ...]
    payments_only: tuple[BookingBody, ...]
    statements_only: tuple[OpenStatementBody, ...]
    markets_only: tuple[OpenMarketBody, ...]
    first_day: date | None
    last_day: date | None
    recorded_not_at_bank: tuple[RecordedOnlyBody, ...]
    recorded_not_at_bank_total: str

    @classmethod
    def of(cls, report: PaymentReport) -> BankReportBody:
        return cls(
            report.account,
            report.currency,
            str(report.total),
            report.repeated,
            str(report.file_total),
            {name: str(one.amount) for name, one in report.by_class.items()},
            tuple(PaidBody.of(one) for one in report.matched),
            tuple(AmountDiffersBody.of(one) for one in report.amount_differs),
            tuple(PaidBody.of(one) for one in report.doubtful),
            tuple(BookingBody.of(one) for one in report.payments_only),
            tuple(OpenStatementBody.of(one) for one in report.statements_only),
            tuple(OpenMarketBody.of(one) for one in report.markets_only),
            None if report.days is None else report.days.first,
            None if report.days is None else report.days.last,
            tuple(RecordedOnlyBody.of(one) for one in report.recorded_not_at_bank),
            str(report.not_at_bank.amount),
        )


class ReconciliationBody(msgspec.Struct, frozen=True):
    """One file compared: `operator` or `bank` is there, as it was the one or the other's. `settled` says
    that nothing is left to look at."""

    id: str
    source: str
    digest: str
    settled: bool
    operator: OperatorReportBody | None
    bank: BankReportBody | None

    @classmethod
    def of(cls, one: Reconciliation) -> ReconciliationBody:
        report = one.report
        lines = OperatorReportBody.of(report) if isinstance(report, LineReport) else None
        bank = BankReportBody.of(report) if isinstance(report, PaymentReport) else None
        return cls(one.id, one.source, one.digest, report.settled, lines, bank)
