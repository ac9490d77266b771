"""Frequency regulation in a month: capacity and mileage.

An award holds its power in both directions: regulation follows the frequency up and down.
"""

from __future__ import annotations

import numpy as np

from ledger.exclusivity.claim import Claim
from ledger.exclusivity.grant import Granted
from ledger.refusal import Refused
from ledger.settlement.markets.case import Case, Whole
from ledger.streams.earned import Earned
from ledger.streams.regulation import (
    AgcInstructions,
    RegulationAward,
    RegulationPerformance,
    RegulationPrices,
    RegulationRule,
    RegulationShare,
)
from ledger.streams.regulation_market import RegulationMarket, regulation_market
from ledger.streams.regulation_settlement import committed_w, regulation_earned


class Regulation:
    """A claim of power a product; energy under AGC is settled at the real-time energy price elsewhere."""

    def claims(self, case: Case) -> list[Claim]:
        return [
            _claim(case, rule, product, awards)
            for rule in case.rules(RegulationRule)
            for product in rule.products
            if (awards := [one for one in case.told(RegulationAward, rule.id) if one.product == product])
        ]

    def earn(self, case: Case, granted: Granted) -> list[Earned]:
        for grant in granted.grants:
            if grant.claim.stream == "ancillary" and not grant.whole:
                raise Refused(
                    "above_nameplate",
                    f"{grant.claim.id} commits more power than the storage has beside its other commitments",
                    place=case.place,
                )
        earned: list[Earned] = []
        for rule in case.rules(RegulationRule):
            awards = case.told(RegulationAward, rule.id)
            done = [*case.told(RegulationPerformance, rule.id)]
            instructed = [*case.told(AgcInstructions, rule.id)]
            if awards or done or instructed:
                market = _market(case, rule)
                earned += regulation_earned(market, case.site.id, awards, [*done, *instructed])
        return earned


def _claim(case: Case, rule: RegulationRule, product: str, awards: list[RegulationAward]) -> Claim:
    watts = _stretched(committed_w(_market(case, rule), product, awards), rule, case)
    return Claim(
        id=f"{rule.id}-{product}"[:64],
        stream="ancillary",
        site=case.site.id,
        purpose="market",
        interval=case.market.interval,
        up_w=watts,
        down_w=watts,
    )


def _market(case: Case, rule: RegulationRule) -> RegulationMarket:
    interval = case.market.interval
    return case.once(
        ("regulation", id(rule), interval),
        lambda: regulation_market(
            rule, interval, case.told(RegulationPrices, rule.id), case.told(RegulationShare, rule.id)
        ),
    )


def _stretched(watts: Whole, rule: RegulationRule, case: Case) -> Whole:
    """Power of each settlement period at the meter's intervals; the largest where a period is shorter.

    Raises:
        Refused: `interval` where neither length is made of the other.
    """
    period_s = rule.period_s
    if period_s % case.interval_s and case.interval_s % period_s:
        wrong = f"readings of {case.interval_s} s do not fit the periods of {period_s} s of {rule.id}"
        raise Refused("interval", wrong, place=case.place)
    if period_s >= case.interval_s:
        return np.repeat(watts, period_s // case.interval_s)
    largest: Whole = watts.reshape(-1, case.interval_s // period_s).max(axis=1)
    return largest
