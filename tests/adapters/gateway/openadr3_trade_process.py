"""The trading role as a process that kills itself at a step of a call, on the servers of a test.

`python -m tests.adapters.gateway.openadr3_trade_process NATS SEED BOOK DATABASE VTN NOW STEP`. STEP is
`before_COMMAND` or `after_COMMAND`: a command's class of `trading.response_call`, or `RecordClearing`;
`before_HearCall` is after the event was received and before it is recorded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from signal import SIGKILL

from adapters import continuity
from adapters.desk.desk import Desk
from adapters.desk.follow_up import follow_ups
from adapters.desk.trading_role import TradingRole
from adapters.front_door import FrontDoor, Receipt, Wish
from adapters.nats.client import NatsClient
from adapters.nats.log import Log
from adapters.nats.recorder import JetStreamApplicationRecorder
from adapters.postgres.database import Database
from tests.adapters.gateway.openadr3_floor import gateway


class Dying(FrontDoor):
    """The real door, whose process is killed before or after one kind of command."""

    step = ""

    def execute_all(self, wishes: Sequence[Wish], *, actor: str, causation: str = "") -> list[Receipt]:
        names = {type(wish.command).__name__ for wish in wishes}
        if self.step.startswith("before_") and self.step.removeprefix("before_") in names:
            os.kill(os.getpid(), SIGKILL)
        receipts = super().execute_all(wishes, actor=actor, causation=causation)
        if self.step.startswith("after_") and self.step.removeprefix("after_") in names:
            os.kill(os.getpid(), SIGKILL)
        return receipts


def main() -> None:
    """Trade until killed, or until nothing changes."""
    url, seed, book, address, vtn, now, step = sys.argv[1:]
    at = datetime.fromisoformat(now)
    log = Log(NatsClient(url, seed_file=Path(seed), name="trade"), book)
    database = Database(address)
    door = Dying(JetStreamApplicationRecorder(log), lambda: at, lambda: continuity.guard(log, database))
    door.step = step
    desk = Desk(door, database)
    role = TradingRole(
        desk, database, {"dr": gateway(vtn, lambda: at)}, lambda: at, print, follow=follow_ups(desk)
    )
    role.once()


if __name__ == "__main__":
    main()
