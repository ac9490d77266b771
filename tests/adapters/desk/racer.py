"""A process of its own that takes part in a race: a desk on the book of a test, with several threads.

`python -m tests.adapters.desk.racer`: the first line says where the servers are and what to do, in lanes that
run at once; `ready` is answered, the second line starts it, and the outcomes are answered.
"""

from __future__ import annotations

import sys
import threading
from datetime import datetime
from pathlib import Path

import msgspec

from adapters import continuity
from adapters.desk.desk import Desk
from adapters.front_door import FrontDoor
from adapters.nats.client import NatsClient
from adapters.nats.log import Log
from adapters.nats.recorder import JetStreamApplicationRecorder
from adapters.postgres.database import Database
from ledger.refusal import Refused
from trading.bid import Bid
from trading.market_answer import AcknowledgeBid


class Act(msgspec.Struct, frozen=True):
    """One thing that a desk is asked to do; `id` is its command's, `bid` a draft's."""

    id: str
    what: str
    name: str
    revision: int
    bid: Bid | None = None


class Race(msgspec.Struct, frozen=True):
    nats: str
    seed_file: str
    database: str
    book: str
    now: datetime
    lanes: tuple[tuple[Act, ...], ...]


Outcomes = dict[str, str]
"""By command id: `done`, or the code of the refusal."""


def act(desk: Desk, one: Act) -> None:
    """Raises:
    Refused."""
    how = {"command_id": one.id, "actor": "anna"}
    match one.what:
        case "draft":
            assert one.bid is not None, "a draft says what it is"
            desk.draft(one.bid, revision=one.revision, **how)
        case "approve":
            assert one.bid is not None, "an approval says what was read"
            digest = one.bid.digest
            desk.approve(one.name, one.revision, digest, command_id=one.id, actor="bert")
        case "submit":
            desk.submit(one.name, one.revision, **how)
        case "send":
            desk.send(one.name, one.revision, **how)
        case "yes":
            desk.acknowledge(AcknowledgeBid(one.name, one.revision, "R", sent=True), **how)
        case "no":
            desk.refuse(one.name, one.revision, "no", **how)
        case "back":
            desk.ask_withdrawal(one.name, "wanted", **how)
        case "given":
            desk.withdraw(one.name, one.revision, "wanted", **how)
        case _:
            raise AssertionError(one.what)


def run(desk: Desk, lanes: tuple[tuple[Act, ...], ...], start: threading.Event) -> Outcomes:
    """All lanes at once, once `start` is set."""
    outcomes: Outcomes = {}

    def race(lane: tuple[Act, ...]) -> None:
        start.wait()
        for one in lane:
            try:
                act(desk, one)
                outcomes[one.id] = "done"
            except Refused as refused:
                outcomes[one.id] = refused.code

    threads = [threading.Thread(target=race, args=(lane,)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def main() -> None:
    race = msgspec.json.decode(sys.stdin.readline(), type=Race)
    client = NatsClient(race.nats, seed_file=Path(race.seed_file), name="racer")
    database = Database(race.database)
    log = Log(client, race.book)
    door = FrontDoor(
        JetStreamApplicationRecorder(log), lambda: race.now, lambda: continuity.guard(log, database)
    )
    start = threading.Event()
    print("ready", flush=True)
    sys.stdin.readline()
    start.set()
    outcomes = run(Desk(door, database), race.lanes, start)
    print(msgspec.json.encode(outcomes).decode(), flush=True)
    client.close()
    database.close()


if __name__ == "__main__":
    main()
