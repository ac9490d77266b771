"""A clearing that a person read off the market: it takes effect when another person approves it.

What a gateway fetched needs nobody. In a book of one person a posted clearing is recorded at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from ledger.identity import checked_id
from ledger.refusal import Refused
from trading.bid_life import BidState
from trading.clearing import Clearing, ClearingState, RecordClearing
from trading.product import Id


def posted_aggregate(clearing: str) -> str:
    """Where what was posted for a clearing waits."""
    return f"posted_clearing.{clearing}"


class PostedClearing(msgspec.Struct, frozen=True):
    """The run that was posted last, and what became of it."""

    clearing: Clearing
    by: str
    status: Literal["open", "approved"] = "open"
    approved_by: str = ""


class ClearingPosted(msgspec.Struct, frozen=True, tag_field="kind", tag="clearing.posted.v1"):
    clearing: Clearing
    by: str

    def apply(self, _: object) -> PostedClearing:
        return PostedClearing(self.clearing, self.by)


class PostedClearingApproved(
    msgspec.Struct, frozen=True, tag_field="kind", tag="clearing.posted_approved.v1"
):
    by: str

    def apply(self, state: PostedClearing) -> PostedClearing:
        return msgspec.structs.replace(state, status="approved", approved_by=self.by)


class PostClearing(msgspec.Struct, frozen=True):
    """Prepare a run that could be recorded now, in place of one that waits; it is decided again when it is
    approved."""

    clearing: Clearing
    by: str

    @property
    def aggregate(self) -> str:
        return posted_aggregate(self.clearing.id)

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"clearing.{self.clearing.id}", f"market.{self.clearing.market}")

    def decide_at(
        self, now: datetime, _: PostedClearing | None, others: Mapping[str, object]
    ) -> tuple[ClearingPosted]:
        """Raises:
        Refused: what `RecordClearing` refuses of a clearing by hand."""
        checked_id(self.by, "by")
        state = others.get(f"clearing.{self.clearing.id}")
        RecordClearing(self.clearing, by_hand=True).decide_at(
            now, state if isinstance(state, ClearingState) else None, others
        )
        return (ClearingPosted(self.clearing, self.by),)


class ApprovePosted(msgspec.Struct, frozen=True):
    """Let a posted run take effect: it is recorded in the same save. `digest` is what the approver has seen,
    `bids` are those that the run awards, or leaves without an award."""

    clearing: Id
    digest: str
    by: str
    bids: tuple[Id, ...]

    @property
    def aggregate(self) -> str:
        return posted_aggregate(self.clearing)

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(f"bid.{name}" for name in self.bids)

    def decide(
        self, state: PostedClearing | None, others: Mapping[str, object]
    ) -> tuple[PostedClearingApproved]:
        """Raises:
        Refused: `unknown_clearing`, `clearing_posted` for one that does not wait or says something else;
            `four_eyes` for who posted it, and who wrote or submitted a bid that it is about.
        """
        checked_id(self.by, "by")
        posted = open_posted(state, self.clearing, self.digest)
        if self.by == posted.by:
            raise Refused(
                "four_eyes", f"{self.by} posted this clearing; another must approve it", place="actor"
            )
        for name in self.bids:
            found = others.get(f"bid.{name}")
            for standing in found.clearable if isinstance(found, BidState) else ():
                if self.by in (standing.by, standing.draft.by):
                    wrong = f"{self.by} wrote or submitted bid {name}; another must approve its award"
                    raise Refused("four_eyes", wrong, place="actor")
        return (PostedClearingApproved(self.by),)


def open_posted(state: object, name: str, digest: str) -> PostedClearing:
    """What waits under that name with that digest, or one that begins so.

    Raises:
        Refused: `unknown_clearing`, `clearing_posted`.
    """
    if not isinstance(state, PostedClearing):
        raise Refused("unknown_clearing", f"no clearing {name!r} waits for approval", place="name")
    if state.status != "open":
        wrong = f"run {state.clearing.run} was approved by {state.approved_by} already"
        raise Refused("clearing_posted", wrong, place="name")
    if state.clearing.digest != digest:
        raise Refused("clearing_posted", "that is not what waits; read it first", place="digest")
    return state
