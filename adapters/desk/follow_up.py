"""What follows a clearing: its awards are shared out among the sites, handed over, and called."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

from adapters.desk.desk import Desk
from adapters.desk.handing_over import HandingOver
from adapters.desk.instructing import Instructing
from adapters.desk.sharing_out import SharingOut
from adapters.desk.trading_role import FollowUp

ACTOR: Final = "desk"


def follow_ups(desk: Desk) -> tuple[FollowUp, ...]:
    """In this order; each says a line for each thing that it did, and does nothing twice."""

    def share_out(market: str, product: str, day: date) -> Iterator[str]:
        return SharingOut(desk).follow_up(market, product, day, actor=ACTOR)

    def hand_over(market: str, product: str, day: date) -> Iterator[str]:
        return HandingOver(desk).follow_up(market, product, day, actor=ACTOR)

    def instruct(market: str, product: str, day: date) -> Iterator[str]:
        return Instructing(desk).follow_up(market, product, day, actor=ACTOR)

    return share_out, hand_over, instruct
