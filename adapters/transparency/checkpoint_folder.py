"""The checkpoints that were signed, in files outside NATS and PostgreSQL.

`000/000/001/234` holds the checkpoint of 1,234 envelopes; its text is never written again, only signatures
of witnesses are added. `latest` is a copy of the newest for whoever serves or collects it, and nothing of
ours believes it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.refusal import Refused

_GROUPS: Final = 4
_GROUP: Final = 1000


class CheckpointFolder:
    """One log's checkpoints; made on first use."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One signer at a time, over all processes of this machine."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def newest(self) -> tuple[int, bytes] | None:
        """The size and content of the largest that was kept."""
        return self._first(0, reverse=True)

    def covering(self, sequence: int) -> tuple[int, bytes] | None:
        """The smallest of at least `sequence` envelopes: always the same one, once it is there."""
        return self._first(sequence, reverse=False)

    def oldest(self) -> tuple[int, bytes] | None:
        """The size and content of the smallest that was kept."""
        return self._first(0, reverse=False)

    def every(self) -> Iterator[bytes]:
        """What was kept, the smallest first."""
        for size in _sizes(self.path, _GROUPS, 0, 0, reverse=False):
            yield self.file(size).read_bytes()

    def at(self, size: int) -> bytes | None:
        """What was kept of this very size."""
        file = self.file(size)
        return file.read_bytes() if file.is_file() else None

    def keep(self, size: int, content: bytes) -> None:
        """Write a checkpoint for good: on the disk when this returns. The caller holds the lock.

        Raises:
            Refused: `split_view` when another one of this size was kept.
        """
        before = self.at(size)
        if before is not None:
            if before != content:
                raise Refused(
                    "split_view", f"another checkpoint of {size} is kept", place=f"{self.file(size)}"
                )
            return
        target = self.file(size)
        self._make(target.parent)
        self._write(target, content)
        self._write(self.path / "latest", content)

    def keep_handover(self, size: int, content: bytes) -> None:
        """Write the checkpoint of a handover of the log's key once more, where it is found among many. The
        caller holds the lock."""
        file = self.handover_file(size)
        self._make(file.parent)
        self._write(file, content)

    def handovers(self) -> list[bytes]:
        """What was kept of them, in no order."""
        found = self._handovers.iterdir() if self._handovers.is_dir() else ()
        return [one.read_bytes() for one in found]

    def handover_file(self, size: int) -> Path:
        """Where the handover of this size is kept."""
        return self._handovers / f"{size}"

    @property
    def _handovers(self) -> Path:
        return self.path / "handovers"

    def with_signature(self, size: int, content: bytes) -> None:
        """Put a kept checkpoint with one more signature in the place of the one without. The caller holds the
        lock, and has made sure that the text is the same."""
        before = self.at(size)
        assert before is not None
        assert before.rpartition(b"\n\n")[0] == content.rpartition(b"\n\n")[0]
        self._write(self.file(size), content)
        newest = self.newest()
        if newest is not None and newest[0] == size:
            self._write(self.path / "latest", content)

    def _write(self, target: Path, content: bytes) -> None:
        partial = self.path / "partial"
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(target)
        _sync(target.parent)

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make(folder.parent)
        folder.mkdir()
        _sync(folder.parent)

    def file(self, size: int) -> Path:
        """Where the checkpoint of this size is kept."""
        names = []
        for _ in range(_GROUPS - 1):
            size, group = divmod(size, _GROUP)
            names.append(f"{group:03d}")
        return self.path.joinpath(f"{size:03d}", *reversed(names))

    def _first(self, least: int, *, reverse: bool) -> tuple[int, bytes] | None:
        found = next(_sizes(self.path, _GROUPS, 0, least, reverse=reverse), None)
        return None if found is None else (found, self.file(found).read_bytes())


def _sizes(folder: Path, depth: int, before: int, least: int, *, reverse: bool) -> Iterator[int]:
    """The sizes below a folder from `least` on, in order; `before` is what its own name stands for."""
    if not folder.is_dir():
        return
    unit = _GROUP ** (depth - 1)
    groups = (int(one.name) for one in folder.iterdir() if one.name.isdecimal())
    for group in sorted(groups, reverse=reverse):
        size = (before * _GROUP) + group
        if (size + 1) * unit <= least:
            continue
        if depth == 1:
            yield size
        else:
            name = folder / f"{group:03d}"
            yield from _sizes(name, depth - 1, size, least, reverse=reverse)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
