"""What an import says of itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import pytest

from adapters.cli.facts import _print_imported
from adapters.importing import Imported
from adapters.meters.report import Duplicate, Parsed
from ledger.readings import Gap, run_of

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
        (1, 1, "1 reading in 1 block, 1 gap, 1 duplicate, rounding +0.500 Wh in all\n"),
        (2, 0, "2 readings in 2 blocks, 0 gaps, 2 duplicates, rounding +0.500 Wh in all\n"),
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
    assert out.endswith("  and 2 more gaps\n")
