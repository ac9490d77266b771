"""What a person or program does at the desk: write, approve, submit and take back bids.

Each is one save: the bid's own event, the commitments of every unit whose sites it offers, and its part of
each limit, all or none (docs/trading.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Final, NamedTuple, cast

import msgspec

from adapters.desk.award_conflicts import Raised, conflicts_of, with_imbalance
from adapters.desk.binding import Binding, SiteTies, bound_by, commitment_of
from adapters.desk.clearing_awards import AboutBid, awards_of, standings_of
from adapters.front_door import FrontDoor, Receipt, Wish
from adapters.postgres.database import Database
from adapters.queries import bids
from adapters.queries.bids import BidFilter
from adapters.settling import lowest_position, wait_until
from ledger import book
from ledger.book import Book
from ledger.effective import History
from ledger.refusal import Refused
from trading import risk
from trading.bid import Bid
from trading.bid_commands import ApproveBid, DraftBid, OverrideLimit, SubmitBid
from trading.bid_life import BidState, Standing, carried, gone, live_of, standing_of, with_behind
from trading.clearing import Award, Clearing, ClearingState, RecordClearing
from trading.market_answer import (
    AcknowledgeBid,
    AskWithdrawal,
    ClearBid,
    ExpireBid,
    NoteUncertain,
    NoteUnsent,
    RefuseBid,
    SendBid,
    WithdrawBid,
    returns,
)
from trading.posted_clearing import ApprovePosted, PostClearing, open_posted, posted_aggregate
from trading.product import Market, Product, market_at
from trading.risk import RiskPolicy, policy_of

_ATTEMPTS: Final = 3
_PROJECTED_S: Final = 60.0


class Posted(NamedTuple):
    """`waits` for a second person; else the clearing is in force."""

    receipt: Receipt
    waits: bool


class Desk:
    """One book's desk. Every command has an id under which a repeat answers the first result."""

    def __init__(self, door: FrontDoor, database: Database) -> None:
        self.door = door
        self.database = database

    def draft(self, bid: Bid, *, revision: int, command_id: str, actor: str) -> Receipt:
        """Write a bid or its next revision.

        Raises:
            Refused: see `DraftBid`.
        """
        return self.door.execute(DraftBid(bid, actor, revision), command_id=command_id, actor=actor)

    def approve(self, name: str, revision: int, digest: str, *, command_id: str, actor: str) -> Receipt:
        """Approve what another wrote, unless a contract of its sites forbids its stream by now.

        Raises:
            Refused: see `ApproveBid`; `contract_forbids`.
        """
        draft = self.state(name).draft
        if draft.revision == revision and self.door.accepted(f"bid.{name}", command_id) is None:
            _, product = self.product_of(draft.bid)
            self._binding().check_contracts(draft.bid, product, self.door.state)
        command = ApproveBid(name, revision, digest, actor)
        return self.door.execute(command, command_id=command_id, actor=actor)

    def override(
        self, name: str, revision: int, limit: str, reason: str, *, command_id: str, actor: str
    ) -> Receipt:
        """Raises:
        Refused: see `OverrideLimit`."""
        command = OverrideLimit(name, revision, limit, actor, reason)
        return self.door.execute(command, command_id=command_id, actor=actor)

    def submit(self, name: str, revision: int, *, command_id: str, actor: str) -> Receipt:
        """Submit a revision: from here on the gateway may send it.

        Raises:
            Refused: see `SubmitBid`, `Commit` and `UseLimit`.
        """
        if (before := self.door.accepted(f"bid.{name}", command_id)) is not None:
            return self._again(before, self.state(name), revision)
        return _decided_anew(lambda: self._submit(name, revision, command_id, actor))

    def _submit(self, name: str, revision: int, command_id: str, actor: str) -> Receipt:
        state = self.state(name)
        draft = state.draft
        if draft.revision != revision:
            wrong = f"bid {name} is at revision {draft.revision}, not {revision}"
            raise Refused("bid_revision", wrong, place="revision")
        policy = policy_of(self.door.state(risk.AGGREGATE))
        market, product = self.product_of(draft.bid)
        binding = self._binding()
        uses = binding.uses(policy, draft.bid, market, product, draft.by)
        command = SubmitBid(
            name,
            market.id,
            revision,
            actor,
            uses,
            binding.units(draft.bid),
            binding.contracts(draft.bid),
            tuple(one.draft.revision for one in state.replaced),
        )
        wishes = [
            Wish(command, command_id),
            *binding.take(self._policy(), draft.bid, product, state, uses, draft.overridden, command_id),
        ]
        return self.door.execute_all(wishes, actor=actor)[0]

    @staticmethod
    def _again(before: Receipt, state: BidState, revision: int) -> Receipt:
        """A submission that was accepted before: its commitments have changed since, its answer has not.

        Raises:
            Refused: `command_id_reused` when it was not a submission of that revision.
        """
        standing = state.standing
        while standing is not None and standing.draft.revision != revision:
            standing = standing.behind
        if standing is None and state.draft.revision == revision:
            raise Refused("command_id_reused", "that command id asked for something else", place="revision")
        return before

    def ask_withdrawal(self, name: str, reason: str, *, command_id: str, actor: str) -> Receipt:
        """Raises:
        Refused: see `AskWithdrawal`."""
        return self.door.execute(AskWithdrawal(name, actor, reason), command_id=command_id, actor=actor)

    def stop(self, reason: str, *, command_id: str, actor: str) -> Receipt:
        """Pull the switch; the gateways then ask back what can be asked back."""
        return self.door.execute(risk.StopTrading(actor, reason), command_id=command_id, actor=actor)

    # --------------------------------------------------------------- at the market

    def send(self, name: str, revision: int, *, command_id: str, actor: str, gateway: str = "") -> Receipt:
        """Put on record that it is sent now, once all units with sites in common are bound by it.

        Raises:
            Refused: see `SendBid`; `ties_changed` where a unit has sites in common that was not bound: the
                membership was not projected yet when the bid was submitted.
            Behind: the projections have not come to the last membership.
        """
        if self.door.accepted(f"bid.{name}", command_id) is None:
            self._check_ties(name, revision)
        return self.door.execute(SendBid(name, revision, gateway), command_id=command_id, actor=actor)

    def _check_ties(self, name: str, revision: int) -> None:
        standing = self.state(name).live
        if standing is None or standing.draft.revision != revision:
            return
        bid = standing.draft.bid
        commitment = commitment_of(bid, self.product_of(bid)[1])
        unbound = self._fresh_binding().unbound(bid, commitment, self.door.state)
        if unbound is not None:
            wrong = (
                f"{unbound} has sites in common with {bid.unit} that bid {name} did not bind when it was"
                " submitted: revise it and submit it again"
            )
            raise Refused("ties_changed", wrong, place="unit")

    def note_unsent(
        self, name: str, revision: int, reason: str, *, command_id: str, actor: str, by_hand: bool = True
    ) -> Receipt:
        command = NoteUnsent(name, revision, reason, by_hand)
        return self.door.execute(command, command_id=command_id, actor=actor)

    def note_uncertain(
        self, name: str, revision: int, reason: str, *, command_id: str, actor: str
    ) -> Receipt:
        return self.door.execute(NoteUncertain(name, revision, reason), command_id=command_id, actor=actor)

    def acknowledge(self, command: AcknowledgeBid, *, command_id: str, actor: str) -> Receipt:
        """The market has it: an earlier revision that it replaced binds nothing any more.

        What it binds is said again, because somebody else may have ended it a moment ago. Where somebody
        had, the market has it all the same: it is bound, with what cannot be kept beside what was sold since.

        Raises:
            Refused: see `AcknowledgeBid`.
        """
        return _decided_anew(lambda: self._acknowledge(command, command_id, actor))

    def _acknowledge(self, command: AcknowledgeBid, command_id: str, actor: str) -> Receipt:
        standing = standing_of(self.state(command.bid), command.bid)
        _, product = self.product_of(standing.draft.bid)
        past = gone(standing, command.market_time or standing.sent_at or standing.at)
        stands = standing.bid
        still: tuple[Standing, ...] = (standing,)
        if standing.behind is not None and past:
            stands, still = carried(standing.draft.bid, standing.behind.bid, past), with_behind(standing)
        commitment, binding = commitment_of(stands, product), self._binding()
        narrows, policy = binding.narrow([(standing, commitment)], command_id), self._policy()
        if command.answered and returns(standing):
            found, narrows = conflicts_of(self.door.state, policy, narrows, {command.bid})
            conflict = found.get(command.bid)
            still = (with_imbalance(policy, Raised(standing, product, conflict)), *still[1:])
            command = msgspec.structs.replace(command, returns=True, conflict=conflict)
        wishes = [
            Wish(msgspec.structs.replace(command, gone=past), command_id),
            *narrows,
            *binding.keep(policy, with_behind(standing), still, command_id),
        ]
        return self.door.execute_all(wishes, actor=actor)[0]

    def refuse(
        self, name: str, revision: int, reason: str, *, command_id: str, actor: str, by_hand: bool = False
    ) -> Receipt:
        """The market said no: what it bound is free, or bound by what stands still."""
        behind = with_behind(live_of(self.state(name), name).behind)
        command = RefuseBid(name, revision, reason, tuple(one.draft.revision for one in behind), by_hand)
        return self._end(command, command_id, actor)

    def expire(self, name: str, revision: int, reason: str, *, command_id: str, actor: str) -> Receipt:
        return self._end(ExpireBid(name, revision, reason), command_id, actor)

    def withdraw(
        self, name: str, revision: int, reason: str, *, command_id: str, actor: str, by_hand: bool = False
    ) -> Receipt:
        """The market gave it back: what it bound is free."""
        return self._end(WithdrawBid(name, revision, reason, by_hand), command_id, actor)

    def _end(self, command: RefuseBid | ExpireBid | WithdrawBid, command_id: str, actor: str) -> Receipt:
        standing = live_of(self.state(command.bid), command.bid)
        wishes = [Wish(command, command_id)]
        behind = None if isinstance(command, WithdrawBid) else standing.behind
        if behind is not None:
            _, product = self.product_of(behind.draft.bid)
            commitment, binding = bound_by(with_behind(behind), product), self._binding()
            wishes += binding.narrow([(standing, commitment)], command_id)
            wishes += binding.keep(self._policy(), with_behind(standing), with_behind(behind), command_id)
        else:
            wishes += self._binding().free(self._policy(), standing, command_id)
        return self.door.execute_all(wishes, actor=actor)[0]

    def post_clearing(self, clearing: Clearing, *, command_id: str, actor: str) -> Posted:
        """Record a run that a person read off the market, or let it wait for the second person that the book
        asks for.

        Raises:
            Refused: see `record_clearing`, and `PostClearing`.
        """
        founded = self.door.state(book.AGGREGATE)
        if not isinstance(founded, Book) or founded.approvals != "two_persons":
            receipt = self.record_clearing(clearing, command_id=command_id, actor=actor, by_hand=True)
            return Posted(receipt, waits=False)
        if self.door.accepted(posted_aggregate(clearing.id), command_id) is None:
            self._cleared(clearing, command_id, by_hand=True)
        command = PostClearing(clearing, actor)
        return Posted(self.door.execute(command, command_id=command_id, actor=actor), waits=True)

    def approve_clearing(self, name: str, digest: str, *, command_id: str, actor: str) -> Receipt:
        """Let a posted run take effect; answers where the clearing is.

        Raises:
            Refused: see `ApprovePosted` and `record_clearing`.
        """
        if (before := self.door.accepted(f"clearing.{name}", command_id)) is not None:
            self._check_asked(name, digest)
            return before
        posted = open_posted(self.door.state(posted_aggregate(name)), name, digest)
        return self._record(posted.clearing, command_id, actor, by_hand=True, digest=digest)

    def _check_asked(self, name: str, digest: str) -> None:
        known = self.door.state(f"clearing.{name}")
        if not isinstance(known, ClearingState) or digest not in known.runs.values():
            raise Refused("command_id_reused", "that command id asked for something else", place="digest")

    def record_clearing(
        self, clearing: Clearing, *, command_id: str, actor: str, by_hand: bool = False
    ) -> Receipt:
        """Record a run with what each bid was awarded: all or none.

        A bid of the product and day that stands at the market and is not among the awards was awarded
        nothing. A corrected award, or one of a bid of which only a person said that the market does not have
        it, may be more than what is left of the power that was free and somebody sold since: it is recorded
        all the same, with what of it cannot be kept.

        Raises:
            Refused: see `RecordClearing` and `ClearBid`; `award_without_bid` for an award to a bid of another
                product or day, or to none.
        """
        if (before := self.door.accepted(f"clearing.{clearing.id}", command_id)) is not None:
            known = self.door.state(f"clearing.{clearing.id}")
            if isinstance(known, ClearingState) and known.runs.get(clearing.run) == clearing.digest:
                return before
            raise Refused("command_id_reused", f"command id {command_id!r} asked for something else")
        return self._record(clearing, command_id, actor, by_hand=by_hand, digest=None)

    def _record(
        self, clearing: Clearing, command_id: str, actor: str, *, by_hand: bool, digest: str | None
    ) -> Receipt:
        """With `digest` as what was posted, and is approved by who asks."""

        def once() -> Receipt:
            wishes = self._cleared(clearing, command_id, by_hand=by_hand)
            if digest is not None:
                about = [wish.command.bid for wish in wishes if isinstance(wish.command, ClearBid)]
                approval = ApprovePosted(clearing.id, digest, actor, tuple(about))
                wishes.append(Wish(approval, command_id))
            return self.door.execute_all(wishes, actor=actor)[0]

        return _decided_anew(once)

    def _cleared(self, clearing: Clearing, command_id: str, *, by_hand: bool) -> list[Wish]:
        """All that is saved with a clearing, as everything stands now."""
        awarded = {award.bid: award for award in clearing.awards}
        about = [
            AboutBid(name, held, self.product_of(held.draft.bid)[1], awarded.get(name))
            for name, held in self._standing(clearing, awarded).items()
        ]
        return [
            Wish(RecordClearing(clearing, by_hand=by_hand), command_id),
            *awards_of(clearing, about, self._binding(), self._policy, self.door.state, command_id),
        ]

    def product_of(self, bid: Bid) -> tuple[Market, Product]:
        """The rules that hold for a bid's delivery day.

        Raises:
            Refused: `unknown_market`, `market_gap`, `unknown_product`.
        """
        return self.product_on(bid.market, bid.product, bid.day)

    def product_on(self, market: str, product: str, day: date) -> tuple[Market, Product]:
        """The rules that hold for a delivery day.

        Raises:
            Refused: `unknown_market`, `market_gap`, `unknown_product`.
        """
        history = self.door.state(f"market.{market}")
        if not isinstance(history, History):
            raise Refused("unknown_market", f"no market {market!r} is registered", place="market")
        versions = cast("History[Market]", history)
        held = market_at(versions, versions.latest.document.start_of(day))
        return held, held.product(product)

    def state(self, name: str) -> BidState:
        """The bid as it stands now.

        Raises:
            Refused: `unknown_bid`.
        """
        found = self.door.state(f"bid.{name}")
        if not isinstance(found, BidState):
            raise Refused("unknown_bid", f"no bid {name!r} is known", place="bid")
        return found

    def _standing(self, clearing: Clearing, awarded: Mapping[str, Award]) -> dict[str, Standing]:
        """The bids that a clearing is about: those awarded, and those that stand for its product and day."""
        wanted = BidFilter(
            market=clearing.market, product=clearing.product, first_day=clearing.day, last_day=clearing.day
        )
        client = self.door.recorder.log.client
        last = client.run(self.door.recorder.log.last_sequence())
        wait_until(self.database, self.door.book, last, _PROJECTED_S)
        with self.database.reading(self.door.book) as connection:
            names = [one.id for one in bids.bids(connection, lowest_position(connection), wanted)]
        return standings_of(clearing, awarded, names, self.door.state)

    def _policy(self) -> RiskPolicy:
        """With retired limits, of which what is used is kept."""
        return risk.known_limits(self.door.state(risk.AGGREGATE))

    def _fresh_binding(self) -> Binding:
        """The binding by every membership that is on record by now."""
        log = self.door.recorder.log
        last = log.client.run(log.last_of_noun("trading_unit"))
        wait_until(self.database, self.door.book, last, _PROJECTED_S)
        return self._binding()

    def _binding(self) -> Binding:
        return Binding(SiteTies.read(self.database, self.door.book))


def _decided_anew(save: Callable[[], Receipt]) -> Receipt:
    """What was read may have changed before it was saved: then it is read and decided again."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return save()
        except Refused as refused:
            if refused.code != "conflict":
                raise
    return save()
