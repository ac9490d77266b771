"""A bid's life: draft, approved, submitted, sending, acknowledged, cleared; or refused, withdrawn, expired.

A bid has revisions. Each is drafted, approved and submitted by itself. A later one replaces what stands at
the market once the market has acknowledged it; until then both may be awarded, and both are bound. That it
will be sent is on record before it is sent: what was not answered is `uncertain`, and the market is asked
before anything is sent again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from ledger.interval import Instant
from ledger.refusal import Refused
from trading.award_conflict import AwardConflict
from trading.bid import Bid
from trading.product import Id

Approval = Literal["draft", "approved"]
AtMarket = Literal[
    "submitted",
    "sending",
    "uncertain",
    "acknowledged",
    "withdrawing",
    "refused",
    "withdrawn",
    "expired",
    "cleared",
]
Status = Literal[
    "draft",
    "approved",
    "submitted",
    "sending",
    "uncertain",
    "acknowledged",
    "withdrawing",
    "refused",
    "withdrawn",
    "expired",
    "cleared",
]

LIVE: Final[frozenset[AtMarket]] = frozenset(
    {"submitted", "sending", "uncertain", "acknowledged", "withdrawing"}
)
"""While a revision may still be awarded."""
AT_MARKET: Final[frozenset[AtMarket]] = frozenset(
    {"sending", "uncertain", "acknowledged", "withdrawing", "cleared"}
)
"""What the market has, or may have, or has cleared."""


class Draft(msgspec.Struct, frozen=True):
    """One revision as it was written, and who else has approved it."""

    revision: int
    bid: Bid
    by: str
    at: Instant
    digest: str
    approvals: tuple[str, ...] = ()
    overridden: tuple[str, ...] = ()
    """Limits that another person let it exceed."""


class LimitPart(msgspec.Struct, frozen=True):
    """Which limit a submitted bid uses, and for whom."""

    limit: Id
    value: str
    amount: str


class Standing(msgspec.Struct, frozen=True):
    """The revision that was submitted last: the evidence of its time, and what the market said."""

    draft: Draft
    by: str
    at: Instant
    gate_opens: Instant
    gate_closes: Instant
    margin_s: int
    uses: tuple[LimitPart, ...]
    units: tuple[str, ...]
    """The units whose days it binds: its own first, then those that have sites in common."""
    gate_step_s: int = 0
    """By how much each next interval's gate closes later; 0 where the day has one gate."""
    kept: Bid | None = None
    """What it replaced, of which the first `gone` intervals stand: their gate was past by then."""
    gone: int = 0
    behind: Standing | None = None
    """The acknowledged revision that this one is to replace; it stands until the market says otherwise."""
    status: AtMarket = "submitted"
    reference: str = ""
    """The market's own name for it."""
    sent_at: Instant | None = None
    gateway: str = ""
    """The gateway over which it went; empty for one that a person sent."""
    reason: str = ""
    by_hand: bool = False
    """It was refused, withdrawn or not sent on a person's word: the market may say otherwise."""
    clearing: str = ""
    awarded_w: tuple[int, ...] = ()
    conflict: AwardConflict | None = None
    """What of the award cannot be kept beside what was sold since an earlier run, or since it was free."""

    @property
    def bid(self) -> Bid:
        """What stands at the market: the revision, with what it keeps of the one that it replaced."""
        return self.draft.bid if self.kept is None else carried(self.draft.bid, self.kept, self.gone)


def carried(bid: Bid, before: Bid, count: int) -> Bid:
    """A bid whose first `count` intervals are those of an earlier revision."""
    schedule = None
    if bid.schedule_w is not None and before.schedule_w is not None:
        schedule = (*before.schedule_w[:count], *bid.schedule_w[count:])
    curves = (*before.curves[:count], *bid.curves[count:])
    return msgspec.structs.replace(bid, curves=curves, schedule_w=schedule)


class BidState(msgspec.Struct, frozen=True):
    draft: Draft
    standing: Standing | None = None
    said_gone: tuple[Standing, ...] = ()
    """Revisions of which only a person said that the market does not have them, and others took their
    place, the newest first."""

    @property
    def status(self) -> Status:
        """Of the newest revision."""
        standing = self.standing
        if standing is not None and standing.draft.revision == self.draft.revision:
            return standing.status
        return "approved" if self.draft.approvals else "draft"

    @property
    def live(self) -> Standing | None:
        """What the market may still award."""
        standing = self.standing
        return standing if standing is not None and standing.status in LIVE else None

    @property
    def awardable(self) -> tuple[Standing, ...]:
        """The live revision and those that it is to replace, the newest first: any may be awarded."""
        return with_behind(self.live)

    @property
    def clearable(self) -> tuple[Standing, ...]:
        """What a clearing may be of: what stands, what it was to replace, and what a person said is gone."""
        return (*with_behind(self.standing), *self.said_gone)

    @property
    def replaced(self) -> tuple[Standing, ...]:
        """What another revision would be to replace, the newest first: what was never sent is dropped."""
        return () if self.live is None else with_behind(at_market(self.live))


def with_behind(standing: Standing | None) -> tuple[Standing, ...]:
    """A revision and those that it is to replace, the newest first."""
    found: list[Standing] = []
    while standing is not None:
        found.append(standing)
        standing = standing.behind
    return tuple(found)


def standing_of(state: BidState | None, name: str) -> Standing:
    """Raises:
    Refused: `unknown_bid`, or `bid_status` for one that was never submitted."""
    if state is None:
        raise Refused("unknown_bid", f"no bid {name!r} is known", place="bid")
    if state.standing is None:
        raise Refused("bid_status", f"bid {name} was not submitted", place="bid")
    return state.standing


def live_of(state: BidState | None, name: str) -> Standing:
    """Raises:
    Refused: `unknown_bid`, `bid_status`."""
    standing = standing_of(state, name)
    if standing.status not in LIVE:
        raise Refused("bid_status", f"bid {name} is {standing.status} already", place="bid")
    return standing


def at_market(standing: Standing) -> Standing | None:
    """What of it the market holds: itself once it was sent, else what it was to replace."""
    if standing.status in ("sending", "uncertain", "acknowledged", "withdrawing"):
        return standing
    return standing.behind if standing.status == "submitted" else None


def may_stand(standing: Standing) -> bool:
    """Whether it was sent, and only a person said that the market does not have it."""
    return standing.by_hand and standing.sent_at is not None and standing.status not in AT_MARKET


def gone(standing: Standing, at: datetime) -> int:
    """Of how many first intervals, before those that it bids for, the gate was past at `at`, by a clock that
    may be wrong by the margin; 0 where the day has one gate, or nothing was replaced."""
    if standing.behind is None:
        return standing.gone
    if not standing.gate_step_s:
        return 0
    left = standing.gate_closes - timedelta(seconds=standing.margin_s) - at
    first = standing.draft.bid.first
    return min(max(first + (-left) // timedelta(seconds=standing.gate_step_s) + 1, 0), first)


def late(standing: Standing, now: datetime) -> bool:
    """Whether the gate is closed for sending, by a clock that may be wrong by the margin."""
    return (standing.gate_closes - now).total_seconds() <= standing.margin_s
