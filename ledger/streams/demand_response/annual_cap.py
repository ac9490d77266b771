"""The cut of a year's payments where a programme ran over its annual cap (DOMAIN.md 3.4).

The market tells it after the year's end. It is an input of every month of that year, so settling them again
gives the correction of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Final

import msgspec

from ledger.clauses.flow import exact_text
from ledger.clauses.share import Amount, Portion, amount, portion
from ledger.identity import checked_id
from ledger.interval import Instant, Interval
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.line import Basis
from ledger.streams.demand_response.rule import DemandResponseRule, DemandResponseTopUpRule, Id
from ledger.streams.earned import Earned

_YEAR: Final = timedelta(days=365)
_HOUR: Final = timedelta(hours=1)


class DemandResponseAnnualCut(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type",
    tag="demand_response_annual_cut",
):  # fmt: skip
    """How much of a calendar year's payments under a rule the market keeps paying, told for everybody.

    Either `programme`, what the whole programme would have paid, ours included: kept is cap / programme where
    that is below 1. Or `kept` itself, where the market tells the factor.
    """

    id: Id
    rule: Id
    run: str
    interval: Interval
    """The calendar year, on the market's clocks."""
    programme: Amount | None = None
    kept: Portion | None = None

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        checked_id(self.rule, "rule")
        if not self.run.strip():
            raise Refused("empty", "a fact names the market's run", place="run")
        length = self.interval.end - self.interval.start
        if not _YEAR - _HOUR <= length <= _YEAR + timedelta(days=1) + _HOUR:
            raise Refused("year", "the interval is one calendar year", place="interval")
        if (self.programme is None) == (self.kept is None):
            raise Refused("annual_cut", "state either programme or kept", place="programme")
        if self.programme is not None:
            amount(self.programme, "programme")
        if self.kept is not None:
            portion(self.kept, "kept")

    def share(self, cap: Fraction) -> Fraction:
        """The part of each payment that is kept, from 0 to 1."""
        if self.kept is not None:
            return portion(self.kept, "kept")
        assert self.programme is not None
        programme = amount(self.programme, "programme")
        return cap / programme if programme > cap else Fraction(1)


def annual_cut(
    rule: DemandResponseRule | DemandResponseTopUpRule,
    cuts: Sequence[DemandResponseAnnualCut],
    at: Instant,
    label: str,
    paid: Money,
) -> Earned | None:
    """What a payment loses to the cap of the year that `at` is in; None where it loses nothing.

    `paid` is the payment as rounded, without its penalty: a penalty is not cut. The cut is rounded by itself,
    half away from zero.

    Raises:
        Refused: `annual_cap` where the rule has no cap to be over, `annual_cut_duplicate` for two cuts of one
            year.
    """
    told = [one for one in cuts if one.interval.contains(at)]
    if not told:
        return None
    cut = told[0]
    if len(told) > 1:
        raise Refused(
            "annual_cut_duplicate",
            f"{told[1].id} cuts the year that {cut.id} cuts; correct the one under its own id",
            place=told[1].id,
        )
    if rule.annual_cap is None:
        raise Refused("annual_cap", f"rule {rule.id} has no annual cap", place=cut.id)
    lost = 1 - cut.share(amount(rule.annual_cap, "annual_cap"))
    if not lost or paid.minor <= 0:
        return None
    exact = -lost * paid.exact
    why = f"kept {cut.kept}" if cut.kept is not None else f"programme {cut.programme}, cap {rule.annual_cap}"
    note = f"annual cap of {rule.id}, run {cut.run}: {why} {rule.currency}"
    basis = Basis(
        f"cut of {label}", exact_text(lost), "of the payment", exact_text(-paid.exact), exact_text(exact)
    )
    return Earned("demand_response", exact, Money.round(exact, rule.currency), (basis,), note)
