"""How much of an aggregate's demand response payment each site stands for (DOMAIN.md 3.9)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from ledger.clauses.share import amount, portion
from ledger.refusal import Refused


def delivered_weights(
    delivered_wh: Mapping[str, Fraction],
    awarded_wh: Mapping[str, Fraction],
    *,
    cap_ratio: str,
    own_eligibility: str | None,
) -> dict[str, Fraction]:
    """w = min(delivered, cap_ratio x awarded); 0 below `own_eligibility` x awarded, where it is stated.

    Divide a payment by them with `ledger.split.largest_remainder`, which refuses weights that are all zero.

    Raises:
        Refused: `award_missing` or `delivery_missing` for a site that one of the two lacks, `delivery`
            for one below zero.
    """
    cap = amount(cap_ratio, "cap_ratio")
    least = Fraction(0) if own_eligibility is None else portion(own_eligibility, "own_eligibility")
    for site in awarded_wh:
        if site not in delivered_wh:
            raise Refused("delivery_missing", f"what {site} delivered is not known", place=site)
    weights: dict[str, Fraction] = {}
    for site, delivered in delivered_wh.items():
        if site not in awarded_wh:
            raise Refused("award_missing", f"what {site} was awarded is not known", place=site)
        if delivered < 0:
            raise Refused("delivery", f"{delivered} Wh is below zero", place=site)
        eligible = delivered >= least * awarded_wh[site]
        weights[site] = min(delivered, cap * awarded_wh[site]) if eligible else Fraction(0)
    return weights
