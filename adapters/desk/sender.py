"""Carries bids to one market and its answers and results back, one step at a time.

What it does follows from the bids' states alone, so it may be killed at any moment: a bid that was being sent
is asked about before anything is sent again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Final, Literal

import msgspec

from adapters.desk.desk import Desk
from adapters.gateway.gateway import (
    Aside,
    Checking,
    Gateway,
    NotPublished,
    NotTaken,
    Offer,
    Rejecting,
    Unanswered,
)
from adapters.postgres.database import Database
from adapters.queries import bids
from adapters.queries.bids import BidFilter
from adapters.settling import lowest_position
from ledger.effective import History
from ledger.refusal import Refused
from ledger.trading_unit import TradingUnit
from trading import risk
from trading.bid_life import AT_MARKET, LIVE, BidState, Standing, late, may_stand, with_behind
from trading.clearing import Award, ClearingState, check_published, clearing_id
from trading.market_answer import AcknowledgeBid, check_award
from trading.risk import Desk as DeskState

ACTOR: Final = "gateway"
_REASON_MAX: Final = 500
_SENDING_S: Final = 30
"""For so long another process may still be waiting for its answer."""

_NOT_GOOD: Final = frozenset({"award_beyond_bid", "price_limit", "clearing_intervals", "clearing_run"})
"""What a result is refused for that says something wrong; the desk's own state is no fault of it."""

Outcome = Literal[
    "acknowledged",
    "refused",
    "uncertain",
    "unsent",
    "expired",
    "withdrawn",
    "withdrawing",
    "kept",
    "cleared",
    "blocked",
]


class Done(msgspec.Struct, frozen=True):
    """What one step did to a bid or a clearing; `note` says why."""

    name: str
    outcome: Outcome
    note: str = ""


class Sender:
    """One market's traffic, over the gateways of an installation by name. `clock` is the desk's own.

    A bid goes over the gateway that the market names on its delivery day, and is asked about, taken back and
    cleared over the one over which it went, whatever the market names by then. A bid whose gateway is not
    among these is left alone.
    """

    def __init__(
        self,
        desk: Desk,
        database: Database,
        market: str,
        gateways: Mapping[str, Gateway],
        clock: Callable[[], datetime],
    ) -> None:
        self._desk = desk
        self._database = database
        self._market = market
        self._gateways = gateways
        self._clock = clock

    def step(self) -> list[Done]:
        """Carry everything that waits one step further; answers what changed, or keeps a bid from changing.

        A bid that cannot be carried does not hold up the others.
        """
        found: list[Done] = []
        for name in self._live():
            try:
                done = self._carry(name)
            except Refused as refused:
                if refused.code in ("bid_status", "bid_revision", "gate_closed", "kill_switch"):
                    continue
                done = Done(name, "blocked", f"{refused.code}: {refused}")
            if done is not None:
                found.append(done)
        return found

    def fetch(self, product: str, day: date) -> Done | None:
        """Record the newest run of a day's result; None when it is not out, or known already.

        Raises:
            Unanswered: it did not arrive whole.
            Refused: what arrived contradicts itself or the bids: nothing is recorded.
        """
        states = self._states(product, day)
        standings = [one for one in _standings(states) if _at_market(one)]
        units = {standing.draft.bid.unit for standing in standings}
        standings += [
            one for one in map(_said_gone, states) if one is not None and one.draft.bid.unit not in units
        ]
        if not standings:
            return None
        offers = [self._based(standing) for standing in standings]
        market, its_product = offers[0].market, offers[0].product
        went = dict.fromkeys(standing.gateway for standing in standings if standing.gateway)
        gateway = self._gateways.get(next(iter(went)) if len(went) == 1 else market.gateway)
        if gateway is None:
            return None
        try:
            clearing = gateway.result(market, its_product, day, offers)
        except NotPublished:
            return None
        known = self._desk.door.state(f"clearing.{clearing_id(market.id, product, day)}")
        if isinstance(known, ClearingState) and known.runs.get(clearing.run) == clearing.digest:
            return None
        check_published(clearing, its_product, self._clock())
        command_id = f"clearing:{clearing.id}:{clearing.run}:{clearing.digest}"
        try:
            self._desk.record_clearing(clearing, command_id=command_id, actor=ACTOR)
        except Refused as refused:
            if refused.code not in _NOT_GOOD or not isinstance(gateway, Rejecting):
                raise
            beyond = {award.bid for award in clearing.awards if _is_beyond(award, states)}
            wrong = [offer for offer in offers if not beyond or offer.draft.bid.id in beyond]
            gateway.reject(its_product, day, wrong, clearing.run, refused)
            raise Aside(refused.code, f"run {clearing.run}: {refused.reason}", place=refused.place) from None
        return Done(clearing.id, "cleared", f"run {clearing.run}")

    def due(self) -> list[tuple[str, date]]:
        """Products and days whose result should be out by now, or may still be corrected."""
        now = self._clock()
        found: dict[tuple[str, date], None] = {}
        with self._database.reading(self._desk.door.book) as connection:
            position = lowest_position(connection)
            since = (now - timedelta(days=CORRECTED_DAYS)).date()
            rows = bids.bids(connection, position, BidFilter(market=self._market, first_day=since))
        for row in rows:
            standing = row.state.standing
            if standing is None or not (standing.status in AT_MARKET or _said_gone(row.state)):
                continue
            market, product = self._desk.product_of(standing.draft.bid)
            out = market.moment(product.published, product, standing.draft.bid.day, standing.draft.bid.first)
            if now >= out:
                found[product.id, standing.draft.bid.day] = None
        return sorted(found)

    # ------------------------------------------------------------------- one bid

    def _carry(self, name: str) -> Done | None:
        state = self._desk.state(name)
        standing = state.live
        if standing is None or self._gateway_of(standing) is None:
            return None
        match standing.status:
            case "submitted":
                wanted_back = None if standing.behind is None else self._stopped(name, standing)
                return wanted_back or self._send(name, standing)
            case "sending" | "uncertain":
                return self._clear_up(name, standing)
            case "withdrawing":
                return self._take_back(name, standing)
            case "acknowledged":
                return self._stopped(name, standing)
            case _:
                return None

    def _send(self, name: str, standing: Standing) -> Done | None:
        now, revision = self._clock(), standing.draft.revision
        if late(standing, now):
            note = f"the gate closed at {standing.gate_closes.isoformat()} before it was sent"
            self._desk.expire(name, revision, note, command_id=_id(name, standing, "expire"), actor=ACTOR)
            return Done(name, "expired", note)
        offer = self._based(standing)
        gateway = self._over(standing)
        if isinstance(gateway, Checking):
            gateway.check(offer)
        attempt = _id(name, standing, f"send:{standing.sent_at}")
        self._desk.send(name, revision, command_id=attempt, actor=ACTOR, gateway=self._gateway_name(standing))
        try:
            taken = gateway.send(offer)
        except NotTaken as error:
            return self._refuse(name, standing, str(error.args[0]))
        except Unanswered as error:
            self._desk.note_uncertain(
                name, revision, str(error), command_id=_id(name, standing, f"lost:{now}"), actor=ACTOR
            )
            return Done(name, "uncertain", str(error))
        return self._acknowledge(name, standing, taken.reference, taken.market_time)

    def _refuse(self, name: str, standing: Standing, reason: str) -> Done:
        revision = standing.draft.revision
        reason = reason.strip()[:_REASON_MAX] or "the market gave no reason"
        self._desk.refuse(name, revision, reason, command_id=_id(name, standing, "no"), actor=ACTOR)
        return Done(name, "refused", reason)

    def _clear_up(self, name: str, standing: Standing) -> Done | None:
        """Ask the market what it has, before anything else is done."""
        now, revision = self._clock(), standing.draft.revision
        sent = standing.sent_at
        if standing.status == "sending" and sent is not None and (now - sent).total_seconds() < _SENDING_S:
            return None
        try:
            held = self._over(standing).ask(self._offer(standing))
        except NotTaken as error:
            return self._refuse(name, standing, str(error.args[0]))
        except Unanswered as error:
            return Done(name, "uncertain", str(error))
        if held is not None and held.revision == revision:
            return self._acknowledge(name, standing, held.reference, held.market_time)
        note = "the market was asked and does not have it"
        self._desk.note_unsent(
            name, revision, note, command_id=_id(name, standing, f"unsent:{sent}"), actor=ACTOR, by_hand=False
        )
        return Done(name, "unsent", note)

    def _take_back(self, name: str, standing: Standing) -> Done | None:
        revision = standing.draft.revision
        offer = self._offer(standing)
        try:
            self._over(standing).withdraw(offer)
        except Unanswered as error:
            return Done(name, "withdrawing", str(error))
        except NotTaken as error:
            return self._kept(name, standing, offer, str(error.args[0]))
        self._desk.withdraw(
            name, revision, standing.reason, command_id=_id(name, standing, "back"), actor=ACTOR
        )
        return Done(name, "withdrawn", standing.reason)

    def _kept(self, name: str, standing: Standing, offer: Offer, note: str) -> Done:
        """The market does not give it back: what it has then, it says itself."""
        revision = standing.draft.revision
        try:
            held = self._over(standing).ask(offer)
        except NotTaken as error:
            return self._refuse(name, standing, str(error.args[0]))
        except Unanswered as error:
            return Done(name, "withdrawing", str(error))
        if held is None:
            note = "the market was asked and does not have it"
            self._desk.withdraw(name, revision, note, command_id=_id(name, standing, "gone"), actor=ACTOR)
            return Done(name, "withdrawn", note)
        if held.revision != revision:
            return self._refuse(name, standing, f"the market has revision {held.revision}")
        self._desk.acknowledge(
            AcknowledgeBid(name, revision, held.reference, held.market_time, keeps=True),
            command_id=_id(name, standing, f"kept:{self._clock()}"),
            actor=ACTOR,
        )
        return Done(name, "kept", note)

    def _stopped(self, name: str, standing: Standing) -> Done | None:
        """While the switch is pulled, ask back what can be asked back."""
        desk = self._desk.door.state(risk.AGGREGATE)
        if not isinstance(desk, DeskState) or desk.pulled is None or late(standing, self._clock()):
            return None
        reason = f"trading was stopped: {desk.pulled.reason}"[:_REASON_MAX]
        pull = hashlib.sha256(f"{desk.pulled}".encode()).hexdigest()[:16]
        asked = self._desk.ask_withdrawal(
            name, reason, command_id=_id(name, standing, f"stop:{pull}"), actor=ACTOR
        )
        return None if asked.repeated else Done(name, "withdrawing", reason)

    def _acknowledge(
        self, name: str, standing: Standing, reference: str, market_time: datetime | None
    ) -> Done:
        command = AcknowledgeBid(name, standing.draft.revision, reference, market_time, sent=True)
        self._desk.acknowledge(command, command_id=_id(name, standing, "ack"), actor=ACTOR)
        return Done(name, "acknowledged", reference)

    # --------------------------------------------------------------------- looking

    def _live(self) -> list[str]:
        with self._database.reading(self._desk.door.book) as connection:
            wanted = BidFilter(market=self._market, live=True)
            return [one.id for one in bids.bids(connection, lowest_position(connection), wanted)]

    def _states(self, product: str, day: date) -> list[BidState]:
        wanted = BidFilter(market=self._market, product=product, first_day=day, last_day=day)
        with self._database.reading(self._desk.door.book) as connection:
            names = [one.id for one in bids.bids(connection, lowest_position(connection), wanted)]
        return [self._desk.state(name) for name in names]

    def _gateway_name(self, standing: Standing) -> str:
        went = standing.gateway if standing.status != "submitted" else ""
        if standing.behind is not None:
            went = went or standing.behind.gateway
        return went or self._desk.product_of(standing.draft.bid)[0].gateway

    def _gateway_of(self, standing: Standing) -> Gateway | None:
        return self._gateways.get(self._gateway_name(standing))

    def _over(self, standing: Standing) -> Gateway:
        gateway = self._gateway_of(standing)
        assert gateway is not None, "a bid is carried over a gateway that is there"
        return gateway

    def _offer(self, standing: Standing) -> Offer:
        market, product = self._desk.product_of(standing.draft.bid)
        history = self._desk.door.state(f"trading_unit.{standing.draft.bid.unit}")
        assert isinstance(history, History), "a bid's unit is registered"
        unit = history.latest.document
        assert isinstance(unit, TradingUnit), "a unit's history holds units"
        return Offer(standing.draft, market, product, unit.unit_code)

    def _based(self, standing: Standing) -> Offer:
        """The offer, upon the unit's day-ahead award where the market clears the whole position.

        Raises:
            Refused: `not_published` while the day-ahead result of the unit is not recorded.
        """
        offer, bid = self._offer(standing), standing.draft.bid
        if offer.product.position_with is None:
            return offer
        base = [0] * len(bid.curves)
        for one in _standings(self._states(offer.product.position_with, bid.day)):
            if one.draft.bid.unit != bid.unit:
                continue
            if one.status in LIVE:
                wrong = f"bid {one.draft.bid.id} is {one.status}: its award, upon which this is, is not known"
                raise Refused("not_published", wrong, place="day")
            if one.status == "cleared":
                base = [power + award for power, award in zip(base, one.awarded_w, strict=True)]
        return msgspec.structs.replace(offer, base_w=tuple(base))


CORRECTED_DAYS: Final = 31
"""How long after its delivery day a result may still be corrected."""


def _at_market(standing: Standing) -> bool:
    return any(one.status in AT_MARKET for one in with_behind(standing))


def _standings(states: Iterable[BidState]) -> list[Standing]:
    return [state.standing for state in states if state.standing is not None]


def _said_gone(state: BidState) -> Standing | None:
    """The newest revision that the market may have all the same."""
    return next(filter(may_stand, state.clearable), None)


def _is_beyond(award: Award, states: Iterable[BidState]) -> bool:
    for standing in (one for state in states for one in state.clearable):
        if standing.draft.bid.id == award.bid and award.revision in (None, standing.draft.revision):
            try:
                check_award(standing.bid, award.power_w)
            except Refused:
                return True
            return False
    return False


def _id(name: str, standing: Standing, what: str) -> str:
    """A command's id: the same step of the same submission is one step, whoever takes it."""
    return f"gateway:{name}:{standing.draft.revision}:{standing.at.isoformat()}:{what}"
