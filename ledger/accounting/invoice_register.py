"""The invoice register (发票台账): what was invoiced, what is still to be, and where statement, invoice and
payment differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from ledger.accounting.left_to_invoice import DIRECTIONS, Left, left_to_invoice
from ledger.clauses.flow import grouped
from ledger.quantity import Money
from ledger.statement.invoice import Direction, Invoice
from ledger.statement.life import Life, StatementKey
from ledger.vat_terms import SplitBasis

InvoiceStatus = Literal[
    "to_issue", "to_receive", "to_take_back", "issued", "received", "red_letter", "part_reversed", "reversed"
]
DifferenceCode = Literal["invoice", "tax", "number", "payment"]


class RegisterRow(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice of a statement, or what is still to be invoiced, which has no number yet.

    `amount` is on the contract's split basis: gross where it is tax-inclusive, else net. `advice` says how
    something is taken back. `payments` are those of the statement, by id.
    """

    key: StatementKey
    direction: Direction
    status: InvoiceStatus
    amount: Money
    invoice: Invoice | None
    advice: str
    payments: tuple[str, ...]
    tax: Money | None
    """The invoice's; of what is to be invoiced that of the statement's lines, None where they have none."""
    basis: SplitBasis

    @property
    def net(self) -> Money | None:
        """Without its tax; None where that is not known."""
        if self.tax is None or self.basis == "tax_exclusive":
            return None if self.tax is None else self.amount
        return self.amount - self.tax

    @property
    def gross(self) -> Money | None:
        """With its tax; None where that is not known."""
        return None if self.tax is None or self.net is None else self.net + self.tax


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Where a statement and its invoices or payments differ; `left` is expected less found."""

    key: StatementKey
    code: DifferenceCode
    direction: Direction | None
    expected: Money
    found: Money
    text: str

    @property
    def left(self) -> Money:
        return self.expected - self.found


def invoice_register(lives: Iterable[Life]) -> tuple[RegisterRow, ...]:
    """The rows of all issued statements, by statement, ours before theirs."""
    known = _issued(lives)
    red, to_invoice = _reversed(known), left_to_invoice(known)
    rows: list[RegisterRow] = []
    for life in known:
        paid = tuple(payment.id for payment in life.payments)
        for direction in DIRECTIONS:
            for one in (one for one in life.invoices if one.direction == direction):
                taken = red.get(_origin(life.key, direction, one.number), 0)
                rows.append(
                    RegisterRow(
                        key=life.key,
                        direction=direction,
                        status=_status(one, taken),
                        amount=one.on_basis(life.billing.basis),
                        invoice=one,
                        advice="",
                        payments=paid,
                        tax=one.tax,
                        basis=life.billing.basis,
                    )
                )
            left = to_invoice[life.key, direction]
            if left.amount.minor:
                rows.append(
                    RegisterRow(
                        key=life.key,
                        direction=direction,
                        status=_wanted(direction, left.amount),
                        amount=left.amount,
                        invoice=None,
                        advice=_advice(left) if left.amount.minor < 0 else "",
                        payments=paid,
                        tax=left.tax,
                        basis=life.billing.basis,
                    )
                )
    return tuple(rows)


def differences(lives: Iterable[Life], owner: str, contracts: Collection[str]) -> tuple[Difference, ...]:
    """Where statement, invoice and payment are not the same, by statement; the owner pays itself nothing.

    `contracts` are those in which the owner is a party: what others pay each other is not recorded here.
    """
    known = _issued(life for life in lives if life.key.party != owner and life.key.contract in contracts)
    to_invoice = left_to_invoice(known)
    found = [one for life in known for one in _of_statement(life, to_invoice)]
    return tuple(
        sorted(
            [*_without_cancelled_tax(found), *_same_number(known)],
            key=lambda one: (one.key.aggregate, one.code),
        )
    )


def _of_statement(
    life: Life, to_invoice: Mapping[tuple[StatementKey, Direction], Left]
) -> Iterator[Difference]:
    who = {"issued": "us", "received": life.key.party}
    for direction in DIRECTIONS:
        billed = life.billing.side(direction)
        left = to_invoice[life.key, direction].amount
        invoiced = life.billing.invoiced(direction, life.invoices)
        if left.minor:
            text = f"{grouped(str(left))} are still to be invoiced by {who[direction]}"
            yield _difference(life, "invoice", direction, invoiced + left, invoiced, text)
            continue
        own = [one.tax for one in life.invoices if one.direction == direction]
        tax = sum(own, Money.zero(invoiced.currency))
        if own and billed.tax is not None and invoiced == billed.amount and tax != billed.tax:
            own_tax, lines_tax = grouped(str(tax)), grouped(str(billed.tax))
            text = f"the invoices' tax is {own_tax}, that of the statement's lines is {lines_tax}"
            yield _difference(life, "tax", direction, billed.tax, tax, text)
    if life.open_amount.minor:
        receives = life.open_amount.minor > 0
        text = f"{life.key.party} is {'still to receive' if receives else 'still to pay'} {_size(life)}"
        expected = life.due - life.frozen + life.paid_disputed
        yield _difference(life, "payment", None, expected, life.settled, text)
    if (held := life.paid_disputed).minor:
        until = "it stays with the dispute until that ends, and is no credit"
        text = f"{grouped(str(held))} is paid and disputed: {until}"
        yield _difference(life, "payment", None, life.settled - held, life.settled, text)


def _without_cancelled_tax(found: Iterable[Difference]) -> list[Difference]:
    """Without the tax of an invoice and of its red letter, which differ from the lines' by the same."""
    found = list(found)
    sums: dict[tuple[str, str, str, Direction | None], int] = defaultdict(int)
    for one in found:
        if one.code == "tax":
            sums[one.key.contract, one.key.month, one.key.party, one.direction] += one.left.minor
    return [
        one
        for one in found
        if one.code != "tax" or sums[one.key.contract, one.key.month, one.key.party, one.direction]
    ]


def _size(life: Life) -> str:
    return grouped(str(Money(abs(life.open_amount.minor), life.amount.currency)))


def _difference(
    life: Life, code: DifferenceCode, direction: Direction | None, expected: Money, found: Money, text: str
) -> Difference:
    return Difference(key=life.key, code=code, direction=direction, expected=expected, found=found, text=text)


def _same_number(lives: Iterable[Life]) -> Iterator[Difference]:
    """Our numbers are given once in the book, a party's once by it; a part of the next invoice shares one."""
    seen: dict[tuple[str, str], StatementKey] = {}
    for life in lives:
        for one in life.invoices:
            if one.in_next_invoice:
                continue
            name = ("" if one.direction == "issued" else life.key.party, one.number)
            if name in seen:
                text = f"number {one.number} is on {seen[name].aggregate} too"
                yield _difference(
                    life, "number", one.direction, Money.zero(one.net.currency), one.gross, text
                )
            seen.setdefault(name, life.key)


_Origin = tuple[str, str, str, Direction, str]


def _origin(key: StatementKey, direction: Direction, number: str) -> _Origin:
    return key.contract, key.month, key.party, direction, number


def _issued(lives: Iterable[Life]) -> list[Life]:
    found = [life for life in lives if life.issued_on is not None]
    return sorted(found, key=lambda life: (life.key.month, life.key.contract, life.key.party, life.key.run))


def _reversed(lives: Iterable[Life]) -> dict[_Origin, int]:
    """What red letters took back of each invoice, gross, from zero up."""
    found: dict[_Origin, int] = defaultdict(int)
    for life in lives:
        for one in life.invoices:
            if one.reverses is not None:
                found[_origin(life.key, one.direction, one.reverses)] -= one.gross.minor
    return found


def _status(one: Invoice, taken: int) -> InvoiceStatus:
    if one.reverses is not None:
        return "red_letter"
    if taken:
        return "reversed" if taken == one.gross.minor else "part_reversed"
    return one.direction


def _wanted(direction: Direction, left: Money) -> InvoiceStatus:
    if left.minor < 0:
        return "to_take_back"
    return "to_issue" if direction == "issued" else "to_receive"


def _advice(left: Left) -> str:
    """The invoices of the month that can be reversed, or else the next invoice."""
    if not left.reversible:
        return "in the next invoice"
    return f"by a red-letter invoice of {' or '.join(left.reversible)}, or in the next invoice"
