"""The desk on aggregates in memory: commands are decided and folded as the front door does, no servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import msgspec

from adapters.desk.binding import Binding, SiteTies
from adapters.desk.desk import Desk
from adapters.front_door import FrontDoor, Receipt, Wish
from adapters.postgres.database import Database
from ledger.command import Command, TimedCommand
from ledger.effective import History, Period, extended
from ledger.exclusivity import policy_file
from ledger.refusal import Refused
from ledger.trading_unit import TradingUnit
from tests.adapters.desk.desk_book import ENVELOPE, MARKET, MW, OPEN, POLICY, ROOT, market, unit
from trading.bid_life import BidState, Standing
from trading.clearing import Award, Clearing
from trading.market_answer import changes, cleared_of
from trading.risk import Desk as DeskState

AMPLE: Final = msgspec.structs.replace(ENVELOPE, stored_wh=50 * MW, floor_wh=0, ceiling_wh=100 * MW)
"""What stored energy never hinders."""


class PureDoor:
    """Aggregates, and every event in the order in which it was saved."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.states: dict[str, object] = {}
        self.saves: list[list[tuple[str, object]]] = []
        self.seen: dict[tuple[str, str], tuple[bytes, Receipt]] = {}
        self.watch: Callable[[], None] = lambda: None
        """Called after every single event."""

    def state(self, aggregate: str) -> object:
        return self.states.get(aggregate)

    def accepted(self, aggregate: str, command_id: str) -> Receipt | None:
        found = self.seen.get((aggregate, command_id))
        return None if found is None else msgspec.structs.replace(found[1], repeated=True)

    def execute(self, command: Command | TimedCommand, *, command_id: str, actor: str) -> Receipt:
        return self.execute_all([Wish(command, command_id)], actor=actor)[0]

    def execute_all(self, wishes: Sequence[Wish], *, actor: str) -> list[Receipt]:
        assert actor, "somebody asks"
        names = [wish.command.aggregate for wish in wishes]
        assert len(set(names)) == len(names), "two commands of one save change the same aggregate"
        self.now += timedelta(milliseconds=1)
        decided: list[tuple[str, object]] = []
        receipts: list[Receipt] = []
        for wish in wishes:
            command: Any = wish.command
            name, asked = command.aggregate, msgspec.json.encode(command)
            if (seen := self.seen.get((name, wish.command_id))) is not None:
                if seen[0] != asked:
                    raise Refused("command_id_reused", f"{wish.command_id} asked for something else")
                receipts.append(msgspec.structs.replace(seen[1], repeated=True))
                continue
            others = {name: self.states.get(name) for name in command.reads}
            state = self.states.get(name)
            timed = isinstance(command, TimedCommand)
            events = command.decide_at(self.now, state, others) if timed else command.decide(state, others)
            decided += [(name, event) for event in events]
            receipts.append(Receipt(name, 0, len(self.saves) + 1))
        self.saves.append(decided)
        for wish, receipt in zip(wishes, receipts, strict=True):
            asked = msgspec.json.encode(wish.command)
            self.seen.setdefault((receipt.aggregate, wish.command_id), (asked, receipt))
        for name, event in decided:
            self.states[name] = cast("Any", event).apply(self.states.get(name))
            self.watch()
        return receipts


class PureDesk(Desk):
    """The desk's own code; only where it would read PostgreSQL, it reads the aggregates."""

    def __init__(self, door: PureDoor) -> None:
        super().__init__(cast("FrontDoor", door), cast("Database", None))
        self.pure = door

    def _binding(self) -> Binding:
        units = {
            name.removeprefix("trading_unit."): cast("History[TradingUnit]", state)
            for name, state in self.pure.states.items()
            if name.startswith("trading_unit.")
        }
        return Binding(SiteTies(units, {}))

    def _fresh_binding(self) -> Binding:
        return self._binding()

    def bids(self) -> dict[str, BidState]:
        return {
            name.removeprefix("bid."): state
            for name, state in self.pure.states.items()
            if isinstance(state, BidState)
        }

    def _standing(self, clearing: Clearing, awarded: Mapping[str, Award]) -> dict[str, Standing]:
        found: dict[str, Standing] = {}
        for name, state in self.bids().items():
            bid = state.draft.bid
            if (bid.market, bid.product, bid.day) != (clearing.market, clearing.product, clearing.day):
                continue
            held = cleared_of(state, awarded.get(name))
            if held is None and name in awarded:
                raise Refused("award_without_bid", f"{name} does not stand", place="awards")
            if held is not None and changes(held, awarded.get(name)):
                found[name] = held
        return found


def furnished(now: datetime = OPEN) -> PureDesk:
    """Two units of two sites each that have one in common, a market, a matrix and the desk's policy."""
    door = PureDoor(now)
    since = Period(datetime(2026, 1, 1, tzinfo=UTC))
    matrix = (ROOT / "examples/exclusivity/rule_based.toml").read_bytes()
    door.states["exclusivity.rule_based"] = policy_file.parse(matrix)
    door.states[f"market.{MARKET}"] = extended(None, since, market())
    for name, sites in (("vpp", ("S1", "S2")), ("drp", ("S1", "S3"))):
        door.states[f"trading_unit.{name}"] = extended(None, since, unit(name, sites))
        door.states[f"envelope.{name}"] = extended(None, since, AMPLE)
    door.states["risk.desk"] = DeskState(policy=POLICY)
    return PureDesk(door)
