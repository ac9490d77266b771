"""One of several processes that share a data folder: the first owns the servers, the others join it.

`python -m tests.faults.peer_process FOLDER project|write NUMBER`. Appends to FOLDER/../peer-NUMBER.log:
`owns` and the process ids of the servers that it started, and each command that was acknowledged. Ends when
a server of its own died, or those that it joined stay away; who started it starts it again.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Final

from adapters.front_door import Receipt, Wish
from adapters.settings import Settings
from adapters.stack import Stack, running
from tests.adapters import sample
from tests.faults.rig import AWAY, BOOK, Clock

_AWAY_S: Final = 1.5
_LOOK_S: Final = 0.05


def settings_of(folder: Path) -> Settings:
    return Settings(state=folder, book=BOOK, stream_max_bytes=1 << 28)


def wishes_of(number: int, turn: int) -> list[Wish]:
    """What writer `number` asks for in its turn: a party of its own, and what another one asks for too."""
    return [
        Wish(sample.register_party(f"own-{number}-{turn // 8}"), f"{number}-{turn}"),
        Wish(sample.register_party(f"shared-{turn // 4}"), f"shared-{turn}"),
    ]


def log_of(folder: Path, number: int) -> Path:
    return folder.parent / f"peer-{number}.log"


def told(log: Path) -> list[list[str]]:
    """The whole lines of a log, in words; the last one may have been cut short."""
    if not log.exists():
        return []
    return [line.split() for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]


def main() -> None:
    """Project or write until killed."""
    folder, role, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    log = log_of(folder, number)
    turn = sum(words[:1] == ["told"] for words in told(log)) // 2
    with log.open("a") as out, running(settings_of(folder), Clock()) as stack:
        # What a kill cut short is no line; what follows must not become its end.
        print(f"\nowns {' '.join(str(child.process.pid) for child in stack.children)}", file=out, flush=True)
        threading.Thread(target=_watch, args=(stack,), daemon=True).start()
        if role == "project":
            projector = stack.projector()
            projector.run()
            print(f"halted: {projector.halted}", file=sys.stderr, flush=True)
            os._exit(3)
        while True:
            turn += 1
            wishes = wishes_of(number, turn)
            receipts = _insist(stack, wishes)
            lines = (
                f"told {wish.command_id} {receipt.aggregate} {receipt.version} {receipt.sequence}\n"
                for wish, receipt in zip(wishes, receipts, strict=True)
            )
            out.write("".join(lines))
            out.flush()


def _insist(stack: Stack, wishes: list[Wish]) -> list[Receipt]:
    give_up = time.monotonic() + _AWAY_S
    while True:
        try:
            return stack.door.execute_all(wishes, actor="ada")
        except AWAY:
            if time.monotonic() > give_up:
                os._exit(1)
            time.sleep(_LOOK_S)


def _watch(stack: Stack) -> None:
    while all(child.alive for child in stack.children):
        time.sleep(_LOOK_S)
    os._exit(1)


if __name__ == "__main__":
    main()
