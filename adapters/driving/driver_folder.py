"""The folder of a driver on its machine: one driver at a time, and the way to stop it without any server.

A stop is a file that the driver looks for ten times a second; what became of it is a file beside it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from adapters.driving.emergencies import LocalStop, StopFile
from adapters.driving.holder_files import HolderFiles
from adapters.driving.slot_file import SlotFile
from adapters.embedded.child import private_folder
from ledger.refusal import Refused

LOOK_S: Final = 0.1
_NAMED: Final = 20
_ANSWER_BYTES: Final = 256_000
"""Of a thousand devices, each with why it is not stopped."""


class StopAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a local stop: how many devices, how many were read anew and showed it, and why not.

    `device_ms`: after how long each was read that showed it. `id` is of who asked (`LocalStop.asked`),
    `stands` the emergency that stood for it already, 0: none.
    """

    id: str
    devices: int
    verified: int
    failed: dict[str, str] = {}
    took_ms: int
    device_ms: dict[str, int] = {}
    stands: int = 0


def told_apart(device_ms: Mapping[str, int]) -> str:
    """After how long each showed it, the slowest first.

    >>> told_apart({"a": 31, "b": 4423})
    'b after 4423 ms, a after 31 ms'
    """
    slowest = sorted(device_ms.items(), key=lambda one: (-one[1], one[0]))
    more = len(slowest) - _NAMED
    listed = ", ".join(f"{name} after {took_ms} ms" for name, took_ms in slowest[:_NAMED])
    return f"{listed}, and {more} sooner" if more > 0 else listed


class DriverFolder:
    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self.stop_file: Final = StopFile(path / "stop")
        self._answer: Final = SlotFile(path / "stopped", _ANSWER_BYTES)
        self.holders: Final = HolderFiles(path / "holders")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else drives from this folder meanwhile.

        Raises:
            Refused: `driver_running`.
        """
        private_folder(self.path)
        file = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                wrong = f"another process drives from {self.path}"
                raise Refused("driver_running", wrong, place=str(self.path)) from None
            yield
        finally:
            os.close(file)

    @property
    def driven(self) -> bool:
        """Whether a driver runs."""
        if not (self.path / "lock").exists():
            return False
        try:
            with self.held():
                return False
        except Refused:
            return True

    def keep_room(self) -> None:
        """From then on a stop is ordered here, and answered, on a full disk as well.

        Raises:
            OSError: the disk does not take it.
        """
        self.stop_file.keep_room()
        self._answer.keep_room()

    def answer(self, answer: StopAnswer) -> None:
        """Raises:
        OSError: the disk does not take it."""
        self._answer.write(msgspec.json.encode(answer))

    def order(self, stop: LocalStop) -> LocalStop:
        """Order it; one that was ordered before and is not in the book yet is the same, asked for anew.

        Raises:
            OSError: the disk does not take it.
        """
        private_folder(self.path)
        standing = self.stop_file.read()
        ordered = stop if standing is None else msgspec.structs.replace(standing, asked=stop.asked)
        self.stop_file.write(ordered)
        return ordered

    def answered(self, stop: LocalStop, seconds: float) -> StopAnswer | None:
        """What became of it, once the driver tells; None where it does not in time."""
        give_up = time.monotonic() + seconds
        while True:
            if content := self._answer.read():
                found = msgspec.json.decode(content, type=StopAnswer)
                if found.id == stop.asked:
                    return found
            if time.monotonic() > give_up:
                return None
            time.sleep(LOOK_S / 4)
