"""A bank's statement file as bookings; the whole file is checked before any booking is given."""

from __future__ import annotations

import hashlib

from adapters.reconciliation.bank_profile import BankProfile
from adapters.reconciliation.operator_profile import SIGNS
from adapters.reconciliation.rejected import RejectedRow, RowsRejected
from adapters.reconciliation.table import Cells, day_of, read_rows
from ledger.quantity import Money
from ledger.reconciliation.bank_payment import BankPayment, BankStatement
from ledger.refusal import Refused


def read_bank_statement(data: bytes, profile: BankProfile, account: str) -> BankStatement:
    """The statement of our `account` (our id of it, not its number) in a file.

    Raises:
        RowsRejected: with every row that cannot be read: `empty_value`, `number`, `money`, `date`, `year`,
            `payment`, `debit_and_credit`, `untranslated`, `reference_missing`, `column_count`, `csv_syntax`.
        Refused: what makes the whole file unreadable (see `read_rows`), `row_order`, `balance`,
            `duplicate_reference`.
    """
    payments: list[BankPayment] = []
    rejected: list[RejectedRow] = []
    for row in read_rows(data, profile, profile.columns.named):
        try:
            payments.append(_payment(Cells(row, profile), profile, account))
        except Refused as refused:
            column = "" if refused.place == f"row {row.number}" else refused.place
            rejected.append(RejectedRow(row.number, column, refused.code, refused.reason))
    if rejected:
        raise RowsRejected(rejected)
    if profile.row_order == "newest_first":
        payments.reverse()
    return BankStatement(
        account=account,
        currency=profile.currency,
        file_digest=hashlib.sha256(data).hexdigest(),
        payments=tuple(payments),
        reference_scope=profile.reference_scope,
    )


def _payment(cells: Cells, profile: BankProfile, account: str) -> BankPayment:
    columns = profile.columns
    texts = [cells.text(column) for column in columns.remittance]
    return BankPayment(
        account=account,
        reference=cells.text(columns.reference),
        booked_on=cells.read(columns.date, lambda cell: day_of(cell, profile.date_pattern)),
        amount=_amount(cells, profile),
        balance=_money(cells, columns.balance, profile.currency),
        counterparty_name=cells.text(columns.counterparty_name),
        counterparty_account=cells.text(columns.counterparty_account),
        remittance=" ".join(text for text in texts if text),
        place=f"row {cells.row.number}",
    )


def _amount(cells: Cells, profile: BankProfile) -> Money:
    """Above zero came in."""
    columns = profile.columns
    if columns.amount:
        amount = _money(cells, columns.amount, profile.currency)
        if amount is None:
            raise Refused("empty_value", "the cell is empty", place=columns.amount)
        if not columns.direction:
            return amount
        word = cells.read(columns.direction, str)
        if word not in profile.directions:
            reason = f"{word!r} is not one of {', '.join(profile.directions)}"
            raise Refused("untranslated", reason, place=columns.direction)
        return Money(SIGNS[profile.directions[word]] * amount.minor, amount.currency)
    credit = _money(cells, columns.credit, profile.currency)
    debit = _money(cells, columns.debit, profile.currency)
    moved = [money for money in (credit, debit and -debit) if money is not None and money.minor]
    if len(moved) != 1:
        reason = f"{columns.credit} and {columns.debit}: exactly one of them has an amount"
        raise Refused("debit_and_credit", reason, place=columns.credit)
    return moved[0]


def _money(cells: Cells, column: str, currency: str) -> Money | None:
    value = cells.number_or_none(column)
    if value is None:
        return None
    money = Money.round(value, currency)
    if money.exact != value:
        raise Refused("money", f"more decimals than {currency} has", place=column)
    return money
