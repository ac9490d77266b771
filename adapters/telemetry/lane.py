"""Entries in their order in segment files, each appended once and read from where the last acknowledged one
ends.

An entry is written when `append` returns: kill -9 does not lose it. It is on the disk after the next `sync`.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from adapters.embedded.child import private_folder
from adapters.telemetry.frame import Entry, Framed, Item, Passed, framed, parsed, passed

SEGMENT_BYTES: Final = 4 << 20
_SLOT: Final = struct.Struct("<QQQ")
_SUM: Final = struct.Struct("<I")
_SLOT_BYTES: Final = 64
_SLOTS_BYTES: Final = 2 * _SLOT_BYTES
_READ_BYTES: Final = 1 << 20


class Place(NamedTuple):
    """Where in the lane: the segment's number, and the byte within it."""

    segment: int
    offset: int


class Waiting(NamedTuple):
    """Entries that were not acknowledged, and the place behind them; `held`: those that are in no file."""

    items: Sequence[Passed]
    until: Place
    held: Sequence[Framed] = ()


class Lane:
    """One process writes a lane; `damaged` counts segments of which a part could not be read.

    What was torn off at the end by a power cut is cut away when the lane is opened.
    """

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder = private_folder(folder)
        self.damaged = 0
        self._segment_bytes = segment_bytes
        self._lock = threading.Lock()
        self._moving = threading.Lock()
        self._lent = 0
        self._left: set[tuple[str, int]] = set()
        for partial in folder.glob("*.new"):
            partial.unlink()
        self._sizes = {int(path.stem): path.stat().st_size for path in sorted(folder.glob("*.seg"))}
        self._slots = os.open(folder / "acknowledged", os.O_RDWR | os.O_CREAT, 0o600)
        if os.fstat(self._slots).st_size < _SLOTS_BYTES:
            # A disk that is full later takes no new block.
            os.pwrite(self._slots, bytes(_SLOTS_BYTES), 0)
        self._turn, self._acknowledged = self._read_slots()
        self._open_last()
        self._dirty: set[int] = {self._file}
        self._retired: set[int] = set()
        self._forget_acknowledged()

    def _path(self, segment: int) -> Path:
        return self.folder / f"{segment:012d}.seg"

    def _open_last(self) -> None:
        last = max(self._sizes, default=self._acknowledged.segment or 1)
        self._last = last
        self._file = os.open(self._path(last), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        content = self._path(last).read_bytes()
        whole = parsed(content).whole
        if whole < len(content):
            os.ftruncate(self._file, whole)
        self._sizes[last] = whole
        _sync_folder(self.folder)
        if self._acknowledged > (end := Place(last, whole)):
            # A power cut took what had been sent already: the place is behind the end, and nothing is left.
            self._acknowledged = end

    @property
    def bytes(self) -> int:
        """What the segments take on the disk."""
        with self._lock:
            return sum(self._sizes.values())

    @property
    def empty(self) -> bool:
        """Whether everything was acknowledged."""
        return self._acknowledged >= self.end

    @property
    def end(self) -> Place:
        """Behind the last entry."""
        with self._lock:
            return Place(self._last, self._sizes[self._last])

    def append(self, content: Framed) -> None:
        """Write an entry behind the others.

        Raises:
            OSError: the disk is full or broken. The entry is not in the lane.
        """
        with self._lock:
            size = self._sizes[self._last]
            if size and size + len(content) > self._segment_bytes:
                self._roll()
                size = 0
            try:
                written = os.write(self._file, content)
                if written < len(content):
                    raise OSError(f"{written} of {len(content)} bytes written: the disk is full")
            except OSError:
                os.ftruncate(self._file, size)
                raise
            self._sizes[self._last] = size + len(content)
            self._dirty.add(self._file)

    def _roll(self) -> None:
        file = os.open(self._path(self._last + 1), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._retired.add(self._file)
        self._file = file
        self._last += 1
        self._sizes[self._last] = 0

    def sync(self) -> None:
        """Put on the disk what was appended; appending goes on meanwhile."""
        with self._lock:
            dirty, self._dirty = self._dirty, set()
            retired, self._retired = self._retired, set()
        for file in dirty:
            os.fdatasync(file)
        for file in retired:
            os.close(file)
        if retired:
            _sync_folder(self.folder)

    def waiting(self, most: int) -> Waiting:
        """The oldest entries that were not acknowledged, at most `most`; reads little more than they need."""
        with self._moving:
            with self._lock:
                sizes, last = dict(self._sizes), self._last
            items: list[Passed] = []
            place = self._acknowledged
            while len(items) < most:
                found = self._entries(place, sizes.get(place.segment, 0), most - len(items))
                items += [passed(entry.body) for entry in found]
                if found:
                    place = Place(place.segment, found[-1].end)
                elif place.segment < last:
                    self._note_damage(place, sizes.get(place.segment, 0))
                    place = Place(min(number for number in sizes if number > place.segment), 0)
                else:
                    break
            self._lent = place.segment
            return Waiting(items, place)

    def _entries(self, place: Place, size: int, most: int) -> list[Entry]:
        if place.offset >= size:
            return []
        with self._path(place.segment).open("rb") as file:
            file.seek(place.offset)
            found = parsed(file.read(min(size - place.offset, _READ_BYTES)), 0, most).entries
        shift = place.offset
        return [Entry(one.body, one.start + shift, one.end + shift) for one in found]

    def _note_damage(self, place: Place, size: int) -> None:
        """The rest of a segment that is not its end: kept beside as evidence."""
        if place.offset >= size:
            return
        path = self._path(place.segment)
        kept = path.with_suffix(".damaged")
        if not kept.exists():
            kept.write_bytes(path.read_bytes())
            self.damaged += 1

    def acknowledge(self, until: Place) -> None:
        """Everything before `until` is elsewhere for good: on the disk when this returns."""
        with self._moving:
            if until <= self._acknowledged:
                return
            self._turn += 1
            body = _SLOT.pack(self._turn, *until)
            slot = body + _SUM.pack(zlib.crc32(body))
            os.pwrite(self._slots, slot, _SLOT_BYTES * (self._turn % 2))
            os.fdatasync(self._slots)
            self._acknowledged = until
            self._forget_acknowledged()

    def _read_slots(self) -> tuple[int, Place]:
        """The newer of two slots: a torn write leaves the other."""
        found = [(0, Place(0, 0))]
        for number in (0, 1):
            slot = os.pread(self._slots, _SLOT.size + _SUM.size, _SLOT_BYTES * number)
            body, checksum = slot[: _SLOT.size], slot[_SLOT.size :]
            if len(checksum) == _SUM.size and _SUM.unpack(checksum) == (zlib.crc32(body),):
                turn, segment, offset = _SLOT.unpack(body)
                found.append((turn, Place(segment, offset)))
        return max(found)

    def _forget_acknowledged(self) -> None:
        with self._lock:
            gone = [number for number in self._sizes if number < self._acknowledged.segment]
            for segment in gone:
                del self._sizes[segment]
        for segment in gone:
            self._path(segment).unlink()
            self._left -= {one for one in self._left if one[1] == segment}

    def rewrite_oldest(self, way: str, kept: Callable[[Sequence[Item]], Sequence[Item] | None]) -> bool:
        """Put what `kept` leaves of the oldest possible segment in its place; False where there is none.

        `kept` answers None for a segment that it leaves as it is; it is not asked again in the same `way`. A
        segment that is written, or of which something was taken to be sent, is left alone.
        """
        with self._moving:
            first = max(self._acknowledged.segment, self._lent)
            for segment in [number for number in sorted(self._sizes) if first < number < self._last]:
                if (way, segment) in self._left:
                    continue
                items = [entry.item for entry in parsed(self._path(segment).read_bytes()).entries]
                left = kept(items)
                if left is not None:
                    self._replace(segment, left)
                    return True
                self._left.add((way, segment))
            return False

    def _replace(self, segment: int, items: Sequence[Item]) -> None:
        """Whole or not at all, whatever is cut when."""
        path = self._path(segment)
        partial = path.with_suffix(".new")
        with partial.open("wb") as file:
            file.write(b"".join(map(framed, items)))
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        partial.rename(path)
        with self._lock:
            self._sizes[segment] = size
        _sync_folder(self.folder)

    def close(self) -> None:
        self.sync()
        os.close(self._file)
        os.close(self._slots)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
