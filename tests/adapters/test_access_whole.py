"""The access log's numbers run from 1 without a gap, or what is missing is named before the next read."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from adapters import access_mark, access_sealing
from adapters.access_log import AccessLog
from adapters.continuity import Discontinuity
from adapters.nats import access_stream
from adapters.nats.stream import alter
from ledger.access_record import AccessRecord
from tests.adapters.conftest import Bench

NOW = datetime(2026, 9, 1, tzinfo=UTC)


def log_of(bench: Bench, now: datetime = NOW) -> AccessLog:
    """As another process has it: it knows what is on record only."""
    return AccessLog(bench.client, bench.book, bench.database, lambda: now)


def read(name: str, at: datetime = NOW) -> AccessRecord:
    return AccessRecord(
        at=at, request=name, actor="ada", role="auditor", action="event", what={}, outcome="answered"
    )


def written(bench: Bench, *names: str) -> AccessLog:
    log = log_of(bench)
    for name in names:
        log.write(read(name))
    return log


def made_anew(bench: Bench, *names: str, first: int = 1) -> None:
    """A stream that lost records, and went on."""
    alter(bench.operator, f"STREAM.DELETE.{access_stream.stream_name(bench.book)}", {})
    access_stream.create(bench.operator, bench.book, max_bytes=64 << 20, first=first)
    for name in names:
        content = msgspec.json.encode(read(name))
        subject = access_stream.subject(bench.book, "ada")
        bench.client.run(bench.client.request(subject, content, timeout=5))


def named(work: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(Discontinuity) as found:
        work()
    return found.value.fault.code, found.value.fault.place


def test_a_whole_log_is_taken_and_its_mark_moves(bench: Bench) -> None:
    log = written(bench, "a", "b", "c")
    log.check()
    mark = access_mark.read(bench.database, bench.book)
    assert mark is not None
    assert (mark.last, mark.oldest) == (3, 1)
    assert mark.digest == hashlib.sha256(msgspec.json.encode(read("c"))).digest()
    assert log.missing() == ()


@pytest.mark.parametrize(
    ("left", "place"),
    [
        ((), "access records 1 to 3"),
        (("a",), "access records 2 to 3"),
        (("a", "b", "x"), "access records 3 to 3"),
        (("a", "b", "x", "y"), "access records 3 to 3"),
    ],
)
def test_a_log_that_lost_its_end_numbers_no_read(bench: Bench, left: tuple[str, ...], place: str) -> None:
    """Also where new reads were given the same numbers since."""
    written(bench, "a", "b", "c")
    made_anew(bench, *left)
    assert named(lambda: log_of(bench).write(read("d"))) == ("access_gap", place)
    assert [one.record.request for one in log_of(bench).kept()] == list(left), "nothing was numbered"
    assert [one.error().fault.place for one in log_of(bench).missing()] == [place]
    assert [one.place for one in access_sealing.check(log_of(bench), bench.door).faults] == [place]


def test_a_log_that_lost_its_beginning(bench: Bench) -> None:
    written(bench, "a", "b", "c")
    made_anew(bench, "c", "d", first=3)
    assert named(log_of(bench).check) == ("access_gap", "access records 1 to 2")
    late = log_of(bench, NOW + timedelta(days=access_stream.DAYS + 2))
    late.check()
    mark = access_mark.read(bench.database, bench.book)
    assert mark is not None
    assert mark.oldest == 3, "what was forgotten by age is not asked for again"


def test_the_writer_that_is_connected_sees_a_number_again(bench: Bench) -> None:
    log = written(bench, "a", "b", "c")
    made_anew(bench)
    assert named(lambda: log.write(read("d"))) == ("access_gap", "access records 1 to 3")
    assert named(lambda: log.write(read("d")))[0] == "access_gap", "and looks before it goes on"


def test_numbers_that_many_write_at_once_are_one_each(bench: Bench) -> None:
    log, numbers = log_of(bench), []
    lock = threading.Lock()

    def write(begin: int) -> None:
        for at in range(begin, begin + 25):
            number = log.write(read(f"r{at}"))
            with lock:
                numbers.append(number)

    threads = [threading.Thread(target=write, args=(25 * one,)) for one in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(numbers) == list(range(1, 201))
    log.check()
    mark = access_mark.read(bench.database, bench.book)
    assert mark is not None
    assert mark.last == 200


def test_a_log_from_before_there_was_a_mark_is_taken_as_it_stands(bench: Bench) -> None:
    written(bench, "a", "b")
    bench.query("DELETE FROM ledger.access_mark RETURNING 1")
    log_of(bench).check()
    made_anew(bench, "a")
    assert named(log_of(bench).check) == ("access_gap", "access records 2 to 2")
