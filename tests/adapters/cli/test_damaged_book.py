"""A book whose stream lost events says so within seconds, with the exit code of a failed check."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.settings import Settings
from adapters.stack import running
from ledger.interval import Interval
from ledger.meter_import import ImportOpened, OpenImport
from tests.adapters.cli.program import wattledger


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with a founded book, one import of which is open."""
    state = tmp_path_factory.mktemp("book") / "var"
    done = wattledger(state, "demo", "--exit", "--part", "found")
    assert done.returncode == 0, done.stderr
    first = datetime(2026, 8, 1, tzinfo=UTC)
    covers = Interval(first, datetime(2026, 9, 1, tzinfo=UTC))
    opened = ImportOpened("0" * 64, "august.csv", "csv_long", ("S1-LOAD",), covers, 2, 5952, "0")
    with running(Settings(state=state), lambda: datetime(2026, 9, 1, tzinfo=UTC)) as stack:
        stack.door.execute(OpenImport("i-1", opened), command_id="open", actor="ada")
    return state


def test_status_is_in_columns_and_lists_open_imports(founded: Path) -> None:
    done = wattledger(founded, "status")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    starts = {len(line) - len(line[15:].lstrip()) for line in lines if not line.startswith(" ")}
    assert starts == {17}, done.stdout
    assert f"{'statement_lives':<17}" in done.stdout
    (one,) = [line for line in lines if line.startswith("open import")]
    assert one.split(maxsplit=2)[2] == "i-1   august.csv, 2026-08-01 to 2026-09-01"
    assert "wattledger abandon" in done.stdout


def test_a_bit_that_flips_while_the_book_is_closed_is_named_in_seconds(founded: Path) -> None:
    (block,) = (founded / "nats").rglob("BOOK_*/msgs/1.blk")
    data = bytearray(block.read_bytes())
    data[len(data) // 2] ^= 1
    block.write_bytes(data)
    (block.parent / "index.db").unlink()
    for command in ("replay", "status"):
        began = time.monotonic()
        done = wattledger(founded, command)
        assert time.monotonic() - began < 30
        assert done.returncode == 1, (command, done.stdout, done.stderr)
        (fault,) = [line for line in done.stdout.splitlines() if line.startswith("FAULT")]
        assert "the stream ends" in fault
