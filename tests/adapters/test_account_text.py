"""What the finance department reads of its register: agreement is told of what agrees, and of no more."""

from __future__ import annotations

from datetime import date

from adapters.account_text import differences_text
from ledger.accounting.unmatched import Unmatched
from ledger.quantity import Money


def test_agreement_is_not_told_of_money_that_matches_nothing() -> None:
    beyond = Money.parse("160.03", "CNY")
    receipt = Unmatched("market_receipt", "demand_response", "m1", date(2026, 9, 20), beyond, beyond)
    assert differences_text([], []) == "statements, invoices and payments agree"
    first, second = differences_text([], [receipt]).splitlines()
    assert first == (
        "statements, invoices and payments agree with each other; of markets, suppliers and handovers"
        " something matches nothing"
    )
    assert second.startswith("unmatched: market receipt m1 of 2026-09-20 for demand_response: 160.03")
