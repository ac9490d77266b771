"""A replay as a process of its own, its projections in another order: prints each table's digest.

`python -m tests.adapters.replay_process URL SEED BOOK DATABASE SHIFT`
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from adapters import replay
from adapters.nats.client import NatsClient
from adapters.nats.log import Log
from adapters.postgres.database import Database
from adapters.projections import PROJECTIONS


def main() -> None:
    """Replay once."""
    url, seed, book, address, shift = sys.argv[1:]
    client, database = NatsClient(url, seed_file=Path(seed), name="replay"), Database(address)
    turned = PROJECTIONS[int(shift) :] + PROJECTIONS[: int(shift)]
    proof = replay.replay(Log(client, book), database, tuple(reversed(turned)))
    print(json.dumps({"equal": proof.equal} | {table.table: table.sha256 for table in proof.tables}))
    client.close()
    database.close()


if __name__ == "__main__":
    main()
