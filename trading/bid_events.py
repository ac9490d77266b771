"""What happened to a bid, and what each event makes of it."""

from __future__ import annotations

import msgspec

from ledger.interval import Instant
from trading.award_conflict import AwardConflict
from trading.bid import Bid
from trading.bid_life import AtMarket, BidState, Draft, LimitPart, Standing, at_market, may_stand, with_behind
from trading.product import Id


def _ended(state: BidState, status: AtMarket, reason: str, *, by_hand: bool = False) -> BidState:
    """The revision came to nothing; what it was to replace stands again, or is wanted back as it was."""
    standing = state.standing
    assert standing is not None, "only what was submitted ends"
    if standing.behind is not None:
        behind = standing.behind
        if standing.status == "withdrawing":
            behind = msgspec.structs.replace(behind, status="withdrawing", reason=standing.reason)
        ended = msgspec.structs.replace(standing, status=status, reason=reason, by_hand=by_hand, behind=None)
        return msgspec.structs.replace(state, standing=behind, said_gone=_said_gone(state, ended))
    return _with(state, status=status, reason=reason, by_hand=by_hand)


def _said_gone(state: BidState, replaced: Standing | None) -> tuple[Standing, ...]:
    """With what is replaced now, where the market may still award it."""
    return (*(one for one in with_behind(replaced) if may_stand(one)), *state.said_gone)


def _with(state: BidState, **changes: object) -> BidState:
    assert state.standing is not None, "only what was submitted changes at the market"
    return msgspec.structs.replace(state, standing=msgspec.structs.replace(state.standing, **changes))


class BidDrafted(msgspec.Struct, frozen=True, tag_field="kind", tag="bid.drafted.v1"):
    bid: Bid
    revision: int
    digest: str
    by: str
    at: Instant

    def apply(self, state: BidState | None) -> BidState:
        draft = Draft(self.revision, self.bid, self.by, self.at, self.digest)
        return BidState(draft) if state is None else msgspec.structs.replace(state, draft=draft)


class BidApproved(msgspec.Struct, frozen=True, tag_field="kind", tag="bid.approved.v1"):
    revision: int
    by: str

    def apply(self, state: BidState) -> BidState:
        draft = msgspec.structs.replace(state.draft, approvals=(*state.draft.approvals, self.by))
        return msgspec.structs.replace(state, draft=draft)


class LimitOverridden(msgspec.Struct, frozen=True, tag_field="kind", tag="bid.limit_overridden.v1"):
    revision: int
    limit: Id
    by: str
    reason: str

    def apply(self, state: BidState) -> BidState:
        draft = msgspec.structs.replace(state.draft, overridden=(*state.draft.overridden, self.limit))
        return msgspec.structs.replace(state, draft=draft)


class BidSubmitted(msgspec.Struct, frozen=True, tag_field="kind", tag="bid.submitted.v1"):
    """`at` is the time of the decision; the gate as it was known then is the evidence beside it."""

    revision: int
    by: str
    at: Instant
    gate_opens: Instant
    gate_closes: Instant
    margin_s: int
    uses: tuple[LimitPart, ...]
    units: tuple[str, ...]
    gate_step_s: int = 0

    def apply(self, state: BidState) -> BidState:
        before = state.standing
        standing = Standing(
            state.draft,
            self.by,
            self.at,
            self.gate_opens,
            self.gate_closes,
            self.margin_s,
            self.uses,
            self.units,
            self.gate_step_s,
            behind=None if before is None else at_market(before),
        )
        gone = _said_gone(state, before)
        return msgspec.structs.replace(state, standing=standing, said_gone=gone)


class BidSending(msgspec.Struct, frozen=True, tag_field="kind", tag="bid.sending.v1"):
    """It will be sent now: written before it is, so that a crash leaves a question and no second bid."""

    revision: int
    at: Instant
    gateway: str = ""
    """Over which it goes; empty where a person sends it."""

    def apply(self, state: BidState) -> BidState:
        return _with(state, status="sending", sent_at=self.at, gateway=self.gateway, by_hand=False)


class BidUnsent(msgspec.Struct, frozen=True, tag_field="kind", tag="bid.unsent.v1"):
    """The market was asked and does not have it: it may be sent again. `by_hand`: a person says so."""

    revision: int
    reason: str
    by_hand: bool = False

    def apply(self, state: BidState) -> BidState:
        return _with(state, status="submitted", reason=self.reason, by_hand=self.by_hand)


class BidUncertain(msgspec.Struct, frozen=True, tag_field="kind", tag="bid.uncertain.v1"):
    """It was sent, and no answer came: it may or may not stand at the market."""

    revision: int
    reason: str

    def apply(self, state: BidState) -> BidState:
        return _with(state, status="uncertain", reason=self.reason)


class BidAcknowledged(msgspec.Struct, frozen=True, tag_field="kind", tag="bid.acknowledged.v1"):
    revision: int
    reference: str
    market_time: Instant | None
    withdrawing: bool = False
    """It was asked back while it was on its way, and still is."""
    gone: int = 0
    """So many first intervals' gates were past: what it replaced still stands there."""
    conflict: AwardConflict | None = None
    """It was said to be refused meanwhile: what of it cannot be kept beside what was sold since."""

    def apply(self, state: BidState) -> BidState:
        standing = state.standing
        assert standing is not None, "only what was submitted is acknowledged"
        kept = standing.kept if standing.behind is None else standing.behind.bid
        changes: dict[str, object] = {"reference": self.reference, "behind": None, "gone": self.gone}
        changes["kept"] = kept if self.gone else None
        if self.conflict is not None:
            changes["conflict"] = self.conflict
        changes["by_hand"] = False
        if self.withdrawing:
            return _with(state, status="withdrawing", **changes)
        return _with(state, status="acknowledged", reason="", **changes)


class BidRefused(msgspec.Struct, frozen=True, tag_field="kind", tag="bid.refused.v1"):
    """The market did not take it; `reason` is what it said. `by_hand`: a person says so."""

    revision: int
    reason: str
    by_hand: bool = False

    def apply(self, state: BidState) -> BidState:
        return _ended(state, "refused", self.reason, by_hand=self.by_hand)


class WithdrawalAsked(msgspec.Struct, frozen=True, tag_field="kind", tag="bid.withdrawal_asked.v1"):
    """Somebody wants it back; the market has still to say so."""

    revision: int
    by: str
    reason: str

    def apply(self, state: BidState) -> BidState:
        return _with(state, status="withdrawing", reason=self.reason)


class BidWithdrawn(msgspec.Struct, frozen=True, tag_field="kind", tag="bid.withdrawn.v1"):
    """The market does not have it any more, nor what it was to replace. `by_hand`: a person says so."""

    revision: int
    reason: str
    by_hand: bool = False

    def apply(self, state: BidState) -> BidState:
        standing = state.standing
        assert standing is not None, "only what was submitted is withdrawn"
        return msgspec.structs.replace(state, standing=self._withdrawn(standing))

    def _withdrawn(self, standing: Standing) -> Standing:
        """What it was to replace is kept where the market may still award it."""
        behind = standing.behind if self.by_hand else None
        return msgspec.structs.replace(
            standing,
            status="withdrawn",
            reason=self.reason,
            by_hand=self.by_hand,
            behind=None if behind is None else self._withdrawn(behind),
        )


class BidExpired(msgspec.Struct, frozen=True, tag_field="kind", tag="bid.expired.v1"):
    """Its gate closed before it stood at the market, or no result came for it."""

    revision: int
    reason: str

    def apply(self, state: BidState) -> BidState:
        said_unsent = state.standing is not None and state.standing.by_hand
        return _ended(state, "expired", self.reason, by_hand=said_unsent)


class BidCleared(msgspec.Struct, frozen=True, tag_field="kind", tag="bid.cleared.v1"):
    """What a clearing awarded, one power an interval, 0 where nothing; a corrected clearing says it again."""

    revision: int
    clearing: str
    run: str
    awarded_w: tuple[int, ...]
    conflict: AwardConflict | None = None

    def apply(self, state: BidState) -> BidState:
        standing = next((one for one in state.clearable if one.draft.revision == self.revision), None)
        assert standing is not None, "a revision that stood is cleared"
        cleared = msgspec.structs.replace(
            standing,
            status="cleared",
            by_hand=False,
            clearing=self.clearing,
            awarded_w=self.awarded_w,
            conflict=self.conflict,
            behind=None,
        )
        gone = tuple(one for one in state.said_gone if one is not standing)
        return msgspec.structs.replace(state, standing=cleared, said_gone=gone)
