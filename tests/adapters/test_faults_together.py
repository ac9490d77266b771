"""What is wrong alike with many sequences in a row is said in one line."""

from __future__ import annotations

from adapters.integrity.copies import Copies, digest_of
from adapters.integrity.fault import Fault, FaultCode, together
from adapters.integrity.judgement import Judge
from tests.adapters.conftest import Bench
from tests.adapters.transparency.books import append_parties


def at(*sequences: int, code: FaultCode = "stream_hole", message: str = "gone") -> list[Fault]:
    return [Fault(code, f"sequence {one}", message) for one in sequences]


def said(faults: list[Fault]) -> list[tuple[str, str]]:
    return [(fault.code, fault.place) for fault in together(faults)]


def test_sequences_that_follow_each_other_are_one_range() -> None:
    assert said(at(3, 4, 5, 7, 9, 10)) == [
        ("stream_hole", "sequences 3 to 5"),
        ("stream_hole", "sequence 7"),
        ("stream_hole", "sequences 9 to 10"),
    ]


def test_what_is_said_between_of_the_same_sequences_is_a_range_of_its_own() -> None:
    both = [fault for one in (3, 4, 5) for fault in (*at(one), *at(one, code="archive_missing"))]
    assert said(both) == [("stream_hole", "sequences 3 to 5"), ("archive_missing", "sequences 3 to 5")]


def test_what_is_said_otherwise_or_twice_or_elsewhere_stays() -> None:
    faults = [
        *at(3),
        *at(4, message="the stream ends at 3"),
        *at(4),
        *at(4),
        Fault("row_altered", "table statement, sequence 5", "gone"),
        Fault("row_altered", "table statement, sequence 6", "gone"),
    ]
    assert [(fault.place, fault.message) for fault in together(faults)] == [
        ("sequences 3 to 4", "gone"),
        ("sequence 4", "the stream ends at 3"),
        ("sequence 4", "gone"),
        ("table statement, sequence 5", "gone"),
        ("table statement, sequence 6", "gone"),
    ]


def test_a_stream_that_lost_its_end_is_one_fault(bench: Bench) -> None:
    append_parties(bench, range(40))
    bench.project()
    judge = Judge(bench.book)
    rows = bench.query("SELECT sequence, payload FROM ledger.envelope ORDER BY sequence")
    for sequence, payload in rows:
        assert isinstance(sequence, int)
        assert isinstance(payload, bytes)
        stored = payload if sequence <= 10 else None
        judge.take(Copies(sequence, stored, payload, digest_of(payload), b""))
    (fault,) = judge.judge().faults
    assert (fault.code, fault.place) == ("stream_lost", "sequences 11 to 40")
    assert fault.message == "the stream ends at 10"
