"""Settlements and statements as clients read them: amounts as decimal text in the currency named."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Self

import msgspec

from adapters.queries.statements import RecordedRun
from ledger.interval import Interval
from ledger.quantity import Money
from ledger.settlement.cause import Cause, CorrectionClass
from ledger.settlement.line import Basis, Line, LineKind, Source
from ledger.settlement.line_delta import LineDelta
from ledger.settlement.line_vat import VatSum
from ledger.settlement.result import BillItem, Percentage, RefusedSpan, Result
from ledger.settlement.statement import ShownBill, Statement
from ledger.statement.payment_due import PaymentDue
from ledger.vat_terms import LineVat


class VatBody(msgspec.Struct, frozen=True):
    """gross = net + tax, as `supplier` invoices it; `rate` is exact, such as 0.13. Above zero where the
    statement's party is the supplier, below zero where it is invoiced."""

    supplier: str
    rate: str
    net: str
    tax: str
    gross: str

    @classmethod
    def of(cls, one: LineVat | VatSum) -> Self:
        return cls(one.supplier, one.rate, str(one.net), str(one.tax), str(one.gross))


class LineBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """`amount` is `exact` rounded once, `rounding` the difference; above zero is receivable to the party."""

    number: int
    kind: LineKind
    code: str
    clause: str
    site: str | None
    party: str
    quantity: str
    unit: str
    price: str
    exact: str
    amount: str
    rounding: str
    currency: str
    basis: tuple[Basis, ...]
    note: str
    estimated: str
    """The part of the site's energy of the month that was estimated or substituted; empty for none."""
    pooled: bool
    """False for a stream that the contract does not share: it is shown, and counts in no total."""
    vat: VatBody | None = None
    """Of what is invoiced of the line, which may be a part of it; else it is not there."""

    @classmethod
    def of(cls, line: Line) -> Self:
        return cls(
            line.number,
            line.kind,
            line.code,
            line.clause,
            line.site,
            line.party,
            line.quantity,
            line.unit,
            line.price,
            line.exact,
            str(line.amount),
            line.rounding,
            line.amount.currency,
            line.basis,
            line.note,
            line.estimated,
            line.pooled,
            None if line.vat is None else VatBody.of(line.vat),
        )


class PoolUseBody(msgspec.Struct, frozen=True):
    """What one clause of the contract did with the pool, over all parties."""

    clause: str
    amount: str


class ShownBillBody(msgspec.Struct, frozen=True):
    """A site's electricity bill without and with its storage; above zero is owed to the grid."""

    site: str
    without_storage: str
    with_storage: str

    @classmethod
    def of(cls, one: ShownBill) -> Self:
        return cls(one.site, str(one.without_storage), str(one.with_storage))


class LineDeltaBody(msgspec.Struct, frozen=True):
    """What a correction changes of a line: `delta` = `now` - `before`; `number` is null for a line that is
    gone. A clause's is paid; a pooled stream's is with the party already and is taken off."""

    number: int | None
    kind: LineKind
    code: str
    clause: str
    site: str | None
    pooled: bool
    before: str
    now: str
    delta: str

    @classmethod
    def of(cls, one: LineDelta) -> Self:
        return cls(
            one.number,
            one.kind,
            one.code,
            one.clause,
            one.site,
            one.pooled,
            str(one.before),
            str(one.now),
            str(one.delta),
        )


class ToPayBody(msgspec.Struct, frozen=True):
    """What the statement asks for: `amount` is its delta, above zero to the party; `tax` is invoiced on top
    under a tax-exclusive contract, else null; `status` is empty before the review."""

    amount: str
    tax: str | None
    with_tax: str
    status: str
    issued_on: date | None
    due_on: date | None

    @classmethod
    def of(cls, one: PaymentDue) -> Self:
        tax = None if one.tax is None else str(one.tax)
        return cls(str(one.amount), tax, str(one.with_tax), one.status, one.issued_on, one.due_on)


class StatementBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """`payable` = `entitlement` - `held`; above zero the party receives it. `pool` is null where the
    contract does not show it to the party; `delta` is what this run changes against the one before."""

    party: str
    contract: str
    title: str
    month: str
    run: int
    run_kind: str
    causes: tuple[Cause, ...]
    """Of a correction: what changed since the run before it."""
    classes: tuple[CorrectionClass, ...]
    """Of a correction: `data_error` (退补), `rule_or_price_change` (清算), both, or none of its own."""
    currency: str
    entitlement: str
    held: str
    payable: str
    delta: str
    pool: str | None
    pool_uses: tuple[PoolUseBody, ...]
    lines: tuple[LineBody, ...]
    warnings: tuple[str, ...]
    rules_version: str
    read_at: int
    sequence: int
    inputs_digest: str
    outputs_digest: str
    vat: tuple[VatBody, ...] = ()
    """The lines' sums by supplier and rate, where the contract states VAT terms; else it is not there."""
    agent_vat: tuple[VatBody, ...] = ()
    """What an agent invoices of its own part of the pool, or is invoiced; on none of the lines above."""
    percentages: tuple[Percentage, ...] = ()
    """What the contract's clauses give to the party, and to the others where it shows their percentages."""
    bills: tuple[ShownBillBody, ...] = ()
    """A host's own, or those that the contract shows to the party."""
    line_deltas: tuple[LineDeltaBody, ...] = ()
    """Of a correction: the lines that changed; what is paid of them adds up to `delta`."""
    to_pay: ToPayBody | None = None
    """In a list, of one that is neither provisional nor void; else it is not there."""

    @classmethod
    def of(cls, one: Statement, deltas: Iterable[LineDelta] = (), to_pay: ToPayBody | None = None) -> Self:
        return cls(
            one.party,
            one.contract,
            one.title,
            one.month,
            one.run,
            one.run_kind,
            one.causes,
            one.classes,
            one.currency,
            str(one.entitlement),
            str(one.held),
            str(one.payable),
            str(one.delta),
            None if one.pool is None else str(one.pool),
            tuple(PoolUseBody(use.clause, str(use.amount)) for use in one.pool_uses),
            tuple(LineBody.of(line) for line in one.lines),
            one.warnings,
            one.rules_version,
            one.position,
            one.sequence,
            one.inputs_digest,
            one.outputs_digest,
            tuple(VatBody.of(found) for found in one.vat),
            tuple(VatBody.of(found) for found in one.agent_vat),
            one.percentages,
            tuple(ShownBillBody.of(bill) for bill in one.bills),
            tuple(LineDeltaBody.of(change) for change in deltas),
            to_pay,
        )


class BillItemBody(msgspec.Struct, frozen=True):
    """quantity x price x rate, rounded; the power factor's quantity is the charge that it adjusts."""

    item: str
    period: str | None
    quantity: str
    unit: str
    price: str | None
    rate: str
    amount: str
    part: str
    """The feeder of a demand item, or the month of an energy item's price where the cycle has two."""

    @classmethod
    def of(cls, one: BillItem) -> Self:
        return cls(
            one.item, one.period, one.quantity, one.unit, one.price, one.rate, str(one.amount), one.part
        )


class BillBody(msgspec.Struct, frozen=True):
    """A site's electricity bill without and with its storage; above zero is owed to the grid."""

    site: str
    without_storage: str
    with_storage: str
    explanation: str
    items_without: tuple[BillItemBody, ...]
    items_with: tuple[BillItemBody, ...]
    cycle: Interval | None
    """The billing cycle, where it is not the calendar month."""


class SettlementBody(msgspec.Struct, frozen=True):
    """A run whole. Per party entitlement = held + payable, and payable sums to zero over all parties."""

    run: RecordedRun
    title: str
    model: str
    currency: str
    rules_version: str
    pool: str
    entitlement: dict[str, str]
    held: dict[str, str]
    payable: dict[str, str]
    lines: tuple[LineBody, ...]
    bills: tuple[BillBody, ...]
    sources: tuple[Source, ...]
    warnings: tuple[str, ...]
    refused: tuple[RefusedSpan, ...]
    """Where a market claim got less than it asked, and why: nothing is paid twice."""

    @classmethod
    def of(cls, run: RecordedRun, result: Result) -> Self:
        return cls(
            run,
            result.title,
            result.model,
            result.currency,
            result.rules_version,
            str(result.pool),
            _texts(result.entitlement),
            _texts(result.held),
            _texts(result.payable),
            tuple(LineBody.of(line) for line in result.lines),
            tuple(
                BillBody(
                    bill.site,
                    str(bill.without_storage),
                    str(bill.with_storage),
                    bill.explanation,
                    tuple(BillItemBody.of(item) for item in bill.items_without),
                    tuple(BillItemBody.of(item) for item in bill.items_with),
                    bill.cycle,
                )
                for bill in result.bills
            ),
            result.sources,
            tuple(notice.message for notice in result.warnings),
            result.refused,
        )


def _texts(amounts: dict[str, Money]) -> dict[str, str]:
    return {party: str(money) for party, money in amounts.items()}
