"""What only `verify` or `replay` can find stops writing and answering too, once it was found."""

from __future__ import annotations

import pytest

from adapters.continuity import Discontinuity
from adapters.integrity import known_damage
from adapters.integrity.checked_recorder import CheckedRecorder
from adapters.integrity.fault import Fault
from adapters.integrity.published import check_statements
from tests.adapters import sample
from tests.adapters.cli.terminal import terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import filled, founded, settle
from tests.adapters.test_tamper import Kept, kept, own_nats
from tests.adapters.test_tamper_published import shown

__all__ = ["kept", "own_nats"]
ALTERED = "UPDATE ledger.meter_run SET wh[1] = 999999 RETURNING 1"


@pytest.mark.parametrize("command", ["verify", "replay"])
def test_an_altered_row_that_was_found_stops_who_writes(
    kept: Kept, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    door = kept.door()
    door.execute(sample.register_party("P1"), command_id="p1", actor="ada")
    kept.bench.project()
    kept.bench.query(ALTERED)
    door.execute(sample.register_party("P2"), command_id="p2", actor="ada")
    kept.bench.project()
    terminal_of(kept.bench, capsys)(command)
    assert kept.refuses_to_write().fault.code == "row_altered"
    assert isinstance(door.recorder, CheckedRecorder)
    door.recorder._looked = 0.0
    with pytest.raises(Discontinuity, match="wattledger repair") as refused:
        door.execute(sample.register_party("P3"), command_id="p3", actor="ada")
    assert refused.value.fault.code == "row_altered"
    kept.mended()


def test_what_was_mended_by_hand_is_known_no_more_after_a_clean_verify(
    kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    ((before,),) = kept.bench.query("SELECT wh[1] FROM ledger.meter_run")
    kept.bench.query(ALTERED)
    terminal = terminal_of(kept.bench, capsys)
    assert "row_altered" in terminal("verify")
    kept.refuses_to_write()
    kept.bench.query("UPDATE ledger.meter_run SET wh[1] = %s RETURNING 1", [before])
    assert "all hold" in terminal("verify")
    kept.add("after")


def test_no_statement_is_answered_of_a_book_known_to_be_damaged(bench: Bench) -> None:
    filled(founded(bench))
    settle(bench)
    bench.project()
    known_damage.note(bench.database, bench.book, [Fault("run_altered", "a run", "settled otherwise")])
    check_statements(bench.database, bench.book, shown(bench))
    known_damage.note(bench.database, bench.book, [Fault("row_altered", "table registered", "it differs")])
    with pytest.raises(Discontinuity, match="it differs") as refused:
        check_statements(bench.database, bench.book, shown(bench))
    assert (refused.value.fault.code, refused.value.fault.place) == ("row_altered", "table registered")
    known_damage.note(bench.database, bench.book, ())
    check_statements(bench.database, bench.book, shown(bench))
