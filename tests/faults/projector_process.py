"""A projector as a process of its own.

`python -m tests.faults.projector_process URL SEED BOOK DATABASE [DIES_AFTER]`
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from signal import SIGKILL

from adapters.nats.client import NatsClient
from adapters.nats.log import Log
from adapters.postgres.database import Connection, Database
from adapters.projections import PROJECTIONS, Projected
from adapters.projector import Projector


class Dying:
    """A last projection: past a sequence it kills the process, between the others' rows and positions."""

    name = "dying"
    tables = ()

    def __init__(self, after: int) -> None:
        self._after = after

    def project(self, connection: Connection, book: str, batch: Sequence[Projected]) -> None:
        last = batch[-1].sequence
        if last > self._after:
            rows = connection.execute("SELECT 1 FROM ledger.envelope WHERE sequence = %s", [last])
            assert rows.fetchone() is not None, "the rows are written, but not committed"
            os.kill(os.getpid(), SIGKILL)


def main() -> int:
    """Project until killed; a halt ends with its reason and status 3."""
    url, seed, book, address, *dies_after = sys.argv[1:]
    projections = (*PROJECTIONS, *(Dying(int(after)) for after in dies_after))
    while True:
        try:
            client = NatsClient(url, seed_file=Path(seed), name="projector")
            break
        except OSError:
            time.sleep(0.1)
    projector = Projector(Log(client, book), Database(address), projections)
    projector.run()
    print(f"halted: {projector.halted}", flush=True)
    return 3


if __name__ == "__main__":
    sys.exit(main())
