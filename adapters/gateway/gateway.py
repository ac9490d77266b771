"""What every way to a market can do; the desk's sender knows no more of it.

A new market's gateway is one file beside this one and its lines in `adapters.gateway.configured`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Protocol, runtime_checkable

import msgspec

from ledger.interval import Instant
from ledger.refusal import Refused
from trading.bid import Bid, Curve
from trading.bid_life import Draft
from trading.clearing import Clearing
from trading.product import Market, Product


class Taken(msgspec.Struct, frozen=True):
    """The market has a revision of a bid; `reference` is its own name for it."""

    revision: int
    reference: str
    market_time: Instant | None = None


class NotTaken(Exception):
    """The market said no, and why."""


class Unanswered(Exception):
    """It is not known whether the market did what it was asked."""


class Aside(Refused):
    """What came is not good and was moved aside: asked again, the rest is answered."""


class NotPublished(Exception):
    """The market has no result yet."""


class Offer(msgspec.Struct, frozen=True):
    """A revision on its way: what is offered, under the market's rules, and the unit's name there.

    `base_w`: the unit's day-ahead award, where the market clears the whole position beside it
    (`Product.position_with`); None where it does not.
    """

    draft: Draft
    market: Market
    product: Product
    unit_code: str
    base_w: tuple[int, ...] | None = None

    @property
    def bid(self) -> Bid:
        """What the market is offered: the whole position, the day-ahead award of it at any price."""
        bid = self.draft.bid
        if self.base_w is None:
            return bid
        ends = self.product.floor_u, self.product.cap_u
        curves = (_around(curve, base, *ends) for curve, base in zip(bid.curves, self.base_w, strict=True))
        return msgspec.structs.replace(bid, curves=tuple(curves))

    def awarded(self, power_w: tuple[int, ...]) -> tuple[int, ...]:
        """What the bid was awarded, of what the market says."""
        if self.base_w is None or len(power_w) != len(self.base_w):
            return power_w
        return tuple(power - base for power, base in zip(power_w, self.base_w, strict=True))


def _around(curve: Curve, base: int, floor_u: int, cap_u: int) -> Curve:
    """A curve about a base; it holds 0 W, as a curve of a whole position does."""
    moved = [(low + base, high + base, price) for low, high, price in curve]
    if moved and moved[0][0] > 0:
        moved.insert(0, (0, moved[0][0], floor_u))
    if moved and moved[-1][1] < 0:
        moved.append((moved[-1][1], 0, cap_u))
    return tuple(moved)


class Gateway(Protocol):
    """One connection to one market. Every call is bounded in time and may be repeated."""

    def send(self, offer: Offer) -> Taken:
        """Offer it, in place of an earlier revision.

        Raises:
            NotTaken, Unanswered.
        """
        ...

    def ask(self, offer: Offer) -> Taken | None:
        """What the market has of the bid now; None when it has nothing.

        Raises:
            NotTaken: it was sent, and the market said no.
            Unanswered: it cannot be asked now, or not at all: then a person has to say.
        """
        ...

    def withdraw(self, offer: Offer) -> None:
        """Take it back.

        Raises:
            NotTaken, Unanswered.
        """
        ...

    def result(self, market: Market, product: Product, day: date, offers: Collection[Offer]) -> Clearing:
        """The newest run of the day's result, with what each of the offers was awarded.

        Raises:
            NotPublished: there is none yet.
            Unanswered: it did not arrive whole; what arrived is worth nothing.
            Refused: it arrived whole and contradicts itself.
        """
        ...


@runtime_checkable
class Rejecting(Protocol):
    """A gateway that keeps what came, and would answer it again."""

    def reject(self, product: Product, day: date, offers: Collection[Offer], run: str, why: Refused) -> None:
        """Move the run's results of these offers aside: they could not be recorded."""
        ...


@runtime_checkable
class Checking(Protocol):
    """A gateway that can tell, before anything is sent, that the market would not hear us."""

    def check(self, offer: Offer) -> None:
        """Asked before it is on record that the offer is sent; sends nothing of it.

        Raises:
            Refused: `gateway_access` where the market does not let the unit in: nothing went out.
        """
        ...
