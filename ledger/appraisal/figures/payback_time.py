"""Payback: the printed years against the printed revenue (DOMAIN.md 1)."""

from __future__ import annotations

from fractions import Fraction

from ledger.appraisal.assumption import AssumptionSet
from ledger.appraisal.figure import Figure, Implied, Variant
from ledger.appraisal.finance import debt_service, faded, internal_rate, payback, rounded

NAME = "payback"


def appraise(given: AssumptionSet) -> Figure:
    """On the whole investment, and on the equity after ten years of annuities, as near as was found."""
    printed = given.figure(NAME)
    capital = given.value("capital", "CNY")
    yearly = given.figure("arbitrage").exact
    whole = payback([-capital, *[yearly] * int(given.value("life", "year"))])
    low, high = printed.range
    needed = capital / printed.exact
    equity = capital * (1 - given.value("loan_share", "1"))
    impossible = ""
    if capital / high > yearly:
        impossible = (
            f"{printed.value} years on the whole investment need {rounded(needed, 2)} CNY a year; the printed"
            f" arbitrage is {rounded(yearly, 2)}"
        )
    without, with_vat = _equity_cash(given, "a"), _equity_cash(given, "b")
    return Figure(
        printed,
        (
            Variant("whole_investment", "natural", whole, ("capital", "life")),
            Variant("equity_of_arbitrage", "near_miss", payback(without), (*_LOAN, "equity_fade_a")),
            Variant("equity_of_gross_cash", "near_miss", payback(with_vat), (*_LOAN, *_GROSS)),
        ),
        implied=(
            Implied("cash_on_whole", "CNY/year", "capital / printed", needed, capital / high, capital / low),
            Implied(
                "cash_on_equity",
                "CNY/year",
                "capital x (1 - loan share) / printed",
                equity / printed.exact,
                equity / high,
                equity / low,
            ),
        ),
        impossible=impossible,
        notes=(
            f"equity_of_arbitrage has an internal rate of {_percent(without)}",
            f"equity_of_gross_cash has an internal rate of {_percent(with_vat)}",
        ),
    )


_LOAN = ("capital", "life", "loan_share", "loan_rate")
_GROSS = ("vat", "equity_fade_b", "equity_operation_b")


def equity_cash(
    capital: Fraction,
    loan_share: Fraction,
    loan_rate: Fraction,
    yearly: list[Fraction],
    operation: Fraction,
) -> list[Fraction]:
    """Equity's cash flows: revenue less operation (a share of capital a year) and a loan's annuity."""
    service = debt_service(capital * loan_share, loan_rate, len(yearly), "annuity")
    cost = capital * operation
    years = [revenue - cost - paid for revenue, paid in zip(yearly, service, strict=True)]
    return [capital * (loan_share - 1), *years]


def _equity_cash(given: AssumptionSet, case: str) -> list[Fraction]:
    """Case a: the printed arbitrage; case b: that with VAT on top, and operation paid."""
    revenue = given.figure("arbitrage").exact
    operation = Fraction(0)
    if case == "b":
        revenue *= 1 + given.value("vat", "1")
        operation = given.value("equity_operation_b", "1/year")
    return equity_cash(
        given.value("capital", "CNY"),
        given.value("loan_share", "1"),
        given.value("loan_rate", "1/year"),
        faded(revenue, given.value(f"equity_fade_{case}", "1/year"), int(given.value("life", "year"))),
        operation,
    )


def _percent(cash: list[Fraction]) -> str:
    return f"{rounded(internal_rate(cash).value * 100, 2)} %"
