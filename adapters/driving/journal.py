"""What a driver wrote before it could be recorded: a local file, so that a stop never waits for the store.

A line is on the disk before its entry counts as kept. The file of a run is its own; those of earlier runs are
read, and removed once all in them is on record.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from dispatch.control.setpoint import Setpoint
from ledger.identity import checked_id
from ledger.interval import Instant

_SUFFIX: Final = ".jsonl"
_BYTES_MAX: Final = 4 << 20
_AGAIN_S: Final = 1.0

Outcome = Literal["certain", "uncertain", "void"]
"""void: nothing was written after all."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, tag="begun"):
    """A stop or limit, before it is written. `journal` is the driver's own number for it."""

    journal: str
    device: str
    setpoint: Setpoint
    before_w: int | None
    at: Instant
    by: str


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended"):
    """What became of the write. An entry without it is uncertain: the driver died over it."""

    journal: str
    outcome: Outcome


class Told(msgspec.Struct, frozen=True, kw_only=True, tag="told"):
    """It is on record."""

    journal: str


class Kept(msgspec.Struct, frozen=True):
    """An entry that is not on record yet."""

    entry: Entry
    certain: bool


_LINE: Final = msgspec.json.Decoder(Entry | Ended | Told)


class Journal:
    """One for all devices of a process: lines that come together are synced together.

    `run` names the run of the process, unlike any before it.
    """

    def __init__(self, folder: Path, run: str) -> None:
        checked_id(run, "run")
        folder.mkdir(parents=True, exist_ok=True)
        self._run = run
        self.failure = ""
        """Why the disk takes no line, "" while it does."""
        self._count = 0
        self._kept: dict[str, Kept] = {}
        self._open: dict[Path, set[str]] = {}
        self._path = folder / f"{run}{_SUFFIX}"
        self._read({path: list(_whole_lines(path.read_bytes())) for path in folder.glob(f"*{_SUFFIX}")})
        self._file = self._path.open("ab")
        _sync_folder(folder)
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._lines: list[bytes] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._again: asyncio.TimerHandle | None = None

    def kept(self, device: str) -> tuple[Kept, ...]:
        """What is to be told of a device, in the order in which it was written."""
        found = (one for one in self._kept.values() if one.entry.device == device)
        return tuple(sorted(found, key=lambda one: one.entry.at))

    def begin(
        self, device: str, setpoint: Setpoint, before_w: int | None, at: datetime
    ) -> tuple[Entry, asyncio.Future[None]]:
        """Put down that it is about to be written; the future is done once that is on the disk.

        Raises:
            OSError: (the future) the disk takes nothing.
        """
        self._count += 1
        name = f"{self._run}-{self._count}"
        entry = Entry(journal=name, device=device, setpoint=setpoint, before_w=before_w, at=at, by=self._run)
        self._kept[name] = Kept(entry, certain=False)
        return entry, self._append(entry)

    def end(self, entry: Entry, outcome: Outcome) -> asyncio.Future[None]:
        """Put down what became of it."""
        if outcome == "void":
            del self._kept[entry.journal]
        else:
            self._kept[entry.journal] = Kept(entry, certain=outcome == "certain")
        return self._append(Ended(journal=entry.journal, outcome=outcome))

    async def told(self, journal: str) -> None:
        """It is on record: a run after this one need not tell it; where the disk does not take that
        (`failure`), it tells it again, which is the same command."""
        self._kept.pop(journal, None)
        with suppress(OSError):
            await self._append(Told(journal=journal))
        for path, names in tuple(self._open.items()):
            names.discard(journal)
            if not names:
                del self._open[path]
                path.unlink()

    async def close(self) -> None:
        """What is being written comes to its end; where its loop ended before, it is as after a kill."""
        if self._again is not None:
            self._again.cancel()
        if self._flushing is not None and not self._flushing.cancelled():
            await self._flushing
        self._disk.shutdown()
        with suppress(OSError):
            # What the disk does not take is lost: `failure` has told it.
            self._file.close()
        if not self._kept:
            self._path.unlink()

    def _append(self, line: Entry | Ended | Told) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._lines.append(msgspec.json.encode(line) + b"\n")
        self._waiting.append(done)
        self._begin_flush()
        return done

    def _begin_flush(self) -> None:
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.get_running_loop().create_task(self._flush())

    async def _flush(self) -> None:
        """What waits; lines that the disk did not take are tried again with it, and each `_AGAIN_S`."""
        loop = asyncio.get_running_loop()
        while self._lines or self.failure:
            lines, self._lines = self._lines, []
            waiting, self._waiting = self._waiting, []
            try:
                await loop.run_in_executor(self._disk, self._to_disk, b"".join(lines))
            except OSError as error:
                self.failure = str(error)
                for one in waiting:
                    if not one.done():
                        one.set_exception(error)
                if not self._lines:
                    self._again = loop.call_later(_AGAIN_S, self._begin_flush)
                    return
            else:
                self.failure = ""
                for one in waiting:
                    if not one.done():
                        one.set_result(None)
            if not self._kept and not self._lines:
                await loop.run_in_executor(self._disk, self._begin_anew)

    def _to_disk(self, lines: bytes) -> None:
        self._file.write(lines)
        self._file.flush()
        os.fsync(self._file.fileno())

    def _begin_anew(self) -> None:
        """Empty the file, once it is large and all in it is on record."""
        if self._file.tell() > _BYTES_MAX:
            self._file.truncate(0)
            os.fsync(self._file.fileno())

    def _read(self, files: Mapping[Path, Sequence[Entry | Ended | Told]]) -> None:
        over = {line.journal for lines in files.values() for line in lines if _is_over(line)}
        for path, lines in files.items():
            begun = {line.journal: line for line in lines if isinstance(line, Entry)}
            certain = {
                line.journal for line in lines if isinstance(line, Ended) and line.outcome == "certain"
            }
            left = {name for name in begun if name not in over}
            self._kept |= {name: Kept(begun[name], name in certain) for name in left}
            if left:
                self._open[path] = left
            else:
                path.unlink()


def _is_over(line: Entry | Ended | Told) -> bool:
    return isinstance(line, Told) or (isinstance(line, Ended) and line.outcome == "void")


def _whole_lines(data: bytes) -> Iterator[Entry | Ended | Told]:
    """A last line that was being written when the power went is none."""
    *lines, _ = data.split(b"\n")
    for line in lines:
        yield _LINE.decode(line)


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
