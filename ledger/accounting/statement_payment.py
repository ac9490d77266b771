"""What is recorded in a statement's life as paid, charged or written off, as journal entries."""

from __future__ import annotations

from typing import assert_never

from ledger.accounting import cash, netting, refund
from ledger.accounting.journal import JournalEntry
from ledger.quantity import Money
from ledger.statement.life import Payment, StatementKey


def payment_entries(
    key: StatementKey,
    payment: Payment,
    *,
    receivable: Money,
    payable: Money,
    advance_received: Money,
    advance_paid: Money,
    owed_to_us: bool,
) -> tuple[JournalEntry, ...]:
    """What a recorded payment posts; above zero the party received it, as on the statement.

    `receivable` and `advance_paid` (debit balances), `payable` and `advance_received` (credit balances) are
    the party's accounts before it. Interest is charged and paid at once. A netting posts both sides itself, a
    credit where it is used. A bank charge is the owner's, whatever its sign. `owed_to_us` says what the
    statement asks for: what moves against it is a refund.

    Raises:
        Refused: `currency`.
    """
    party, on, document = key.party, payment.on, payment.id
    size = Money(abs(payment.amount.minor), payment.amount.currency)
    to_party = payment.amount.minor > 0
    match payment.kind:
        case "payment" if to_party and owed_to_us:
            return (refund.refund_paid(party, size, advance_received, on, document),)
        case "payment" if to_party:
            return (cash.payment(party, size, on, document, outstanding=payable),)
        case "payment" if not owed_to_us:
            return (refund.refund_received(party, size, advance_paid, on, document),)
        case "payment":
            return (cash.receipt(party, size, on, document, outstanding=receivable),)
        case "bank_charge":
            return (cash.bank_charge(size, on, document),)
        case "late_interest" if to_party:
            owed = cash.late_interest_owed(party, size, on, document)
            return owed, cash.payment(party, size, on, document, outstanding=size)
        case "late_interest":
            charged = cash.late_interest_charged(party, size, on, document)
            return charged, cash.receipt(party, size, on, document, outstanding=size)
        case "write_off" if to_party and owed_to_us:
            return (refund.refund_kept(party, size, advance_received, on, document),)
        case "write_off" if not to_party and not owed_to_us:
            return (refund.refund_given_up(party, size, advance_paid, on, document),)
        case "write_off" if to_party:
            return (cash.write_back(party, size, on, document, outstanding=payable),)
        case "write_off":
            return (cash.write_off(party, size, on, document, outstanding=receivable),)
        case "credit_used" if to_party:
            used = min(size.minor, max(advance_paid.minor, 0))
            entry = netting.advance_used(party, Money(used, size.currency), payable, on, document)
            return () if entry is None else (entry,)
        case "credit_used":
            used = min(size.minor, max(advance_received.minor, 0))
            entry = netting.advance_applied(party, Money(used, size.currency), receivable, on, document)
            return () if entry is None else (entry,)
        case "netting" | "credit_given":
            return ()
        case never:
            assert_never(never)
