"""The gateways' work, turn after turn: bids go out, answers and results come back, and are followed up.

All that it knows is in the book and at the markets, so that it may be killed and started again at any moment,
and two of them change nothing twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

from adapters.desk.calling import Calling
from adapters.desk.desk import Desk
from adapters.desk.sender import CORRECTED_DAYS, Done, Sender
from adapters.gateway.gateway import Aside, Gateway, Unanswered
from adapters.gateway.openadr3.programme_gateway import OpenAdrGateway
from adapters.postgres.database import Database
from adapters.queries import clearings, registered
from adapters.settling import Behind, lowest_position, wait_until
from ledger.refusal import Refused
from trading.clearing import ClearingState, clearing_id
from trading.product import Market

PERIOD_S: Final = 2
RECHECK_S: Final = 600
_RETRY_S: Final = 15
"""After a result that is not out, or was refused."""
_PROJECTED_S: Final = 60.0
_TURNS_MAX: Final = 100

FollowUp = Callable[[str, str, date], Iterable[str]]
"""What follows a clearing of a market's product and day; answers a line for each thing that it did.

It is asked again after every look at the day's result, and must do nothing twice.
"""


class _Result(NamedTuple):
    market: str
    product: str
    day: date


class TradingRole:
    """All markets of which a version names a configured gateway, and what follows every recorded clearing.
    `say` gets a line for each change, and each fault once."""

    def __init__(
        self,
        desk: Desk,
        database: Database,
        gateways: Mapping[str, Gateway],
        clock: Callable[[], datetime],
        say: Callable[[str], None],
        *,
        follow: Sequence[FollowUp] = (),
        period_s: int = PERIOD_S,
        recheck_s: int = RECHECK_S,
    ) -> None:
        self._desk = desk
        self._database = database
        self._gateways = gateways
        self._clock = clock
        self._say = say
        self._follow = follow
        self._period_s = period_s
        self._recheck = timedelta(seconds=recheck_s)
        self._next: dict[_Result, datetime] = {}
        self._said: dict[str, str] = {}
        self._position = 0
        self._recorded: dict[_Result, str] = {}
        self._followed: dict[_Result, str] = {}

    def run(self, stopping: threading.Event) -> None:
        """A turn each period until asked to stop; a turn that has begun is ended.

        Raises:
            StoreUnavailable, psycopg.OperationalError: the servers are gone; start it again.
        """
        while not stopping.is_set():
            self.turn()
            stopping.wait(self._period_s)

    def once(self) -> None:
        """Turns until nothing changes any more.

        Raises:
            Behind: nobody projects the book.
        """
        for _ in range(_TURNS_MAX):
            log = self._desk.door.recorder.log
            wait_until(
                self._database, self._desk.door.book, log.client.run(log.last_sequence()), _PROJECTED_S
            )
            if not self.turn():
                return

    def turn(self) -> bool:
        """Every market one step further; answers whether there was anything new to say."""
        try:
            markets = self._markets()
        except Behind as behind:
            return self._tell("book", str(behind))
        changed = False
        for name, versions in markets.items():
            try:
                changed |= self._trade(name, versions)
            except Behind as behind:
                changed |= self._tell(name, str(behind))
            except Refused as refused:
                changed |= self._tell(name, _refusal(refused))
        return self._follow_recorded() or changed

    def _trade(self, name: str, versions: Iterable[Market]) -> bool:
        """Of one market, whose versions name one gateway each."""
        sender = Sender(self._desk, self._database, name, self._gateways, self._clock)
        changed = False
        for done in sender.step():
            changed |= self._tell(f"bid {done.name}", _text(done))
        due = set(sender.due())
        for market in versions:
            called, changed_by_calls = self._called(market)
            changed |= changed_by_calls
            due |= called
        now = self._clock()
        for product, day in sorted(due):
            result = _Result(name, product, day)
            if self._next.get(result, now) <= now:
                changed |= self._fetch(sender, result, now)
        return changed

    def _called(self, market: Market) -> tuple[set[tuple[str, date]], bool]:
        """Hear and carry a programme's calls; the results they are about, and whether anything is new."""
        gateway = self._gateways[market.gateway]
        if not isinstance(gateway, OpenAdrGateway):
            return set(), False
        turn = Calling(self._desk, self._database, market, gateway, self._clock).turn()
        for product, day in turn.cleared:
            self._next.pop(_Result(market.id, product, day), None)
        changed = False
        for about, text in turn.said:
            changed |= self._tell(about, text)
        return turn.results, changed

    def _fetch(self, sender: Sender, result: _Result, now: datetime) -> bool:
        name, changed = clearing_id(*result), False
        try:
            try:
                done = sender.fetch(result.product, result.day)
            except Aside as aside:
                changed = self._tell(name, _refusal(aside))
                done = sender.fetch(result.product, result.day)
        except Unanswered as error:
            return self._tell(name, f"not there yet: {error}")
        except Refused as refused:
            self._next[result] = now + timedelta(seconds=_RETRY_S)
            return self._tell(name, _refusal(refused))
        changed |= done is not None and self._tell(name, _text(done))
        if not isinstance(self._desk.door.state(f"clearing.{name}"), ClearingState):
            self._next[result] = now + timedelta(seconds=_RETRY_S)
            return changed
        self._next[result] = now + self._recheck
        return self._followed_up(result, now) or changed

    def _followed_up(self, result: _Result, now: datetime) -> bool:
        name, changed, whole = clearing_id(*result), False, True
        state = self._desk.door.state(f"clearing.{name}")
        for number, follow in enumerate(self._follow):
            try:
                for line in follow(*result):
                    self._say(f"{name}: {line}")
                    changed = True
            except Refused as refused:
                whole = False
                self._next[result] = now + timedelta(seconds=_RETRY_S)
                changed |= self._tell(f"{name} follow-up {number + 1}", _refusal(refused))
        if whole and isinstance(state, ClearingState):
            self._followed[result] = state.latest.run
        return changed

    def _follow_recorded(self) -> bool:
        """What follows runs that a person recorded, of whichever market; what a gateway fetched is done."""
        now = self._clock()
        with self._database.reading(self._desk.door.book) as connection:
            position = lowest_position(connection)
            since = (now - timedelta(days=CORRECTED_DAYS)).date()
            for one in clearings.recorded_since(connection, self._position, position, since):
                self._recorded[_Result(one.market, one.product, one.day)] = one.run
        self._position = position
        changed = False
        for result, run in list(self._recorded.items()):
            if self._followed.get(result) == run:
                del self._recorded[result]
            elif self._next.get(result, now) <= now:
                changed |= self._followed_up(result, now)
        return changed

    def _markets(self) -> dict[str, list[Market]]:
        """By id, the newest version for each gateway that is configured and that any version names."""
        with self._database.reading(self._desk.door.book) as connection:
            found = registered.load(connection, "market", Market, lowest_position(connection)).versions
        markets: dict[str, list[Market]] = {}
        for name, versions in sorted(found.items()):
            named = {version.document.gateway: version.document for version in versions}
            configured = [market for gateway, market in named.items() if gateway in self._gateways]
            if configured:
                markets[name] = configured
        return markets

    def _tell(self, about: str, text: str) -> bool:
        """Say it, unless it is what was said last about that."""
        if self._said.get(about) == text:
            return False
        self._said[about] = text
        self._say(f"{about}: {text}")
        return True


def _text(done: Done) -> str:
    return done.outcome + (f" ({done.note})" if done.note else "")


def _refusal(refused: Refused) -> str:
    return f"refused ({refused.code}): {refused}"
