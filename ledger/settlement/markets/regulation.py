"""Frequency regulation in a month: capacity and mileage; the energy under AGC is `agc`'s.

A symmetric award holds its power in both directions, an award of one direction only there.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ledger.exclusivity.claim import Claim
from ledger.exclusivity.grant import Granted
from ledger.exclusivity.policy import MatrixStream
from ledger.exclusivity.refused_part import refused_parts
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

_ID_MAX: Final = 64
_OWN: Final[tuple[MatrixStream, ...]] = ("ancillary",)


class Regulation:
    """A claim of power a product."""

    def claims(self, case: Case) -> list[Claim]:
        return [
            _claim(case, rule, product, awards)
            for rule in case.rules(RegulationRule)
            for product in rule.products
            if (awards := [one for one in case.told(RegulationAward, rule.id) if one.product == product])
        ]

    def earn(self, case: Case, granted: Granted) -> list[Earned]:
        for part in refused_parts(granted, of=_OWN):
            if part.quantity in ("up_w", "down_w"):
                raise Refused(
                    "above_nameplate",
                    f"{part.claim} commits more power than the storage has beside its other commitments:"
                    f" {part.words}",
                    place=case.place,
                )
        earned: list[Earned] = []
        for rule in case.rules(RegulationRule):
            awards = case.told(RegulationAward, rule.id)
            done = told_performance(case, rule)
            if awards or done:
                market = market_of(case, rule)
                earned += regulation_earned(market, case.site.id, awards, done)
        return earned


def told_performance(case: Case, rule: RegulationRule) -> list[RegulationPerformance | AgcInstructions]:
    """What was measured under a rule in the settled days, by period or instruction by instruction."""
    return [*case.told(RegulationPerformance, rule.id), *case.told(AgcInstructions, rule.id)]


def _claim(case: Case, rule: RegulationRule, product: str, awards: list[RegulationAward]) -> Claim:
    up, down = ([one for one in awards if one.direction != other] for other in ("down", "up"))
    up_w = _stretched(committed_w(market_of(case, rule), product, up), rule, case)
    down_w = up_w
    if down != up:
        down_w = _stretched(committed_w(market_of(case, rule), product, down), rule, case)
    return Claim(
        id=f"{rule.id}-{product}"[:_ID_MAX],
        stream="ancillary",
        site=case.site.id,
        purpose="market",
        interval=case.market.interval,
        up_w=up_w,
        down_w=down_w,
    )


def market_of(case: Case, rule: RegulationRule) -> RegulationMarket:
    """The rule's prices and shares laid out over the settled days, once for all sites."""
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
