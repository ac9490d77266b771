"""What an import says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from adapters import meters
from adapters.cli.facts import ImportInterrupted, _print_imported, _resumable, _whole_report, rejected_path
from adapters.importing import Imported, import_file
from adapters.meters.report import Duplicate, NotWhole, Parsed, Rejected
from ledger.readings import Gap, run_of
from ledger.refusal import Refused
from tests.adapters.conftest import Bench
from tests.adapters.test_projector import filled
from tests.stack import NatsServer, PostgresServer

ROOT = Path(__file__).parents[3]
START = datetime(2026, 8, 1, tzinfo=UTC)


def imported(count: int, gaps: int) -> Imported:
    run = run_of("M1", "charge", START, 900, np.arange(count), "A")
    gap = Gap("M1", "charge", START, START + timedelta(hours=1))
    duplicate = Duplicate("M1", "charge", START, 3, 2)
    parsed = Parsed((run,), (), (gap,) * gaps, (duplicate,) * count, count, Fraction(1, 2))
    return Imported("i1", parsed, count, 7, repeated=False)


@pytest.mark.parametrize(
    ("count", "gaps", "said"),
    [
        (1, 1, "1 reading in 1 block, 1 gap in the file, 1 duplicate, rounding +0.500 Wh in all\n"),
        (2, 0, "2 readings in 2 blocks, 0 gaps in the file, 2 duplicates, rounding +0.500 Wh in all\n"),
    ],
)
def test_one_of_a_kind_is_told_in_the_singular(
    capsys: pytest.CaptureFixture[str], count: int, gaps: int, said: str
) -> None:
    _print_imported(imported(count, gaps))
    assert said in capsys.readouterr().out


def test_only_the_first_gaps_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    _print_imported(imported(1, 12))
    out = capsys.readouterr().out
    assert out.count("  gap: M1 charge 2026-08-01T00:00Z to 2026-08-01T01:00Z") == 10
    told = "  note: what was recorded before for the intervals of a gap stays in force\n"
    assert out.endswith(f"  and 2 more gaps\n{told}")
    _print_imported(imported(1, 0))
    assert told not in capsys.readouterr().out


def not_whole() -> NotWhole:
    rejected = Rejected(3, "wh", "negative_energy", "-5 is below zero", "M1,charge,2026-08-01T00:00:00Z,-5")
    return NotWhole(Parsed((), (rejected,), (), (), 1))


def test_rejected_rows_go_to_the_current_folder_not_beside_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    originals, here = tmp_path / "originals", tmp_path / "here"
    originals.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    file = originals / "meters.csv"
    refused = _whole_report(file, rejected_path(file, None), not_whole())
    assert list(originals.iterdir()) == []
    assert "-5" in (here / "meters.csv.rejected.csv").read_text(encoding="utf-8")
    assert str(here / "meters.csv.rejected.csv") in refused.reason
    named = tmp_path / "named.csv"
    assert str(named) in _whole_report(file, rejected_path(file, named), not_whole()).reason
    assert named.read_text(encoding="utf-8")


def test_rejected_rows_never_replace_the_file_they_come_from(tmp_path: Path) -> None:
    file = tmp_path / "meters.csv"
    file.write_text("original", encoding="utf-8")
    for rejected in (file, tmp_path / "." / "meters.csv", tmp_path, tmp_path / "none" / "x.csv"):
        with pytest.raises(Refused) as caught:
            rejected_path(file, rejected)
        assert caught.value.code == "file"
    (tmp_path / "linked.csv").symlink_to(file)
    with pytest.raises(Refused, match="is the file itself"):
        rejected_path(file, tmp_path / "linked.csv")
    assert file.read_text(encoding="utf-8") == "original"


@pytest.fixture
def dying(tmp_path: Path, migrated: PostgresServer) -> Iterator[Bench]:
    """A book on a NATS of its own, to be killed."""
    nats = NatsServer(tmp_path / "nats")
    made = Bench(nats, migrated)
    yield made
    made.close()
    nats.stop()


def test_an_import_that_nats_interrupts_says_to_run_it_again(dying: Bench) -> None:
    filled(dying)
    dying.log.deadline = 0.5
    rows = b"meter,register,start,wh\nM1,charge,2026-08-05T00:00:00Z,1\n"
    profile = meters.profile_of((ROOT / "examples/meters/plain.toml").read_bytes())
    dying.nats.child.kill()
    with pytest.raises(ImportInterrupted) as caught, _resumable():
        import_file(dying.door, rows, file_name="m.csv", profile=profile, actor="ada")
    cause, _, advice = str(caught.value).rpartition("; ")
    assert advice == "run it again: it goes on where it stopped"
    assert cause
