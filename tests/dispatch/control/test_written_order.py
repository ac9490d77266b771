"""What a driver wrote after the last stands, also where its clock was set back between the two."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatch.control.command_records import RecordReadBack, RecordSeen, RecordWritten, RecordWrittenFirst
from tests.dispatch.control.pure_book import DAY, DEVICE, KW, PureBook
from tests.dispatch.control.test_command_life import TOKEN, command, day_of, driven, leased, setpoint


def running() -> tuple[PureBook, int]:
    """300 kW stand, and the clock is set back by a quarter of an hour."""
    book = driven()
    book.wait(1200)
    one = leased(book, lasts_s=7000)
    book.do(RecordWritten(DEVICE, DAY, one, TOKEN, 0, book.now))
    book.do(RecordReadBack(DEVICE, DAY, one, 300 * KW, book.now))
    book.wait(-900)
    return book, one


@pytest.mark.parametrize("certain", [True, False])
def test_a_stop_for_a_clock_that_went_back_stands_and_is_seen(certain: bool) -> None:
    book, one = running()
    stop = setpoint(0, lasts_s=7000, origin="fallback", cause="clock lost")
    told = RecordWrittenFirst(DEVICE, DAY, stop, "j1", 300 * KW, book.now, "driver", certain, one)
    two = book.do(told).sequence
    assert day_of(book).last == two
    assert (command(book, one).status, command(book, one).superseded_by) == ("superseded", two)
    book.wait(1)
    book.do(RecordReadBack(DEVICE, DAY, two, 0, book.now))
    book.do(RecordSeen(DEVICE, DAY, two, "M1", 0, book.now, 0))
    assert command(book, two).status == "seen"
    book.wait(900)
    three = leased(book, 100 * KW, lasts_s=7000)
    book.do(RecordWritten(DEVICE, DAY, three, TOKEN, 0, book.now, after=two))
    assert day_of(book).last == three


def test_what_was_intended_first_is_written_after_it_too() -> None:
    book, one = running()
    two = leased(book, 50 * KW, lasts_s=7000)
    book.do(RecordWritten(DEVICE, DAY, two, TOKEN, 300 * KW, book.now, "no answer", one))
    assert (day_of(book).last, command(book, two).status) == (two, "unknown")


def test_what_its_driver_did_not_write_after_the_last_goes_by_its_time() -> None:
    book, one = running()
    stop = setpoint(0, lasts_s=7000, origin="guard", cause="export")
    for number, after in enumerate((0, one + 7)):
        told = RecordWrittenFirst(DEVICE, DAY, stop, f"j{number}", None, book.now, "other", after=after)
        two = book.do(told).sequence
        assert (day_of(book).last, command(book, two).superseded_by) == (one, one)
    assert timedelta(0) < command(book, one).written_at - book.now  # type: ignore[operator]
