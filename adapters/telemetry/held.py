"""A lane that goes on in memory while the disk takes nothing: what is held is sent from there."""

from __future__ import annotations

import threading
from collections import deque
from itertools import islice
from pathlib import Path
from typing import Final

from adapters.telemetry.frame import HEAD, Framed, Item, framed, passed
from adapters.telemetry.lane import SEGMENT_BYTES, Lane, Waiting

HELD_MAX: Final = 10_000
"""So many samples at most; then the oldest go, and show as missing numbers."""


class HeldLane(Lane):
    """What is held stands behind what is on the disk, and is put there as soon as it takes it.

    `failure` says why the disk took nothing, "" once it did again; `let_go` counts what went for want of
    room.
    """

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        super().__init__(folder, segment_bytes)
        self.failure = ""
        self.let_go = 0
        self._held: deque[Framed] = deque()
        self._holding = threading.Lock()

    @property
    def held(self) -> int:
        """How much is in memory alone."""
        return len(self._held)

    @property
    def empty(self) -> bool:
        return not self._held and super().empty

    def keep(self, item: Item) -> bool:
        """Append it, or hold it; whether all is on the disk.

        Raises:
            Unkept: as `framed`. It is neither appended nor held.
        """
        content = framed(item)
        with self._holding:
            self._held.append(content)
            self._put()
            while len(self._held) > HELD_MAX:
                self._held.popleft()
                self.let_go += 1
            return not self._held

    def put_held(self) -> None:
        """To the disk, as far as it takes it."""
        with self._holding:
            self._put()

    def _put(self) -> None:
        while self._held:
            try:
                self.append(self._held[0])
            except OSError as error:
                self.failure = str(error)
                return
            self._held.popleft()
            self.failure = ""

    def waiting(self, most: int) -> Waiting:
        """As a lane's; what is held once all before it was acknowledged."""
        written = super().waiting(most)
        with self._holding:
            # What came to the disk since is older than what is held.
            if not written.items and written.until >= self.end:
                held = list(islice(self._held, most))
                return Waiting([passed(one[HEAD.size :]) for one in held], written.until, held)
        return written

    def done(self, waiting: Waiting) -> None:
        """What `waiting` answered is elsewhere for good. What of it was put to the disk meanwhile is sent
        again, and known there by its number.

        Raises:
            OSError: the disk does not keep that; it is sent again.
        """
        self.acknowledge(waiting.until)
        with self._holding:
            for content in waiting.held:
                if self._held and self._held[0] is content:
                    self._held.popleft()
