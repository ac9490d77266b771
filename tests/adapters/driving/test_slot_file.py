"""What is written is read, whole or as it was before, and a full disk takes it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.driving.slot_file import SlotFile
from tests.adapters.driving.small_disk import fill, small_disk

MOST = 5000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 64 << 10) as path:
        yield path


def test_the_newest_is_read(tmp_path: Path) -> None:
    file = SlotFile(tmp_path / "a", MOST)
    assert file.read() == b""
    for content in (b"0" * MOST, b"1" * 4001, b"2" * 3002, b"3"):
        file.write(content)
        assert file.read() == SlotFile(tmp_path / "a", MOST).read() == content
    with pytest.raises(OSError, match="5001 bytes are more than 5000"):
        file.write(bytes(MOST + 1))
    assert file.read() == b"3"
    file.write(b"")
    assert file.read() == b""
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_only_what_was_seen_is_cleared(tmp_path: Path) -> None:
    file = SlotFile(tmp_path / "a", MOST)
    file.write(b"first")
    file.write(b"asked anew")
    file.clear(b"first")
    assert file.read() == b"asked anew"
    file.clear(b"asked anew")
    assert file.read() == b""


def torn(kept: int) -> Callable[[int, bytes, int], int]:
    """A write of which only so much comes to the disk."""
    write = os.pwrite

    def part(file: int, slot: bytes, at: int) -> int:
        write(file, slot[:kept], at)
        return len(slot)

    return part


def test_a_torn_write_is_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much of it came to the disk."""
    path = tmp_path / "a"
    for kept in (0, 1, 8, 16, 47, 48, 49, 2000, 2047):
        file = SlotFile(path, MOST)
        file.write(b"before")
        file.write(b"old" * 600)
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", torn(kept))
            file.write(b"new" * 667)
        assert file.read() == b"old" * 600, kept
        file.write(b"newer")
        assert file.read() == b"newer"
        path.unlink()


def test_several_writers_take_turns(tmp_path: Path) -> None:
    every = [f"{number}".encode() * 100 for number in range(10, 60)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: SlotFile(tmp_path / "a", MOST).write(one), every))
    assert SlotFile(tmp_path / "a", MOST).read() in every


def test_a_full_disk_takes_what_has_its_room(small: Path) -> None:
    file = SlotFile(small / "a", MOST)
    file.keep_room()
    fill(small)
    for number in range(4):
        content = f"{number}".encode() * MOST
        file.write(content)
        assert file.read() == content


def test_room_that_is_not_there_is_said_and_taken_later(small: Path) -> None:
    fill(small)
    file = SlotFile(small / "a", MOST)
    for what in (file.keep_room, lambda: file.write(b"x")):
        with pytest.raises(OSError, match="No space left"):
            what()
    assert file.read() == b""
    (small / "filler").unlink()
    file.keep_room()
    fill(small)
    file.write(b"x")
    assert file.read() == b"x"
