"""The owner of a stack as a process of its own: `python -m tests.faults.stack_process FOLDER FIRST`.

Prints the process ids of its servers, then `number sequence` for each party that it registered.
"""

from __future__ import annotations

import sys
from pathlib import Path

from adapters.settings import Settings
from adapters.stack import running
from tests.adapters import sample
from tests.faults.rig import BOOK, Clock


def main() -> None:
    """Run the stack and write until killed."""
    folder, first = Path(sys.argv[1]), int(sys.argv[2])
    with running(Settings(state=folder, book=BOOK, stream_max_bytes=1 << 28), Clock()) as stack:
        print(*(child.process.pid for child in stack.children), flush=True)
        number = first
        while True:
            receipt = stack.door.execute(
                sample.register_party(f"p{number}"), command_id=f"c{number}", actor="ada"
            )
            print(number, receipt.sequence, flush=True)
            number += 1


if __name__ == "__main__":
    main()
