"""Late interest that was recorded although nothing was late."""

from __future__ import annotations

from ledger.statement.life import Life, Payment


def nothing_late(life: Life, payment: Payment) -> str:
    """What is told of late interest of a day up to the statement's due day; empty for any other payment.

    It is recorded all the same: what the bank did cannot be refused (DOMAIN.md 3.10). Interest is of what is
    overdue, for each calendar day (`Terms`), so that by the contract none is due yet.
    """
    if payment.kind != "late_interest" or life.due_on is None or payment.on > life.due_on:
        return ""
    key = life.key
    return (
        f"late interest {payment.id} is of {payment.on}, and run {key.run} of {key.contract} {key.month} for"
        f" {key.party} is due on {life.due_on}: nothing was late yet"
    )
