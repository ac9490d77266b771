"""A projector as a process of its own: `python -m tests.faults.projector_process URL SEED BOOK DATABASE`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from adapters.nats.client import NatsClient
from adapters.nats.log import Log
from adapters.postgres.database import Database
from adapters.projector import Projector


def main() -> int:
    """Project until killed; a halt ends with its reason and status 3."""
    url, seed, book, address = sys.argv[1:]
    while True:
        try:
            client = NatsClient(url, seed_file=Path(seed), name="projector")
            break
        except OSError:
            time.sleep(0.1)
    projector = Projector(Log(client, book), Database(address))
    projector.run()
    print(f"halted: {projector.halted}", flush=True)
    return 3


if __name__ == "__main__":
    sys.exit(main())
