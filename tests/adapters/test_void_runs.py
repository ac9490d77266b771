"""A run recorded from altered rows: named after the rows are right again, declared void, and corrected."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from adapters import approving, replay, statement_text
from adapters.mapper import EnvelopeMapper
from adapters.nats import wire
from adapters.projections.projection import Projected
from adapters.projections.readings import Readings
from adapters.queries import statements
from adapters.queries.void_runs import void_reasons, void_run, void_runs
from adapters.settling import lowest_position
from adapters.verify import check_runs, settled_again
from ledger.book import Book, FoundBook
from ledger.meter_import import ReadingsRecorded
from ledger.refusal import Refused
from ledger.settlement.run import FinaliseRun, RecordSettlement, Runs
from ledger.settlement.voided import VoidRun
from ledger.signed_contract import RegisterContract
from ledger.statement.issue import ReviewStatement
from ledger.statement.life import StatementKey
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import CONTRACT, filled, settle

OF = (CONTRACT.id, "2026-08")
POISON = "readings.S1-STORAGE_2026-08"


def poisoned(bench: Bench) -> None:
    """Settle from discharge rows that somebody wrote twice as large, seals and all; then mend the rows."""
    filled(bench)
    ((sequence, payload),) = bench.query(
        "SELECT sequence, payload FROM ledger.envelope WHERE aggregate = %s ORDER BY sequence DESC LIMIT 1",
        [POISON],
    )
    assert isinstance(sequence, int)
    assert isinstance(payload, bytes)
    header = wire.header_of(payload)
    envelope = EnvelopeMapper().to_envelope(header.topic, wire.state_of(payload))
    (event,) = envelope.events
    assert isinstance(event, ReadingsRecorded)
    (run,) = event.runs
    doubled = np.frombuffer(run.wh, dtype="<i4") * 2
    forged = replace(run, wh=doubled.astype("<i4").tobytes())
    changed = replace(envelope, events=(replace(event, runs=(forged,)),))
    with bench.database.owning() as connection:
        for table in ("meter_run", "reading_seal"):
            connection.execute(f"DELETE FROM ledger.{table} WHERE sequence = %s", [sequence])  # type: ignore[arg-type]
        item = Projected(sequence, POISON, header.version, b"", payload, changed, envelope.recorded_at)
        Readings().project(connection, bench.book, [item])
    settle(bench)
    bench.project()
    replay.mend(bench.log, bench.database, lambda _: None)
    assert replay.replay(bench.log, bench.database).equal


def run_codes(bench: Bench) -> list[str]:
    with bench.database.reading(bench.book) as connection:
        return [fault.code for fault in check_runs(connection, bench.book, lowest_position(connection))[1]]


def void_told(bench: Bench) -> tuple[str, ...]:
    with bench.database.reading(bench.book) as connection:
        return settled_again(connection, bench.book, lowest_position(connection)).void


def void(bench: Bench, run: int = 1, *, reason: str = "its discharge rows had been doubled") -> str | None:
    command = VoidRun(*OF, run, reason, "fay")
    done = approving.submit(bench.door, command, command_id=f"void-{run}-{reason}", actor="fay")
    bench.project()
    return done.proposal


def review(bench: Bench, run: int) -> None:
    key = StatementKey(*OF, CONTRACT.party_ids[0], run)
    bench.door.execute(ReviewStatement(key, "fay"), command_id=f"review-{run}", actor="fay")


def test_a_poisoned_run_is_named_voided_and_corrected_from_right_rows(bench: Bench) -> None:
    poisoned(bench)
    assert run_codes(bench) == ["run_altered"]
    void(bench)
    assert run_codes(bench) == [], "it is known"
    (told,) = void_told(bench)
    assert told.endswith(
        "is void (its discharge rows had been doubled); settling it again gives another result"
    )
    (done,) = settle(bench)
    bench.project()
    assert (done.recorded, done.run, done.kind, done.causes) == (True, 2, "correction 1", ("void", "meter"))
    assert run_codes(bench) == []


def test_a_void_run_is_corrected_even_from_the_same_inputs(bench: Bench) -> None:
    filled(bench)
    (first,) = settle(bench)
    assert not settle(bench)[0].recorded
    void(bench)
    (done,) = settle(bench)
    assert (done.recorded, done.run, done.kind, done.causes) == (True, 2, "correction 1", ("void",))
    runs = bench.door.state(f"settlement.{CONTRACT.id}_2026-08")
    assert isinstance(runs, Runs)
    assert (runs.runs[-1].causes, runs.runs[-1].classes) == (("void",), ("data_error",)), "recorded as told"
    assert done.result.payable == first.result.payable
    assert not settle(bench)[0].recorded, "the correction stands"


def test_a_sound_run_that_was_declared_void_is_settled_again_and_named(bench: Bench) -> None:
    filled(bench)
    settle(bench)
    void(bench, reason="x")
    (told,) = void_told(bench)
    assert told.startswith(f"run 1 of {CONTRACT.id} for 2026-08 is void (x); ")
    assert told.endswith("nothing is found that is wrong with it")
    assert run_codes(bench) == []


def test_what_corrects_a_correction_of_a_void_run_does_not_say_void(bench: Bench) -> None:
    filled(bench)
    settle(bench)
    void(bench)
    settle(bench)
    title = replace(CONTRACT, title="Renamed")
    bench.door.execute(RegisterContract(title), command_id="renamed", actor="fay")
    (done,) = settle(bench)
    assert (done.run, done.causes) == (3, ("retroactive_amendment",))


def test_a_run_is_void_by_what_is_on_record_not_by_what_is_claimed(bench: Bench) -> None:
    filled(bench)
    (first,) = settle(bench)
    bench.door.execute(RecordSettlement(first.result, voided=1), command_id="claimed", actor="fay")
    runs = bench.door.state(f"settlement.{CONTRACT.id}_2026-08")
    assert isinstance(runs, Runs)
    assert runs.runs[-1].causes == ()


def test_a_void_run_is_neither_final_nor_reviewed_before_it_is_corrected(bench: Bench) -> None:
    filled(bench)
    settle(bench)
    void(bench)
    final = FinaliseRun(*OF, 1, "fay", ())
    for refused in (
        lambda: bench.door.execute(final, command_id="final", actor="fay"),
        lambda: review(bench, 1),
    ):
        with pytest.raises(Refused) as found:
            refused()
        assert found.value.code == "run_void"
    settle(bench)
    review(bench, 1)
    review(bench, 2)


def test_its_statement_says_so_as_of_when_it_was_known(bench: Bench) -> None:
    filled(bench)
    settle(bench)
    bench.project()
    with bench.database.reading(bench.book) as connection:
        before = lowest_position(connection)
    void(bench)
    with bench.database.reading(bench.book) as connection:
        assert void_run(connection, before, *OF, 1) is None
        found = void_run(connection, before + 1, *OF, 1)
        assert void_run(connection, before + 1, *OF, 2) is None
        assert set(void_runs(connection, before + 1)) == {(*OF, 1)}
    assert found is not None
    assert (found.reason, found.prepared_by) == ("its discharge rows had been doubled", "fay")


def test_its_papers_say_so(bench: Bench) -> None:
    filled(bench)
    settle(bench)
    bench.project()
    void(bench)
    with bench.database.reading(bench.book) as connection:
        shown = statements.latest(connection, lowest_position(connection), month=OF[1])
        reasons = void_reasons(connection, lowest_position(connection), shown)
    assert set(reasons.values()) == {"its discharge rows had been doubled"}
    assert set(reasons) == {one.sequence for one in shown}
    assert "VOID: its discharge rows had been doubled" in statement_text.text(
        shown[0], reasons[shown[0].sequence]
    )
    assert "VOID" not in statement_text.text(shown[0])


def test_a_book_of_two_persons_takes_two(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    book = FoundBook(Book("Two persons", "operator", "CNY", "Asia/Shanghai", "two_persons"))
    monkeypatch.setattr(sample, "found_book", lambda: book)
    filled(bench)
    settle(bench)
    waits = void(bench)
    assert waits is not None
    with bench.database.reading(bench.book) as connection:
        assert not void_runs(connection, lowest_position(connection)), "it waits"
    with pytest.raises(Refused, match="another must"):
        approving.approve(bench.door, waits, command_id="own", actor="fay")
    approving.approve(bench.door, waits, command_id="yes", actor="gus")
    (done,) = settle(bench)
    assert (done.run, done.kind) == (2, "correction 1")


@pytest.mark.parametrize(("run", "reason", "code"), [(2, "why", "unknown_run"), (1, " ", "reason")])
def test_only_a_run_that_is_there_is_void_and_for_a_reason(
    bench: Bench, run: int, reason: str, code: str
) -> None:
    filled(bench)
    settle(bench)
    with pytest.raises(Refused) as found:
        void(bench, run, reason=reason)
    assert found.value.code == code
    void(bench)
    with pytest.raises(Refused) as found:
        void(bench, reason="again")
    assert found.value.code == "run_void"
