"""An award shared out among a unit's sites: by credible capacity, the gap stated and never cut away.

The shares are those of `ledger.allocation.disaggregation` (DOMAIN.md 3.9), of all sites and intervals
at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from math import lcm
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.allocation.disaggregation import BidTerms
from ledger.clauses.share import portion
from ledger.identity import checked_id
from ledger.refusal import Refused
from trading.product import Id

Whole = npt.NDArray[np.int64]
Ints = npt.NDArray[Any]
"""Whole numbers in 64 bits where all products fit, else unbounded."""

SITES_MAX: Final = 400
"""The sites of one recorded part; more sites, more parts."""
_ROOM: Final = 2**62


class SharedAward(msgspec.Struct, frozen=True, kw_only=True):
    """What each site is to do for an award, in W an interval; `gap_w` is what no site stands behind.

    `part` of `parts`: the sites of a large unit are recorded in several, the gap of the whole award in each.
    Parts of an earlier `run` that a later one has not are void.
    """

    bid: Id
    unit: Id
    market: Id
    product: Id
    day: date
    clearing: str
    run: str
    part: int
    parts: int
    sites: dict[str, tuple[int, ...]]
    gap_w: tuple[int, ...]


class Takers(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """The sites among which awards are shared out, sites x intervals in W.

    `nameplate_w` x `confidence` is the credible capacity, by which a site weighs; 0 where it is no member.
    `headroom_w` is what it can still take.
    """

    sites: tuple[str, ...]
    confidence: tuple[Fraction, ...]
    nameplate_w: Whole
    headroom_w: Whole

    def __post_init__(self) -> None:
        if not self.sites:
            raise Refused("no_members", "the unit has no sites at that time", place="members")
        if list(self.sites) != sorted(set(self.sites)):
            raise Refused("member_order", "each site once, in order of its id", place="sites")
        for place in ("nameplate_w", "headroom_w"):
            array: Whole = getattr(self, place)
            if array.dtype != np.int64 or array.ndim != 2 or array.shape[0] != len(self.sites):
                raise Refused("profile", "one row a site, one number an interval", place=place)
        if self.nameplate_w.shape != self.headroom_w.shape or len(self.confidence) != len(self.sites):
            raise Refused("profile", "the same sites and intervals as nameplate_w", place="headroom_w")
        if (self.headroom_w < 0).any() or (self.headroom_w > self.nameplate_w).any():
            raise Refused("headroom", "0 to the nameplate's power", place="headroom_w")


class Shares(NamedTuple):
    """`sites_w` (sites x intervals) and `gap_w` (intervals), signed as the award; they add up to it."""

    sites_w: Whole
    gap_w: Whole


def share_out(terms: BidTerms, award_w: Whole, takers: Takers) -> Shares:
    """Each site's power in each interval, in whole steps, and the gap: what no site stands behind.

    >>> takers = Takers(
    ...     sites=("A", "B"),
    ...     confidence=(Fraction(1), Fraction(1, 2)),
    ...     nameplate_w=np.array([[2000], [2000]]),
    ...     headroom_w=np.array([[2000], [2000]]),
    ... )
    >>> shares = share_out(BidTerms(discount="100%", step_w=1000), np.array([-4000]), takers)
    >>> shares.sites_w.tolist(), shares.gap_w.tolist()
    ([[-2000], [-1000]], [-1000])
    """
    assert award_w.shape == takers.nameplate_w.shape[1:], "one award for each interval"
    size = np.abs(award_w)
    weights, parts_of_w = _weights(takers)
    whole = size // terms.step_w
    steps = np.minimum(whole, _committable_steps(terms, weights, parts_of_w))
    room = np.where(weights > 0, takers.headroom_w // terms.step_w, 0)
    given = _fill(steps, room, weights) * terms.step_w
    sign = np.where(award_w < 0, -1, 1)
    shares = Shares(given * sign, (size - given.sum(axis=0)) * sign)
    assert np.array_equal(shares.sites_w.sum(axis=0) + shares.gap_w, award_w), "nothing of an award is lost"
    return shares


def _weights(takers: Takers) -> tuple[Ints, int]:
    """Credible capacities as whole numbers, and how many of them make one W."""
    parts = lcm(*(one.denominator for one in takers.confidence))
    factors = [one.numerator * (parts // one.denominator) for one in takers.confidence]
    nameplate: Ints = takers.nameplate_w
    column = np.array(factors, dtype=object)[:, None]
    if int(nameplate.max()) * max(factors) < _ROOM // len(factors):
        return nameplate * column.astype(np.int64), parts
    return nameplate.astype(object) * column, parts


def _committable_steps(terms: BidTerms, weights: Ints, parts_of_w: int) -> Whole:
    """The most steps that may be promised in each interval: sum of credible capacity x discount, cut off."""
    discount = portion(terms.discount, "discount")
    divisor = discount.denominator * parts_of_w * terms.step_w
    return np.array([int(w) * discount.numerator // divisor for w in weights.sum(axis=0)], dtype=np.int64)


def _fill(steps: Whole, room: Whole, weights: Ints) -> Whole:
    """Steps over sites by weight, none above its room; fewer where all room is taken."""
    parts = np.zeros(room.shape, dtype=np.int64)
    left = np.minimum(steps, room.sum(axis=0))
    weights = _fitting(weights, int(left.max(initial=0)))
    while len(at := np.flatnonzero(left)):
        mine, space, weight = parts[:, at], (room - parts)[:, at], weights[:, at]
        open_ = space > 0
        weight = np.where(open_, weight, 0)
        product, total = weight * left[at], weight.sum(axis=0)
        share = product // total
        given = np.minimum(share, space).astype(np.int64)
        mine += given
        left[at] -= given.sum(axis=0)
        last = ~(share > space).any(axis=0)
        one_each = _largest_rests(product - share * total, mine < room[:, at], np.where(last, left[at], 0))
        mine += one_each
        left[at] -= one_each.sum(axis=0)
        parts[:, at] = mine
    return parts


def _fitting(weights: Ints, steps: int) -> Ints:
    """The weights, unbounded where their products with `steps` would leave 64 bits."""
    if weights.dtype == np.int64 and int(weights.max(initial=0)) * max(steps, 1) >= _ROOM:
        return weights.astype(object)
    return weights


def _largest_rests(rest: Ints, wanting: npt.NDArray[np.bool_], count: Whole) -> Whole:
    """One for the `count` largest rests of each interval among those `wanting`, ties by row."""
    order = np.argsort(np.where(wanting, -rest, 1), axis=0, kind="stable")
    rank = np.empty(order.shape, dtype=np.int64)
    np.put_along_axis(rank, order, np.arange(len(order))[:, None], axis=0)
    return (wanting & (rank < count)).astype(np.int64)


class AwardShared(msgspec.Struct, frozen=True, tag_field="kind", tag="award.shared.v1"):
    award: SharedAward

    def apply(self, _: object) -> SharedAward:
        return self.award


class ShareAward(msgspec.Struct, frozen=True):
    """Record how an award is shared out; a corrected clearing is shared out again."""

    award: SharedAward

    @property
    def aggregate(self) -> str:
        return aggregate_of(self.award.bid, self.award.part)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, _: SharedAward | None, __: Mapping[str, object]) -> tuple[AwardShared]:
        """Raises:
        Refused: `award_sites` for more sites than a part holds."""
        checked_id(self.award.bid, "bid")
        if len(self.award.sites) > SITES_MAX:
            raise Refused("award_sites", f"at most {SITES_MAX} sites in a part", place="sites")
        return (AwardShared(self.award),)


def aggregate_of(bid: str, part: int) -> str:
    """The aggregate of a part of a bid's shared award.

    >>> aggregate_of("b1", 2)
    'award.b1_2'
    """
    return f"award.{bid}_{part}"
