"""The journal over restarts: what was begun and not told is there, what was told is not."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.driving import journal as journal_file
from adapters.driving.journal import Journal
from dispatch.control.setpoint import Setpoint

AT = datetime(2026, 8, 3, 12, tzinfo=UTC)
STOP = Setpoint(setpoint_w=0, expires_at=AT + timedelta(hours=1), origin="emergency", cause="smoke")


async def _write(folder: Path) -> None:
    journal = Journal(folder, "run-1")
    entries = []
    for second in range(5):
        entry, kept = journal.begin("a", STOP, 100, AT + timedelta(seconds=second))
        await kept
        entries.append(entry)
    await journal.end(entries[0], "certain")
    await journal.end(entries[1], "uncertain")
    await journal.end(entries[2], "void")
    await journal.end(entries[3], "certain")
    await journal.told(entries[3].journal)
    # Not closed: the process dies here.
    await journal.close()


def _left(folder: Path, run: str) -> list[tuple[str, bool]]:
    async def read() -> list[tuple[str, bool]]:
        journal = Journal(folder, run)
        found = [(one.entry.journal, one.certain) for one in journal.kept("a")]
        assert journal.kept("b") == ()
        await journal.close()
        return found

    return asyncio.run(read())


def test_a_restart_finds_what_is_not_told_and_what_was_cut_off_is_uncertain(tmp_path: Path) -> None:
    asyncio.run(_write(tmp_path))
    expected = [("run-1-1", True), ("run-1-2", False), ("run-1-5", False)]
    assert _left(tmp_path, "run-2") == expected
    file = tmp_path / "run-1.jsonl"
    with file.open("ab") as torn:
        torn.write(b'{"type":"told","journal":"run-1-1"')
    assert _left(tmp_path, "run-3") == expected


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_last_line_is_none(tmp_path: Path, cut: int) -> None:
    async def one() -> None:
        journal = Journal(tmp_path, "run-1")
        entry, kept = journal.begin("a", STOP, 100, AT)
        await kept
        await journal.end(entry, "certain")
        await journal.close()

    asyncio.run(one())
    file = tmp_path / "run-1.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    assert _left(tmp_path, "run-2") in ([("run-1-1", False)], [])
    assert _left(tmp_path, "run-3") == _left(tmp_path, "run-4")


def test_a_file_goes_when_all_in_it_is_told(tmp_path: Path) -> None:
    asyncio.run(_write(tmp_path))

    async def tell() -> None:
        journal = Journal(tmp_path, "run-2")
        for kept in journal.kept("a"):
            await journal.told(kept.entry.journal)
        await journal.close()

    asyncio.run(tell())
    assert list(tmp_path.iterdir()) == []


def test_a_large_file_begins_anew_once_all_in_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And never before: what is not on record yet stays on the disk."""
    monkeypatch.setattr(journal_file, "_BYTES_MAX", 2_000)
    file = tmp_path / "run-1.jsonl"

    async def one() -> tuple[int, int]:
        journal = Journal(tmp_path, "run-1")
        largest = 0
        waiting, kept = journal.begin("a", STOP, 100, AT)
        await kept
        await journal.end(waiting, "certain")
        for second in range(1, 30):
            entry, kept = journal.begin("a", STOP, 100, AT + timedelta(seconds=second))
            await kept
            await journal.end(entry, "certain")
            await journal.told(entry.journal)
            largest = max(largest, file.stat().st_size)
        await journal.told(waiting.journal)
        await asyncio.sleep(0.05)
        emptied = file.stat().st_size
        last, kept = journal.begin("a", STOP, 100, AT + timedelta(seconds=40))
        await kept
        await journal.end(last, "uncertain")
        await journal.close()
        return largest, emptied

    largest, emptied = asyncio.run(one())
    assert largest > 6_000, "one entry that is not told keeps all of it"
    assert emptied == 0
    assert _left(tmp_path, "run-2") == [("run-1-31", False)]
