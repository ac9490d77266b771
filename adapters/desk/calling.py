"""A programme's calls become the desk's: heard, decided, cleared as awards, and answered, each step once.

All that it knows is in the book and at the operator, so that it may be killed after any step: what was heard
and not decided, decided and not cleared, or not answered is taken up by the next turn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final, NamedTuple, TypeVar

import msgspec

from adapters.desk.binding import award_of
from adapters.desk.desk import Desk
from adapters.gateway.gateway import Unanswered
from adapters.gateway.openadr3.event_watch import EventChange, KnownEvent, RefusedEvent, Seen
from adapters.gateway.openadr3.programme import Programme
from adapters.gateway.openadr3.programme_gateway import OpenAdrGateway
from adapters.postgres.database import Database
from adapters.queries import bids, response_calls
from adapters.queries.bids import BidFilter
from adapters.settling import lowest_position
from ledger.command import Command, TimedCommand
from ledger.interval import zone_of
from ledger.refusal import Refused
from trading import risk
from trading.bid_life import BidState, Standing
from trading.call_answer import Answer, answer, in_force
from trading.clearing import Award, Clearing, ClearingState, clearing_id
from trading.commitment import Commit
from trading.market_answer import awardable
from trading.product import Market, Product
from trading.response_call import (
    AnswerCall,
    Call,
    CallState,
    DecideCall,
    HearCall,
    RefuseCall,
    Step,
    Unreadable,
    WithdrawCall,
    aggregate_of,
    call_id,
)
from trading.risk import policy_of

T = TypeVar("T")
ACTOR: Final = "gateway"
_LOOKED_BACK: Final = timedelta(days=31)
_OVER: Final = timedelta(hours=1)
"""A call that has been over for so long is not asked about any more."""
_TEXT_MAX: Final = 500
_RUN_DIGITS: Final = 16
_RUN: Final = "call-"
_UNANSWERED: Final = ("call_past", "call_payload")
"""What is over, or asks for nothing that the programme calls by, needs no answer."""


class Turn(NamedTuple):
    """What a turn has to say, and the results that its calls are about."""

    said: list[tuple[str, str]]
    results: set[tuple[str, date]]
    cleared: set[tuple[str, date]]


def is_called(run: str) -> bool:
    """Whether a clearing's run is one that calls made."""
    return run.startswith(_RUN)


class Calling:
    """The calls on the units that trade in one market. `clock` is the desk's own."""

    def __init__(
        self,
        desk: Desk,
        database: Database,
        market: Market,
        gateway: OpenAdrGateway,
        clock: Callable[[], datetime],
    ) -> None:
        self._desk = desk
        self._door = desk.door
        self._database = database
        self._market = market
        self._gateway = gateway
        self._clock = clock

    def turn(self) -> Turn:
        """Hear what is new of each programme that is due, and carry all calls as far as they go."""
        turn = Turn([], set(), set())
        heard: set[str] = set()
        reached: list[Programme] = []
        looked = False
        for programme in self._gateway.programmes(self._market.id):
            about = f"programme {programme.programme} of {self._gateway.name} for unit {programme.unit}"
            try:
                seen = self._gateway.heard(programme, partial(self._known, programme), self._clock())
                looked |= seen is not None
                if seen is not None:
                    reached.append(programme)
                    heard |= self._recorded(programme, seen, turn)
            except Unanswered as error:
                looked = True
                turn.said.append((about, f"not there yet: {error}"))
            except Refused as refused:
                looked = True
                turn.said.append((about, _refusal(refused)))
        if looked:
            self._carry(heard, reached, turn)
        return turn

    def _carry(self, heard: set[str], reached: Iterable[Programme], turn: Turn) -> None:
        states = self._states(heard)
        for name, state in states.items():
            if state.steps and state.steps[-1].decision == "open":
                states[name] = self._tried(name, turn, partial(self._decided, name, states, turn), state)
        for product, day in sorted({pair for state in states.values() for pair in _pairs(state)}):
            turn.results.add((product, day))
            self._tried(
                clearing_id(self._market.id, product, day), turn,
                partial(self._clear, product, day, states, turn), None,
            )  # fmt: skip
        for name, state in states.items():
            programme = self._programme(state)
            if programme is not None and programme in reached:
                self._tried(f"call {name}", turn, partial(self._answer, name, state, turn), None)

    @staticmethod
    def _tried(about: str, turn: Turn, do: Callable[[], T], otherwise: T) -> T:
        """One that cannot be carried does not hold up the others."""
        try:
            return do()
        except Unanswered as error:
            turn.said.append((about, f"not there yet: {error}"))
        except Refused as refused:
            turn.said.append((about, _refusal(refused)))
        return otherwise

    # -------------------------------------------------------------------- hearing

    def _known(self, programme: Programme) -> dict[str, KnownEvent]:
        """The versions on record of calls that may still change anything."""
        since = self._clock() - _OVER
        found: dict[str, KnownEvent] = {}
        for state in self._states(()).values():
            call = state.steps[-1].call if state.steps else None
            if call is None or (call.unit, call.programme) != (programme.unit, programme.programme):
                continue
            if call.end is None or call.end > since:
                found[call.event] = KnownEvent(call.version, call.digest, call.start, call.end)
        return found

    def _recorded(self, programme: Programme, seen: Seen, turn: Turn) -> set[str]:
        """Record what a listing brought; answers the calls that it was about."""
        names: set[str] = set()
        for one in seen.refused:
            names.add(self._refuse(programme, one, turn))
        for change in seen.changes:
            name = call_id(self._gateway.name, programme.unit, change.event)
            self._tried(f"call {name}", turn, partial(self._hear, programme, name, change, seen, turn), None)
            names.add(name)
        return names

    def _refuse(self, programme: Programme, one: RefusedEvent, turn: Turn) -> str:
        name = call_id(self._gateway.name, programme.unit, one.event)
        state = self._state(name)
        refused = Unreadable(one.code, one.reason[:_TEXT_MAX], one.place[:_TEXT_MAX])
        if state.refuses(refused):
            return name
        command = RefuseCall(name, self._gateway.name, one.event[:_TEXT_MAX], refused)
        told = f"{len(state.steps)}:{hashlib.sha256(f'{one.code}{one.place}'.encode()).hexdigest()[:16]}"
        self._tried(f"call {name}", turn, partial(self._do, command, f"call:{name}:refused:{told}"), None)
        turn.said.append((f"call {name}", f"refused ({one.code}): {one.reason} at {one.place}"))
        return name

    def _hear(self, programme: Programme, name: str, change: EventChange, seen: Seen, turn: Turn) -> None:
        state = self._state(name)
        if change.call is None:
            latest = state.latest
            if change.before is None or latest is None or latest.call is None:
                return
            command: Command | TimedCommand = WithdrawCall(
                name, self._gateway.name, change.event, change.before, change.after_gate
            )
            what = f"withdrawn:{change.before.isoformat()}"
        else:
            if state.has(change.call.version, seen.known[change.event].digest):
                return
            _, product = self._desk.product_on(
                self._market.id, programme.product, _day(self._market, change.call.start)
            )
            call = programme.call(self._gateway.name, self._market, product, change, seen.known)
            command = HearCall(name, call)
            what = f"heard:{call.version.isoformat()}"
        try:
            self._do(command, f"call:{name}:{what}")
        except Refused as refused:
            if refused.code in ("call_known", "command_id_reused"):
                return
            raise
        turn.said.append(
            (f"call {name}", f"{change.kind}" + (" after the gate" if change.after_gate else ""))
        )

    # ------------------------------------------------------------------- deciding

    def _decided(self, name: str, states: Mapping[str, CallState], turn: Turn) -> CallState:
        state = states[name]
        call = _call(state.steps[-1])
        programme = self._programme(state)
        if programme is None:
            raise Refused("unknown_programme", f"no gateway serves {call.programme} any more", place=name)
        market, product = self._desk.product_on(self._market.id, call.product, _day(self._market, call.start))
        others = [
            slot
            for other, held in states.items()
            if other != name and _same(held, call)
            for slot in in_force(market, product, held)
        ]
        standing = {day: one for day in _days(market, call) if (one := self._standing(call, day)) is not None}
        bids_of = {day: one.draft.bid for day, one in standing.items()}
        found = answer(market, product, state, bids_of, others, programme.notice_s)
        if found.decision == "accepted":
            try:
                self._check_free(found, market, product, state, standing)
            except Refused as refused:
                found = Answer("declined", refused.code, refused.reason, {})
        command = DecideCall(
            name, call.version, found.decision, found.code, found.reason[:_TEXT_MAX], found.bids
        )
        self._do(command, f"call:{name}:decided:{call.version.isoformat()}")
        turn.said.append((f"call {name}", found.decision + (f" ({found.code})" if found.code else "")))
        return self._state(name)

    def _check_free(
        self,
        found: Answer,
        market: Market,
        product: Product,
        state: CallState,
        standing: Mapping[date, Standing],
    ) -> None:
        """A bid that was cleared holds no more than its award: what else is called must still be free.

        Raises:
            Refused: `call_not_free`.
        """
        step = msgspec.structs.replace(state.steps[-1], decision="accepted", bids=found.bids)
        asked = in_force(market, product, CallState((*state.steps[:-1], step)))
        policy = policy_of(self._door.state(risk.AGGREGATE)).exclusivity
        for day, held in standing.items():
            if held.status != "cleared":
                continue
            power = list(held.awarded_w)
            for slot, one in asked.items():
                if slot.day == day:
                    power[slot.number] = one.power_w
            bid = held.draft.bid
            command = Commit(bid.unit, day, policy, award_of(bid, product, tuple(power)))
            others = {name: self._door.state(name) for name in command.reads}
            try:
                command.decide(self._door.state(command.aggregate), others)  # type: ignore[arg-type]
            except Refused as refused:
                wrong = f"the unit's power is not free any more ({refused.code}): {refused}"
                raise Refused("call_not_free", wrong, place=bid.id) from refused

    def _standing(self, call: Call, day: date) -> Standing | None:
        """What of the unit's bids stands at the market for that day."""
        wanted = BidFilter(
            market=call.market, product=call.product, unit=call.unit, first_day=day, last_day=day
        )
        with self._database.reading(self._door.book) as connection:
            names = [one.id for one in bids.bids(connection, lowest_position(connection), wanted)]
        for name in names:
            state = self._door.state(f"bid.{name}")
            held = awardable(state if isinstance(state, BidState) else None, None)
            if held is not None:
                return held
        return None

    # ------------------------------------------------------------------- clearing

    def _clear(self, product: str, day: date, states: Mapping[str, CallState], turn: Turn) -> None:
        """What the day's calls ask as a run of the clearing, unless the run in force says just that."""
        market, its_product = self._desk.product_on(self._market.id, product, day)
        count = market.intervals(its_product, day)
        awards: dict[str, list[int]] = {}
        prices: list[int] | None = None
        heard: list[datetime] = []
        sources: list[str] = []
        for name, state in sorted(states.items()):
            programme = self._programme(state)
            if programme is None or programme.product != product or (product, day) not in _pairs(state):
                continue
            if prices is None:
                prices = [programme.price_u(its_product)] * count
            heard += [step.at for step in state.steps if step.decision != "open"]
            sources.append(name)
            for step in state.steps:
                if day in step.bids:
                    awards.setdefault(step.bids[day], [0] * count)
            for slot, asked in in_force(market, its_product, state).items():
                if slot.day == day:
                    awards[asked.bid][slot.number] = asked.power_w
                    if asked.price_u is not None:
                        prices[slot.number] = asked.price_u
        if prices is None:
            return
        given = tuple(Award(bid=bid, power_w=tuple(power)) for bid, power in sorted(awards.items()))
        name = clearing_id(market.id, product, day)
        known = self._door.state(f"clearing.{name}")
        digest = hashlib.sha256(msgspec.json.encode([name, given, prices])).hexdigest()
        number = 1
        if isinstance(known, ClearingState):
            if known.latest.run.endswith(digest[:_RUN_DIGITS]):
                return
            number = len(known.runs) + 1
            heard.append(known.latest.published)
        clearing = Clearing(
            market=market.id,
            product=product,
            day=day,
            run=f"{_RUN}{number}-{digest[:_RUN_DIGITS]}",
            published=max(heard),
            price_u=tuple(prices),
            awards=given,
            source=f"calls {', '.join(sources)}"[:_TEXT_MAX],
            source_sha256=digest,
        )
        self._desk.record_clearing(clearing, command_id=f"called:{name}:{clearing.run}", actor=ACTOR)
        turn.said.append((name, f"cleared (run {clearing.run})"))
        turn.cleared.add((product, day))

    # ------------------------------------------------------------------ answering

    def _answer(self, name: str, state: CallState, turn: Turn) -> None:
        """Tell the operator what was decided, once for each version."""
        step = state.steps[-1]
        programme = self._programme(state)
        if step.call is None or step.decision == "open" or step.answer is not None or programme is None:
            return
        reference = ""
        if step.decision == "accepted":
            raised = any(interval.power_w < 0 for interval in step.call.intervals)
            reference = self._gateway.answered(programme, step.call, "raise" if raised else "reduce")
        elif step.code not in _UNANSWERED:
            reference = self._gateway.answered(programme, step.call, "opt_out")
        version = step.call.version
        self._do(AnswerCall(name, version, reference), f"call:{name}:answered:{version.isoformat()}")
        if reference:
            turn.said.append((f"call {name}", f"answered (report {reference})"))

    # -------------------------------------------------------------------- looking

    def _do(self, command: Command | TimedCommand, command_id: str) -> None:
        self._door.execute(command, command_id=command_id, actor=ACTOR)

    def _state(self, name: str) -> CallState:
        found = self._door.state(aggregate_of(name))
        return found if isinstance(found, CallState) else CallState()

    def _states(self, names: Iterable[str]) -> dict[str, CallState]:
        """The gateway's calls on this market that are not long over, and those named."""
        since = self._clock() - _LOOKED_BACK
        with self._database.reading(self._door.book) as connection:
            listed = response_calls.names(connection, self._gateway.name, self._market.id, since)
        found = {name: self._state(name) for name in sorted({*listed, *names})}
        return {name: state for name, state in found.items() if state.steps}

    def _programme(self, state: CallState) -> Programme | None:
        call = next(step.call for step in reversed(state.steps) if step.call is not None)
        for one in self._gateway.programmes(self._market.id):
            if (one.product, one.unit, one.programme) == (call.product, call.unit, call.programme):
                return one
        return None


def _pairs(state: CallState) -> Iterator[tuple[str, date]]:
    """Product and day of each bid that a call was accepted for, in whichever version."""
    for step in state.steps:
        if step.call is not None:
            for day in step.bids:
                yield step.call.product, day


def _call(step: Step) -> Call:
    assert step.call is not None, "what is decided was heard"
    return step.call


def _same(state: CallState, call: Call) -> bool:
    """Whether the other call is on the same unit and product."""
    told = [step.call for step in state.steps if step.call is not None]
    return (told[-1].unit, told[-1].product) == (call.unit, call.product)


def _day(market: Market, at: datetime) -> date:
    return at.astimezone(zone_of(market.zone)).date()


def _days(market: Market, call: Call) -> list[date]:
    """The delivery days that the call's intervals touch."""
    found: dict[date, None] = {}
    for interval in call.intervals:
        day, last = _day(market, interval.start), _day(market, interval.end - timedelta(microseconds=1))
        while day <= last:
            found[day] = None
            day += timedelta(days=1)
    return list(found)


def _refusal(refused: Refused) -> str:
    return f"refused ({refused.code}): {refused}"
