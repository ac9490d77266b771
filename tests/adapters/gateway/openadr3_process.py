"""Our VTN as a process of its own: `python -m tests.adapters.gateway.openadr3_process NOW`.

It says its address, and ends when its input does. Its clock stands at NOW when it starts, and runs.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from tests.adapters.gateway.running_vtn import running_vtn


def main() -> None:
    with running_vtn() as vtn:
        vtn.clock.shift = datetime.fromisoformat(sys.argv[1]) - datetime.now(UTC)
        print(vtn.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
