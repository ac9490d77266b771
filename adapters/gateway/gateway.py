"""What every way to a market can do; the desk's sender knows no more of it.

A new market's gateway is one file beside this one and its lines in `adapters.gateway.configured`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Protocol, runtime_checkable

import msgspec

from ledger.interval import Instant
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


class NotPublished(Exception):
    """The market has no result yet."""


class Offer(msgspec.Struct, frozen=True):
    """A revision on its way: what is offered, under the market's rules, and the unit's name there."""

    draft: Draft
    market: Market
    product: Product
    unit_code: str


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
class Checking(Protocol):
    """A gateway that can tell, before anything is sent, that the market would not hear us."""

    def check(self, offer: Offer) -> None:
        """Asked before it is on record that the offer is sent; sends nothing of it.

        Raises:
            Refused: `gateway_access` where the market does not let the unit in: nothing went out.
        """
        ...
