"""The trading role as a process that kills itself at a named step, on the servers of a test.

`python -m tests.adapters.desk.trade_process NATS SEED BOOK DATABASE MARKET CODE=TOKEN NOW STEP`. STEP is
`before_METHOD` or `after_METHOD` of the gateway.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection
from datetime import date, datetime
from pathlib import Path
from signal import SIGKILL
from typing import TypeVar

from adapters import continuity
from adapters.desk.desk import Desk
from adapters.desk.trading_role import TradingRole
from adapters.front_door import FrontDoor
from adapters.gateway.gateway import Gateway, Offer, Taken
from adapters.gateway.reference_market import ReferenceMarket
from adapters.nats.client import NatsClient
from adapters.nats.log import Log
from adapters.nats.recorder import JetStreamApplicationRecorder
from adapters.postgres.database import Database
from trading.clearing import Clearing
from trading.product import Market, Product

T = TypeVar("T")


class Dying:
    """The real gateway, whose process is killed before or after one of its calls."""

    def __init__(self, gateway: Gateway, step: str) -> None:
        self._gateway = gateway
        self._step = step

    def _at(self, method: str, call: Callable[[], T]) -> T:
        if self._step == f"before_{method}":
            os.kill(os.getpid(), SIGKILL)
        answer = call()
        if self._step == f"after_{method}":
            os.kill(os.getpid(), SIGKILL)
        return answer

    def send(self, offer: Offer) -> Taken:
        return self._at("send", lambda: self._gateway.send(offer))

    def ask(self, offer: Offer) -> Taken | None:
        return self._at("ask", lambda: self._gateway.ask(offer))

    def withdraw(self, offer: Offer) -> None:
        return self._at("withdraw", lambda: self._gateway.withdraw(offer))

    def result(self, market: Market, product: Product, day: date, offers: Collection[Offer]) -> Clearing:
        return self._at("result", lambda: self._gateway.result(market, product, day, offers))


def main() -> None:
    """Trade until killed, or until nothing changes."""
    url, seed, book, address, market, participant, now, step = sys.argv[1:]
    at = datetime.fromisoformat(now)
    log = Log(NatsClient(url, seed_file=Path(seed), name="trade"), book)
    database = Database(address)
    door = FrontDoor(JetStreamApplicationRecorder(log), lambda: at, lambda: continuity.guard(log, database))
    code, _, token = participant.partition("=")
    gateway = Dying(ReferenceMarket(market, {code: token}), step)
    role = TradingRole(Desk(door, database), database, {"none": gateway}, lambda: at, print)
    role.once()


if __name__ == "__main__":
    main()
