"""The planning role as a process that kills itself at a named step, on the servers of a test.

`python -m tests.adapters.planning.plan_process NATS SEED BOOK DATABASE NOW STEP`. STEP is `solved`, before
the plan is saved, or `saved`, before anybody hears of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from signal import SIGKILL

from adapters import continuity
from adapters.front_door import FrontDoor, Receipt, Wish
from adapters.nats.client import NatsClient
from adapters.nats.log import Log
from adapters.nats.recorder import JetStreamApplicationRecorder
from adapters.planning.planner import Planner
from adapters.planning.planning_role import PlanningRole
from adapters.planning.solver_process import SolverProcess
from adapters.postgres.database import Database


class Dying(FrontDoor):
    """The real front door, whose process is killed before or after it saves."""

    step = ""

    def execute_all(self, wishes: Sequence[Wish], *, actor: str, causation: str = "") -> list[Receipt]:
        if self.step == "solved":
            os.kill(os.getpid(), SIGKILL)
        saved = super().execute_all(wishes, actor=actor, causation=causation)
        if self.step == "saved":
            os.kill(os.getpid(), SIGKILL)
        return saved


def main() -> None:
    """Plan what is due until killed."""
    url, seed, book, address, now, step = sys.argv[1:]
    at = datetime.fromisoformat(now)
    log = Log(NatsClient(url, seed_file=Path(seed), name="plan"), book)
    database = Database(address)
    door = Dying(JetStreamApplicationRecorder(log), lambda: at, lambda: continuity.guard(log, database))
    door.step = step
    with SolverProcess() as solver:
        PlanningRole(Planner(door, database, solver, lambda: at), database, book, lambda: at, print).turn()


if __name__ == "__main__":
    main()
