"""The present value of all costs, of which the source states only the capital and the loan (DOMAIN.md 1)."""

from __future__ import annotations

from ledger.appraisal.assumption import AssumptionSet
from ledger.appraisal.figure import Figure, Implied, Variant, money
from ledger.appraisal.finance import annuity, rounded

NAME = "cost_present_value"


def appraise(given: AssumptionSet) -> Figure:
    """Capital and undiscounted loan interest, and what is left for operation, maintenance and management."""
    printed = given.figure(NAME)
    capital = given.value("capital", "CNY")
    principal = capital * given.value("loan_share", "1")
    life = given.value("life", "year")
    payment = annuity(principal, given.value("loan_rate", "1/year"), int(life)).value
    interest = payment * int(life) - principal
    low, high = printed.range
    known = capital + interest
    return Figure(
        printed,
        (
            Variant(
                "capital_and_interest",
                "natural",
                money(
                    known,
                    "capital + years x annuity - principal, not discounted",
                    f"{rounded(capital, 0)} + {life} x {rounded(payment, 2)} - {rounded(principal, 0)}",
                ),
                ("capital", "loan_share", "loan_rate", "life"),
            ),
        ),
        implied=(
            Implied(
                "operation_and_management",
                "CNY",
                "printed - capital - interest",
                printed.exact - known,
                low - known,
                high - known,
            ),
            Implied(
                "operation_and_management_share",
                "1/year",
                "(printed - capital - interest) / capital / life",
                (printed.exact - known) / capital / life,
                (low - known) / capital / life,
                (high - known) / capital / life,
            ),
        ),
        notes=("the rates of operation, maintenance, management and residual value are not given",),
    )
