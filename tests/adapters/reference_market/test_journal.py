"""The journal: what was answered is there after kill -9, what was not is cut off."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adapters.reference_market.entry import ClockSet, Entry
from adapters.reference_market.journal import Journal
from ledger.refusal import Refused
from tests.adapters.reference_market.markets import BEFORE_THE_GATE, PUBLISHED

FIRST, SECOND = ClockSet(BEFORE_THE_GATE), ClockSet(PUBLISHED)


def entries(file: Path) -> list[Entry]:
    journal = Journal(file)
    journal.close()
    return journal.entries


def test_entries_are_read_back_in_order(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    journal = Journal(file)
    journal.append(FIRST)
    journal.append(SECOND)
    journal.close()
    assert entries(file) == [FIRST, SECOND]
    assert file.stat().st_mode & 0o777 == 0o600


def test_cut_anywhere_only_whole_lines_remain(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    journal = Journal(file)
    journal.append(FIRST)
    journal.append(SECOND)
    journal.close()
    whole = file.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(len(whole)):
        file.write_bytes(whole[:cut])
        assert entries(file) == ([FIRST] if cut >= first else [])
        assert file.stat().st_size == (first if cut >= first else 0)


def test_a_line_that_cannot_be_read_stops_the_market(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    journal = Journal(file)
    journal.append(FIRST)
    journal.close()
    file.write_bytes(file.read_bytes() + b'{"entry":"no such"}\n')
    with pytest.raises(Refused) as refused:
        Journal(file)
    assert (refused.value.code, refused.value.place) == ("market_journal", "line 2")


def test_one_process_holds_it(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    journal = Journal(file)
    with pytest.raises(Refused) as refused:
        Journal(file)
    assert refused.value.code == "market_journal_held"
    journal.close()
    Journal(file).close()


def test_a_disk_that_refuses_leaves_nothing_of_an_entry(tmp_path: Path) -> None:
    """/dev/full refuses every write: what the journal holds stays as it was."""
    file = tmp_path / "journal.jsonl"
    journal = Journal(file)
    journal.append(FIRST)
    kept = os.dup(journal._descriptor)
    with Path("/dev/full").open("wb") as full:
        os.dup2(full.fileno(), journal._descriptor)
        with pytest.raises(OSError):
            journal.append(SECOND)
    os.dup2(kept, journal._descriptor)
    os.close(kept)
    journal.append(SECOND)
    journal.close()
    assert entries(file) == [FIRST, SECOND]


def test_an_entry_that_did_not_reach_the_disk_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operating system takes the line and fails to flush it: it was refused, so it must not be there."""
    file = tmp_path / "journal.jsonl"
    journal = Journal(file)
    journal.append(FIRST)

    def failing(_: int) -> None:
        raise OSError("the disk is gone")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", failing)
        with pytest.raises(OSError, match="gone"):
            journal.append(SECOND)
    journal.close()
    assert entries(file) == [FIRST]
