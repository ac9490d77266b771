"""What becomes of a submitted bid: sent, taken, refused, taken back, expired, cleared.

Told by the gateway that carries it, or by a person where none can ask the market.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.refusal import Refused
from trading import risk
from trading.award_conflict import AwardConflict
from trading.bid import Bid
from trading.bid_commands import OnBid
from trading.bid_events import (
    BidAcknowledged,
    BidCleared,
    BidExpired,
    BidRefused,
    BidSending,
    BidUncertain,
    BidUnsent,
    BidWithdrawn,
    WithdrawalAsked,
)
from trading.bid_life import (
    AT_MARKET,
    BidState,
    Standing,
    late,
    live_of,
    may_stand,
    standing_of,
    with_behind,
)
from trading.clearing import Award
from trading.product import Id
from trading.risk import check_running, checked_reason
from trading.segments import offered_range_w


class SendBid(OnBid, frozen=True):
    """Put on record that the gateway sends it now, or a person where none is named; the gate is checked here
    once more."""

    revision: int
    gateway: str = ""

    @property
    def reads(self) -> tuple[str, ...]:
        return (risk.AGGREGATE,)

    def decide_at(
        self, now: datetime, state: BidState | None, others: Mapping[str, object]
    ) -> tuple[BidSending]:
        """Raises:
        Refused: `unknown_bid`, `bid_status`, `bid_revision`, `kill_switch`, `gate_closed`."""
        standing = _live(state, self.bid, self.revision)
        if standing.status != "submitted":
            raise Refused("bid_status", f"bid {self.bid} is {standing.status}", place="bid")
        check_running(others.get(risk.AGGREGATE))
        if late(standing, now):
            raise Refused("gate_closed", f"closed at {standing.gate_closes.isoformat()}", place="day")
        return (BidSending(self.revision, now, self.gateway),)


class NoteUnsent(OnBid, frozen=True):
    """The market was asked, and does not have it, by a person's word where `by_hand`."""

    revision: int
    reason: str
    by_hand: bool = False

    def decide(self, state: BidState | None, _: Mapping[str, object]) -> tuple[BidUnsent]:
        standing = _live(state, self.bid, self.revision)
        if standing.status not in ("sending", "uncertain"):
            raise Refused("bid_status", f"bid {self.bid} is {standing.status}", place="bid")
        return (BidUnsent(self.revision, self.reason, self.by_hand),)


class NoteUncertain(OnBid, frozen=True):
    """No answer came to what was sent."""

    revision: int
    reason: str

    def decide(self, state: BidState | None, _: Mapping[str, object]) -> tuple[BidUncertain]:
        """Raises:
        Refused: `unknown_bid`, `bid_revision`, `bid_status`."""
        standing = _live(state, self.bid, self.revision)
        if standing.status not in ("sending", "uncertain"):
            raise Refused("bid_status", f"bid {self.bid} is {standing.status}", place="bid")
        return (BidUncertain(self.revision, self.reason),)


class AcknowledgeBid(OnBid, frozen=True):
    """The market has it, under its own reference. A person may say so where no gateway can ask.

    `sent`: it is the answer to its being sent; that it was asked back meanwhile still holds. `keeps`: it is
    the answer to its being asked back. `gone`: so many first intervals' gates were past, where what it
    replaced still stands. `returns`: somebody said meanwhile that the market does not have it; `conflict` is
    what of it cannot be kept beside what was sold since.
    """

    revision: int
    reference: str
    market_time: Instant | None = None
    sent: bool = False
    keeps: bool = False
    gone: int = 0
    returns: bool = False
    conflict: AwardConflict | None = None

    @property
    def answered(self) -> bool:
        """Whether the market was asked, and no person says so."""
        return self.sent or self.keeps

    def decide(self, state: BidState | None, _: Mapping[str, object]) -> tuple[BidAcknowledged]:
        """Raises:
        Refused: `unknown_bid`, `bid_revision`; `bid_status` for what was never sent or is cleared, and unless
            the market answered, for what is not on its way, at the market or asked back; `reference` for
            none, or another than it has; `conflict` when it ended meanwhile."""
        standing = standing_of(state, self.bid)
        _check_revision(standing, self.revision)
        possible = standing.status in AT_MARKET - {"cleared"} or (self.answered and returns(standing))
        if standing.sent_at is None or not possible:
            raise Refused("bid_status", f"bid {self.bid} is {standing.status}", place="bid")
        if self.returns != returns(standing):
            raise Refused("conflict", "what stands of the bid changed meanwhile; try again", place="bid")
        if not self.reference.strip():
            raise Refused("reference", "name the market's own reference", place="reference")
        if standing.reference and standing.reference != self.reference:
            wrong = f"the market has it as {standing.reference}, not {self.reference}"
            raise Refused("reference", wrong, place="reference")
        withdrawing = self.sent and standing.status in ("withdrawing", "withdrawn")
        return (
            BidAcknowledged(
                self.revision, self.reference, self.market_time, withdrawing, self.gone, self.conflict
            ),
        )


def returns(standing: Standing) -> bool:
    """Whether somebody said of a revision that was sent that the market does not have it; what the market
    itself gave back does not return."""
    return standing.status in ("refused", "expired") or may_stand(standing)


class RefuseBid(OnBid, frozen=True):
    """The market said no, by a person's word where `by_hand`; `behind` are the revisions that stand again
    then, the newest first."""

    revision: int
    reason: str
    behind: tuple[int, ...] = ()
    by_hand: bool = False

    def decide(self, state: BidState | None, _: Mapping[str, object]) -> tuple[BidRefused]:
        """Raises:
        Refused: `unknown_bid`, `bid_revision`, `reason`; `bid_status` unless it was sent and not answered;
            `conflict` when what stands behind it changed meanwhile."""
        standing = _live(state, self.bid, self.revision)
        unanswered = standing.status == "withdrawing" and not standing.reference
        if standing.status not in ("sending", "uncertain") and not unanswered:
            raise Refused("bid_status", f"bid {self.bid} is {standing.status}", place="bid")
        if self.behind != tuple(one.draft.revision for one in with_behind(standing.behind)):
            raise Refused("conflict", "what stands of the bid changed meanwhile; try again", place="bid")
        return (BidRefused(self.revision, checked_reason(self.reason), self.by_hand),)


class AskWithdrawal(OnBid, frozen=True):
    """Want a submitted bid back; the gateway asks the market, and the gate must still be open."""

    by: str
    reason: str

    def decide_at(
        self, now: datetime, state: BidState | None, _: Mapping[str, object]
    ) -> tuple[WithdrawalAsked]:
        """Raises:
        Refused: `unknown_bid`, `bid_status`, `gate_closed`, `reason`."""
        standing = live_of(state, self.bid)
        if late(standing, now):
            raise Refused("gate_closed", f"closed at {standing.gate_closes.isoformat()}", place="day")
        checked_id(self.by, "by")
        return (WithdrawalAsked(standing.draft.revision, self.by, checked_reason(self.reason)),)


class WithdrawBid(OnBid, frozen=True):
    """The market does not have it any more, or never had it, by a person's word where `by_hand`."""

    revision: int
    reason: str
    by_hand: bool = False

    def decide(self, state: BidState | None, _: Mapping[str, object]) -> tuple[BidWithdrawn]:
        standing = _live(state, self.bid, self.revision)
        if standing.status != "withdrawing":
            raise Refused("bid_status", f"bid {self.bid} is {standing.status}", place="bid")
        return (BidWithdrawn(self.revision, self.reason, self.by_hand),)


class ExpireBid(OnBid, frozen=True):
    """Its gate has closed, and it does not stand at the market."""

    revision: int
    reason: str

    def decide_at(self, now: datetime, state: BidState | None, _: Mapping[str, object]) -> tuple[BidExpired]:
        """Raises:
        Refused: `unknown_bid`, `bid_status` for what the market may have, `gate_open`."""
        standing = _live(state, self.bid, self.revision)
        if standing.status != "submitted":
            raise Refused("bid_status", f"bid {self.bid} is {standing.status}", place="bid")
        if not late(standing, now):
            raise Refused("gate_open", f"open until {standing.gate_closes.isoformat()}", place="day")
        return (BidExpired(self.revision, checked_reason(self.reason)),)


class ClearBid(OnBid, frozen=True):
    """What a clearing awarded to it; `revision` is the one that the market cleared, where it says so.

    `returns`: only a person said that the market does not have it. `conflict`: what of it cannot be kept; it
    is a fact all the same.
    """

    clearing: Id
    run: str
    awarded_w: tuple[int, ...]
    revision: int | None = None
    conflict: AwardConflict | None = None
    returns: bool = False

    def decide(self, state: BidState | None, _: Mapping[str, object]) -> tuple[BidCleared]:
        """Raises:
        Refused: `award_without_bid` for a bid that does not stand at the market, `award_beyond_bid`;
            `conflict` when it ended, or stands again, meanwhile."""
        standing = awarded_to(state, self.revision)
        if standing is None:
            named = "" if self.revision is None else f" in revision {self.revision}"
            wrong = f"bid {self.bid} does not stand at the market{named}"
            raise Refused("award_without_bid", wrong, place="bid")
        if self.returns != (standing.status not in AT_MARKET):
            raise Refused("conflict", "what stands of the bid changed meanwhile; try again", place="bid")
        check_award(standing.bid, self.awarded_w)
        return (BidCleared(standing.draft.revision, self.clearing, self.run, self.awarded_w, self.conflict),)


def awardable(state: BidState | None, revision: int | None) -> Standing | None:
    """What stands at the market under that revision: the last submitted one, or what it was to replace."""
    return next((one for one in _named(state, revision) if one.status in AT_MARKET), None)


def cleared_of(state: BidState | None, award: Award | None) -> Standing | None:
    """What of a bid a clearing that has this award, or none, is about."""
    if award is None:
        return awardable(state, None)
    named = awarded_to(state, award.revision)
    return named if named is None or changes(named, award) else awardable(state, None) or named


def changes(standing: Standing, award: Award | None) -> bool:
    """Whether a clearing changes it: an award of nothing says the same as who said that it is withdrawn."""
    return standing.status in AT_MARKET or (award is not None and any(award.power_w))


def awarded_to(state: BidState | None, revision: int | None) -> Standing | None:
    """What an award is of: what stands at the market, or else what only a person said it does not have."""
    return awardable(state, revision) or next(filter(may_stand, _named(state, revision)), None)


def _named(state: BidState | None, revision: int | None) -> Iterator[Standing]:
    every = () if state is None else state.clearable
    return (one for one in every if revision in (None, one.draft.revision))


def check_award(bid: Bid, awarded_w: tuple[int, ...]) -> None:
    """That a market awarded no more than was offered.

    Raises:
        Refused: `award_beyond_bid`.
    """
    low, high = offered_range_w(bid)
    if len(awarded_w) != len(low):
        wrong = f"{len(low)} intervals were bid for and {len(awarded_w)} awarded"
        raise Refused("award_beyond_bid", wrong, place="awarded_w")
    for number, power in enumerate(awarded_w):
        if not low[number] <= power <= high[number]:
            wrong = f"{power} W are awarded, and {low[number]} to {high[number]} W were offered"
            raise Refused("award_beyond_bid", wrong, place=f"awarded_w[{number}]")


def _live(state: BidState | None, name: str, revision: int) -> Standing:
    standing = live_of(state, name)
    _check_revision(standing, revision)
    return standing


def _check_revision(standing: Standing, revision: int) -> None:
    if standing.draft.revision != revision:
        wrong = f"revision {standing.draft.revision} stands, not {revision}"
        raise Refused("bid_revision", wrong, place="revision")
