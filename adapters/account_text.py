"""The invoice register and a counterparty's account as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from adapters.documents.readable import readable_money, readable_sum
from ledger.accounting.ageing import Ageing
from ledger.accounting.invoice_register import Difference, RegisterRow
from ledger.accounting.party_account import PartyAccount
from ledger.accounting.unmatched import Unmatched
from ledger.quantity import Money
from ledger.statement.held_back import held_back
from ledger.statement.life import Life

_STATUS: Final = {
    "to_issue": "to issue",
    "to_receive": "to receive",
    "to_take_back": "to take back",
    "red_letter": "red letter",
    "part_reversed": "part reversed",
}
_BUCKETS: Final = {
    "not_due": "not due",
    "1_30": "1-30 days",
    "31_60": "31-60 days",
    "61_90": "61-90 days",
    "over_90": "over 90 days",
}


def register_text(rows: Sequence[RegisterRow]) -> str:
    """A line an invoice; what is still to be invoiced has no number."""
    head = (
        f"{'month':<8} {'contract':<18} {'party':<18} {'run':>3} {'status':<13} {'by':<5} {'number':<20}"
        f"{'net':>16}{'tax':>16}{'gross':>16}"
    )
    lines = [head]
    for row in rows:
        key, one = row.key, row.invoice
        by = "us" if row.direction == "issued" else "them"
        start = (
            f"{key.month:<8} {key.contract:<18} {key.party:<18} {key.run:>3}"
            f" {_STATUS.get(row.status, row.status):<13} {by:<5}"
        )
        if one is None:
            known = (row.net, row.tax, row.gross)
            amounts = _amounts(row.amount) if row.tax is None else _amounts(*known)
            lines.append(f"{start} {'':<20}{amounts} {row.amount.currency} {row.advice}".rstrip())
        else:
            red = f" reverses {one.reverses}" if one.reverses is not None else ""
            part = " (part of it)" if one.in_next_invoice else ""
            lines.append(
                f"{start} {one.number:<20}{_amounts(one.net, one.tax, one.gross)}"
                f" {one.gross.currency}{red}{part}"
            )
    return "\n".join(lines)


def _amounts(*each: Money | None) -> str:
    return "".join(f"{'' if one is None else readable_money(one):>16}" for one in each)


def differences_text(found: Sequence[Difference], open_cash: Sequence[Unmatched]) -> str:
    """A line a difference, or that there are none; then what of markets and suppliers matches nothing."""
    lines = [f"unmatched: {one.text}" for one in open_cash]
    if not found:
        agree = "statements, invoices and payments agree"
        but = f"{agree} with each other; of markets, suppliers and handovers something matches nothing"
        return "\n".join([but, *lines] if lines else [agree])
    differing = (
        f"differs ({one.code}): {one.key.month} {one.key.contract} run {one.key.run} {one.key.party}:"
        f" {one.text}"
        f" (expected {readable_money(one.expected)}, found {readable_sum(one.found)})"
        for one in found
    )
    return "\n".join([*differing, *lines])


def account_text(found: PartyAccount) -> str:
    """A line an entry with the balance after it; above zero the party owes us."""
    lines = [
        f"account of {found.party} in {found.currency}; above zero it owes us",
        f"{'opening':<56}{'':>16}{readable_money(found.opening):>16}",
    ]
    for row in found.rows:
        of = "" if row.reference.month is None else f" {row.reference.contract} {row.reference.month}"
        late = "" if row.value_date == row.posted_on else f", value {row.value_date}"
        what = f"{row.kind}{of} {row.reference.document or ''}".rstrip() + late
        lines.append(f"{row.posted_on!s:<12}{what:<44}{_amounts(row.amount, row.balance)}")
    lines.append(f"{'closing':<56}{'':>16}{readable_money(found.closing):>16}")
    return "\n".join(lines)


def ageing_text(found: Ageing) -> str:
    """What is open by age, and what stands beside it."""
    head = f"open on {found.on}, by days overdue"
    lines = [f"{head:<56}{'owed to us':>16}{'owed by us':>16}"]
    lines += [
        f"  {label:<54}{_amounts(found.owed_to_us[name], found.owed_by_us[name])}"  # type: ignore[index]
        for name, label in _BUCKETS.items()
    ]
    beside = (
        ("paid to us beyond its statements", found.on_account),
        ("paid by us beyond its statements", found.overpaid_by_us),
        ("disputed, not paid", found.disputed),
        ("paid, disputed", found.paid_disputed),
        ("late interest accrued, to us", found.interest),
    )
    lines += [f"  {label:<54}{_amounts(money)}" for label, money in beside if money.minor]
    return "\n".join(lines)


def disputes_text(found: Sequence[Life], currency: str) -> str:
    """A line a dispute that holds something back: how that follows from its lines; empty for none."""
    return "".join(
        f"  dispute {one.id} of {life.key.contract} {life.key.month} run {life.key.run}:"
        f" {held_back(life, one)}\n"
        for life in found
        for one in life.disputes
        if one.freezes and life.amount.currency == currency
    )
