"""A write budget that outlives its process: never more writes than a register bears, few files written."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.driving.budget_file import STEP, BudgetFile
from dispatch.devices.profile_file import parse
from dispatch.devices.writing import RegisterWrite
from ledger.refusal import Refused
from tests.dispatch.devices.profile_samples import PLAIN

BEARS = 120
PROFILE = parse(
    PLAIN.replace(
        'type = "uint16", unit = "s", access = "rw"',
        f'type = "uint16", unit = "s", access = "rw", writes_per_day = {BEARS}',
    )
)
AFTER = RegisterWrite("after", 6, 22, (60,))
SET = RegisterWrite("set", 16, 20, (0, 1))
TODAY, TOMORROW = date(2026, 8, 1), date(2026, 8, 2)


def test_all_of_a_setpoint_or_none(tmp_path: Path) -> None:
    budget = BudgetFile(tmp_path / "B1.json")
    for _ in range(BEARS):
        budget.spend(PROFILE, [SET, AFTER], TODAY)
    with pytest.raises(Refused) as refused:
        budget.spend(PROFILE, [SET, AFTER], TODAY)
    assert refused.value.code == "write_budget_spent"
    assert budget.left(PROFILE, "set", TODAY) == 9000 - BEARS
    budget.spend_anyway(PROFILE, [SET, AFTER], TODAY)
    assert (budget.left(PROFILE, "set", TODAY), budget.left(PROFILE, "after", TODAY)) == (9000 - BEARS - 1, 0)
    budget.spend(PROFILE, [AFTER], TOMORROW)
    assert budget.left(PROFILE, "after", TOMORROW) == BEARS - 1


def test_the_disk_is_asked_once_for_many_writes(tmp_path: Path) -> None:
    path = tmp_path / "B1.json"
    budget = BudgetFile(path)
    seen = set()
    for _ in range(2 * STEP):
        budget.spend(PROFILE, [SET], TODAY)
        seen.add((path.stat().st_ino, path.read_bytes()))
    assert len(seen) == 2
    assert msgspec.json.decode(path.read_bytes()) == {"day": "2026-08-01", "written": {"20": 100, "21": 100}}


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "B1.json"
    path.write_text('{"day":"2026-08-01"')
    with pytest.raises(Refused) as refused:
        BudgetFile(path)
    assert (refused.value.code, refused.value.place) == ("write_budget_file", str(path))


@given(runs=st.lists(st.integers(0, 70), max_size=8))
@settings(derandomize=True, max_examples=40)
def test_over_any_number_of_restarts_no_register_is_written_too_often(
    tmp_path_factory: pytest.TempPathFactory, runs: list[int]
) -> None:
    """And a restart costs less than STEP writes."""
    path = tmp_path_factory.mktemp("budget") / "B1.json"
    written = 0
    for wanted in runs:
        budget = BudgetFile(path)
        assert BEARS - budget.left(PROFILE, "after", TODAY) >= written
        for _ in range(wanted):
            try:
                budget.spend(PROFILE, [AFTER], TODAY)
            except Refused:
                break
            written += 1
    assert written <= BEARS
    if len(runs) == 1:
        assert written == min(runs[0], BEARS)
