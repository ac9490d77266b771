"""What cannot be explained: each refusal says what is unknown, and what there is."""

from __future__ import annotations

import pytest

from adapters.queries.explain import explain
from ledger.refusal import Refused
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import CONTRACT, filled, settle


def refused(bench: Bench, contract: str, month: str, number: int, **more: object) -> tuple[str, str, str]:
    with bench.database.reading(bench.book) as connection, pytest.raises(Refused) as caught:
        explain(connection, contract, month, number, **more)  # type: ignore[arg-type]
    return caught.value.code, caught.value.place, caught.value.reason


def test_what_is_unknown_is_named_with_what_there_is(bench: Bench) -> None:
    filled(bench)
    code, place, reason = refused(bench, CONTRACT.id, "2026-08", 1)
    assert (code, place) == ("unknown_settlement", "month")
    assert reason.endswith("months settled: none")
    settle(bench)
    bench.project()
    code, place, reason = refused(bench, "foo", "2026-08", 1)
    assert (code, place) == ("unknown_contract", "contract")
    assert "'foo'" in reason
    assert reason.endswith(f"there are: {CONTRACT.id}")
    code, place, reason = refused(bench, CONTRACT.id, "2026-07", 1)
    assert (code, place) == ("unknown_settlement", "month")
    assert reason.endswith("months settled: 2026-08")
    code, place, reason = refused(bench, CONTRACT.id, "2026-08", 1, run=7)
    assert (code, place) == ("unknown_settlement", "run")
    assert reason.endswith("its runs are 1")
    code, place, reason = refused(bench, CONTRACT.id, "2026-08", 99)
    assert (code, place) == ("unknown_line", "line")
    assert "its lines are 1, 2, 3" in reason


def test_a_party_is_told_of_its_own_lines_only(bench: Bench) -> None:
    filled(bench)
    settle(bench)
    bench.project()
    with bench.database.reading(bench.book) as connection:
        own = [number for number in range(1, 9) if _explained(connection, number)]
    assert 0 < len(own) < 8
    other = next(number for number in range(1, 9) if number not in own)
    _, _, reason = refused(bench, CONTRACT.id, "2026-08", other, party="equipment-owner")
    assert reason.endswith("its lines are " + ", ".join(map(str, own)))


def _explained(connection: object, number: int) -> bool:
    try:
        explain(connection, CONTRACT.id, "2026-08", number, party="equipment-owner")  # type: ignore[arg-type]
    except Refused:
        return False
    return True
