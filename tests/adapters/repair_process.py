"""A repair as a process of its own, which kills itself at a point.

`python -m tests.adapters.repair_process URL APP_SEED OPERATOR_SEED BOOK DATABASE FOLDER POINT`
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL
from typing import Any

from adapters import backup, continuity, replay
from adapters import repair as repairs
from adapters.front_door import FrontDoor
from adapters.integrity import checkpoint_files, evidence
from adapters.integrity.checked_recorder import CheckedRecorder
from adapters.nats import stream
from adapters.nats.client import NatsClient
from adapters.nats.log import Log
from adapters.postgres.database import Database
from adapters.transparency.checkpoint_folder import CheckpointFolder
from adapters.transparency.published_log import PublishedLog

POINTS: dict[str, tuple[object, str, bool]] = {
    "evidence": (evidence, "keep", True),
    "image": (backup, "write", True),
    "plan": (repairs, "_write", True),
    "delete": (stream, "delete", True),
    "create": (stream, "create", True),
    "append": (backup, "append_all", True),
    "swap": (replay, "_replace", True),
    "record": (repairs, "_finish", False),
    "finish": (repairs, "_finish", False),
}
"""Where to die: before or after (True) a step."""


def dying(step: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    def dies(*arguments: Any, **named: Any) -> Any:
        if after:
            step(*arguments, **named)
        os.kill(os.getpid(), SIGKILL)

    return dies


def main() -> None:
    """Repair until killed."""
    url, app_seed, operator_seed, book, address, place, point = sys.argv[1:]
    folder = Path(place)
    database = Database(address)
    published = PublishedLog(
        database,
        book,
        f"test/{book}",
        CheckpointFolder(folder / "checkpoints"),
        folder / "log.key",
        makes_key=False,
    )
    log = Log(NatsClient(url, seed_file=Path(app_seed), name="repair"), book)
    door = FrontDoor(
        CheckedRecorder(log, database),
        lambda: datetime(2026, 9, 2, tzinfo=UTC),
        lambda: continuity.guard(log, database),
    )
    operator = NatsClient(url, seed_file=Path(operator_seed), name="operator")
    known = checkpoint_files.signed(published).checkpoints
    owner, name, after = POINTS[point]
    setattr(owner, name, dying(getattr(owner, name), after=after))
    repairs.repair(
        repairs.Shop(operator, database, door, folder / "repair", 64 << 20, 1, known), actor="operator"
    )


if __name__ == "__main__":
    main()
