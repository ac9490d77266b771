"""Two `wattledger tell` of one book: one tells, the other waits for its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from adapters.live.turn import Turn
from tests.adapters.conftest import Bench
from tests.adapters.webhooks.test_webhooks import Post


@pytest.fixture
def post(bench: Bench) -> Iterator[Post]:
    made = Post(bench)
    yield made
    made.close()


def soon(turn: Turn) -> bool:
    """Whether it is its turn within a few seconds, as a role that asks again and again sees it."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            if turn.ours():
                return True
        except psycopg.OperationalError:
            assert not turn.held
        time.sleep(0.05)
    return False


def within(found: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not found() and time.monotonic() < end:
        time.sleep(0.02)
    return found()


def test_the_second_neither_doubles_nor_gives_up_what_the_first_brings(post: Post) -> None:
    post.register(kinds=("risk",))
    post.start()
    first = post.toggle()
    assert [one.id for one in post.receiver.wait(2)] == first
    post.start(loopback=False)
    told = first + post.toggle(10)
    assert [one.id for one in post.receiver.wait(len(told))] == told
    assert post.receiver.attempts == told
    assert post.dead() == []


def test_when_the_first_ends_the_second_goes_on_where_it_was(post: Post) -> None:
    post.register(kinds=("risk",))
    post.start()
    told = post.toggle()
    assert [one.id for one in post.receiver.wait(2)] == told
    assert within(lambda: (at := post.told()) is not None and at.sequence > 0 and at.last_error == "")
    post.start()
    first = post._workers.pop(0)
    first[0].stop()
    first[1].join(10)
    told += post.toggle(2)
    assert [one.id for one in post.receiver.wait(len(told))] == told
    assert post.receiver.attempts == told


def test_a_turn_is_one_s_own_of_each_book_and_each_thing_told(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    url = bench.database.url
    first, second = Turn(url, bench.book, "mail"), Turn(url, bench.book, "mail")
    others = [Turn(url, bench.book, "nats"), Turn(url, "other", "mail")]
    try:
        assert soon(first)
        assert not second.ours()
        assert all(soon(one) for one in others)
        assert not second.ours()
        assert [one.getMessage() for one in caplog.records if "waiting" in one.getMessage()] == [
            f"mail: {first.name} tells this book; waiting until it ends"
        ]
        first.close()
        assert soon(second)
        assert not first.ours()
    finally:
        for one in (first, second, *others):
            one.close()


def test_a_turn_that_the_server_s_end_took_is_missed(bench: Bench) -> None:
    url = bench.database.url
    first, second = Turn(url, bench.book, "mail"), Turn(url, bench.book, "mail")
    try:
        assert soon(first)
        assert not second.ours()
        assert first._connection is not None
        bench.query("SELECT pg_terminate_backend(%s)", [first._connection.info.backend_pid])
        assert soon(second)
        assert within(lambda: not asked(first))
        assert not first.held
    finally:
        first.close()
        second.close()


def asked(turn: Turn) -> bool:
    try:
        return turn.ours()
    except psycopg.OperationalError:
        return False
