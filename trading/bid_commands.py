"""What the desk does with a bid: write it, approve it, let it exceed a limit, submit it.

The commitments and limits that go with a submission are commands of the same save (adapters/desk).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import msgspec

from ledger.command import known
from ledger.contract import Contract
from ledger.effective import History
from ledger.identity import checked_id
from ledger.refusal import Refused
from ledger.signed_contract import held_days
from ledger.trading_unit import TradingUnit
from trading import risk
from trading.bid import Bid
from trading.bid_events import (
    BidApproved,
    BidDrafted,
    BidSubmitted,
    LimitOverridden,
)
from trading.bid_form import check_bid
from trading.bid_life import LIVE, BidState, LimitPart
from trading.exposure import exposure_of
from trading.gate import gate_of
from trading.moment import IntervalMoment
from trading.product import Id, Market, Product, market_at
from trading.risk import check_running, checked_reason, policy_of


class OnBid(msgspec.Struct, frozen=True):
    bid: Id

    @property
    def aggregate(self) -> str:
        return f"bid.{self.bid}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()


class DraftBid(msgspec.Struct, frozen=True):
    """Write a bid, or its next revision; `revision` is the one it is written upon, 0 for a new bid."""

    bid: Bid
    by: str
    revision: int = 0

    @property
    def aggregate(self) -> str:
        return f"bid.{self.bid.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"market.{self.bid.market}", f"trading_unit.{self.bid.unit}")

    @property
    def asked_in_full(self) -> bytes:
        """See `SaysItself`."""
        return b"%s %d %s" % (msgspec.json.encode(self.by), self.revision, self.bid.encoded)

    def decide_at(
        self, now: datetime, state: BidState | None, others: Mapping[str, object]
    ) -> tuple[BidDrafted]:
        """Raises:
        Refused: `unknown_market`, `unknown_trading_unit`, `unit_market`, `market_gap`, `unknown_product`,
            what `check_bid` refuses, `gate_closed`; `bid_exists` for another bid under the same id,
            `bid_revision` when somebody else revised it meanwhile, `bid_status` once it is cleared.
        """
        market, product = _product_of(self.bid, others)
        history: History[TradingUnit] = known(others, f"trading_unit.{self.bid.unit}", History)
        unit = history.latest.document
        if unit.market != market.id or unit.zone != market.zone:
            raise Refused("unit_market", f"{unit.id} is a unit of {unit.market}", place="unit")
        check_bid(self.bid, market, product)
        gate = gate_of(market, product, self.bid.day, self.bid.first)
        if gate.closed(now):
            gate.check(now)
        checked_id(self.by, "by")
        before = 0 if state is None else state.draft.revision
        if state is not None:
            self._check_revises(state)
        if self.revision != before:
            wrong = f"bid {self.bid.id} is at revision {before}; read it first" if before else "it is new"
            raise Refused("bid_revision", wrong, place="revision")
        return (BidDrafted(self.bid, before + 1, self.bid.digest, self.by, now),)

    def _check_revises(self, state: BidState) -> None:
        old, new, before = state.draft.bid, self.bid, state.draft.revision
        if state.draft.digest == new.digest and (
            self.revision == 0 or (self.revision == before and _is_open(state))
        ):
            wrong = f"bid {new.id} was written already with this content, as revision {before}"
            raise Refused("bid_exists", wrong, place="id")
        if self.revision == 0:
            wrong = f"bid {new.id} exists with other content: revise it with --revision {before}"
            raise Refused("bid_exists", wrong, place="id")
        if (old.unit, old.market, old.product, old.day) != (new.unit, new.market, new.product, new.day):
            raise Refused("bid_exists", f"bid {new.id} is for another unit, product or day", place="id")
        if state.standing is not None and state.standing.status == "cleared":
            raise Refused("bid_status", f"bid {new.id} is cleared already", place="id")


class ApproveBid(OnBid, frozen=True):
    """Approve one revision; `digest` is what the approver has seen."""

    revision: int
    digest: str
    by: str

    def decide(self, state: BidState | None, _: Mapping[str, object]) -> tuple[BidApproved]:
        """Raises:
        Refused: `unknown_bid`, `bid_revision`, `bid_status`, `four_eyes`."""
        draft = _open_draft(state, self.bid, self.revision)
        if draft.draft.digest != self.digest:
            raise Refused("bid_revision", "that is not what the bid says; read it first", place="digest")
        _check_other(draft, self.by)
        if self.by in draft.draft.approvals:
            raise Refused("four_eyes", f"{self.by} approved this already; another must", place="actor")
        return (BidApproved(self.revision, self.by),)


class OverrideLimit(OnBid, frozen=True):
    """Let one revision exceed a limit: an exception by a second person, on record with its reason."""

    revision: int
    limit: Id
    by: str
    reason: str

    @property
    def reads(self) -> tuple[str, ...]:
        return (risk.AGGREGATE,)

    def decide(self, state: BidState | None, others: Mapping[str, object]) -> tuple[LimitOverridden]:
        """Raises:
        Refused: `unknown_bid`, `bid_revision`, `bid_status`, `four_eyes`, `unknown_limit`, `reason`."""
        draft = _open_draft(state, self.bid, self.revision)
        _check_other(draft, self.by)
        policy = policy_of(others.get(risk.AGGREGATE))
        if self.limit not in {limit.id for limit in policy.limits}:
            names = ", ".join(limit.id for limit in policy.limits) or "none"
            raise Refused("unknown_limit", f"the limits are: {names}", place="limit")
        return (LimitOverridden(self.revision, self.limit, self.by, checked_reason(self.reason)),)


class SubmitBid(OnBid, frozen=True):
    """Offer one revision to the market.

    `uses` and `units` are what its save binds beside it, `contracts` those that hold for its sites;
    `replaces` the revisions that may be awarded until the market has this one, the newest first.
    """

    market: Id
    revision: int
    by: str
    uses: tuple[LimitPart, ...]
    units: tuple[str, ...]
    contracts: tuple[str, ...]
    replaces: tuple[int, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        contracts = (f"contract.{name}" for name in self.contracts)
        return (risk.AGGREGATE, f"market.{self.market}", *contracts)

    def decide_at(
        self, now: datetime, state: BidState | None, others: Mapping[str, object]
    ) -> tuple[BidSubmitted]:
        """Raises:
        Refused: `unknown_bid`, `kill_switch`, `bid_revision`, `bid_status`, `gate_not_open`, `gate_closed`,
            `awards_unsettled`, `contract_forbids`, `risk_policy_missing`, `approval_missing`; `conflict` when
            the limits, or what stands, changed meanwhile.
        """
        desk = others.get(risk.AGGREGATE)
        checked_id(self.by, "by")
        found = _open_draft(state, self.bid, self.revision)
        draft = found.draft
        if found.standing is not None and found.standing.status == "cleared":
            raise Refused("bid_status", f"bid {self.bid} is cleared already", place="bid")
        if self.replaces != tuple(one.draft.revision for one in found.replaced):
            raise Refused("conflict", "what stands of the bid changed meanwhile; try again", place="bid")
        check_running(desk)
        market, product = _product_of(draft.bid, others)
        gate = gate_of(market, product, draft.bid.day, draft.bid.first)
        gate.check(now)
        product.check_settles()
        check_bid(draft.bid, market, product)
        check_contracts(self.contracts, draft.bid, product, others)
        policy = policy_of(desk)
        exposure = exposure_of(draft.bid, product)
        needed = policy.persons(product.kind, exposure.payable + exposure.imbalance)
        if len(draft.approvals) < needed:
            raise Refused(
                "approval_missing",
                f"{needed} other person(s) must approve it; {len(draft.approvals)} did",
                place="approvals",
            )
        named = {(part.limit, part.value) for part in self.uses}
        if named != set(limit_values(policy.limits, draft.bid, market, draft.by)):
            raise Refused("conflict", "the desk's limits changed meanwhile; try again", place="limits")
        return (
            BidSubmitted(
                self.revision,
                self.by,
                now,
                gate.opens,
                gate.closes,
                gate.margin_s,
                self.uses,
                self.units,
                product.interval_s if isinstance(product.gate_closes, IntervalMoment) else 0,
            ),
        )


def check_contracts(names: Sequence[str], bid: Bid, product: Product, others: Mapping[str, object]) -> None:
    """That none of the contracts, read as `contract.NAME`, keeps its sites out of the product's stream.

    Raises:
        Refused: `contract_forbids`.
    """
    for name in names:
        _check_contract(known(others, f"contract.{name}", History), bid, product)


def versions_on(versions: Sequence[Contract], day: date) -> list[Contract]:
    """Those of a contract's versions, oldest first, that hold on the day: one at most."""
    return [
        version
        for version, days in zip(versions, held_days(versions), strict=True)
        if days is not None and days.first <= day < days.end
    ]


def _check_contract(history: History[Contract], bid: Bid, product: Product) -> None:
    for contract in versions_on([version.document for version in history.versions], bid.day):
        if product.stream in contract.forbidden_streams:
            raise Refused(
                "contract_forbids",
                f"contract {contract.id} does not let its sites be offered for {product.stream}",
                place="product",
            )


def limit_values(
    limits: tuple[risk.Limit, ...], bid: Bid, market: Market, by: str
) -> dict[tuple[str, str], risk.Limit]:
    """The limits that a bid uses: by limit and the user, unit, ... for which it is counted."""
    values: dict[risk.Each, str] = {
        "user": by,
        "unit": bid.unit,
        "product": f"{bid.market}-{bid.product}",
        "market": bid.market,
        "counterparty": market.operator,
    }
    return {
        (limit.id, values[limit.each]): limit
        for limit in limits
        if limit.applies(values[limit.each], market.currency)
    }


def _product_of(bid: Bid, others: Mapping[str, object]) -> tuple[Market, Product]:
    history: History[Market] = known(others, f"market.{bid.market}", History)
    start = history.latest.document.start_of(bid.day)
    market = market_at(history, start)
    return market, market.product(bid.product)


def _open_draft(state: BidState | None, name: str, revision: int) -> BidState:
    """Raises:
    Refused: `unknown_bid`, `bid_revision`, `bid_status` once the revision was submitted."""
    if state is None:
        raise Refused("unknown_bid", f"no bid {name!r} is known", place="bid")
    if state.draft.revision != revision:
        wrong = f"bid {name} is at revision {state.draft.revision}, not {revision}"
        raise Refused("bid_revision", wrong, place="revision")
    if state.status not in ("draft", "approved"):
        raise Refused("bid_status", f"bid {name} is {state.status} already", place="bid")
    return state


def _is_open(state: BidState) -> bool:
    """Whether the newest revision may still come to something as it is: what came to nothing is written
    again, and what was submitted and cannot be sent is bound anew by another revision."""
    standing = state.standing
    if standing is None:
        return True
    live = standing.status in LIVE and standing.status not in ("withdrawing", "submitted")
    return live and standing.draft.revision == state.draft.revision


def _check_other(state: BidState, by: str) -> None:
    checked_id(by, "by")
    if by == state.draft.by:
        raise Refused("four_eyes", f"{by} wrote this bid; another must decide", place="actor")
