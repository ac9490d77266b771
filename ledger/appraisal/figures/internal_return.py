"""IRR: the internal rate of the investment and ten years of arbitrage (DOMAIN.md 1)."""

from __future__ import annotations

from fractions import Fraction

from ledger.appraisal.assumption import AssumptionSet
from ledger.appraisal.figure import Figure, Kind, Variant
from ledger.appraisal.finance import internal_rate, rounded

NAME = "internal_return"


def appraise(given: AssumptionSet) -> Figure:
    """The printed arbitrage every year, with and without a residual value; no cost, no fade, no loan."""
    printed = given.figure(NAME)
    residual = given.value("residual_share", "1")
    found = _variant(given, "with_residual", "reconstruction", residual)
    points = rounded(abs(found.value - printed.exact) * 100, 3)
    return Figure(
        printed,
        (found, _variant(given, "without_residual", "natural", Fraction(0))),
        notes=(f"with_residual is {points} percentage points from the printed rate: near, not exact",),
    )


def _variant(given: AssumptionSet, name: str, kind: Kind, residual: Fraction) -> Variant:
    capital = given.value("capital", "CNY")
    yearly = given.figure("arbitrage").exact
    cash = [-capital, *[yearly] * int(given.value("life", "year"))]
    cash[-1] += capital * residual
    uses = ("capital", "life", *(("residual_share",) if residual else ()))
    return Variant(name, kind, internal_rate(cash), uses)
