"""What awards mean for settlement: each site's part as the market fact that its stream is settled by.

Energy is a clearing day-ahead, a trade intraday and a real-time clearing, a response an invitation,
regulation an award, capacity a certification (DOMAIN.md 3.4 to 3.7), under the rule that the product's
`settles_as` names. A corrected clearing corrects the facts under the same ids; a response that is no longer
awarded is excused for its whole time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final, Literal

import msgspec
import numpy as np

from ledger.identity import checked_id
from ledger.interval import Interval, Month, zone_of
from ledger.quantity import decimal_text
from ledger.refusal import Refused
from ledger.streams import Fact, Rule
from ledger.streams.capacity_compensation import CapacityCertified, CapacityRule
from ledger.streams.demand_response import (
    DemandResponseInvitation,
    DemandResponseOutage,
    DemandResponseRule,
)
from ledger.streams.demand_response.rule import ClearingPrice, PerKwh
from ledger.streams.regulation import Pays, RegulationAward, RegulationRule
from ledger.streams.spot import SpotClearing, SpotIntradayTrade, SpotRealTimeClearing, SpotRule
from trading.award import SharedAward, Whole
from trading.clearing import Clearing
from trading.product import Direction, Market, Product

_S_PER_HOUR: Final = 3600
_MICRO_DIGITS: Final = 6
_MIN_PER_HOUR: Final = 60
_HOUR_DIGITS: Final = 4
_NO_NAMEPLATES: Final[Mapping[str, int]] = {}
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
    return product.settles_as is not None


def facts_of(
    market: Market,
    product: Product,
    rule: Rule,
    clearing: Clearing,
    award: SharedAward,
    told: Told,
    nameplates_w: Mapping[str, int] = _NO_NAMEPLATES,
) -> list[Fact]:
    """The facts about the sites of one part of a shared award.

    `nameplates_w`: what of each site's storage is installed, for a certification.

    Raises:
        Refused: `fact_kind`, `currency`, `zone` or `day_ahead_clearing` for a rule that does not settle the
            product's awards; `handover_interval`, `handover_price`, `handover_product` and
            `handover_withdrawn` for what cannot be settled; and what the facts refuse.
    """
    assert product.settles_as is not None, "the product's awards become facts"
    assert (award.clearing, award.run) == (clearing.id, clearing.run), "the award is of that clearing"
    product.settles_as.check(rule, market.currency, market.zone, product.id)
    match rule:
        case SpotRule():
            energy = _Energy(market, product, rule, clearing, award)
            return [energy.fact(site) for site in award.sites if energy.is_told(site, told)]
        case RegulationRule():
            return [_regulation(market, product, rule, clearing, award, site) for site in award.sites]
        case DemandResponseRule():
            response = _Response(market, product, rule, clearing, award)
            return [fact for site in award.sites for fact in response.facts(site, told)]
        case CapacityRule():
            certified = (
                _certified(market, product, rule, clearing, award, site, nameplates_w, told)
                for site in award.sites
            )
            return [fact for fact in certified if fact is not None]
        case _:
            raise AssertionError(f"{type(rule).__name__} settles no awards")


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


class _Energy:
    """A part's energies: what is sold and bought of each interval, by the product's stage."""

    def __init__(
        self, market: Market, product: Product, rule: SpotRule, clearing: Clearing, award: SharedAward
    ) -> None:
        if product.stage == "day_ahead" and rule.settlements == "one":
            wrong = f"rule {rule.id} has no day-ahead settlement"
            raise Refused("day_ahead_clearing", wrong, place="settles_as")
        self._rule, self._clearing, self._award = rule, clearing, award
        self._day = _day(market, clearing)
        self._step_s, self._stage = product.interval_s, product.stage

    def is_told(self, site: str, told: Told) -> bool:
        """A day-ahead clearing of nothing is told; what is traded after it only where there is anything."""
        if self._stage == "day_ahead" or any(self._award.sites[site]):
            return True
        return fact_id(self._award.bid, site) in told

    def fact(self, site: str) -> Fact:
        power, name = self._award.sites[site], fact_id(self._award.bid, site)
        sold = energies_wh([max(one, 0) for one in power], self._step_s)
        bought = energies_wh([max(-one, 0) for one in power], self._step_s)
        run, day = self._clearing.run, self._day
        if self._stage == "intraday":
            return SpotIntradayTrade(
                id=name,
                site=site,
                rule=self._rule.id,
                run=run,
                interval=day,
                volume_wh=tuple(up - down for up, down in zip(sold, bought, strict=True)),
                price_per_kwh=tuple(decimal_text(one, _MICRO_DIGITS) for one in self._clearing.price_u),
            )
        kind = SpotClearing if self._stage == "day_ahead" else SpotRealTimeClearing
        return kind(
            id=name,
            site=site,
            rule=self._rule.id,
            run=run,
            interval=day,
            injected_wh=sold,
            withdrawn_wh=bought,
        )


def _regulation(
    market: Market, product: Product, rule: RegulationRule, clearing: Clearing, award: SharedAward, site: str
) -> RegulationAward:
    assert product.settles_as is not None, "what is handed over names its rule"
    pays: Pays = "mileage_and_capacity"
    if product.joint is not None:
        pays = "mileage" if product.kind == "regulation_mileage" else "capacity"
    return RegulationAward(
        id=fact_id(award.bid, site),
        site=site,
        rule=rule.id,
        run=clearing.run,
        interval=_day(market, clearing),
        product=product.settles_as.product_of(rule, product.id),
        capacity_w=tuple(_fitted([abs(one) for one in award.sites[site]], product.interval_s, rule.period_s)),
        direction=_DIRECTIONS[product.direction],
        pays=pays,
    )


def _certified(
    market: Market,
    product: Product,
    rule: CapacityRule,
    clearing: Clearing,
    award: SharedAward,
    site: str,
    nameplates_w: Mapping[str, int],
    told: Told,
) -> CapacityCertified | None:
    """The month's certification of the power that is held, for as long as the product asks to hold it."""
    assert product.settles_as is not None, "what is handed over names its rule"
    behind = product.settles_as.behind_the_meter
    assert behind is not None, "a capacity product states it"
    name, power = fact_id(award.bid, site), {abs(one) for one in award.sites[site]}
    if len(power) > 1:
        wrong = f"{site} holds {min(power)} to {max(power)} W, and a month's certification is of one power"
        raise Refused("handover_interval", wrong, place=name)
    [certified_w] = power
    if not certified_w:
        if name in told:
            wrong = f"{name} was certified by an earlier run; tell the market's withdrawal of it by itself"
            raise Refused("handover_withdrawn", wrong, place=name)
        return None
    hours = Fraction(product.sustain_min, _MIN_PER_HOUR)
    return CapacityCertified(
        id=name,
        site=site,
        rule=rule.id,
        run=clearing.run,
        interval=Month.of(clearing.day).interval(zone_of(market.zone)),
        nameplate_w=nameplates_w[site],
        certified_w=certified_w,
        full_hours=decimal_text(hours.numerator * 10**_HOUR_DIGITS // hours.denominator, _HOUR_DIGITS),
        behind_the_meter=behind,
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
        """The site's invitations, and an excuse for each that it had before and has no more.

        An invitation stands for the same time from run to run: a window goes on under the number of the one
        before it that it overlaps, and is cut where it overlaps several.
        """
        power = self._award.sites[site]
        before = self._before(site, told)
        found: list[Fact] = []
        given: set[int] = set()
        for first, last in self._windows:
            if not any(power[first:last]):
                continue
            for number, start, end in self._numbered(first, last, before, given):
                given.add(number)
                found += self._invitation(site, number, start, end, told)
        found += [self._excused(one, site, number) for number, one in before.items() if number not in given]
        return found

    def _before(self, site: str, told: Told) -> dict[int, Fact]:
        """The invitations of earlier runs by number."""
        names = {number: told.get(self._name(site, number)) for number in range(WINDOWS_MAX)}
        return {number: one for number, one in names.items() if one is not None}

    def _numbered(
        self, first: int, last: int, before: Mapping[int, Fact], given: set[int]
    ) -> list[tuple[int, int, int]]:
        """The window in pieces: number, first interval, the one after the last."""
        window = Interval(self._at(first), self._at(last))
        same = sorted(
            (one.interval.start, number)
            for number, one in before.items()
            if number not in given and one.interval.overlaps(window)
        )
        if not same:
            return [(min(set(range(WINDOWS_MAX + 1)) - given - set(before)), first, last)]
        step = timedelta(seconds=self._step_s)
        cuts = [first, *((start - self._start) // step for start, _ in same[1:]), last]
        return [(number, cuts[at], cuts[at + 1]) for at, (_, number) in enumerate(same)]

    def _invitation(self, site: str, number: int, first: int, last: int, told: Told) -> list[Fact]:
        """The window's invitation; an excuse that took it back is taken back with it."""
        name = self._name(site, number)
        before = told.get(name)
        announced = self._clearing.published
        if isinstance(before, DemandResponseInvitation):
            announced = before.announced
        power = [abs(one) for one in self._award.sites[site][first:last]]
        if not any(power):
            return [] if before is None else [self._excused(before, site, number)]
        invitation = DemandResponseInvitation(
            id=name,
            site=site,
            rule=self._rule.id,
            run=self._clearing.run,
            interval=Interval(self._at(first), self._at(last)),
            announced=announced,
            awarded_w=tuple(_fitted(power, self._step_s, self._rule.interval_s)),
            clearing_price=self._price(first, last),
        )
        excuse = told.get(self._excuse_name(site, number))
        if not isinstance(excuse, DemandResponseOutage):
            return [invitation]
        reason = f"run {self._clearing.run} of {self._clearing.id} awards it again"
        again = msgspec.structs.replace(excuse, run=self._clearing.run, reason=reason, excused=False)
        return [invitation, again]

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
