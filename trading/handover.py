"""What awards mean for settlement: each site's part as the market fact that its stream is settled by.

Energy of the day-ahead market is a clearing, a response an invitation, regulation an award (DOMAIN.md 3.4 to
3.6). The rule that it is settled under is the product's `settles_as`. A corrected clearing corrects the facts
under the same ids; a response that is no longer awarded is excused for its whole time. Other awards settle by
what is metered, or by the month.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final, Literal

import numpy as np

from ledger.identity import checked_id
from ledger.interval import Interval
from ledger.quantity import decimal_text
from ledger.refusal import Refused
from ledger.streams import Fact, Rule
from ledger.streams.demand_response import (
    DemandResponseInvitation,
    DemandResponseOutage,
    DemandResponseRule,
)
from ledger.streams.demand_response.rule import ClearingPrice, PerKwh
from ledger.streams.regulation import RegulationAward, RegulationRule
from ledger.streams.spot import SpotClearing, SpotRule
from trading.award import SharedAward, Whole
from trading.clearing import Clearing
from trading.product import Direction, Market, Product

_S_PER_HOUR: Final = 3600
_MICRO_DIGITS: Final = 6
_NAME_MAX: Final = 64
_HASHED: Final = 40
WINDOWS_MAX: Final = 144
"""Runs of awarded intervals of a day: every other one of five minutes."""
VOID: Final = "-void"
"""Behind the number of a response that a later run took back."""

Told = Mapping[str, Fact]
"""The facts that were handed over for the same award before, by id."""

_DIRECTIONS: Final[dict[Direction, Literal["up_and_down", "up", "down"]]] = {
    "both": "up_and_down",
    "discharge": "up",
    "charge": "down",
}


def is_handed_over(product: Product) -> bool:
    """Whether its awards become facts about sites."""
    settled = product.kind in ("demand_response", "regulation_capacity") or (
        product.kind == "energy" and product.stage == "day_ahead"
    )
    return settled and product.settles_as is not None


def facts_of(
    market: Market, product: Product, rule: Rule, clearing: Clearing, award: SharedAward, told: Told
) -> list[Fact]:
    """The facts about the sites of one part of a shared award.

    Raises:
        Refused: `fact_kind` for a rule of another kind than the product; `handover_interval`,
            `handover_price`, `handover_product` and `handover_restored` for what cannot be settled; and what
            the facts refuse.
    """
    assert is_handed_over(product), "the product's awards become facts"
    assert (award.clearing, award.run) == (clearing.id, clearing.run), "the award is of that clearing"
    match rule:
        case SpotRule() if product.kind == "energy":
            return [_spot(market, product, clearing, award, site) for site in award.sites]
        case RegulationRule() if product.kind == "regulation_capacity":
            return [_regulation(market, product, rule, clearing, award, site) for site in award.sites]
        case DemandResponseRule() if product.kind == "demand_response":
            response = _Response(market, product, rule, clearing, award)
            return [fact for site in award.sites for fact in response.facts(site, told)]
        case _:
            wrong = f"rule {rule.id} does not settle {product.kind}"
            raise Refused("fact_kind", wrong, place="settles_as")


def fact_id(bid: str, site: str, part: str = "") -> str:
    """A fact's id: the bid's and the site's, or a digest of them where that is too long for a name.

    >>> fact_id("b1", "S1"), fact_id("b" * 40, "S" * 40)[:12]
    ('b1_S1', 'award-7b449d')
    """
    plain = "_".join(filter(None, (bid, site, part)))
    if len(plain) <= _NAME_MAX:
        return checked_id(plain, "id")
    return f"award-{hashlib.sha256(plain.encode()).hexdigest()[:_HASHED]}"


def energies_wh(power_w: Sequence[int], interval_s: int) -> tuple[int, ...]:
    """Whole Wh of each interval at a power in W from 0; what is cut off is carried to the next interval.

    >>> energies_wh((1000, 1000, 1000), 300)
    (83, 83, 84)
    """
    total = np.cumsum(np.array(power_w, dtype=np.int64)) * interval_s // _S_PER_HOUR
    return tuple(np.diff(total, prepend=0).tolist())


def _day(market: Market, clearing: Clearing) -> Interval:
    return Interval(market.start_of(clearing.day), market.start_of(clearing.day + timedelta(days=1)))


def _spot(
    market: Market, product: Product, clearing: Clearing, award: SharedAward, site: str
) -> SpotClearing:
    assert product.settles_as is not None, "what is handed over names its rule"
    power = award.sites[site]
    return SpotClearing(
        id=fact_id(award.bid, site),
        site=site,
        rule=product.settles_as,
        run=clearing.run,
        interval=_day(market, clearing),
        injected_wh=energies_wh([max(one, 0) for one in power], product.interval_s),
        withdrawn_wh=energies_wh([max(-one, 0) for one in power], product.interval_s),
    )


def _regulation(
    market: Market, product: Product, rule: RegulationRule, clearing: Clearing, award: SharedAward, site: str
) -> RegulationAward:
    names = [name for name in rule.products if name == product.id] or list(rule.products)
    if len(names) > 1:
        wrong = f"rule {rule.id} has {', '.join(rule.products)}, not {product.id}"
        raise Refused("handover_product", wrong, place="product")
    return RegulationAward(
        id=fact_id(award.bid, site),
        site=site,
        rule=rule.id,
        run=clearing.run,
        interval=_day(market, clearing),
        product=names[0],
        capacity_w=tuple(_fitted([abs(one) for one in award.sites[site]], product.interval_s, rule.period_s)),
        direction=_DIRECTIONS[product.direction],
    )


class _Response:
    """A part's responses: a window for each run of intervals in which the unit was awarded anything."""

    def __init__(
        self,
        market: Market,
        product: Product,
        rule: DemandResponseRule,
        clearing: Clearing,
        award: SharedAward,
    ) -> None:
        self._rule, self._clearing, self._award = rule, clearing, award
        self._start = market.start_of(clearing.day)
        self._step_s = product.interval_s
        self._timed = product.timed
        power = np.array([*award.sites.values(), award.gap_w], dtype=np.int64)
        self._windows = _runs(np.abs(power).max(axis=0))

    def facts(self, site: str, told: Told) -> list[Fact]:
        """The site's invitations, and an excuse for each that it had before and has no more."""
        power = self._award.sites[site]
        found: list[Fact] = []
        for number, (first, last) in enumerate(self._windows):
            if any(power[first:last]):
                found.append(self._invitation(site, number, first, last, told))
            elif (before := told.get(self._name(site, number))) is not None:
                found.append(self._excused(before, site, number))
        number = len(self._windows)
        while (before := told.get(self._name(site, number))) is not None:
            found.append(self._excused(before, site, number))
            number += 1
        return found

    def _invitation(self, site: str, number: int, first: int, last: int, told: Told) -> Fact:
        name = self._name(site, number)
        if self._excuse_name(site, number) in told:
            wrong = f"{name} was excused when an earlier run took it back; tell the market's fact by itself"
            raise Refused("handover_restored", wrong, place=name)
        before = told.get(name)
        announced = self._clearing.published
        if isinstance(before, DemandResponseInvitation):
            announced = before.announced
        power = [abs(one) for one in self._award.sites[site][first:last]]
        return DemandResponseInvitation(
            id=name,
            site=site,
            rule=self._rule.id,
            run=self._clearing.run,
            interval=Interval(self._at(first), self._at(last)),
            announced=announced,
            awarded_w=tuple(_fitted(power, self._step_s, self._rule.interval_s)),
            clearing_price=self._price(first, last),
        )

    def _excused(self, before: Fact, site: str, number: int) -> DemandResponseOutage:
        """Excused time is left out of award, response and penalty: the award is taken back."""
        return DemandResponseOutage(
            id=self._excuse_name(site, number),
            site=site,
            rule=self._rule.id,
            run=self._clearing.run,
            interval=before.interval,
            reason=f"run {self._clearing.run} of {self._clearing.id} awards nothing",
            excused=True,
        )

    def _name(self, site: str, number: int) -> str:
        return fact_id(self._award.bid, site, str(number + 1))

    def _excuse_name(self, site: str, number: int) -> str:
        return fact_id(self._award.bid, site, f"{number + 1}{VOID}")

    def _at(self, number: int) -> datetime:
        return self._start + timedelta(seconds=number * self._step_s)

    def _price(self, first: int, last: int) -> str | None:
        """The window's one price per kWh; None where the rule has its own, or pays for kW."""
        payment = self._rule.energy_payment
        if not isinstance(payment, PerKwh) or not isinstance(payment.price, ClearingPrice):
            return None
        prices = set(self._clearing.price_u[first:last])
        if len(prices) > 1 or not self._timed:
            wrong = f"an event of rule {self._rule.id} has one price per kWh, and {len(prices)} were cleared"
            raise Refused("handover_price", wrong, place=f"price_u[{first}]")
        return decimal_text(prices.pop(), _MICRO_DIGITS)


def _runs(power: Whole) -> list[tuple[int, int]]:
    """Runs of intervals above zero: first, and the one after the last."""
    edges = np.flatnonzero(np.diff((power > 0).astype(np.int8), prepend=0, append=0)).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _fitted(power_w: Sequence[int], interval_s: int, wanted_s: int) -> list[int]:
    """Mean powers of intervals of another length.

    Raises:
        Refused: `handover_interval` where that is no whole W.
    """
    if interval_s % wanted_s == 0:
        return [one for one in power_w for _ in range(interval_s // wanted_s)]
    each, over = divmod(wanted_s, interval_s)
    if over == 0 and len(power_w) % each == 0:
        means = [Fraction(sum(power_w[at : at + each]), each) for at in range(0, len(power_w), each)]
        if all(one.denominator == 1 for one in means):
            return [one.numerator for one in means]
    wrong = f"{len(power_w)} awards of {interval_s} s are no whole W of {wanted_s} s"
    raise Refused("handover_interval", wrong, place="interval_s")
