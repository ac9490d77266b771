"""The demand response programme of the driven day: what is registered for it, the unit's offer, and the
operator's server, a VTN of OpenADR 3.1 of our own on a port of this machine."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import msgspec

from adapters.demo.driven_book import (
    DAY,
    FOLDER,
    QUARTER,
    QUARTERS,
    SINCE,
    SITES,
    START,
    TERMS,
    UNIT,
    DrivenBook,
)
from adapters.demo.portfolio_book import APPROVES, EXAMPLES, PREPARES, by_two, once
from adapters.desk.desk import Desk
from adapters.desk.follow_up import follow_ups
from adapters.desk.trading_role import TradingRole
from adapters.gateway.openadr3.programme import Programme
from adapters.gateway.openadr3.programme_gateway import OpenAdrGateway
from adapters.gateway.openadr3.vtn import Tokens, VtnClient, vtn_app
from adapters.gateway.openadr3.vtn_session import VtnAccess, VtnSession
from adapters.gateway.openadr3.vtn_store import VtnStore
from adapters.http.server import server
from ledger import market_rule_file
from ledger.exclusivity import policy_file
from ledger.exclusivity.published import PublishExclusivity
from ledger.market_fact import PublishMarketRule
from ledger.refusal import Refused
from trading import market_file, risk_file
from trading.bid import Bid
from trading.bid_life import BidState
from trading.envelope import StateEnvelope, UnitEnvelope
from trading.published_market import PublishMarket
from trading.response_call import CallState, aggregate_of, call_id
from trading.risk import ApprovePolicy, PreparePolicy
from trading.sharing import SharingTerms, StateSharing

BID: Final = f"response-{DAY}"
OFFERED_W: Final = 480_000
_PRICE_U: Final = 2_000_000
_PAYS: Final = "3"
"""What the programme pays, a kWh."""
_MARKET: Final = "shanghai"
_PRODUCT: Final = "cut_intraday"
_GATEWAY: Final = "programme"
_BASE: Final = "/openadr3/3.1.1"
_OPERATOR: Final = VtnClient("operator", "operator's own", "bl")
_DESK: Final = VtnClient("desk", "desk's own", "ven")
_STARTED_S: Final = 10.0
_TURNS_MAX: Final = 20
_POLL_S: Final = 1
_SKEW_S: Final = 10**9
"""The server stamps its answers with the machine's time, and the story has its own."""


class Called(NamedTuple):
    """The operator's name for the call, and what the desk made of it."""

    event: str
    state: CallState


class ResponseProgramme:
    """The operator's side, and the desk's at it."""

    def __init__(self, book: DrivenBook, url: str) -> None:
        self._book = book
        self._desk = Desk(book.stack.door, book.stack.database)
        self._operator = self._session(url, _OPERATOR)
        made = self._created("/programs", {"programName": "Peak cut"})
        programme = Programme(
            market=_MARKET, product=_PRODUCT, unit=UNIT, programme=made, resource=UNIT, price=_PAYS
        )
        gateway = OpenAdrGateway(_GATEWAY, self._session(url, _DESK), "our-desk", [programme], _POLL_S)
        self._programme = made
        self._role = TradingRole(
            self._desk, book.stack.database, {_GATEWAY: gateway}, book.clock, self._heard,
            follow=follow_ups(self._desk),
        )  # fmt: skip
        self.said: list[str] = []

    def offer(self, quarter: int) -> None:
        """The unit's bid for one quarter-hour of the day, approved by another, submitted and acknowledged.

        Raises:
            Refused: what the desk refuses; `demo_drive` for one that the operator does not take.
        """
        if not isinstance(self._book.stack.door.state(f"bid.{BID}"), BidState):
            self._submit(quarter)
        self._turns(lambda: self._status == "acknowledged", "the offer is not acknowledged")

    def _submit(self, quarter: int) -> None:
        curves = tuple(((0, OFFERED_W, _PRICE_U),) if n == quarter else () for n in range(QUARTERS))
        one = Bid(
            id=BID, unit=UNIT, market=_MARKET, product=_PRODUCT, day=DAY, curves=curves,
            schedule_w=(0,) * QUARTERS, note="what the plan leaves free",
        )  # fmt: skip
        self._desk.draft(one, revision=0, command_id=f"demo:draft:{BID}", actor=PREPARES)
        self._desk.approve(BID, 1, one.digest, command_id=f"demo:approve:{BID}", actor=APPROVES)
        self._desk.submit(BID, 1, command_id=f"demo:submit:{BID}", actor=PREPARES)

    def call(self, quarter: int, power_w: int) -> Called:
        """The operator calls; answers once the call is decided, cleared, shared out, and answered.

        Raises:
            Refused: `demo_drive` when it is not followed.
        """
        at = START + quarter * QUARTER
        kind = "DISPATCH_SETPOINT"
        event = self._created(
            "/events",
            {
                "programID": self._programme,
                "eventName": "evening peak",
                "payloadDescriptors": [
                    {"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": kind, "units": "KW"}
                ],
                "intervalPeriod": {"start": f"{at:%Y-%m-%dT%H:%M:%SZ}", "duration": "PT15M"},
                "intervals": [{"id": 0, "payloads": [{"type": kind, "values": [power_w // 1000]}]}],
            },
        )
        name = aggregate_of(call_id(_GATEWAY, UNIT, event))
        door = self._book.stack.door

        def answered() -> bool:
            state = door.state(name)
            latest = state.latest if isinstance(state, CallState) else None
            instructed = any("handed over" in line and "instructions" in line for line in self.said)
            return latest is not None and latest.answer is not None and instructed

        self._turns(answered, "the call is not followed")
        state = door.state(name)
        assert isinstance(state, CallState), "it was answered"
        return Called(event, state)

    @property
    def _status(self) -> str:
        standing = self._desk.state(BID).standing
        return "" if standing is None else standing.status

    def _turns(self, done: Any, otherwise: str) -> None:
        """Turns of the trading role until it is so; between two the programme's poll comes round."""
        for _ in range(_TURNS_MAX):
            self._book.stack.caught_up()
            self._role.turn()
            if done():
                return
            time.sleep(_POLL_S / 4)
        raise Refused("demo_drive", f"{otherwise}: {self.said}")

    def _heard(self, line: str) -> None:
        self.said.append(line)

    def _created(self, path: str, body: dict[str, Any]) -> str:
        answer = self._operator.ask("POST", path, (), msgspec.json.encode(body))
        name: str = msgspec.json.decode(answer.body)["id"]
        return name

    def _session(self, url: str, who: VtnClient) -> VtnSession:
        access = VtnAccess(
            url=url, client_id=who.client_id, client_secret=who.client_secret, clock_skew_s_max=_SKEW_S
        )
        return VtnSession(access, self._book.clock)


@contextmanager
def response_programme(book: DrivenBook) -> Iterator[ResponseProgramme]:
    """With the operator's server running, at the story's time."""
    tokens = Tokens((_OPERATOR, _DESK), book.clock, ttl_s=7 * 86_400)
    running = server(vtn_app(VtnStore(book.clock), tokens, _BASE), "127.0.0.1", 0)
    thread = threading.Thread(target=lambda: asyncio.run(running.serve()), name="the programme's server")
    thread.start()
    try:
        give_up = time.monotonic() + _STARTED_S
        while not running.started:
            if time.monotonic() > give_up:
                raise Refused("demo_drive", "the programme's server does not start")
            time.sleep(0.01)
        port = running.servers[0].sockets[0].getsockname()[1]
        yield ResponseProgramme(book, f"http://127.0.0.1:{port}{_BASE}")
    finally:
        running.stop()
        thread.join()


def found_programme(book: DrivenBook) -> None:
    """Market, rule, matrix, limits and what the unit can do; what is known is not repeated.

    Raises:
        Refused: what one of the files is refused for.
    """
    door = book.stack.door
    matrix = policy_file.parse((EXAMPLES / "exclusivity/rule_based.toml").read_bytes())
    by_two(door, PublishExclusivity(matrix))
    rule = market_rule_file.parse((FOLDER / "response_rule.toml").read_bytes())
    by_two(door, PublishMarketRule(SINCE, rule))
    by_two(door, PublishMarket(SINCE, market_file.parse((FOLDER / "market.toml").read_bytes())))
    policy = risk_file.parse((FOLDER / "risk.toml").read_bytes())
    for command, actor in (
        (StateEnvelope(UNIT, SINCE, _envelope()), PREPARES),
        (StateSharing(UNIT, SINCE, SharingTerms(discount="100%", confidence="100%")), PREPARES),
        (PreparePolicy(policy, PREPARES), PREPARES),
        (ApprovePolicy(policy, APPROVES), APPROVES),
    ):
        once(door, command, actor)


def _envelope() -> UnitEnvelope:
    """The sum of what the sites' storages may be used for."""
    count = len(SITES)
    return UnitEnvelope(
        discharge_w=count * TERMS.discharge_w, charge_w=count * TERMS.charge_w,
        stored_wh=count * TERMS.end_wh, floor_wh=count * TERMS.floor_wh,
        ceiling_wh=count * TERMS.ceiling_wh, charge_ppm=TERMS.charge_ppm, discharge_ppm=TERMS.discharge_ppm,
    )  # fmt: skip
