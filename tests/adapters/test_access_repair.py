"""What is lost of the access log is put on record once, and reads are numbered on behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters import access_mark, access_repair, access_sealing
from adapters.access_log import AccessLog, Unrecorded
from adapters.nats import access_stream
from adapters.nats.stream import alter
from ledger.repair_record import Repair
from tests.adapters.conftest import Bench
from tests.adapters.test_access_whole import log_of, made_anew, named, read, written

MADE = access_repair.Made(64 << 20, 1, access_stream.DAYS)


def repaired(bench: Bench, folder: Path, made: access_repair.Made = MADE) -> access_repair.Told | None:
    return access_repair.repair(
        log_of(bench), bench.operator, bench.door, folder, made, actor="cli", last=bench.project()
    )


def steps(told: access_repair.Told | None) -> list[tuple[str, str, int, int, int]]:
    assert told is not None
    return [(one.action, one.place, one.first, one.last, one.count) for one in told.repair.steps]


def shown(log: AccessLog) -> list[tuple[int, str]]:
    return [(one.sequence, one.record.outcome) for one in log.read()]


def test_an_end_that_is_gone(bench: Bench, tmp_path: Path) -> None:
    written(bench, "a", "b", "c", "d")
    made_anew(bench, "a", "b")
    told = repaired(bench, tmp_path)
    assert steps(told) == [("access_lost", "access", 3, 4, 2)]
    assert told is not None
    assert bench.door.state(f"repair.{told.repair.id}") == told.repair, "it is an event"
    assert log_of(bench).write(read("e")) == 5, "no number is given twice"
    assert shown(log_of(bench)) == [
        (1, "answered"), (2, "answered"), (3, "lost"), (4, "lost"), (5, "answered"),
    ]  # fmt: skip
    assert repaired(bench, tmp_path) is None, "it is said once"
    assert access_sealing.check(log_of(bench), bench.door).faults == ()


def test_a_log_that_is_gone(bench: Bench, tmp_path: Path) -> None:
    """Nothing stands under its numbers any more; the next read has the one that was due."""
    written(bench, "a", "b", "c")
    alter(bench.operator, f"STREAM.DELETE.{access_stream.stream_name(bench.book)}", {})
    aside = MADE._replace(aside=(tmp_path / "unreadable-ACCESS_x-1",))
    assert steps(repaired(bench, tmp_path, aside)) == [("stream_set_aside", "access", 1, 3, 3)]
    assert log_of(bench).write(read("d")) == 4
    assert shown(log_of(bench)) == [(4, "answered")]
    assert repaired(bench, tmp_path) is None


def test_a_log_set_aside_of_which_nothing_is_known_is_on_record_too(bench: Bench, tmp_path: Path) -> None:
    alter(bench.operator, f"STREAM.DELETE.{access_stream.stream_name(bench.book)}", {})
    aside = MADE._replace(aside=(tmp_path / "unreadable-ACCESS_x-1",))
    assert steps(repaired(bench, tmp_path, aside)) == [("stream_set_aside", "access", 0, 0, 0)]
    assert log_of(bench).write(read("a")) == 1


def test_numbers_that_were_given_again(bench: Bench, tmp_path: Path) -> None:
    written(bench, "a", "b", "c")
    made_anew(bench, "a", "x", "y", "z")
    assert steps(repaired(bench, tmp_path)) == [("access_lost", "access", 3, 3, 1)]
    assert log_of(bench).write(read("d")) == 5
    assert repaired(bench, tmp_path) is None


@pytest.mark.parametrize("after", ["event", "some"])
def test_a_repair_that_was_killed_goes_on(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    """It is on record once, with all that was lost, whether none of the numbers were filled yet or some."""
    written(bench, "a", "b", "c", "d", "e")
    made_anew(bench, "a")
    fill = AccessLog.fill

    def killed(log: AccessLog, count: int, repair: str) -> None:
        fill(log, 2 if after == "some" else 0, repair)
        raise Unrecorded(f"killed before {count}")

    monkeypatch.setattr(AccessLog, "fill", killed)
    with pytest.raises(Unrecorded):
        repaired(bench, tmp_path)
    assert named(lambda: log_of(bench).write(read("f")))[0] == "access_gap"
    monkeypatch.setattr(AccessLog, "fill", fill)
    assert steps(repaired(bench, tmp_path)) == [("access_lost", "access", 2, 5, 4)]
    assert log_of(bench).write(read("f")) == 6
    bench.project()
    found = bench.query("SELECT count(*) FROM ledger.envelope WHERE aggregate LIKE 'repair.%%'")
    assert found == [(1,)]


def test_what_was_told_of_is_still_known_after_a_second_loss(bench: Bench, tmp_path: Path) -> None:
    written(bench, "a", "b", "c")
    made_anew(bench, "a")
    first = repaired(bench, tmp_path)
    log_of(bench).write(read("d"))
    made_anew(bench, "a")
    second = repaired(bench, tmp_path)
    assert steps(second) == [("access_lost", "access", 2, 4, 3)]
    assert first is not None
    assert second is not None
    assert first.repair.id != second.repair.id
    assert isinstance(bench.door.state(f"repair.{second.repair.id}"), Repair)
    mark = access_mark.read(bench.database, bench.book)
    assert mark is not None
    assert mark.last == 4
